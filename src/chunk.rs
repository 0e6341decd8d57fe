//! Chunks: what is committed, resumed and moved in parallel; and the digests that prove them.

mod adaptation;
mod closure;
mod decoding;
mod keys;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

pub use adaptation::Adaptation;
pub use decoding::{PlanError, fuzz_plan};
pub use keys::{KeyKind, KeyRange};

use crate::schema::{Format, Oid, Persistence, Table};

/// A chunk's number within its plan, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId(pub u32);

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One try at moving a chunk: what is broken off begins again under the next number, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    pub chunk: ChunkId,
    pub number: u32,
}

impl Attempt {
    /// The highest number: so far below what fits that nobody counts over that.
    pub const LAST_NUMBER: u32 = 1 << 30;
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (attempt {})", self.chunk, self.number)
    }
}

/// An attempt that recv has not finished, and how many of its blocks it has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub attempt: Attempt,
    pub blocks: u32,
}

/// A table's index in [`Plan::tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableIndex(pub u32);

/// Which rows of a table a part covers. Page ranges mean something only inside one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    Whole,
    /// Heap pages `from..to`; the last range of a table is open-ended.
    Pages {
        from: u32,
        to: Option<u32>,
    },
    /// Before version 14, where an index leads to the rows. It means the same in every snapshot.
    Keys(KeyRange),
    /// As `Pages`, before version 14: each row by its address.
    Tids {
        from: u32,
        to: Option<u32>,
    },
    /// Large objects with OIDs `from..to`; the last range is open-ended.
    Objects {
        from: Oid,
        to: Option<Oid>,
    },
}

impl Range {
    /// Whether the table can be split by it, and its bounds are in order.
    fn is_sound(&self, table: &Table) -> bool {
        match self {
            Self::Whole => true,
            Self::Pages { from, to } | Self::Tids { from, to } => to.is_none_or(|to| *from <= to),
            Self::Keys(KeyRange {
                column, from, to, ..
            }) => {
                let ordered = from.zip(*to).is_none_or(|(from, to)| from < to);
                ordered && table.columns.contains(column)
            }
            Self::Objects { from, to } => to.is_none_or(|to| *from < to),
        }
    }

    /// The WHERE clause that selects the range (with a leading space), empty for the whole table.
    pub fn where_clause(&self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::Pages { from, to: None } | Self::Tids { from, to: None } => {
                format!(" WHERE ctid >= '({from},0)'")
            }
            Self::Pages { from, to: Some(to) } | Self::Tids { from, to: Some(to) } => {
                format!(" WHERE ctid >= '({from},0)' AND ctid < '({to},0)'")
            }
            Self::Keys(range) => format!(" WHERE {}", range.condition()),
            Self::Objects { from, to: None } => format!(" WHERE oid >= {from}"),
            Self::Objects { from, to: Some(to) } => {
                format!(" WHERE oid >= {from} AND oid < {to}")
            }
        }
    }
}

/// A range of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub table: TableIndex,
    pub range: Range,
}

/// One or more parts that are read, sent and committed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub id: ChunkId,
    /// Never empty. More than one only where small tables share a chunk.
    pub parts: Vec<Part>,
    /// Estimated heap plus TOAST bytes.
    pub bytes: u64,
    /// All tables of a chunk have the same persistence: unlogged ones are journaled apart.
    pub persistence: Persistence,
}

/// Everything both sides agree on before a row moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub tables: Vec<Table>,
    /// Largest first, which is the order in which they are read.
    pub chunks: Vec<Chunk>,
}

impl Plan {
    pub fn table(&self, index: TableIndex) -> &Table {
        &self.tables[index.0 as usize]
    }

    pub fn chunk(&self, id: ChunkId) -> Option<&Chunk> {
        self.chunks.get(id.0 as usize)
    }

