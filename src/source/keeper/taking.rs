//! The snapshot, taken in a transaction that has just begun, and the locks that keep it whole.

use super::{Kept, locks};
use crate::pg::{Client, PgError};
use crate::selection::Selection;
use crate::source::{catalog, choice};
use crate::wire::message::Snapshot;

/// What a snapshot is called that nobody imports.
pub(super) const UNSHARED: &str = "single";

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error(
        "the server exports no snapshot ({0}); --snapshot single reads all through one connection"
    )]
    Export(#[source] PgError),
    #[error(transparent)]
    Postgres(#[from] PgError),
    /// This table was.
    #[error("{0}")]
    Rewritten(String),
}

/// Notes the snapshot, exports it if `shared`, locks every table in it, and makes sure that none was
/// rewritten between. `waiting` is told what a lock is waited for.
pub(super) fn take_snapshot(
    client: &mut Client,
    shared: bool,
    selection: &Selection,
    waiting: &mut dyn FnMut(String),
) -> Result<Kept, TakeError> {
    let rows = client.query(include_str!("snapshot.sql"))?;
    let snapshot = Snapshot {
        name: match shared {
            true => export(client)?,
            false => UNSHARED.to_owned(),
        },
        time: rows[0].text(0)?.to_owned(),
        lsn: rows[0].parse(1)?,
    };
    let choice = choice::choose(client, selection)?;
    let tables = catalog::list(client, &choice)?;
    let locked = locks::take(client, &tables, waiting)?;
    if let Some(table) = catalog::list(client, &choice)?
        .into_iter()
        .find(|t| t.was_rewritten())
    {
        return Err(TakeError::Rewritten(table.name.to_string()));
    }
    Ok(Kept {
        snapshot,
        system_identifier: rows[0].text(2)?.to_owned(),
        locked,
        pid: std::process::id(),
        single: !shared,
    })
}

fn export(client: &mut Client) -> Result<String, TakeError> {
    let exported = client.query("SELECT pg_export_snapshot()");
    let rows = exported.map_err(|error| match error.is_passing() {
        true => TakeError::Postgres(error),
        false => TakeError::Export(error),
    })?;
    Ok(rows[0].text(0)?.to_owned())
}
