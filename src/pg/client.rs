//! The session: statements in the simple query protocol, and the ways into COPY.

use bytes::{BufMut, BytesMut};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::cancel::CancelToken;
use super::closer::Closer;
use super::conninfo::ConnInfo;
use super::copy_in::CopyIn;
use super::copy_out::CopyOut;
use super::endpoint::Endpoint;
use super::error::{PgError, ServerError};
use super::messages::Messages;
use super::row::Row;
use super::startup::Session;

/// How long a server may take to end a session that says goodbye.
const END_LIMIT: Duration = Duration::from_secs(1);
const QUERY_TAG: u8 = b'Q';
const READY_TAG: u8 = b'Z';
const COPY_IN_TAG: u8 = b'G';

/// One session on a server; all calls block. Dropping it ends the session.
///
/// After [`PgError::Server`] the client is ready for the next statement, unless
/// [`PgError::is_connection_lost`] says otherwise; after a lost connection every call fails.
pub struct Client {
    pub(super) messages: Messages,
    session: Session,
    endpoint: Endpoint,
}

/// What became of a statement, once ReadyForQuery has been seen.
#[derive(Default)]
struct Outcome {
    rows: Vec<Row>,
    tag: String,
    error: Option<PgError>,
}

impl Client {
    /// Opens a session on the first of the hosts that takes us.
    ///
    /// Reaching and authenticating are limited by `connect_timeout`, 10 s by default, for each
    /// address. Sets `application_name` and nothing else: other settings are the caller's.
    pub fn connect(info: &ConnInfo, application_name: &str) -> Result<Self, PgError> {
        super::connect::connect(info, application_name)
    }

    pub(super) fn new(messages: Messages, session: Session, endpoint: Endpoint) -> Self {
        Self {
            messages,
            session,
            endpoint,
        }
    }

    /// As `server_version_num`: 150018 for 15.18, 90624 for 9.6.24; 0 if the server does not say.
    pub fn server_version(&self) -> u32 {
        self.parameter("server_version").map_or(0, version_number)
    }

