//! The source's catalog, read inside the snapshot: tables with their columns, sizes and formats,
//! and the order in which materialized views can be refreshed.

mod database;
mod extensions;
mod families;
mod keys;
mod likeness;
pub mod objects;
mod refresh;
mod roles;
mod roots;

use std::collections::HashMap;

use crate::pg::catalog::{Types, with_ancestors};
use crate::pg::{Client, PgError, Row};
use crate::schema::{Format, Oid, Persistence, QualifiedName, Table};
use crate::source::choice::Choice;

pub use database::{properties, tablespaces};
pub use extensions::extensions;
pub use families::broken_family;
pub use keys::candidates;
pub use likeness::liken;
pub use refresh::refresh_order;
pub use roles::roles;
pub use roots::through_roots;

const TABLES: &str = include_str!("tables.sql");
const SIZES: &str = include_str!("sizes.sql");
const COLUMNS: &str = include_str!("columns.sql");
const THROUGH: &str = include_str!("through.sql");
/// The condition of COLUMNS that servers before 12 do not know: they have no such columns.
const GENERATED: &str = "AND a.attgenerated = '' -- from 12 on";
const GENERATED_SINCE: u32 = 120_000;

/// A table in the snapshot beside what the server says of it now.
#[derive(Debug, Clone)]
pub struct Listed {
    pub oid: Oid,
    pub name: QualifiedName,
    pub persistence: Persistence,
    /// In the snapshot.
    pub filenode: Oid,
    /// Now; none when the table was dropped since.
    pub current_filenode: Option<Oid>,
    /// Of an extension's table: [`Table::condition`].
    pub condition: Option<String>,
}

impl Listed {
    /// Whether TRUNCATE, DROP or a rewriting ALTER has come between: the snapshot then reads the
    /// table as empty, without an error.
    pub fn was_rewritten(&self) -> bool {
        self.current_filenode != Some(self.filenode)
    }
}

/// Lists the tables to be moved, in OID order, without waiting for a lock. The session must be in
/// the snapshot.
pub fn list(client: &mut Client, choice: &Choice) -> Result<Vec<Listed>, PgError> {
    let rows = client.query(&TABLES.replace(":chosen", &choice.sql("c.oid")))?;
    rows.iter().map(listed).collect()
}

fn listed(row: &Row) -> Result<Listed, PgError> {
    let persistence = match row.text(3)? {
        "u" => Persistence::Unlogged,
        _ => Persistence::Permanent,
    };
    Ok(Listed {
        oid: Oid(row.parse(0)?),
        name: QualifiedName::new(row.text(1)?, row.text(2)?),
        persistence,
        filenode: Oid(row.parse(4)?),
        current_filenode: row.get(5).and_then(|text| text.parse().ok()).map(Oid),
        condition: row.get(6).map(str::to_owned),
    })
}

/// Reads every table with its columns, and decides its COPY format.
pub fn tables(client: &mut Client, choice: &Choice) -> Result<Vec<Table>, PgError> {
    let types = Types::read(client)?;
    let mut columns = read_columns(client)?;
    let sizes = read_sizes(client)?;
    let mut through = read_through(client, choice)?;
    let listed = list(client, choice)?;
    Ok(listed
        .into_iter()
        .map(|l| {
            let columns = columns.remove(&l.oid).unwrap_or_default();
            let size = sizes.get(&l.oid).copied().unwrap_or_default();
            let through = through.remove(&l.oid);
            Table {
                through,
                ..table(l, size, columns, &types)
            }
        })
        .collect())
}

/// (pages of the heap, bytes of heap and TOAST)
type Size = (u32, u64);

fn table(listed: Listed, (pages, bytes): Size, columns: Vec<Column>, types: &Types) -> Table {
    let text_because = columns.iter().find_map(|column| {
        types
            .text_because(column.type_oid)
            .map(|reason| format!("column {}: {reason}", column.name))
    });
    Table {
        oid: listed.oid,
        name: listed.name,
        persistence: listed.persistence,
        through: None,
        columns: columns.into_iter().map(|column| column.name).collect(),
        format: if text_because.is_some() {
            Format::Text
        } else {
            Format::Binary
        },
        text_because,
        filenode: listed.filenode,
        pages,
        bytes,
        condition: listed.condition,
        filter: None,
        likeness: None,
    }
}

fn read_sizes(client: &mut Client) -> Result<HashMap<Oid, Size>, PgError> {
    let rows = client.query(SIZES)?;
    let size = |row: &Row| Ok((Oid(row.parse(0)?), (row.parse(1)?, row.parse(2)?)));
    rows.iter().map(size).collect()
}

/// A column to copy.
struct Column {
    name: String,
    type_oid: Oid,
    /// As SQL has it, with its modifier.
    type_name: String,
}

fn read_columns(client: &mut Client) -> Result<HashMap<Oid, Vec<Column>>, PgError> {
    let mut columns: HashMap<Oid, Vec<_>> = HashMap::new();
    let known = client.server_version() >= GENERATED_SINCE;
    let sql = COLUMNS.replace(GENERATED, if known { GENERATED } else { "" });
    for row in client.query(&sql)? {
        let column = Column {
            name: row.text(1)?.to_owned(),
            type_oid: Oid(row.parse(2)?),
            type_name: row.text(3)?.to_owned(),
        };
        columns.entry(Oid(row.parse(0)?)).or_default().push(column);
    }
    Ok(columns)
}

fn read_through(
    client: &mut Client,
    choice: &Choice,
) -> Result<HashMap<Oid, QualifiedName>, PgError> {
    let rows = client.query(&with_ancestors(THROUGH, &choice.sql("i.inhparent")))?;
    let name = |row: &Row| {
        let name = QualifiedName::new(row.text(1)?, row.text(2)?);
        Ok((Oid(row.parse(0)?), name))
    };
    rows.iter().map(name).collect()
}
