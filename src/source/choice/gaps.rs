//! What a selection breaks: what is left out although something that is moved needs it. Bodies of
//! functions are not looked into.

use std::collections::BTreeMap;

use super::filters::Filtered;
use super::{Choice, Chosen, array};
use crate::pg::{Client, PgError};
use crate::report::Skipped;
use crate::schema::{Oid, first_few};
use crate::selection::{RowFilter, Selection};

const GAPS: &str = include_str!("gaps.sql");
const PARTIAL: &str = include_str!("partial.sql");
const PARTITIONS: &str = include_str!("partitions.sql");
const EXTENSIONS: &str = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1";
/// Names in one line.
const NAMES: usize = 3;

/// Everything that the selection leaves out and somebody may miss, a line for each; read in the
/// snapshot.
pub fn left_out(
    client: &mut Client,
    selection: &Selection,
    choice: &Choice,
) -> Result<Vec<Skipped>, PgError> {
    let Choice(Some(chosen)) = choice else {
        return Ok(Vec::new());
    };
    let mut lines = vec![everything_else(selection)];
    if !chosen.includes_everything {
        lines.extend(extensions(client)?);
    }
    lines.extend(needed(client, chosen)?);
    lines.extend(partitions(client, chosen)?);
    Ok(lines)
}

/// The same of a data-only migration, whose rows need nothing of the source but themselves.
pub fn all_but_rows(selection: &Selection) -> Vec<Skipped> {
    let mut lines = vec![Skipped {
        object: "all objects".to_owned(),
        reason: "--data-only fills those that the target has".to_owned(),
    }];
    if !selection.is_all() {
        lines.push(everything_else(selection));
    }
    lines
}

/// The rows that filters leave out, and the foreign keys that may refer to them.
pub fn other_rows(
    client: &mut Client,
    choice: &Choice,
    filters: &[RowFilter],
    filtered: &BTreeMap<Oid, Filtered>,
) -> Result<Vec<Skipped>, PgError> {
    if filtered.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines: Vec<_> = (0..)
        .zip(filters)
        .map(|(place, filter)| {
            let tables = filtered.values().filter(|f| f.filters.contains(&place));
            let names: Vec<_> = tables.map(|f| f.table.to_string()).collect();
            Skipped {
                object: format!("other rows of {}", some(&names)),
                reason: format!("--where moves only those with {}", filter.predicate),
            }
        })
        .collect();
    let sql = PARTIAL
        .replace(":filtered", &array(filtered.keys()))
        .replace(":chosen", &choice.sql("k.conrelid"));
    for row in client.query(&sql)? {
        let (key, of, to) = (row.text(0)?, row.text(1)?, row.text(2)?);
        lines.push(Skipped {
            object: format!("other rows of {to}"),
            reason: format!("foreign key {key} of {of} may refer to them"),
        });
    }
    Ok(lines)
}

fn everything_else(selection: &Selection) -> Skipped {
    if selection.includes_everything() {
        return excluded(selection);
    }
    Skipped {
        object: "everything else".to_owned(),
        reason: format!("only what {selection} selects is moved"),
    }
}

fn excluded(selection: &Selection) -> Skipped {
    Skipped {
        object: selection.to_string(),
        reason: "what it matches is left out".to_owned(),
    }
}

/// Like event triggers, publications and the like they belong to no schema.
fn extensions(client: &mut Client) -> Result<Option<Skipped>, PgError> {
    let rows = client.query(EXTENSIONS)?;
    let names = rows.iter().map(|row| row.text(0).map(str::to_owned));
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    Ok((!names.is_empty()).then(|| Skipped {
        object: format!("extensions {}", some(&names)),
        reason: "--schema and --table leave them out, as pg_dump does".to_owned(),
    }))
}

fn needed(client: &mut Client, chosen: &Chosen) -> Result<Vec<Skipped>, PgError> {
    let skipped = |(object, reasons): (String, Vec<String>)| Skipped {
        object,
        reason: some(&reasons),
    };
    let grouped = grouped(client, GAPS, chosen)?;
    Ok(grouped.into_iter().map(skipped).collect())
}

fn partitions(client: &mut Client, chosen: &Chosen) -> Result<Vec<Skipped>, PgError> {
    let mut by_table: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (partition, tables) in grouped(client, PARTITIONS, chosen)? {
        for table in tables {
            by_table.entry(table).or_default().push(partition.clone());
        }
    }
    let skipped = |(table, partitions): (String, Vec<String>)| Skipped {
        object: format!("partition {}", some(&partitions)),
        reason: format!("table {table} comes without it"),
    };
    Ok(by_table.into_iter().map(skipped).collect())
}

/// The second column of each row by its first.
fn grouped(
    client: &mut Client,
    sql: &str,
    chosen: &Chosen,
) -> Result<BTreeMap<String, Vec<String>>, PgError> {
    let sql = sql
        .replace(":relations", &array(&chosen.relations))
        .replace(":schemas", &array(&chosen.schemas))
        .replace(":everything", &chosen.includes_everything.to_string());
    let mut grouped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in client.query(&sql)? {
        let second = row.text(1)?.to_owned();
        grouped
            .entry(row.text(0)?.to_owned())
            .or_default()
            .push(second);
    }
    Ok(grouped)
}

fn some(words: &[String]) -> String {
    first_few(words, NAMES, ", ")
}
