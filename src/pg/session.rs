//! Session settings that make both servers speak the same text and keep their clocks off our backs.

use std::thread::sleep;
use std::time::Duration;

use super::{Client, ConnInfo, PgError};
use crate::schema::quote_literal;

const SETTINGS: &str = include_str!("session.sql");
/// How often a server without a connection to spare is asked: one that has just been closed takes a
/// moment to be free.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// Opens a session with every setting that a migration depends on.
///
/// `client_encoding` is [`transfer_encoding`] where rows travel, and UTF8 elsewhere.
pub fn open(
    info: &ConnInfo,
    application_name: &str,
    client_encoding: &str,
) -> Result<Client, PgError> {
    let mut client = connect(info, application_name)?;
    set(&mut client, client_encoding)?;
    Ok(client)
}

/// The same settings for a session that has none yet.
pub fn set(client: &mut Client, client_encoding: &str) -> Result<(), PgError> {
    client.execute(SETTINGS)?;
    client.execute(&format!(
        "SET client_encoding = {}",
        quote_literal(client_encoding)
    ))?;
    Ok(())
}

/// Opens a session without any setting.
pub fn connect(info: &ConnInfo, application_name: &str) -> Result<Client, PgError> {
    for _ in 1..TRIES {
        match Client::connect(info, application_name) {
            Err(error) if error.is_crowded() => sleep(PAUSE),
            connected => return connected,
        }
    }
    Client::connect(info, application_name)
}

/// Opens a session in a transaction that only reads and has the same settings, in UTF8. It leaves no
/// trace in the server's session, which behind a pooler is another client's next.
pub fn open_within(info: &ConnInfo, application_name: &str) -> Result<Client, PgError> {
    let mut client = connect(info, application_name)?;
    client.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")?;
    set_local(&mut client)?;
    Ok(client)
}

/// The same settings, until the open transaction ends.
pub fn set_local(client: &mut Client) -> Result<(), PgError> {
    client.execute(&SETTINGS.replace("SESSION", "LOCAL"))?;
    client.execute("SET LOCAL client_encoding = 'UTF8'")?;
    Ok(())
}

/// The `client_encoding` in which rows travel: UTF8, which every server converts to and from
/// without loss, but SQL_ASCII as it is, since nobody knows what its bytes mean.
pub fn transfer_encoding(database_encoding: &str) -> &'static str {
    match database_encoding {
        "SQL_ASCII" => "SQL_ASCII",
        _ => "UTF8",
    }
}
