//! Where partitions belong.

use std::collections::HashMap;

use crate::pg::{Client, PgError};
use crate::schema::{Ancestor, Oid, QualifiedName};

const PARTITIONS: &str = include_str!("partitions.sql");

/// The partitioned tables that each leaf partition is below, its parent first.
pub fn ancestors(client: &mut Client) -> Result<HashMap<Oid, Vec<Ancestor>>, PgError> {
    let mut ancestors: HashMap<Oid, Vec<Ancestor>> = HashMap::new();
    for row in client.query(PARTITIONS)? {
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
