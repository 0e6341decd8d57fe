//! Tables of extensions whose rows are the user's (`pg_extension_config_dump`).

use std::collections::BTreeSet;

use crate::chunk::Plan;
use crate::pg::{Client, PgError};
use crate::schema::{QualifiedName, Table, quote_literal};
use crate::sink::existing;
use crate::sink::finish;
use crate::sink::journal::{Journal, JournalError};

const NEW: &str = include_str!("extensions.sql");

/// Removes, once, the rows that the scripts of extensions have put where the source's rows are to
/// come: of extensions that this migration has made, and only such rows as their conditions cover.
/// What an extension holds that was there before is left; rows are added to it, as pg_restore does.
/// So is what a table holds that cannot take the source's rows.
pub fn make_way(
    client: &mut Client,
    journal: &Journal,
    done: &BTreeSet<String>,
    plan: &Plan,
    unfit: &BTreeSet<QualifiedName>,
) -> Result<(), JournalError> {
    let mut of_extensions = plan.tables_with_rows();
    of_extensions.retain(|t| t.condition.is_some() && !unfit.contains(&t.name));
    if of_extensions.is_empty() {
        return Ok(());
    }
    let failed = |source| JournalError::at("look at the tables of extensions", source);
    let new = new_tables(client, journal).map_err(failed)?;
    let as_replica = existing::may_be_replica(client).map_err(failed)?;
    for table in of_extensions.into_iter().filter(|t| new.contains(&t.name)) {
        let step = format!("emptied {}", table.name);
        if !done.contains(&step) {
            empty(client, journal, &step, table, as_replica)?;
        }
    }
    Ok(())
}

fn empty(
    client: &mut Client,
    journal: &Journal,
    step: &str,
    table: &Table,
    as_replica: bool,
) -> Result<(), JournalError> {
    let sql = table.delete_sql();
    // A key may lead from rows that stay to rows that go and come again.
    let hush = existing::hush(as_replica);
    match journal.once(client, step, &format!("{hush}{sql}")) {
        Err(JournalError::Postgres { source, .. }) if !source.is_passing() => {
            let object = format!("TABLE {}", table.name);
            finish::record(client, journal, step, &object, sql, &source)
        }
        emptied => emptied,
    }
}

fn new_tables(client: &mut Client, journal: &Journal) -> Result<BTreeSet<QualifiedName>, PgError> {
    let sql = NEW.replace(":schema", &quote_literal(journal.schema()));
    let rows = client.query(&sql)?;
    let name = |row: &crate::pg::Row| Ok(QualifiedName::new(row.text(0)?, row.text(1)?));
    rows.iter().map(name).collect()
}
