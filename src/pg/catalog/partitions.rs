//! Where partitions belong.

use std::collections::HashMap;

use crate::pg::{Client, PgError};
use crate::schema::{Ancestor, Oid, QualifiedName};

const PARTITIONS: &str = include_str!("partitions.sql");
const ANCESTORS: &str = include_str!("ancestors.sql");

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
            bound: row.text(4)?.to_owned(),
        };
        ancestors
            .entry(Oid(row.parse(0)?))
            .or_default()
            .push(ancestor);
    }
    Ok(ancestors)
}
