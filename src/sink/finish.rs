//! What comes last on the target: sequence values, materialized views, statistics.

use std::collections::{BTreeMap, BTreeSet};

use crate::pg::{Client, PgError, Row};
use crate::schema::{QualifiedName, SequenceValue, quote_literal, sql_name};
use crate::sink::journal::{Contents, Journal, JournalError, StepError};

const TO_ANALYZE: &str = include_str!("analyze.sql");
const LOADED: &str = include_str!("loaded.sql");
/// The journal's mark for the end of the data phase: every chunk is durably committed.
pub const DATA: &str = "data";
const SEQUENCES: &str = "sequences";
/// None where it was made after the snapshot, or where the server refused to make it, which is recorded.
const SETVAL: &str = include_str!("setval.sql");
const UNFIT: &str = include_str!("unfit.sql");
const INSUFFICIENT_PRIVILEGE: &str = "42501";
const UNDEFINED_TABLE: &str = "42P01";
const OUT_OF_RANGE: &str = "22003";
const ANALYZE: &str = "analyze";
/// What completes "cannot … on the target".
const SETTING: &str = "set the sequences";

/// Marks the data phase as over. Synchronous: everything before it in the WAL is durable with it.
pub fn end_data(client: &mut Client, journal: &Journal) -> Result<(), JournalError> {
    journal.once(client, DATA, "")
}

/// Whose sequences are set, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// As on the source.
    Made,
    /// The same; each must be there.
    Existing,
    /// Rows were added to others: never back.
    Forward,
}

/// Sets every sequence, in one transaction with its mark; those of others, as an extension's may
/// be, and those that should be there are recorded. Those that a crash of the server has reset are
/// set once more.
pub fn set_sequences(
    client: &mut Client,
    journal: &Journal,
    done: &Contents,
    sequences: &[SequenceValue],
    setting: Setting,
) -> Result<(), JournalError> {
    if done.steps_unlogged.contains(SEQUENCES) {
        return Ok(());
    }
    if done.steps.contains(SEQUENCES) {
        let again = set_unlogged(client, journal, sequences, setting);
        return again.map_err(|source| JournalError::at(SETTING, source));
    }
    let unfit = unfit(client, sequences, setting);
    let unfit = unfit.map_err(|source| JournalError::at(SETTING, source))?;
    let (refused, ours): (Vec<_>, Vec<_>) = sequences
        .iter()
        .partition(|s| unfit.contains_key(&sql_name(&s.name)));
    let calls: Vec<_> = ours
        .into_iter()
        .map(|s| setval_sql(s, setting))
        .chain(
            refused
                .into_iter()
                .map(|s| sequence_refused_sql(journal, s, unfit[&sql_name(&s.name)])),
        )
        .chain([journal.unlogged_step_sql(SEQUENCES)])
        .collect();
    journal.once(client, SEQUENCES, &calls.join("; "))
}

/// Sets those that are unlogged (from 15 on), and marks that again.
fn set_unlogged(
    client: &mut Client,
    journal: &Journal,
    sequences: &[SequenceValue],
    setting: Setting,
) -> Result<(), PgError> {
    let names = sequences.iter().map(|s| sql_name(&s.name));
    let rows = client.query(&format!(
        "SELECT name FROM unnest({}) AS name JOIN pg_class c ON c.oid = to_regclass(name) \
         WHERE c.relpersistence = 'u' AND has_table_privilege(c.oid, 'UPDATE')",
        text_array(names)
    ))?;
    let unlogged: BTreeSet<_> = rows.iter().filter_map(|row| row.get(0)).collect();
    let ours = sequences.iter();
    let ours = ours.filter(|s| unlogged.contains(&*sql_name(&s.name)));
    let calls: Vec<_> = [journal.unlogged_step_sql(SEQUENCES)]
        .into_iter()
        .chain(ours.map(|s| setval_sql(s, setting)))
        .collect();
    // One message is one transaction.
    client.execute(&calls.join("; ")).map(drop)
}

fn setval_sql(sequence: &SequenceValue, setting: Setting) -> String {
    SETVAL
        .replace(":value", &sequence.last_value.to_string())
        .replace(":called", &sequence.is_called.to_string())
        .replace(":forward", &(setting == Setting::Forward).to_string())
        // Last: a name may hold any of these words.
        .replace(":name", &quote_literal(&sql_name(&sequence.name)))
}

