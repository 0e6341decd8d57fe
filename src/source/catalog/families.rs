//! Partitions by a hash that is another one on the target: any of them may get any of their rows there.

use std::collections::BTreeSet;

use super::read_through;
use crate::pg::{Client, PgError};
use crate::schema::{quote_literal, sql_name};
use crate::source::choice::Choice;

const FAMILIES: &str = include_str!("families.sql");

/// A partition that is left out or foreign, though rows of others may belong to it on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphaned {
    pub partition: String,
    /// What its family is written through.
    pub ancestor: String,
    /// Its rows lie on another server, and are not moved.
    pub is_foreign: bool,
}

/// The first family that is not moved whole, where there is one.
pub fn broken_family(client: &mut Client, choice: &Choice) -> Result<Option<Orphaned>, PgError> {
    let through = read_through(client, choice)?;
    let names: BTreeSet<_> = through.values().map(sql_name).collect();
    let names: Vec<_> = names.iter().map(|name| quote_literal(name)).collect();
    let ancestors = format!("ARRAY[{}]::text[]", names.join(", "));
    let sql = FAMILIES
        .replace(":chosen", &choice.sql("b.oid"))
        // Last: a name may hold the other's word.
        .replace(":ancestors", &ancestors);
    let rows = client.query(&sql)?;
    let orphaned = rows.first().map(|row| {
        Ok(Orphaned {
            partition: row.text(0)?.to_owned(),
            ancestor: row.text(1)?.to_owned(),
            is_foreign: row.bool(2)?,
        })
    });
    orphaned.transpose()
}
