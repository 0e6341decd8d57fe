//! Session settings that make both servers speak the same text and keep their clocks off our backs.

use super::{Client, ConnInfo, PgError};
use crate::schema::quote_literal;

const SETTINGS: &str = include_str!("session.sql");

/// Opens a session with every setting that a migration depends on.
///
/// `client_encoding` is the source database's encoding on both sides, so that the source converts
/// nothing and the target validates everything.
pub fn open(info: &ConnInfo, application_name: &str, client_encoding: &str) -> Result<Client, PgError> {
    let mut client = Client::connect(info, application_name)?;
    client.execute(SETTINGS)?;
    client.execute(&format!("SET client_encoding = {}", quote_literal(client_encoding)))?;
    Ok(client)
}
