//! ACCESS SHARE on every table to be read: a snapshot alone does not stop TRUNCATE.

use crate::pg::{Client, PgError};
use crate::schema::quote_ident_always;
use crate::source::blockers::blockers;
use crate::source::catalog::Listed;

/// Tables per LOCK statement.
const BATCH: usize = 200;
/// One attempt's `lock_timeout`; between attempts the waiting is shown.
const ATTEMPT_MS: u32 = 2_000;
/// Attempts per table: ten minutes, longer than any DDL that a maintenance window tolerates.
const ATTEMPTS: u32 = 300;

/// Slots of the server's lock table (PostgreSQL, "Lock Management", `max_locks_per_transaction`).
const SLOTS: &str = "SELECT current_setting('max_locks_per_transaction')::int8 \
    * (current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8)";
/// The share of them that may be held for hours. pg_dump and everybody else need the others: 10,000 tables
/// are more than a server's default settings have room for twice.
const SHARE: usize = 2;

/// Takes the locks. False where they are too many for the server's lock table, or it is too full
/// (SQLSTATE 53200): nothing is held then.
pub(super) fn take(
    client: &mut Client,
    tables: &[Listed],
    waiting: &mut dyn FnMut(String),
) -> Result<bool, PgError> {
    if tables.len() > slots(client)? / SHARE {
        return Ok(false);
    }
    client.execute("SAVEPOINT locks")?;
    client.execute(&format!("SET LOCAL lock_timeout = '{ATTEMPT_MS}ms'"))?;
    for batch in tables.chunks(BATCH) {
        match lock_batch(client, batch, waiting) {
            Ok(()) => {}
            Err(error) if error.sqlstate() == Some("53200") => {
                client.execute("ROLLBACK TO SAVEPOINT locks")?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    client.execute("SET LOCAL lock_timeout = 0")?;
    Ok(true)
}

fn slots(client: &mut Client) -> Result<usize, PgError> {
    let rows = client.query(SLOTS)?;
    rows.first().map_or(Ok(usize::MAX), |row| row.parse(0))
}

fn lock_batch(
    client: &mut Client,
    batch: &[Listed],
    waiting: &mut dyn FnMut(String),
) -> Result<(), PgError> {
    match try_lock(client, batch) {
        Err(error) if is_wait_or_gone(&error) => batch
            .iter()
            .try_for_each(|table| lock_one(client, table, waiting)),
        other => other,
    }
}

/// Locks one table, showing for whom it waits. A table dropped meanwhile is left to the check of
/// its file node, which names it.
fn lock_one(
    client: &mut Client,
    table: &Listed,
    waiting: &mut dyn FnMut(String),
) -> Result<(), PgError> {
    for attempt in 1.. {
        match try_lock(client, std::slice::from_ref(table)) {
            Err(error) if error.sqlstate() == Some("42P01") => return Ok(()),
            Err(error) if error.sqlstate() == Some("55P03") && attempt < ATTEMPTS => {
                let holders = blockers(client, table.oid)?;
                waiting(format!("a lock on {}, held by {holders}", table.name));
            }
            other => return other,
        }
    }
    unreachable!("the loop ends by its limit")
}

fn try_lock(client: &mut Client, tables: &[Listed]) -> Result<(), PgError> {
    let names: Vec<_> = tables
        .iter()
        .map(|t| {
            format!(
                "ONLY {}.{}",
                quote_ident_always(&t.name.schema),
                quote_ident_always(&t.name.name)
            )
        })
        .collect();
    client.execute("SAVEPOINT batch")?;
    let locked = client.execute(&format!(
        "LOCK TABLE {} IN ACCESS SHARE MODE",
        names.join(", ")
    ));
    if let Err(error) = locked {
        client.execute("ROLLBACK TO SAVEPOINT batch")?;
        return Err(error);
    }
    client.execute("RELEASE SAVEPOINT batch").map(drop)
}

/// lock_not_available, or undefined_table: either way the tables are then taken one by one.
fn is_wait_or_gone(error: &PgError) -> bool {
    matches!(error.sqlstate(), Some("55P03" | "42P01"))
}
