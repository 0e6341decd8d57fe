//! Large objects: cut into ranges of OIDs by what the source counted.

use super::{chunk, number};
use crate::chunk::{Chunk, Part, Plan, Range, TableIndex};
use crate::schema::{Oid, Persistence, Table};

/// Large objects that follow one another by OID and belong into one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    pub first: Oid,
    pub bytes: u64,
}

/// Adds large objects to a plan, a chunk for each bucket. The ranges cover every OID there is, so
/// that none is lost where a later snapshot shows others.
pub fn add(plan: Plan, oid: Oid, buckets: &[Bucket]) -> Plan {
    let Plan {
        mut tables,
        mut chunks,
    } = plan;
    if buckets.is_empty() {
        return Plan { tables, chunks };
    }
    let index = u32::try_from(tables.len()).expect("PostgreSQL has fewer than 2^32 tables");
    let bytes = buckets.iter().map(|bucket| bucket.bytes).sum();
    tables.push(Table::large_objects(oid, bytes));
    chunks.extend(ranges(TableIndex(index), buckets));
    Plan {
        tables,
        chunks: number(chunks),
    }
}

fn ranges(table: TableIndex, buckets: &[Bucket]) -> impl Iterator<Item = Chunk> {
    buckets.iter().enumerate().map(move |(at, bucket)| {
        let from = if at == 0 { Oid(0) } else { bucket.first };
        let to = buckets.get(at + 1).map(|next| next.first);
        let range = Range::Objects { from, to };
        chunk(
            vec![Part { table, range }],
            bucket.bytes,
            Persistence::Permanent,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};

    #[test]
    fn ranges_cover_every_oid_and_nothing_twice() {
        let buckets = [16_400, 16_900, u32::MAX].map(|first| Bucket {
            first: Oid(first),
            bytes: 1 << 20,
        });
        let plan = add(plan_of(vec![table(1, 10)], 100), Oid(2613), &buckets);
        assert!(plan.is_sound());
        let objects = plan.chunks.iter().filter_map(|c| match c.parts[0].range {
            Range::Objects { from, to } => Some((from.0, to.map(|to| to.0))),
            _ => None,
        });
        assert_eq!(
            objects.collect::<Vec<_>>(),
            [
                (0, Some(16_900)),
                (16_900, Some(u32::MAX)),
                (u32::MAX, None)
            ]
        );
    }

    #[test]
    fn large_objects_come_in_no_other_way() {
        let bucket = Bucket {
            first: Oid(7),
            bytes: 1,
        };
        let good = add(plan_of(vec![table(1, 10)], 100), Oid(2613), &[bucket]);
        let mut whole = good.clone();
        for chunk in &mut whole.chunks {
            chunk.parts[0].range = Range::Whole;
        }
        assert!(!whole.is_sound());
        let mut shared = good.clone();
        let parts = shared.chunks[0].parts.clone();
        shared.chunks[1].parts.extend(parts);
        assert!(!shared.is_sound());
    }
}
