//! What comes last on the target: sequence values, materialized views, statistics.

use std::collections::BTreeSet;

use crate::pg::{Client, PgError};
use crate::schema::{QualifiedName, SequenceValue, quote_ident_always, quote_literal};
use crate::sink::journal::{Journal, JournalError, StepError};

const TO_ANALYZE: &str = include_str!("analyze.sql");
/// The journal's mark for the end of the data phase: every chunk is durably committed.
pub const DATA: &str = "data";
const SEQUENCES: &str = "sequences";
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const ANALYZE: &str = "analyze";

/// Marks the data phase as over. Synchronous: everything before it in the WAL is durable with it.
pub fn end_data(client: &mut Client, journal: &Journal) -> Result<(), JournalError> {
    journal.once(client, DATA, "")
}

/// Sets every sequence, in one transaction with its mark; those of others, as an extension's may
/// be, are recorded.
pub fn set_sequences(
    client: &mut Client,
    journal: &Journal,
    done: &BTreeSet<String>,
    sequences: &[SequenceValue],
) -> Result<(), JournalError> {
    if done.contains(SEQUENCES) {
        return Ok(());
    }
    let of_others = not_ours(client, sequences).map_err(|source| journal.failed(source))?;
    let (refused, ours): (Vec<_>, Vec<_>) = sequences
        .iter()
        .partition(|s| of_others.contains(&sql_name(&s.name)));
    let calls: Vec<_> = ours
        .into_iter()
        .map(|s| {
            // None where it was made after the snapshot, or where the server refused to make it,
            // which is recorded: setval is strict and then does nothing.
            let name = quote_literal(&sql_name(&s.name));
            let value = s.last_value;
            format!(
                "SELECT setval(to_regclass({name}), {value}, {})",
                s.is_called
            )
        })
        .chain(
            refused
                .into_iter()
                .map(|s| sequence_refused_sql(journal, s)),
        )
        .collect();
    journal.once(client, SEQUENCES, &calls.join("; "))
}

/// Sequences that the role may not set.
fn not_ours(client: &mut Client, sequences: &[SequenceValue]) -> Result<BTreeSet<String>, PgError> {
    let names: Vec<_> = sequences
        .iter()
        .map(|s| quote_literal(&sql_name(&s.name)))
        .collect();
    let rows = client.query(&format!(
        "SELECT name FROM unnest(ARRAY[{}]::text[]) AS name WHERE NOT has_table_privilege(to_regclass(name), 'UPDATE')",
        names.join(", ")
    ))?;
    let names = rows.iter().map(|row| row.text(0).map(str::to_owned));
    names.collect()
}

fn sequence_refused_sql(journal: &Journal, sequence: &SequenceValue) -> String {
    let error = StepError {
        object: format!("SEQUENCE {}", sequence.name),
        statement: String::new(),
        message: format!(
            "belongs to another role; its value is to be {}",
            sequence.last_value
        ),
        sqlstate: INSUFFICIENT_PRIVILEGE.to_owned(),
    };
    journal.failed_step_sql(&format!("sequence {}", sequence.name), &error)
}

/// How a materialized view took its refresh.
#[derive(Debug)]
pub enum Refreshed {
    Done,
    Refused(PgError),
}

/// Refreshes one materialized view, once.
pub fn refresh(
    client: &mut Client,
    journal: &Journal,
    view: &QualifiedName,
) -> Result<Refreshed, JournalError> {
    let step = refresh_step(view);
    let done = journal.are_done(client, std::slice::from_ref(&step));
    if done.map_err(|source| journal.failed(source))? {
        return Ok(Refreshed::Done);
    }
    match journal.once(client, &step, &refresh_sql(view)) {
        Err(JournalError::Postgres { source, .. }) if !source.is_passing() => {
            Ok(Refreshed::Refused(source))
        }
        refreshed => refreshed.map(|()| Refreshed::Done),
    }
}

/// Records that a materialized view is left as it is.
pub fn refresh_refused(
    client: &mut Client,
    journal: &Journal,
    view: &QualifiedName,
    error: &PgError,
) -> Result<(), JournalError> {
    let object = format!("MATERIALIZED VIEW {view}");
    let step = refresh_step(view);
    record(client, journal, &step, &object, refresh_sql(view), error)
}

fn refresh_step(view: &QualifiedName) -> String {
    format!("refresh {view}")
}

fn refresh_sql(view: &QualifiedName) -> String {
    format!("REFRESH MATERIALIZED VIEW {}", sql_name(view))
}

/// Every table and materialized view that the planner needs statistics of; partitions come with
/// their parents.
pub fn tables_to_analyze(client: &mut Client, journal: &Journal) -> Result<Vec<String>, PgError> {
    let own = quote_literal(journal.schema());
    let rows = client.query(&TO_ANALYZE.replace(":own", &own))?;
    rows.iter()
        .map(|row| row.text(0).map(str::to_owned))
        .collect()
}

/// Whether statistics have been gathered already.
pub fn is_analyzed(done: &BTreeSet<String>) -> bool {
    done.contains(ANALYZE)
}

/// Gathers statistics of one table. What the user may not analyze, the server skips; what it refuses
/// (an index expression that fails) is recorded, and the rest goes on.
pub fn analyze(client: &mut Client, journal: &Journal, table: &str) -> Result<(), JournalError> {
    let sql = format!("ANALYZE {table}");
    match client.execute(&sql) {
        Err(error) if !error.is_passing() => {
            let step = format!("analyze {table}");
            record(
                client,
                journal,
                &step,
                &format!("TABLE {table}"),
                sql,
                &error,
            )
        }
        analyzed => analyzed.map(drop).map_err(|source| journal.failed(source)),
    }
}

/// Records a refusal.
pub(super) fn record(
    client: &mut Client,
    journal: &Journal,
    step: &str,
    object: &str,
    statement: String,
    error: &PgError,
) -> Result<(), JournalError> {
    let error = StepError {
        object: object.to_owned(),
        statement,
        message: error.to_string(),
        sqlstate: error.sqlstate().unwrap_or_default().to_owned(),
    };
    // A recv that died may have recorded it already.
    let sql = journal.failed_step_sql(step, &error) + " ON CONFLICT DO NOTHING";
    let recorded = client.execute(&sql);
    recorded.map(drop).map_err(|source| journal.failed(source))
}

/// Marks statistics as gathered.
pub fn end_analyze(client: &mut Client, journal: &Journal) -> Result<(), JournalError> {
    journal.once(client, ANALYZE, "")
}

fn sql_name(name: &QualifiedName) -> String {
    format!(
        "{}.{}",
        quote_ident_always(&name.schema),
        quote_ident_always(&name.name)
    )
}