    /// The latest value of a setting that the server reports: `server_encoding`, `TimeZone`, ….
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.messages.parameter(name)
    }

    pub fn backend_pid(&self) -> i32 {
        self.session.pid
    }

    /// Whether a transaction block is open, a failed one included.
    pub fn in_transaction(&self) -> bool {
        self.session.status != b'I'
    }

    /// Whether the open transaction has failed and can only be rolled back.
    pub fn is_failed(&self) -> bool {
        self.session.status == b'E'
    }

    /// Whether the connection still stands, as far as was seen.
    pub fn is_usable(&self) -> bool {
        self.messages.is_usable()
    }

    /// Where the server is, for messages.
    pub fn address(&self) -> &str {
        self.messages.address()
    }

    /// How long a read may wait for the server; without limit at first. A read that waited for longer
    /// ends the connection.
    pub fn set_read_timeout(&mut self, limit: Option<Duration>) -> Result<(), PgError> {
        self.messages.set_read_timeout(limit)
    }

    /// Runs one or more statements; the rows of the last one that returns any.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Row>, PgError> {
        Ok(self.run(sql, true)?.rows)
    }

    /// Runs one or more statements; the command tag of the last one: `COMMIT`, `INSERT 0 5`, ….
    ///
    /// A COMMIT of a failed transaction is no error: its tag is `ROLLBACK`.
    pub fn execute(&mut self, sql: &str) -> Result<String, PgError> {
        Ok(self.run(sql, false)?.tag)
    }

    /// The same of statements that need not be UTF-8, where the session's encoding is SQL_ASCII.
    pub fn execute_bytes(&mut self, sql: &[u8]) -> Result<String, PgError> {
        self.messages.doing = "running a statement";
        self.messages.send(&[&query_message(sql)?])?;
        self.answer()
    }

    /// Sends one or more statements; [`Self::answer`] waits for what becomes of them.
    pub fn ask(&mut self, sql: &str) -> Result<(), PgError> {
        self.send_query(sql, "running a statement")
    }

    /// The command tag of what was asked last. Blocks until the server is ready again: whoever cannot
    /// wait polls the client first.
    pub fn answer(&mut self) -> Result<String, PgError> {
        Ok(self.settled(false)?.tag)
    }

    /// Starts a `COPY … TO STDOUT`.
    pub fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, PgError> {
        self.start_copy(sql, "COPY TO STDOUT", |message| {
            matches!(message, Message::CopyOutResponse(_))
        })?;
        Ok(CopyOut::new(self))
    }

    /// Starts a `COPY … FROM STDIN`.
    pub fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, PgError> {
        self.start_copy(sql, "COPY FROM STDIN", |message| {
            matches!(message, Message::CopyInResponse(_))
        })?;
        Ok(CopyIn::new(self))
    }

    /// A handle that ends this connection from another thread.
    pub fn closer(&self) -> Result<Closer, PgError> {
        let handle = self.messages.stream().handle();
        let handle = handle.map_err(|source| PgError::Lost {
            address: self.address().to_owned(),
            doing: "duplicating the socket",
            source,
        })?;
        Ok(Closer::new(handle))
    }

    /// A handle that cancels what the session runs, through a connection of its own.
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken::new(
            self.endpoint.clone(),
            self.messages.stream().is_tls(),
            self.session.pid,
            self.session.secret,
        )
    }

    /// Ends the session and waits, for a second at most, until the server has: then it counts for no
    /// limit of the server's or a pooler's any more.
    pub fn end(mut self) {
        let mut message = BytesMut::new();
        frontend::terminate(&mut message);
        let farewell = self.messages.send(&[&message]);
        let limited = farewell.and_then(|()| self.messages.set_read_timeout(Some(END_LIMIT)));
        if limited.is_ok() {
            // Whatever it still says; then the end of the stream, or the limit.
            while self.messages.next().is_ok() {}
        }
        self.messages.abandon("it was ended");
    }

    /// Passes a Query message on as it came and hands each message of the answer to `take`, ReadyForQuery
    /// included: for a session that somebody else speaks through.
    pub(super) fn relay(
        &mut self,
        query: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), PgError> {
        self.messages.doing = "running a statement of pg_dump's";
        self.messages.send(&[query])?;
        loop {
            match self.messages.forward(take)? {
                (READY_TAG, status) => {
                    self.ready(status);
                    return Ok(());
                }
                (COPY_IN_TAG, _) => self.send_copy_fail("no data was expected here")?,
                _ => {}
            }
        }
    }

    /// All settings that the server reports, as of their last report.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.messages.parameters()
    }

    /// As in ReadyForQuery.
    pub(super) fn status(&self) -> u8 {
        self.session.status
    }

    pub(super) fn ready(&mut self, status: u8) {
        self.session.status = status;
    }

    /// Reads on to ReadyForQuery and hands the error back.
    pub(super) fn fail(&mut self, error: ServerError) -> PgError {
        let mut outcome = Outcome {
            error: Some(PgError::Server(Box::new(error))),
            ..Outcome::default()
        };
        match self.settle(&mut outcome, false) {
            Ok(()) => outcome.error.unwrap_or(PgError::UnexpectedCopy),
            Err(error) => error,
        }
    }

    fn run(&mut self, sql: &str, keep_rows: bool) -> Result<Outcome, PgError> {
        self.ask(sql)?;
        self.settled(keep_rows)
    }

    fn settled(&mut self, keep_rows: bool) -> Result<Outcome, PgError> {
        let mut outcome = Outcome::default();
        self.settle(&mut outcome, keep_rows)?;
        match outcome.error {
            None => Ok(outcome),
            Some(error) => Err(error),
        }
    }

    fn send_query(&mut self, sql: &str, doing: &'static str) -> Result<(), PgError> {
        self.messages.doing = doing;
        let mut message = BytesMut::new();
        frontend::query(sql, &mut message).map_err(|_| PgError::ZeroByte)?;
        self.messages.send(&[&message])
    }

    /// Takes messages up to ReadyForQuery. Fails only if it does not come.
    fn settle(&mut self, outcome: &mut Outcome, keep_rows: bool) -> Result<(), PgError> {
        loop {
            let message = match (self.messages.next(), outcome.error.take()) {
                // a session that ends with an error ends because of it
                (Err(_), Some(error)) => return Err(error),
                (next, error) => {
                    outcome.error = error;
                    next?
                }
            };
            if let Message::ReadyForQuery(body) = &message {
                self.ready(body.status());
                return Ok(());
            }
            self.note(message, outcome, keep_rows)?;
        }
    }

    fn note(
        &mut self,
        message: Message,
        outcome: &mut Outcome,
        keep_rows: bool,
    ) -> Result<(), PgError> {
        match message {
            Message::RowDescription(_) => outcome.rows.clear(),
            Message::DataRow(body) if keep_rows => match Row::decode(&body) {
                Ok(row) => outcome.rows.push(row),
                Err(error) => outcome.fail(error),
            },
            Message::CommandComplete(body) => match body.tag() {
                Ok(tag) => tag.clone_into(&mut outcome.tag),
                Err(_) => return Err(self.messages.protocol("command tag is not UTF-8")),
            },
            Message::ErrorResponse(body) => {
                let error = self.messages.server_error(&body)?;
                outcome.fail(PgError::Server(Box::new(error)));
            }
            Message::CopyInResponse(_) => {
                outcome.fail(PgError::UnexpectedCopy);
                self.send_copy_fail("no data was expected here")?;
            }
            Message::CopyOutResponse(_) => outcome.fail(PgError::UnexpectedCopy),
            Message::DataRow(_)
            | Message::EmptyQueryResponse
            | Message::CopyData(_)
            | Message::CopyDone => {}
            _ => return Err(self.messages.unexpected()),
        }
        Ok(())
    }

    /// Sends a statement and waits for the start of its COPY.
    fn start_copy(
        &mut self,
        sql: &str,
        wanted: &'static str,
        is_start: fn(&Message) -> bool,
    ) -> Result<(), PgError> {
        self.send_query(sql, "starting a COPY")?;
        let mut outcome = Outcome::default();
        loop {
            match self.messages.next()? {
                message if is_start(&message) => return Ok(()),
                Message::ErrorResponse(body) => {
                    let error = self.messages.server_error(&body)?;
                    return Err(self.fail(error));
                }
                Message::ReadyForQuery(body) => {
                    self.ready(body.status());
                    return Err(PgError::NotCopy { wanted });
                }
                message @ (Message::CopyInResponse(_) | Message::CopyOutResponse(_)) => {
                    self.note(message, &mut outcome, false)?;
                    self.settle(&mut outcome, false)?;
                    return Err(PgError::NotCopy { wanted });
                }
                message => self.note(message, &mut outcome, false)?,
            }
        }
    }

    pub(super) fn send_copy_fail(&mut self, why: &str) -> Result<(), PgError> {
        let mut message = BytesMut::new();
        frontend::copy_fail(why, &mut message).map_err(|_| PgError::ZeroByte)?;
        self.messages.send(&[&message])
    }
}

