//! The planner: cuts tables into chunks. Pure: catalog in, plan out.
//!
//! Sizes are heap plus TOAST, because an 18-byte pointer can hide a gigabyte. Large tables become
//! page ranges of about one chunk each (Tid Range Scan, PostgreSQL 14 and later), or before 14 ranges
//! of a key, where one is fit for it; small tables share chunks, so that ten thousand of them do not
//! cost ten thousand round trips.

mod keys;

use std::collections::BTreeMap;

pub use keys::{Candidate, sample_pages};

pub mod objects;

use crate::chunk::{Chunk, ChunkId, Part, Plan, Range, TableIndex};
use crate::schema::{Persistence, Table};

/// Parts in a shared chunk at most: its transaction holds a lock on the target for each of them.
const SHARED_PARTS: usize = 64;
/// A table is small, and shares a chunk, below this fraction of the chunk size.
const SMALL_FRACTION: u64 = 8;

/// How to cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Heap plus TOAST bytes of one chunk.
    pub chunk_bytes: u64,
    /// Whether the source can scan a page range without reading the whole table (14 and later).
    pub tid_ranges: bool,
}

/// The columns by which large tables may be split, where page ranges are none.
pub type Candidates = BTreeMap<TableIndex, Vec<Candidate>>;

/// The tables that are split, and into how many ranges.
pub fn large(tables: &[Table], cut: Cut) -> impl Iterator<Item = (TableIndex, u32)> {
    let counted = (0..).map(TableIndex).zip(tables.iter());
    counted
        .map(move |(index, table)| (index, wanted(table, cut)))
        .filter(|(_, count)| *count > 1)
}

/// Cuts the tables into chunks, largest first.
pub fn plan(tables: Vec<Table>, cut: Cut, candidates: &Candidates) -> Plan {
    let mut chunks = Vec::new();
    let mut small = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let index =
            TableIndex(u32::try_from(index).expect("PostgreSQL has fewer than 2^32 tables"));
        if table.bytes < cut.chunk_bytes / SMALL_FRACTION {
            small.push((index, table));
        } else {
            let candidates = candidates.get(&index).map_or(&[][..], Vec::as_slice);
            chunks.extend(split(index, table, cut, candidates));
        }
    }
    for persistence in [Persistence::Permanent, Persistence::Unlogged] {
        let group = small.iter().filter(|(_, t)| t.persistence == persistence);
        chunks.extend(share(group, persistence, cut));
    }
    Plan {
        tables,
        chunks: number(chunks),
    }
}

fn wanted(table: &Table, cut: Cut) -> u32 {
    let wanted = table.bytes.div_ceil(cut.chunk_bytes.max(1)).max(1);
    u32::try_from(wanted)
        .unwrap_or(u32::MAX)
        .min(table.pages.max(1))
}

/// Splits one table into ranges of about equal size.
fn split(index: TableIndex, table: &Table, cut: Cut, candidates: &[Candidate]) -> Vec<Chunk> {
    let ranges = ranges(table, cut, candidates);
    let bytes = table.bytes / ranges.len() as u64;
    let part = |range| Part {
        table: index,
        range,
    };
    ranges
        .into_iter()
        .map(|range| chunk(vec![part(range)], bytes, table.persistence))
        .collect()
}

fn ranges(table: &Table, cut: Cut, candidates: &[Candidate]) -> Vec<Range> {
    let count = wanted(table, cut);
    if count == 1 || table.condition.is_some() {
        vec![Range::Whole]
    } else if cut.tid_ranges {
        let range = |(from, to)| Range::Pages { from, to };
        edges(table.pages, count).map(range).collect()
    } else {
        keys::choose(candidates, count).unwrap_or_else(|| {
            let range = |(from, to)| Range::Tids { from, to };
            edges(table.pages, count).map(range).collect()
        })
    }
}

/// Equal numbers of pages; the last range is open-ended.
fn edges(pages: u32, count: u32) -> impl Iterator<Item = (u32, Option<u32>)> {
    let edge = move |i: u32| (u64::from(pages) * u64::from(i) / u64::from(count)) as u32;
    (0..count).map(move |i| (edge(i), (i + 1 < count).then(|| edge(i + 1))))
}

/// Packs small tables of one persistence into shared chunks, in the order given.
fn share<'a>(
    tables: impl Iterator<Item = &'a (TableIndex, &'a Table)>,
    persistence: Persistence,
    cut: Cut,
) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut open = chunk(Vec::new(), 0, persistence);
    for &(index, table) in tables {
        let full = open.bytes + table.bytes > cut.chunk_bytes / SMALL_FRACTION;
        if !open.parts.is_empty() && (full || open.parts.len() == SHARED_PARTS) {
            chunks.push(std::mem::replace(
                &mut open,
                chunk(Vec::new(), 0, persistence),
            ));
        }
        open.parts.push(Part {
            table: index,
            range: Range::Whole,
        });
        open.bytes += table.bytes;
    }
    if !open.parts.is_empty() {
        chunks.push(open);
    }
    chunks
}

