//! What a table that has no cheap page ranges could be split by: the columns that lead its indexes,
//! and a sample of them. Asked for tables that are to be split, and for no others.

use std::collections::HashMap;

use crate::chunk::{KeyKind, TableIndex};
use crate::pg::{Client, PgError};
use crate::planner::{Candidate, Candidates, sample_pages};
use crate::schema::{Oid, Table, quote_ident_always};

const KEYS: &str = include_str!("keys.sql");
/// Columns of a table that are sampled.
const COLUMNS: usize = 8;
/// How long a sample may wait behind somebody's exclusive lock; then the table is split without it.
const LOCK_LIMIT_S: u64 = 5;
/// How the sample writes a missing value.
const NULL: &str = "n";

/// A key without its sample.
struct Key {
    column: String,
    kind: KeyKind,
    nullable: bool,
}

/// Samples the tables of `large`, which are to become so many ranges each. The session must be in
/// the snapshot's transaction.
pub fn candidates(
    client: &mut Client,
    tables: &[Table],
    large: &[(TableIndex, u32)],
) -> Result<Candidates, PgError> {
    let table = |index: TableIndex| &tables[index.0 as usize];
    let oids: Vec<_> = large.iter().map(|(index, _)| table(*index).oid).collect();
    let mut keys = read_keys(client, &oids)?;
    let mut found = Candidates::new();
    for (index, ranges) in large {
        let table = table(*index);
        let mut keys = keys.remove(&table.oid).unwrap_or_default();
        keys.retain(|key| table.columns.contains(&key.column));
        keys.truncate(COLUMNS);
        if !keys.is_empty() {
            found.insert(*index, sample(client, table, *ranges, keys)?);
        }
    }
    Ok(found)
}

fn read_keys(client: &mut Client, oids: &[Oid]) -> Result<HashMap<Oid, Vec<Key>>, PgError> {
    let mut keys: HashMap<_, Vec<_>> = HashMap::new();
    if oids.is_empty() {
        return Ok(keys);
    }
    let oids: Vec<_> = oids.iter().map(ToString::to_string).collect();
    for row in client.query(&KEYS.replace("TABLES", &oids.join(",")))? {
        let (column, nullable) = (row.text(1)?.to_owned(), row.bool(3)?);
        if let Some(kind) = KeyKind::of_type(row.text(2)?) {
            let key = Key {
                column,
                kind,
                nullable,
            };
            keys.entry(Oid(row.parse(0)?)).or_default().push(key);
        }
    }
    Ok(keys)
}

/// Reads the sample; nothing is a candidate where it would have to wait for a lock.
fn sample(
    client: &mut Client,
    table: &Table,
    ranges: u32,
    keys: Vec<Key>,
) -> Result<Vec<Candidate>, PgError> {
    client.execute(&format!(
        "SAVEPOINT sample; SET LOCAL lock_timeout = '{LOCK_LIMIT_S}s'"
    ))?;
    let sampled = client.query(&sample_sql(table, ranges, &keys));
    // The setting goes with it.
    client.execute("ROLLBACK TO SAVEPOINT sample; RELEASE SAVEPOINT sample")?;
    let rows = match sampled {
        Err(error) if error.sqlstate() == Some("55P03") => return Ok(Vec::new()),
        other => other?,
    };
    let page = |text: &str| text.split(' ').map(parse_key).collect();
    let candidate = |(column, key): (usize, Key)| {
        let pages = rows.iter().map(|row| Ok(page(row.text(column)?)));
        Ok(Candidate {
            column: key.column,
            kind: key.kind,
            nullable: key.nullable,
            pages: pages.collect::<Result<_, PgError>>()?,
        })
    };
    keys.into_iter().enumerate().map(candidate).collect()
}

fn parse_key(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A row for each page, with the keys on it. What repeats decides nothing but how to cut.
fn sample_sql(table: &Table, ranges: u32, keys: &[Key]) -> String {
    let percent = 100.0 * f64::from(sample_pages(ranges)) / f64::from(table.pages.max(1));
    let columns: Vec<_> = keys
        .iter()
        .map(|key| {
            format!(
                "string_agg(coalesce(({})::text, '{NULL}'), ' ')",
                key.number()
            )
        })
        .collect();
    format!(
        "SELECT {} FROM ONLY {} AS t TABLESAMPLE SYSTEM ({:.6}) REPEATABLE (1) \
         GROUP BY (t.ctid::text::point)[0]",
        columns.join(", "),
        table.sql_name(),
        percent.min(100.0)
    )
}

impl Key {
    /// The value as the planner counts it; microseconds may be rounded, as only cuts come of them.
    fn number(&self) -> String {
        let column = format!("t.{}", quote_ident_always(&self.column));
        let (first, last) = (i64::MIN, i64::MAX);
        let finite = match self.kind {
            KeyKind::Int2 | KeyKind::Int4 | KeyKind::Int8 => return column,
            KeyKind::Date => format!("({column} - '2000-01-01'::date)::int8"),
            KeyKind::Timestamp => {
                format!("(extract(epoch FROM {column} - '2000-01-01'::timestamp) * 1000000)::int8")
            }
            KeyKind::Timestamptz => format!(
                "(extract(epoch FROM {column} - '2000-01-01 00:00:00+00'::timestamptz) * 1000000)::int8"
            ),
        };
        format!(
            "CASE {column} WHEN 'infinity' THEN '{last}'::int8 WHEN '-infinity' THEN '{first}'::int8 ELSE {finite} END"
        )
    }
}
