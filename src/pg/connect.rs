//! Which host, which address, with or without TLS: the attempts until one session is open.

use super::client::Client;
use super::conninfo::{ConnInfo, Host, SessionAttrs, SslMode};
use super::endpoint::{Endpoint, Wish};
use super::error::PgError;
use super::messages::Messages;
use super::startup::{self, Login};

/// Tries each host in turn, as libpq does: a server that refuses *us* ends the search.
pub(super) fn connect(info: &ConnInfo, application_name: &str) -> Result<Client, PgError> {
    let mut failures = Vec::new();
    for host in &info.hosts {
        match connect_host(info, host, application_name) {
            Ok(client) => return Ok(client),
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => failures.push(error),
        }
    }
    match failures.len() {
        1 => Err(failures.remove(0)),
        _ => Err(PgError::AllHosts(failures)),
    }
}

/// Tries each address of the host, and reports the last failure.
fn connect_host(info: &ConnInfo, host: &Host, application_name: &str) -> Result<Client, PgError> {
    let login = Login {
        info,
        password: info.password(host),
        application_name,
    };
    let mut endpoints = Endpoint::all(info, host)?.into_iter().peekable();
    loop {
        let Some(endpoint) = endpoints.next() else {
            // an empty list is an error of Endpoint::all's
            return Err(PgError::AllHosts(Vec::new()));
        };
        let attempt = attempt(&endpoint, &login).and_then(|client| wanted(client, info));
        match attempt {
            Err(error) if endpoints.peek().is_some() && !is_final(&error) => {
                tracing::debug!(%endpoint, %error, "address does not answer, trying the next");
            }
            result => return result,
        }
    }
}

fn is_final(error: &PgError) -> bool {
    matches!(
        error,
        PgError::Authentication { .. }
            | PgError::NoPassword { .. }
            | PgError::UnsupportedAuth { .. }
            | PgError::Scram { .. }
            | PgError::NoDatabase { .. }
            | PgError::ZeroByte
    )
}

/// One address, with TLS as `sslmode` says; `allow` and `prefer` have a second try.
fn attempt(endpoint: &Endpoint, login: &Login<'_>) -> Result<Client, PgError> {
    let (first, second) = match login.info.tls.mode {
        _ if endpoint.is_unix() => (Wish::Plain, None),
        SslMode::Disable => (Wish::Plain, None),
        SslMode::Allow => (Wish::Plain, Some(Wish::Tls)),
        SslMode::Prefer => (Wish::TlsIfOffered, Some(Wish::Plain)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Wish::Tls, None),
    };
    let error = match open(endpoint, login, first) {
        Ok(client) => return Ok(client),
        Err(error) => error,
    };
    match second {
        // the first refusal says more than the second would
        Some(wish) if may_differ(&error) => open(endpoint, login, wish).map_err(|_| error),
        _ => Err(error),
    }
}

fn may_differ(error: &PgError) -> bool {
    matches!(error, PgError::Tls { .. })
        || error.server().is_some_and(startup::may_differ_without_tls)
}

fn open(endpoint: &Endpoint, login: &Login<'_>, wish: Wish) -> Result<Client, PgError> {
    let deadline = endpoint.deadline();
    let stream = endpoint.open(wish, deadline)?;
    let mut messages = Messages::new(stream, endpoint.to_string(), deadline);
    let session = startup::start(&mut messages, login)?;
    messages.established()?;
    Ok(Client::new(messages, session, endpoint.clone()))
}

fn wanted(mut client: Client, info: &ConnInfo) -> Result<Client, PgError> {
    let sql = match info.session_attrs {
        SessionAttrs::Any => return Ok(client),
        SessionAttrs::ReadWrite => "SELECT current_setting('transaction_read_only') = 'off'",
        SessionAttrs::ReadOnly => "SELECT current_setting('transaction_read_only') = 'on'",
        SessionAttrs::Primary => "SELECT NOT pg_catalog.pg_is_in_recovery()",
        SessionAttrs::Standby => "SELECT pg_catalog.pg_is_in_recovery()",
    };
    let rows = client.query(sql)?;
    if rows.first().is_some_and(|row| row.get(0) == Some("t")) {
        return Ok(client);
    }
    Err(PgError::SessionAttrs {
        address: client.address().to_owned(),
        wanted: info.session_attrs.as_str(),
    })
}
