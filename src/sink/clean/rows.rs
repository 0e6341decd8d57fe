//! Rows in the way of those that come into tables of the target's own: emptied by one TRUNCATE.

use super::{CleanError, Doomed};
use crate::pg::{Client, PgError, Row};
use crate::schema::{QualifiedName, quote_literal, sql_name};

const EMPTIED: &str = include_str!("emptied.sql");

/// A table that loses its rows.
struct Emptied {
    /// As TRUNCATE names it.
    sql: String,
    name: String,
    has_rows: bool,
    rows: u64,
    /// Why it may not.
    problem: Option<String>,
}

impl Emptied {
    fn of(row: &Row) -> Result<Self, PgError> {
        Ok(Self {
            sql: row.text(0)?.to_owned(),
            name: row.text(1)?.to_owned(),
            has_rows: row.bool(2)?,
            rows: row.parse(3)?,
            problem: row.get(4).map(str::to_owned),
        })
    }
}

/// Empties these tables, each partitioned one with its partitions, within a transaction: all of them,
/// or none. Returns which had rows. Sequences stay where they are.
pub(super) fn empty(client: &mut Client, tables: &[QualifiedName]) -> Result<Doomed, CleanError> {
    let names: Vec<_> = tables
        .iter()
        .map(|name| quote_literal(&sql_name(name)))
        .collect();
    let targets = format!("ARRAY[{}]::text[]", names.join(", "));
    let rows = client.query(&EMPTIED.replace(":targets", &targets))?;
    let emptied: Vec<_> = rows.iter().map(Emptied::of).collect::<Result<_, _>>()?;
    let problem = |table: &Emptied| {
        let problem = table.problem.as_ref()?;
        Some(format!("{}: {problem}", table.name))
    };
    let problems: Vec<_> = emptied.iter().filter_map(problem).collect();
    if !problems.is_empty() {
        return Err(super::not_emptied(&problems));
    }
    if !emptied.is_empty() {
        truncate(client, &emptied)?;
    }
    let had: Vec<_> = emptied.into_iter().filter(|table| table.has_rows).collect();
    Ok(Doomed {
        tables: had.len() as u64,
        rows: had.iter().map(|table| table.rows).sum(),
        objects: had.into_iter().map(|table| table.name).collect(),
        large_objects: 0,
    })
}

/// In one statement, so that keys among them are none of its concern.
fn truncate(client: &mut Client, emptied: &[Emptied]) -> Result<(), CleanError> {
    let names: Vec<_> = emptied.iter().map(|table| table.sql.as_str()).collect();
    match client.execute(&format!("TRUNCATE {}", names.join(", "))) {
        Err(error) if error.sqlstate().is_some() && !error.is_passing() => {
            Err(super::not_emptied(&[error.to_string()]))
        }
        emptied => Ok(emptied.map(drop)?),
    }
}
