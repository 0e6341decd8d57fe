//! From an open stream to a session: startup message, authentication, the server's first words.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{AuthenticationSaslBody, ErrorResponseBody, Message};
use postgres_protocol::message::frontend;

use super::conninfo::{ChannelBinding, ConnInfo};
use super::error::{PgError, ServerError};
use super::messages::Messages;
use super::stream::Stream;
use super::tls;

/// Who wants in, for one host.
pub(super) struct Login<'a> {
    pub(super) info: &'a ConnInfo,
    pub(super) password: Option<&'a str>,
    pub(super) application_name: &'a str,
}

/// What the server tells about the session when it is open.
pub(super) struct Session {
    pub(super) pid: i32,
    pub(super) secret: i32,
    /// As in ReadyForQuery: `I`dle, in a `T`ransaction, or in a failed one (`E`).
    pub(super) status: u8,
}

pub(super) fn start(messages: &mut Messages, login: &Login<'_>) -> Result<Session, PgError> {
    let mut startup = BytesMut::new();
    let mut parameters = vec![
        ("user", login.info.user.as_str()),
        ("database", login.info.dbname.as_str()),
        ("application_name", login.application_name),
    ];
    parameters.extend(login.info.options.as_deref().map(|text| ("options", text)));
    frontend::startup_message(parameters, &mut startup).map_err(|_| PgError::ZeroByte)?;
    messages.send(&[&startup])?;
    authenticate(messages, login)?;
    session(messages, login)
}

/// Waits for the end of the server's preparations.
fn session(messages: &mut Messages, login: &Login<'_>) -> Result<Session, PgError> {
    // a server without cancel requests (a proxy) sends no key
    let (mut pid, mut secret) = (0, 0);
    loop {
        match messages.next()? {
            Message::BackendKeyData(body) => (pid, secret) = (body.process_id(), body.secret_key()),
            Message::ReadyForQuery(body) => {
                let status = body.status();
                return Ok(Session {
                    pid,
                    secret,
                    status,
                });
            }
            Message::ErrorResponse(body) => return Err(login.refused(messages, &body)),
            _ => return Err(messages.unexpected()),
        }
    }
}

fn authenticate(messages: &mut Messages, login: &Login<'_>) -> Result<(), PgError> {
    let mut bound = false;
    loop {
        match messages.next()? {
            Message::AuthenticationOk => return login.check_bound(messages, bound),
            Message::AuthenticationCleartextPassword => {
                login.check_private(messages)?;
                let password = login.password(messages)?.to_owned();
                send_password(messages, &password)?;
            }
            Message::AuthenticationMd5Password(body) => {
                let (user, password) = (login.info.user.as_bytes(), login.password(messages)?);
                let hash = md5_hash(user, password.as_bytes(), body.salt());
                send_password(messages, &hash)?;
            }
            Message::AuthenticationSasl(body) => bound = scram(messages, login, &body)?,
            Message::ErrorResponse(body) => return Err(login.refused(messages, &body)),
            Message::AuthenticationGss
            | Message::AuthenticationSspi
            | Message::AuthenticationKerberosV5 => {
                let why = "it asks for GSSAPI, SSPI or Kerberos, which pgpipe does not have; \
                           have it ask for scram-sha-256, a certificate or peer";
                return Err(unsupported(messages, why));
            }
            _ => return Err(messages.unexpected()),
        }
    }
}

fn send_password(messages: &mut Messages, password: &str) -> Result<(), PgError> {
    let mut message = BytesMut::new();
    frontend::password_message(password.as_bytes(), &mut message).map_err(|_| PgError::ZeroByte)?;
    messages.send(&[&message])
}

