//! Of which tables only some rows are moved (`--where`), and what the source's server thinks of that.

use std::collections::{BTreeMap, HashSet};

use super::{array, oids, tables};
use crate::pg::{Client, PgError};
use crate::schema::{Oid, QualifiedName};
use crate::selection::RowFilter;
use crate::source::reader::query;

const BELOW: &str = include_str!("below.sql");
/// How long the server's word may wait behind somebody's exclusive lock; then a reader hears it.
const LOCK_LIMIT_S: u64 = 5;

/// Why rows cannot be chosen so.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error(
        "--where {filter} matches no table whose rows are moved (views, materialized views and sequences are not filtered)"
    )]
    Nothing { filter: String },
    #[error("--where {filter}: the source server does not take that for a predicate of {table}")]
    Refused {
        filter: String,
        table: QualifiedName,
        source: PgError,
    },
    #[error(transparent)]
    Postgres(#[from] PgError),
}

/// A table whose rows are filtered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filtered {
    pub table: QualifiedName,
    /// All that hold for it, by their places in the list.
    pub filters: Vec<usize>,
}

/// Which of these tables are filtered, by their OIDs. Each filter has one at least, and each predicate
/// is known to be one for its tables. Of a partitioned table it means all its partitions. The session
/// must be in a transaction.
pub fn filtered(
    client: &mut Client,
    filters: &[RowFilter],
    moved: &[(Oid, QualifiedName)],
) -> Result<BTreeMap<Oid, Filtered>, FilterError> {
    let mut filtered: BTreeMap<Oid, Filtered> = BTreeMap::new();
    for (place, filter) in filters.iter().enumerate() {
        let matched = matched(client, filter)?;
        let mut tables = moved
            .iter()
            .filter(|(oid, _)| matched.contains(oid))
            .peekable();
        if tables.peek().is_none() {
            let filter = filter.to_string();
            return Err(FilterError::Nothing { filter });
        }
        for (oid, table) in tables {
            ask(client, filter, table)?;
            let table = table.clone();
            let filters = Vec::new();
            let entry = filtered.entry(*oid).or_insert(Filtered { table, filters });
            entry.filters.push(place);
        }
    }
    Ok(filtered)
}

/// What the rows of a table must fulfil: all of its filters.
pub fn condition(filters: &[RowFilter], filtered: &Filtered) -> String {
    let predicates = filtered
        .filters
        .iter()
        .filter_map(|place| filters.get(*place));
    let predicates: Vec<_> = predicates.map(|filter| filter.predicate.sql()).collect();
    predicates.join(" AND ")
}

/// Relations that a filter's pattern matches, with all partitions of those that are partitioned.
fn matched(client: &mut Client, filter: &RowFilter) -> Result<HashSet<Oid>, PgError> {
    let matched = tables(client, &filter.tables)?;
    oids(client, &BELOW.replace(":relations", &array(&matched)))
}

/// Lets the server read the predicate as a reader will phrase it, without a row. What holds its lock
/// too long is no answer.
fn ask(client: &mut Client, filter: &RowFilter, table: &QualifiedName) -> Result<(), FilterError> {
    let sql = query::filtered_none(table, &filter.predicate.sql());
    let asked = client.execute(&format!(
        "SAVEPOINT filter; SET LOCAL lock_timeout = '{LOCK_LIMIT_S}s'; {sql}"
    ));
    let back = "ROLLBACK TO SAVEPOINT filter; RELEASE SAVEPOINT filter";
    match asked {
        Err(source) if source.is_passing() && source.sqlstate() != Some("55P03") => {
            Err(source.into())
        }
        Err(source) if source.sqlstate() != Some("55P03") => Err(FilterError::Refused {
            filter: filter.to_string(),
            table: table.clone(),
            source,
        }),
        _ => Ok(client.execute(back).map(drop)?),
    }
}
