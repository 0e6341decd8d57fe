//! What a database's text is encoded in and sorted by.

use crate::pg::{Client, PgError};
use crate::wire::message::Locale;

/// The encoding and the collation that the session's database was created with.
pub fn locale(client: &mut Client) -> Result<(String, Locale), PgError> {
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
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype, {provider}, {locale}, {rules} \
         FROM pg_database WHERE datname = current_database()"
    ))?;
    let row = &rows[0];
    let locale = Locale {
        collate: row.text(1)?.to_owned(),
        ctype: row.text(2)?.to_owned(),
        provider: row.text(3)?.chars().next().unwrap_or('c'),
        provider_locale: row.get(4).map(str::to_owned),
        icu_rules: row.get(5).map(str::to_owned),
    };
    Ok((row.text(0)?.to_owned(), locale))
}
