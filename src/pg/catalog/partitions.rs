//! Where partitions belong.

use std::collections::HashMap;

use twox_hash::XxHash3_128;

use crate::pg::{Client, PgError};
use crate::schema::{Ancestor, Oid, QualifiedName};

const PARTITIONS: &str = include_str!("partitions.sql");
const ANCESTORS: &str = include_str!("ancestors.sql");
/// Bytes of a bound that is kept as it is. A default partition's lists those of all its siblings, so that thousands
/// of them would not fit into a plan.
const BOUND_LIMIT: usize = 1024;

/// A query with the ancestors of partitions where it says `:ancestor`: (leaf, child, oid, depth), as far
/// as a condition on `i.inhparent` has them.
pub fn with_ancestors(sql: &str, chosen: &str) -> String {
    // Last what may hold any word.
    sql.replace(":ancestor", ANCESTORS)
        .replace(":chosen", chosen)
}

/// The partitioned tables that each leaf partition is below, its parent first.
pub fn ancestors(client: &mut Client) -> Result<HashMap<Oid, Vec<Ancestor>>, PgError> {
    let mut ancestors: HashMap<Oid, Vec<Ancestor>> = HashMap::new();
    for row in client.query(&with_ancestors(PARTITIONS, "true"))? {
        let ancestor = Ancestor {
            name: QualifiedName::new(row.text(1)?, row.text(2)?),
            key: row.text(3)?.to_owned(),
            bound: bound(row.text(4)?),
        };
        ancestors
            .entry(Oid(row.parse(0)?))
            .or_default()
            .push(ancestor);
    }
    Ok(ancestors)
}

/// All that is asked of it is whether it is another one.
fn bound(text: &str) -> String {
    match text.len() <= BOUND_LIMIT {
        true => text.to_owned(),
        false => format!("xxh3-128 {:032x}", XxHash3_128::oneshot(text.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_bound_is_kept_as_its_digest() {
        let siblings = |count: usize| "FROM (1) TO (2) ".repeat(count);
        assert_eq!(bound(&siblings(1)), siblings(1));
        assert!(bound(&siblings(10_000)).len() < 64);
        assert_ne!(bound(&siblings(10_000)), bound(&siblings(9_999)));
    }
}
