//! A plan as bytes, and out of bytes that a peer has sent: no more memory than a plan can need. No plan is
//! made that could not be taken.
//!
//! ```text
//! plan   count: varint | tables | count: varint | chunks
//! ```
//!
//! That is the postcard of [`Plan`]. Taken all at once, two bytes of it could become 70 in memory.

use std::mem::size_of;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Chunk, Part, Plan};
use crate::schema::{Ancestor, ColumnType, Table};

/// What a plan takes at most beside its text: 100,000 tables of 30 columns with their types take
/// 400 MiB, the 16,384 chunks of 128 MiB that are 2 TiB take 2 MiB.
const MEMORY_LIMIT: usize = 512 << 20;
/// Encoded bytes of one table: 1,600 columns with their types take 300 KiB. Bounds of partitions are short
/// ([`Ancestor::bound`]).
const TABLE_LIMIT: usize = 2 << 20;
/// Encoded bytes of one chunk: 64 parts, each with the longest name of a key, take 6 KiB.
const CHUNK_LIMIT: usize = 64 << 10;
/// What a short text takes of the allocator beside its own bytes.
const ALLOCATION: usize = 16;

/// Why bytes are no plan that can be taken, or a plan is none that could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("the plan cannot be decoded")]
    Malformed,
    #[error(
        "the plan has more tables or chunks than fit in memory; give send a larger --chunk-size, or let it move fewer tables at a time"
    )]
    TooLarge,
}

impl Plan {
    /// Bytes of a plan: one of 10,000 tables and 100,000 chunks takes 5 MiB.
    pub const ENCODED_LIMIT: u64 = 256 << 20;

    /// The bytes that [`Self::decode`] takes.
    pub fn encode(&self) -> Result<Vec<u8>, PlanError> {
        let mut writer = Writer {
            bytes: Vec::new(),
            room: Room(MEMORY_LIMIT),
        };
        writer.list(&self.tables, TABLE_LIMIT, of_table)?;
        writer.list(&self.chunks, CHUNK_LIMIT, of_chunk)?;
        match writer.bytes.len() as u64 <= Self::ENCODED_LIMIT {
            true => Ok(writer.bytes),
            false => Err(PlanError::TooLarge),
        }
    }

    /// The plan that these bytes are the postcard of, and nothing behind it. Whether it is sound is
    /// another question.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlanError> {
        Self::decode_within(bytes, MEMORY_LIMIT)
    }

    fn decode_within(bytes: &[u8], memory: usize) -> Result<Self, PlanError> {
        let mut reader = Reader {
            rest: bytes,
            room: Room(memory),
        };
        let tables = reader.list(TABLE_LIMIT, of_table)?;
        let chunks = reader.list(CHUNK_LIMIT, of_chunk)?;
        match reader.rest {
            [] => Ok(Self { tables, chunks }),
            _ => Err(PlanError::Malformed),
        }
    }
}

/// Memory that is left for a plan.
struct Room(usize);

impl Room {
    fn charge(&mut self, bytes: usize) -> Result<(), PlanError> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.ok_or(PlanError::TooLarge)?;
        Ok(())
    }
}

/// What is written, and the memory that is left for whoever reads it.
struct Writer {
    bytes: Vec<u8>,
    room: Room,
}

impl Writer {
    /// What [`Reader::list`] takes, by the same rules.
    fn list<T: Serialize>(
        &mut self,
        list: &[T],
        limit: usize,
        memory_of: fn(&T) -> usize,
    ) -> Result<(), PlanError> {
        self.put(&list.len());
        self.room.charge(size_of_val(list))?;
        for element in list {
            self.room.charge(memory_of(element))?;
            let before = self.bytes.len();
            self.put(element);
            if self.bytes.len() - before > limit {
                return Err(PlanError::TooLarge);
            }
        }
        Ok(())
    }

    fn put<T: Serialize>(&mut self, value: &T) {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(value, bytes).expect("a plan is plain data");
    }
}

/// What is not read yet, and the memory that is left for it.
struct Reader<'a> {
    rest: &'a [u8],
    room: Room,
}

impl Reader<'_> {
    /// A list of which no element is longer than `limit`, where `memory_of` says what one takes
    /// beside its struct.
    fn list<T: DeserializeOwned>(
        &mut self,
        limit: usize,
        memory_of: fn(&T) -> usize,
    ) -> Result<Vec<T>, PlanError> {
        let count = self.take::<u32>(limit)? as usize;
        // Each has a byte at least.
        if count > self.rest.len() {
            return Err(PlanError::Malformed);
        }
        self.room.charge(count.saturating_mul(size_of::<T>()))?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            let element = self.take(limit)?;
            self.room.charge(memory_of(&element))?;
            list.push(element);
        }
        Ok(list)
    }

    fn take<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T, PlanError> {
        let within = &self.rest[..self.rest.len().min(limit)];
        let (value, left) = postcard::take_from_bytes(within).map_err(|error| match error {
            postcard::Error::DeserializeUnexpectedEnd if within.len() < self.rest.len() => {
                PlanError::TooLarge
            }
            _ => PlanError::Malformed,
        })?;
        self.rest = &self.rest[within.len() - left.len()..];
        Ok(value)
    }
}

