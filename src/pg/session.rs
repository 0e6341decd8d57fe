//! Session settings that make both servers speak the same text and keep their clocks off our backs.

use super::{Client, ConnInfo, PgError};
use crate::schema::quote_literal;

const SETTINGS: &str = include_str!("session.sql");

/// Opens a session with every setting that a migration depends on.
///
/// `client_encoding` is [`transfer_encoding`] where rows travel, and UTF8 elsewhere.
pub fn open(
    info: &ConnInfo,
    application_name: &str,
    client_encoding: &str,
) -> Result<Client, PgError> {
    let mut client = Client::connect(info, application_name)?;
    client.execute(SETTINGS)?;
    client.execute(&format!(
        "SET client_encoding = {}",
        quote_literal(client_encoding)
    ))?;
    Ok(client)
}

/// The `client_encoding` in which rows travel: UTF8, which every server converts to and from
/// without loss, but SQL_ASCII as it is, since nobody knows what its bytes mean.
pub fn transfer_encoding(database_encoding: &str) -> &'static str {
    match database_encoding {
        "SQL_ASCII" => "SQL_ASCII",
        _ => "UTF8",
    }
}
