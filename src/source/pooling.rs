//! Whether a session of ours is one of the server's: a pooler in transaction mode gives each transaction
//! another.

use std::time::Duration;

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
        // No slot of the server's is left, or a pooler has none: it says so, or lets us wait.
        let is_full = error.is_crowded() || error.sqlstate() == Some("08P01");
        match is_full || matches!(error, PgError::ConnectTimeout { .. }) {
            true => Self::NoSecond(error),
            false => error.into(),
        }
    }
}

/// A setting that nothing reads.
const MARK: &str = "pgpipe.session";
/// Where others use the pooler meanwhile, one look may be misled.
const LOOKS: usize = 3;
/// How long a pooler may let us wait for a session of the server's.
const LIMIT: Duration = Duration::from_secs(10);

/// Requires that what `client` sets is there when it looks again, and not in another connection. Nothing
/// is set on a server that says itself which process has the connection: a pooler makes that up.
///
/// `client` is outside a transaction; `second` is to be another connection to the same source. A pooler
/// gives the session that was used last (pgbouncer, odyssey), which the other connection sees, or the one
/// that has waited longest, which ours sees.
///
/// # Errors
///
/// [`PoolingError::OfTransactions`] where it is not so, [`PoolingError::NoSecond`] where there is but one
/// connection.
pub fn require_sessions(
    client: &mut Client,
    second: impl FnOnce() -> Result<Client, PgError>,
) -> Result<(), PoolingError> {
    let told = client.backend_pid().to_string();
    if value(client, "pg_catalog.pg_backend_pid()")?.is_some_and(|pid| pid == told) {
        return Ok(());
    }
    let mut other = second().map_err(PoolingError::of_second)?;
    for one in [&mut *client, &mut other] {
        one.set_read_timeout(Some(LIMIT))?;
    }
    let mut is_own = true;
    for _ in 0..LOOKS {
        is_own = is_own && look(client, &mut other)?;
    }
    other.end();
    client.set_read_timeout(None)?;
    match is_own {
        true => Ok(()),
        false => Err(PoolingError::OfTransactions),
    }
}

fn look(client: &mut Client, other: &mut Client) -> Result<bool, PoolingError> {
    let mark = Uuid::new_v4().to_string();
    client.execute(&format!("SET {MARK} = '{mark}'"))?;
    let is_kept = marked(client, &mark)?;
    let found = marked(other, &mark);
    client.execute(&format!("RESET {MARK}"))?;
    match found {
        Ok(is_found) => Ok(is_kept && !is_found),
        Err(error) if error.is_connection_lost() => Err(PoolingError::NoSecond(error)),
        Err(error) => Err(PoolingError::of_second(error)),
    }
}

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