/// The SCRAM exchange; true if it was bound to the TLS connection. The server must prove that it knows
/// the password before it may say that all is well.
fn scram(
    messages: &mut Messages,
    login: &Login<'_>,
    body: &AuthenticationSaslBody,
) -> Result<bool, PgError> {
    let (mechanism, binding) = mechanism(messages, login, body)?;
    let mut scram = ScramSha256::new(login.password(messages)?.as_bytes(), binding);
    let mut message = BytesMut::new();
    frontend::sasl_initial_response(mechanism, scram.message(), &mut message)
        .map_err(|error| failed(messages, error))?;
    messages.send(&[&message])?;

    match messages.next()? {
        Message::AuthenticationSaslContinue(body) => scram.update(body.data()),
        Message::ErrorResponse(body) => return Err(login.refused(messages, &body)),
        _ => return Err(messages.unexpected()),
    }
    .map_err(|error| failed(messages, error))?;
    message.clear();
    frontend::sasl_response(scram.message(), &mut message)
        .map_err(|error| failed(messages, error))?;
    messages.send(&[&message])?;

    match messages.next()? {
        Message::AuthenticationSaslFinal(body) => scram.finish(body.data()),
        Message::ErrorResponse(body) => return Err(login.refused(messages, &body)),
        _ => return Err(messages.unexpected()),
    }
    .map_err(|error| failed(messages, error))?;
    Ok(mechanism == SCRAM_SHA_256_PLUS)
}

fn mechanism(
    messages: &Messages,
    login: &Login<'_>,
    body: &AuthenticationSaslBody,
) -> Result<(&'static str, sasl::ChannelBinding), PgError> {
    let offered: Vec<_> = body.mechanisms().collect().unwrap_or_default();
    let plus = offered.contains(&SCRAM_SHA_256_PLUS);
    let hash =
        end_point_hash(messages).filter(|_| login.info.channel_binding != ChannelBinding::Disable);
    match hash {
        Some(hash) if plus => {
            let binding = sasl::ChannelBinding::tls_server_end_point(hash);
            Ok((SCRAM_SHA_256_PLUS, binding))
        }
        _ if !offered.contains(&SCRAM_SHA_256) => {
            Err(unsupported(messages, "it offers no SCRAM-SHA-256"))
        }
        // says that we could, so that the server notices if someone struck PLUS from its list
        Some(_) => Ok((SCRAM_SHA_256, sasl::ChannelBinding::unrequested())),
        None => Ok((SCRAM_SHA_256, sasl::ChannelBinding::unsupported())),
    }
}

fn end_point_hash(messages: &Messages) -> Option<Vec<u8>> {
    let Stream::Tls(stream) = messages.stream() else {
        return None;
    };
    tls::end_point_hash(stream.conn.peer_certificates()?.first()?)
}

impl Login<'_> {
    fn password(&self, messages: &Messages) -> Result<&str, PgError> {
        self.password.ok_or_else(|| PgError::NoPassword {
            address: messages.address().to_owned(),
            user: self.info.user.clone(),
        })
    }

    /// A password in clear must not cross a network in clear.
    fn check_private(&self, messages: &Messages) -> Result<(), PgError> {
        if messages.stream().is_tcp_plain() {
            let why = "it asks for the password in clear over an unencrypted connection; \
                       use sslmode=require or have it ask for scram-sha-256";
            return Err(unsupported(messages, why));
        }
        Ok(())
    }

    fn check_bound(&self, messages: &Messages, bound: bool) -> Result<(), PgError> {
        if self.info.channel_binding == ChannelBinding::Require && !bound {
            let why =
                "channel_binding=require needs TLS and SCRAM-SHA-256-PLUS, which it did not use";
            return Err(unsupported(messages, why));
        }
        Ok(())
    }

    /// What an ErrorResponse during the startup means.
    fn refused(&self, messages: &mut Messages, body: &ErrorResponseBody) -> PgError {
        let source = match messages.server_error(body) {
            Ok(error) => Box::new(error),
            Err(error) => return error,
        };
        let address = messages.address().to_owned();
        let database = self.info.dbname.clone();
        let user = self.info.user.clone();
        match &source.sqlstate {
            state if state == "3D000" => PgError::NoDatabase {
                address,
                database,
                source,
            },
            // 42501: no CONNECT privilege on the database
            state if state.starts_with("28") || state == "42501" => PgError::Authentication {
                address,
                user,
                database,
                source,
            },
            _ => PgError::Rejected { address, source },
        }
    }
}

/// Whether the server's `pg_hba.conf` refuses the connection as it is, encrypted or not.
pub(super) fn may_differ_without_tls(error: &ServerError) -> bool {
    error.sqlstate == "28000"
}

fn unsupported(messages: &Messages, why: &'static str) -> PgError {
    PgError::UnsupportedAuth {
        address: messages.address().to_owned(),
        why,
    }
}

fn failed(messages: &Messages, source: io::Error) -> PgError {
    PgError::Scram {
        address: messages.address().to_owned(),
        source,
    }
}