    /// A chunk that a ledger of this plan has given out.
    pub fn claimed(&self, id: ChunkId) -> &Chunk {
        self.chunk(id).expect("claimed chunks are in the plan")
    }

    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|c| c.bytes).sum()
    }

    /// Whether a plan from elsewhere keeps to its own rules: chunks numbered in order, parts of
    /// tables that exist, none empty, ranges that their tables have, large objects by themselves.
    /// Everything else may index by them without a check.
    pub fn is_sound(&self) -> bool {
        let table = |part: &Part| self.tables.get(part.table.0 as usize);
        let known = |part: &Part| table(part).is_some_and(|t| part.range.is_sound(t));
        (0..).zip(&self.chunks).all(|(number, chunk)| {
            chunk.id == ChunkId(number)
                && !chunk.parts.is_empty()
                && chunk.parts.iter().all(known)
                && self.keeps_objects_apart(chunk)
        })
    }

    /// Ranges of objects are of large objects only, and those come in no other way.
    fn keeps_objects_apart(&self, chunk: &Chunk) -> bool {
        let of_objects = |part: &Part| self.table(part.table).is_large_objects();
        let agree = chunk
            .parts
            .iter()
            .all(|part| matches!(part.range, Range::Objects { .. }) == of_objects(part));
        let alone = chunk.parts.len() == 1 && chunk.persistence == Persistence::Permanent;
        agree && (alone || !chunk.parts.iter().any(of_objects))
    }

    /// The tables that have a part in some chunk: all, unless objects alone are moved.
    pub fn tables_with_rows(&self) -> Vec<&Table> {
        let parts = self.chunks.iter().flat_map(|chunk| &chunk.parts);
        let moved: BTreeSet<_> = parts.map(|part| part.table).collect();
        moved.into_iter().map(|index| self.table(index)).collect()
    }

    /// Whether large objects are to be moved.
    pub fn has_large_objects(&self) -> bool {
        self.tables.iter().any(Table::is_large_objects)
    }

    pub fn format(&self, part: &Part) -> Format {
        self.table(part.table).format
    }
}

/// An order-independent digest of rows: the sum modulo 2^128 of each row's xxh3-128.
///
/// A sum, because XOR would forget pairs of equal rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Digest {
    pub rows: u64,
    /// COPY payload bytes, without file header and trailer.
    pub bytes: u64,
    pub sum: u128,
}

impl Digest {
    /// Adds one row by its 128-bit hash and its length in bytes.
    pub fn add_row(&mut self, hash: u128, bytes: u64) {
        self.rows += 1;
        self.bytes += bytes;
        self.sum = self.sum.wrapping_add(hash);
    }

    /// The sum as 32 hexadecimal digits, as it stands in the journal and the report.
    pub fn to_hex(self) -> String {
        format!("{:032x}", self.sum)
    }
}

impl AddAssign for Digest {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};

    #[test]
    fn equal_pairs_do_not_cancel() {
        let mut twice = Digest::default();
        twice.add_row(7, 1);
        twice.add_row(7, 1);
        assert_ne!(twice.sum, 0);
        assert_eq!(twice.rows, 2);
    }

    /// What a peer sends is held against its own tables.
    #[test]
    fn unsound_ranges_are_found() {
        let sound = |range| {
            let mut plan = plan_of(vec![table(1, 300)], 300);
            plan.chunks[0].parts[0].range = range;
            plan.is_sound()
        };
        let keys = |column: &str, from, to| {
            Range::Keys(KeyRange {
                column: column.into(),
                kind: KeyKind::Int4,
                from,
                to,
                nulls: true,
            })
        };
        assert!(sound(keys("a", Some(1), Some(2))) && sound(keys("a", None, None)));
        assert!(!sound(keys("a", Some(2), Some(2))) && !sound(keys("b", None, None)));
        let tids = |from, to| Range::Tids { from, to };
        assert!(sound(tids(5, Some(5))) && sound(tids(5, None)) && !sound(tids(6, Some(5))));
    }

    #[test]
    fn the_last_range_is_open() {
        let range = Range::Pages { from: 5, to: None };
        assert_eq!(range.where_clause(), " WHERE ctid >= '(5,0)'");
    }
}
