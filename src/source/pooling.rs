//! Whether a session of ours is one of the server's: a pooler in transaction mode gives each transaction
//! another.

use uuid::Uuid;

use crate::pg::{Client, PgError};

/// Why a source cannot be read through several sessions.
#[derive(Debug, thiserror::Error)]
pub enum PoolingError {
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error(
        "no second connection to the source is to be had ({0}); --snapshot single reads all through one"
    )]
    NoSecond(#[source] PgError),
    #[error(
        "the source is behind a pooler in transaction mode, where what a session sets is lost to it and found by others: give the server's own address, or read all through one connection with --snapshot single"
    )]
    OfTransactions,
}

impl PoolingError {
    /// `error` is why there is no connection beside one that there is.
    pub fn of_second(error: PgError) -> Self {
        let is_full = matches!(error.sqlstate(), Some("53300" | "08P01"));
        match is_full || matches!(error, PgError::ConnectTimeout { .. }) {
            // No slot of the server's is left, or a pooler has none: it says so, or lets us wait.
            true => Self::NoSecond(error),
            false => error.into(),
        }
    }
}

/// Requires that what `client` sets is there when it looks again, and nowhere else. Nothing is set on a
/// server that says itself which process has the connection: a pooler makes that up.
///
/// `client` is outside a transaction; `second` is to be another connection to the same source. pgbouncer
/// and odyssey give a transaction the server's session that was used last: ours.
///
/// # Errors
///
/// [`PoolingError::OfTransactions`] where it is not so.
pub fn require_sessions(
    client: &mut Client,
    second: impl FnOnce() -> Result<Client, PgError>,
) -> Result<(), PoolingError> {
    let told = client.backend_pid().to_string();
    if value(client, "pg_catalog.pg_backend_pid()")?.is_some_and(|pid| pid == told) {
        return Ok(());
    }
    let mark = Uuid::new_v4().to_string();
    client.execute(&format!("SET {MARK} = '{mark}'"))?;
    let mut other = second().map_err(PoolingError::of_second)?;
    other
        .execute("BEGIN READ ONLY")
        .map_err(PoolingError::of_second)?;
    let is_found = marked(&mut other, &mark)?;
    // Before ours looks: there may be one session of the server's for both.
    let is_kept = !is_found && marked(client, &mark)?;
    other.execute("ROLLBACK")?;
    other.end();
    client.execute(&format!("RESET {MARK}"))?;
    match is_kept {
        true => Ok(()),
        false => Err(PoolingError::OfTransactions),
    }
}

/// A setting that nothing reads.
const MARK: &str = "pgpipe.session";

fn marked(client: &mut Client, mark: &str) -> Result<bool, PgError> {
    let found = value(
        client,
        &format!("pg_catalog.current_setting('{MARK}', true)"),
    )?;
    Ok(found.is_some_and(|found| found == mark))
}

fn value(client: &mut Client, expression: &str) -> Result<Option<String>, PgError> {
    let rows = client.query(&format!("SELECT {expression}"))?;
    Ok(rows.first().and_then(|row| row.get(0)).map(str::to_owned))
}
