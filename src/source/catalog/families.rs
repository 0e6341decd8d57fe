//! Partitions by a hash that is another one on the target: any of them may get any of their rows there.

use std::collections::BTreeSet;

use super::read_through;
use crate::pg::{Client, PgError};
use crate::schema::{quote_literal, sql_name};
use crate::source::choice::Choice;

const FAMILIES: &str = include_str!("families.sql");

/// A partition that is left out, though rows of others may belong to it on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphaned {
    pub partition: String,
    /// What its family is written through.
    pub ancestor: String,
}

/// The first family that is not chosen whole, where there is one.
pub fn broken_family(client: &mut Client, choice: &Choice) -> Result<Option<Orphaned>, PgError> {
    if choice.is_all() {
        return Ok(None);
    }
    let through = read_through(client, choice)?;
    let names: BTreeSet<_> = through.values().map(sql_name).collect();
    let names: Vec<_> = names.iter().map(|name| quote_literal(name)).collect();
    let ancestors = format!("ARRAY[{}]::text[]", names.join(", "));
    let sql = FAMILIES
        .replace(":ancestors", &ancestors)
        .replace(":chosen", &choice.sql("oid"));
    let rows = client.query(&sql)?;
    let orphaned = rows.first().map(|row| {
        Ok(Orphaned {
            partition: row.text(0)?.to_owned(),
            ancestor: row.text(1)?.to_owned(),
        })
    });
    orphaned.transpose()
}