/// Why a sequence cannot be set.
#[derive(Clone, Copy)]
enum Unfit {
    Missing,
    NotOurs,
    /// Whether it would be set back cannot be seen.
    Unseen,
    TooNarrow,
}

impl Unfit {
    fn of(why: &str) -> Self {
        match why {
            "missing" => Self::Missing,
            "unseen" => Self::Unseen,
            "too narrow" => Self::TooNarrow,
            _ => Self::NotOurs,
        }
    }

    /// For people, and the SQLSTATE that the server would have.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Missing => ("is not there", UNDEFINED_TABLE),
            Self::NotOurs => ("belongs to another role", INSUFFICIENT_PRIVILEGE),
            Self::Unseen => ("may not be read by recv's role", INSUFFICIENT_PRIVILEGE),
            Self::TooNarrow => ("has a smaller range on the target", OUT_OF_RANGE),
        }
    }
}

/// Sequences that cannot be set.
fn unfit(
    client: &mut Client,
    sequences: &[SequenceValue],
    setting: Setting,
) -> Result<BTreeMap<String, Unfit>, PgError> {
    let values: Vec<_> = sequences.iter().map(|s| s.last_value.to_string()).collect();
    let names = sequences.iter().map(|s| sql_name(&s.name));
    let sql = UNFIT
        .replace(":required", &(setting != Setting::Made).to_string())
        .replace(":forward", &(setting == Setting::Forward).to_string())
        .replace(":values", &format!("'{{{}}}'", values.join(",")))
        .replace(":names", &text_array(names));
    let rows = client.query(&sql)?;
    let reason = |row: &Row| Ok((row.text(0)?.to_owned(), Unfit::of(row.text(1)?)));
    rows.iter().map(reason).collect()
}

pub(super) fn text_array(texts: impl Iterator<Item = String>) -> String {
    let literals: Vec<_> = texts.map(|text| quote_literal(&text)).collect();
    format!("ARRAY[{}]::text[]", literals.join(", "))
}

fn sequence_refused_sql(journal: &Journal, sequence: &SequenceValue, unfit: Unfit) -> String {
    let (why, sqlstate) = unfit.told();
    let error = StepError {
        object: format!("SEQUENCE {}", sequence.name),
        statement: String::new(),
        message: format!("{why}; its value is to be {}", sequence.last_value),
        sqlstate: sqlstate.to_owned(),
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
    if done.map_err(|source| JournalError::at(format!("look for step {step:?}"), source))? {
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

/// The journal's name for a refresh, or its refusal.
pub fn refresh_step(view: &QualifiedName) -> String {
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

/// Of these tables and views, what is to be analyzed: a partition may come with its root.
pub fn loaded<'a>(
    client: &mut Client,
    names: impl Iterator<Item = &'a QualifiedName>,
) -> Result<BTreeSet<String>, PgError> {
    let names = text_array(names.map(sql_name));
    let rows = client.query(&LOADED.replace(":names", &names))?;
    rows.iter()
        .map(|row| row.text(0).map(str::to_owned))
        .collect()
}

/// Whether statistics have been gathered already.
pub fn is_analyzed(done: &BTreeSet<String>) -> bool {
    done.contains(ANALYZE)
}

/// Prepares a session for [`analyze`]: each table is a transaction of its own, and [`end_analyze`]
/// makes all of them durable.
pub fn begin_analyze(client: &mut Client) -> Result<(), JournalError> {
    let set = client.execute("SET synchronous_commit = off");
    set.map(drop)
        .map_err(|source| JournalError::at("gather statistics", source))
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
        analyzed => analyzed
            .map(drop)
            .map_err(|source| JournalError::at(format!("gather statistics of {table}"), source)),
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
    record_error(client, journal, step, &error)
}

/// Records why something is not there, by whoever's words.
pub(super) fn record_error(
    client: &mut Client,
    journal: &Journal,
    step: &str,
    error: &StepError,
) -> Result<(), JournalError> {
    // A recv that died may have recorded it already.
    let sql = journal.failed_step_sql(step, error) + " ON CONFLICT DO NOTHING";
    let recorded = client.execute(&sql);
    recorded
        .map(drop)
        .map_err(|source| JournalError::at(format!("record the refusal of {step:?}"), source))
}

/// Marks statistics as gathered.
pub fn end_analyze(client: &mut Client, journal: &Journal) -> Result<(), JournalError> {
    journal.once(client, ANALYZE, "")
}