fn of_table(table: &Table) -> usize {
    let likeness = table.likeness.as_ref();
    let (types, ancestors) = likeness.map_or((0, 0), |l| (l.types.len(), l.ancestors.len()));
    let own = 7 * ALLOCATION;
    let columns = table.columns.len() * (size_of::<String>() + ALLOCATION);
    let types = types * (size_of::<ColumnType>() + 2 * ALLOCATION);
    let ancestors = ancestors * (size_of::<Ancestor>() + 4 * ALLOCATION);
    own + columns + types + ancestors
}

fn of_chunk(chunk: &Chunk) -> usize {
    chunk.parts.len() * (size_of::<Part>() + ALLOCATION)
}

/// Decodes bytes as a plan, and what decodes once more from its own encoding: the fuzz target's body.
pub fn fuzz_plan(bytes: &[u8]) {
    let Ok(plan) = Plan::decode(bytes) else {
        return;
    };
    let _ = plan.is_sound();
    let encoded = postcard::to_allocvec(&plan).expect("it was decoded");
    assert_eq!(Plan::decode(&encoded).expect("our own encoding"), plan);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::{KeyKind, KeyRange, Range, TableIndex};
    use crate::planner::tests::{plan_of, table};
    use crate::schema::{Likeness, QualifiedName};

    fn encoded(plan: &Plan) -> Vec<u8> {
        postcard::to_allocvec(plan).unwrap()
    }

    /// With one of all that is optional.
    fn full() -> Plan {
        let mut plan = plan_of(vec![table(1, 900), table(2, 5), table(3, 6)], 100);
        plan.tables[1].likeness = Some(Likeness {
            types: vec![ColumnType {
                name: "numeric(18,9)".into(),
                form: "numeric".into(),
            }],
            ancestors: vec![Ancestor {
                name: QualifiedName::new("public", "root"),
                key: "RANGE (a)".into(),
                bound: "DEFAULT".into(),
            }],
        });
        plan.chunks[0].parts[0].range = Range::Keys(KeyRange {
            column: "a".into(),
            kind: KeyKind::Int8,
            from: Some(i64::MIN),
            to: None,
            nulls: true,
        });
        plan
    }

    #[test]
    fn a_plan_comes_back_whole_or_not_at_all() {
        let (plan, bytes) = (full(), encoded(&full()));
        assert_eq!(plan.encode().as_ref(), Ok(&bytes));
        assert_eq!(Plan::decode(&bytes), Ok(plan));
        for end in 0..bytes.len() {
            assert_eq!(
                Plan::decode(&bytes[..end]),
                Err(PlanError::Malformed),
                "{end}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Plan::decode(&longer), Err(PlanError::Malformed));
    }

    #[test]
    fn small_bytes_do_not_become_large_memory() {
        let whole = |_| Part {
            table: TableIndex(0),
            range: Range::Whole,
        };
        let mut plan = full();
        plan.chunks[0].parts = (0..100_000).map(whole).collect();
        assert_eq!(Plan::decode(&encoded(&plan)), Err(PlanError::TooLarge));
        assert_eq!(plan.encode(), Err(PlanError::TooLarge));
        let mut plan = full();
        plan.tables[0].columns = vec![String::new(); 3_000_000];
        assert_eq!(Plan::decode(&encoded(&plan)), Err(PlanError::TooLarge));
        assert_eq!(plan.encode(), Err(PlanError::TooLarge));
        let plan = plan_of(vec![table(1, 200_000)], 1);
        let bytes = encoded(&plan);
        let decode = |memory| Plan::decode_within(&bytes, memory).map(|plan| plan.chunks.len());
        assert_eq!(decode(MEMORY_LIMIT), Ok(200_000));
        assert_eq!(decode(8 << 20), Err(PlanError::TooLarge));
        // More than there can be, said in five bytes.
        let counts = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(Plan::decode(&counts), Err(PlanError::Malformed));
    }

    /// 10,000 tables of 100 columns with their types, and 2 TiB in chunks of 128 MiB.
    #[test]
    fn a_large_database_fits_several_times() {
        let wide = |oid| {
            let mut wide = table(oid, 0);
            wide.columns = (0..100).map(|n| format!("a_usual_name_{n}")).collect();
            let ordinary = |_: &String| ColumnType {
                name: "timestamp with time zone".into(),
                form: "timestamptz".into(),
            };
            let types = wide.columns.iter().map(ordinary).collect();
            wide.likeness = Some(Likeness {
                types,
                ancestors: Vec::new(),
            });
            wide
        };
        let tables = (1..10_000).map(wide).chain([table(10_000, 1 << 28)]);
        let plan = plan_of(tables.collect(), (128 << 20) / 8192);
        assert!(plan.chunks.len() > 16_384);
        assert_eq!(
            Plan::decode_within(&encoded(&plan), MEMORY_LIMIT / 3),
            Ok(plan)
        );
    }
}
