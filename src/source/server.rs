//! What the source server and database are, for the greeting and for choosing how to read.

use crate::pg::{Client, ConnInfo, PgError, catalog};
use crate::wire::message::SourceInfo;

/// The oldest source: what is tried, and what pg_dump of today still knows.
pub const OLDEST: u32 = 100_000;
/// Tid Range Scan came with 14; before it a ctid range reads the whole table.
const TID_RANGE_SCAN: u32 = 140_000;

/// What cannot be read in UTF-8, in a database without an encoding.
const STRAY_NAMES: &str = include_str!("stray_names.sql");

/// Reads what the other side must know of this database.
pub fn describe(client: &mut Client, info: &ConnInfo) -> Result<SourceInfo, PgError> {
    let (encoding, locale) = catalog::locale(client)?;
    let rows = client
        .query("SELECT current_database(), (SELECT system_identifier FROM pg_control_system())")?;
    let row = &rows[0];
    Ok(SourceInfo {
        display: info.to_string(),
        database: row.text(0)?.to_owned(),
        server_version: client.server_version(),
        encoding,
        locale,
        system_identifier: row.text(1)?.to_owned(),
    })
}

/// What a database without an encoding has that no session of ours can read, as far as it is more than
/// SQL that pg_dump writes: names of tables, columns and the like.
pub fn stray_names(client: &mut Client) -> Result<Vec<String>, PgError> {
    let rows = client.query(STRAY_NAMES)?;
    rows.iter()
        .map(|row| row.text(0).map(str::to_owned))
        .collect()
}

/// Whether it replays what another server writes.
pub fn is_standby(client: &mut Client) -> Result<bool, PgError> {
    client.query("SELECT pg_is_in_recovery()")?[0].bool(0)
}

/// Whether page ranges are cheap to read on this server.
pub fn has_tid_range_scan(version: u32) -> bool {
    version >= TID_RANGE_SCAN
}
