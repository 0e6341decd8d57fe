//! What the source server and database are, for the greeting and for choosing how to read.

use crate::pg::{Client, ConnInfo, PgError};
use crate::wire::message::{Locale, SourceInfo};

/// The oldest source: what is tried, and what pg_dump of today still knows.
pub const OLDEST: u32 = 100_000;
/// Tid Range Scan came with 14; before it a ctid range reads the whole table.
const TID_RANGE_SCAN: u32 = 140_000;

/// What cannot be read in UTF-8, in a database without an encoding.
const STRAY_NAMES: &str = include_str!("stray_names.sql");

/// Reads what the other side must know of this database.
pub fn describe(client: &mut Client, info: &ConnInfo) -> Result<SourceInfo, PgError> {
    let version = client.server_version();
    // The column's name: none before 15, daticulocale in 15 and 16, datlocale since.
    let (provider, locale) = match version {
        170_000.. => ("datlocprovider", "datlocale"),
        150_000.. => ("datlocprovider", "daticulocale"),
        _ => ("'c'", "NULL"),
    };
    let rules = match version {
        160_000.. => "daticurules",
        _ => "NULL",
    };
    let rows = client.query(&format!(
        "SELECT datname, pg_encoding_to_char(encoding), datcollate, datctype, {provider}, {locale}, \
                (SELECT system_identifier FROM pg_control_system()), {rules} \
         FROM pg_database WHERE datname = current_database()"
    ))?;
    let row = &rows[0];
    Ok(SourceInfo {
        display: info.to_string(),
        database: row.text(0)?.to_owned(),
        server_version: version,
        encoding: row.text(1)?.to_owned(),
        locale: Locale {
            collate: row.text(2)?.to_owned(),
            ctype: row.text(3)?.to_owned(),
            provider: row.text(4)?.chars().next().unwrap_or('c'),
            provider_locale: row.get(5).map(str::to_owned),
            icu_rules: row.get(7).map(str::to_owned),
        },
        system_identifier: row.text(6)?.to_owned(),
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