impl Outcome {
    /// Keeps the first error: what follows comes of it.
    fn fail(&mut self, error: PgError) {
        self.error.get_or_insert(error);
    }
}

/// To wait, between statements, for what the server says unasked: a session that is terminated is
/// told so, and its socket becomes readable.
impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.messages.stream().as_fd()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.messages.is_usable() {
            let mut message = BytesMut::new();
            frontend::terminate(&mut message);
            // a courtesy: the server notices the closed socket too
            let _ = self.messages.send(&[&message]);
        }
    }
}

/// ```text
/// tag 'Q'  length i32, itself included  statements  0
/// ```
fn query_message(sql: &[u8]) -> Result<BytesMut, PgError> {
    if sql.contains(&0) {
        return Err(PgError::ZeroByte);
    }
    let bytes = sql.len();
    let length = i32::try_from(bytes + 5).map_err(|_| PgError::TooLong { bytes })?;
    let mut message = BytesMut::with_capacity(bytes + 6);
    message.put_u8(QUERY_TAG);
    message.put_i32(length);
    message.put_slice(sql);
    message.put_u8(0);
    Ok(message)
}

/// As libpq's PQserverVersion: `15.18 (Debian …)`, `9.6.24`, `17beta1`.
fn version_number(text: &str) -> u32 {
    let number = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()
        .unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0).min(9999);
    match (part(), part(), part()) {
        (major @ 10.., minor, _) => major * 10_000 + minor,
        (major, minor, patch) => major * 10_000 + minor * 100 + patch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbered_as_the_server_does() {
        let known = [
            ("15.18 (Debian 15.18-0+deb12u1)", 150_018),
            ("9.6.24", 90_624),
            ("17beta1", 170_000),
            ("16devel", 160_000),
            ("", 0),
            ("99999999999.1", 100),
        ];
        for (text, number) in known {
            assert_eq!(version_number(text), number, "{text}");
        }
    }

    #[test]
    fn bytes_are_asked_as_text_is() {
        let mut message = BytesMut::new();
        frontend::query("SELECT 'ä'", &mut message).unwrap();
        assert_eq!(query_message("SELECT 'ä'".as_bytes()).unwrap(), message);
        assert!(matches!(query_message(b"\xe4\0"), Err(PgError::ZeroByte)));
    }
}