fn chunk(parts: Vec<Part>, bytes: u64, persistence: Persistence) -> Chunk {
    Chunk {
        id: ChunkId(0),
        parts,
        bytes,
        persistence,
    }
}

/// Orders by size, largest first (a late large chunk would leave the other workers idle), and
/// numbers in that order.
///
/// The chunks of the table with the most bytes come first as a group, so that its indexes can be
/// built while smaller tables are still moving.
fn number(mut chunks: Vec<Chunk>) -> Vec<Chunk> {
    let mut table_bytes = std::collections::HashMap::new();
    for chunk in &chunks {
        *table_bytes.entry(chunk.parts[0].table).or_insert(0u64) += chunk.bytes;
    }
    chunks.sort_by_key(|c| {
        let table = c.parts[0].table;
        let shared = c.parts.len() > 1;
        (shared, std::cmp::Reverse(table_bytes[&table]), table)
    });
    for (id, chunk) in (0..).zip(&mut chunks) {
        chunk.id = ChunkId(id);
    }
    chunks
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::{Format, Oid, QualifiedName};

    /// A table of `pages` heap pages without TOAST.
    pub(crate) fn table(oid: u32, pages: u32) -> Table {
        Table {
            oid: Oid(oid),
            name: QualifiedName::new("public", format!("t{oid}")),
            persistence: if oid % 5 == 4 {
                Persistence::Unlogged
            } else {
                Persistence::Permanent
            },
            through: None,
            columns: vec!["a".into()],
            format: Format::Binary,
            text_because: None,
            filenode: Oid(oid),
            pages,
            bytes: u64::from(pages) * 8192,
            condition: None,
            filter: None,
            likeness: None,
        }
    }

    /// A plan with chunks of `pages` heap pages.
    pub(crate) fn plan_of(tables: Vec<Table>, pages: u64) -> Plan {
        plan(
            tables,
            Cut {
                chunk_bytes: pages * 8192,
                tid_ranges: true,
            },
            &Candidates::new(),
        )
    }

    #[test]
    fn toast_counts_and_splits_by_heap_pages() {
        let mut toasted = table(1, 10);
        toasted.bytes = 1 << 30;
        let plan = plan(
            vec![toasted],
            Cut {
                chunk_bytes: 128 << 20,
                tid_ranges: true,
            },
            &Candidates::new(),
        );
        assert_eq!(plan.chunks.len(), 8);
    }

    #[test]
    fn without_tid_ranges_and_keys_rows_are_read_by_their_addresses() {
        let cut = Cut {
            chunk_bytes: 500 * 8192,
            tid_ranges: false,
        };
        let plan = plan(vec![table(1, 1000)], cut, &Candidates::new());
        let ranges: Vec<_> = plan.chunks.iter().map(|c| &c.parts[0].range).collect();
        let tids = |from, to| Range::Tids { from, to };
        assert_eq!(ranges, [&tids(0, Some(500)), &tids(500, None)]);
        assert!(plan.is_sound());
    }

    #[test]
    fn ten_thousand_empty_tables_share_chunks() {
        let tables = (0..10_000).map(|oid| table(oid * 5, 0)).collect();
        assert_eq!(
            plan_of(tables, 1000).chunks.len(),
            10_000usize.div_ceil(SHARED_PARTS)
        );
    }

    proptest! {
        /// Every page of every table is in exactly one part, the last one open-ended.
        #[test]
        fn parts_cover_each_table_exactly(
            pages in prop::collection::vec(0u32..5000, 0..40),
            chunk_pages in 1u64..2000,
        ) {
            let tables: Vec<_> = (0..).zip(&pages).map(|(oid, &p)| table(oid, p)).collect();
            let plan = plan_of(tables, chunk_pages);
            for (index, _) in (0..).zip(&plan.tables) {
                let mut parts: Vec<_> = plan.chunks.iter().flat_map(|c| &c.parts)
                    .filter(|p| p.table == TableIndex(index))
                    .map(|p| match p.range {
                        Range::Whole => (0, None),
                        Range::Pages { from, to } => (from, to),
                        ref other => panic!("{other:?}"),
                    })
                    .collect();
                parts.sort_unstable_by_key(|p| p.0);
                prop_assert_eq!(parts[0].0, 0);
                for pair in parts.windows(2) {
                    prop_assert_eq!(pair[0].1, Some(pair[1].0));
                }
                prop_assert_eq!(parts[parts.len() - 1].1, None);
            }
            for chunk in &plan.chunks {
                prop_assert!(chunk.parts.iter().all(|p| plan.table(p.table).persistence == chunk.persistence));
                prop_assert!(chunk.parts.len() <= SHARED_PARTS);
            }
            prop_assert!(plan.chunks.iter().zip(0..).all(|(c, i)| c.id == ChunkId(i)));
        }
    }
}
