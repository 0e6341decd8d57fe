//! Protocol messages over a stream: whole ones in, bytes out, and the server's asides dealt with.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::backend::{
    self, ErrorResponseBody, Header, Message, NoticeResponseBody, ParameterStatusBody,
};

use super::error::{PgError, ServerError};
use super::stream::{Stream, is_timeout};

mod sending;

/// A tag and a length.
pub(super) const HEADER: usize = 5;
/// What a server that has not authenticated us may send at once; its own limit is 30,000 bytes.
const STARTUP_LIMIT: usize = 64 << 10;
/// PostgreSQL cannot build a larger message (MaxAllocSize).
const MESSAGE_LIMIT: usize = 1 << 30;

pub(super) struct Messages {
    stream: Stream,
    inbox: super::inbox::Inbox,
    address: String,
    parameters: BTreeMap<String, String>,
    /// While connecting: when patience ends, and how long it was.
    deadline: Option<(Instant, Duration)>,
    read_timeout: Option<Duration>,
    limit: usize,
    /// Why nothing can be sent or received any more.
    unusable: Option<&'static str>,
    /// What an error message says we were at.
    pub(super) doing: &'static str,
}

impl Messages {
    pub(super) fn new(
        stream: Stream,
        address: String,
        deadline: Option<(Instant, Duration)>,
    ) -> Self {
        Self {
            stream,
            inbox: super::inbox::Inbox::new(),
            address,
            parameters: BTreeMap::new(),
            deadline,
            read_timeout: None,
            limit: STARTUP_LIMIT,
            unusable: None,
            doing: "connecting",
        }
    }

    /// The session is open: no more deadline, and messages of any size.
    pub(super) fn established(&mut self) -> Result<(), PgError> {
        self.deadline = None;
        self.limit = MESSAGE_LIMIT;
        self.set_read_timeout(None)
    }

    pub(super) fn set_read_timeout(&mut self, limit: Option<Duration>) -> Result<(), PgError> {
        self.read_timeout = limit;
        let set = self.stream.set_read_timeout(limit);
        set.map_err(|error| self.lost(error))
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.parameters.iter();
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn is_usable(&self) -> bool {
        self.unusable.is_none()
    }

    pub(super) fn enlarge(&mut self) {
        self.inbox.enlarge();
    }

    /// What has arrived, not yet taken.
    pub(super) fn received(&self) -> &[u8] {
        self.inbox.bytes()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.inbox.consume(count);
    }

    /// Closes the connection for good.
    pub(super) fn abandon(&mut self, why: &'static str) {
        self.unusable.get_or_insert(why);
        self.stream.shutdown();
    }

    /// The next message that answers us; notices and parameter changes are dealt with here.
    pub(super) fn next(&mut self) -> Result<Message, PgError> {
        loop {
            let message = self.next_raw()?;
            if let Some(message) = self.take_aside(message)? {
                return Ok(message);
            }
        }
    }

    /// Waits for more bytes, at least one.
    pub(super) fn fill(&mut self) -> Result<(), PgError> {
        self.check_usable()?;
        loop {
            self.limit_read()?;
            match self.stream.read(self.inbox.space()) {
                Ok(0) => return Err(self.closed()),
                Ok(count) => {
                    self.inbox.filled(count);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) && self.deadline.is_some() => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// Takes in what is there without waiting, and says whether a message that is not an aside waits.
    pub(super) fn poll(&mut self) -> Result<bool, PgError> {
        if self.skip_asides()? {
            return Ok(true);
        }
        match self.stream.read_available(self.inbox.space()) {
            Ok(None) => Ok(false),
            Ok(Some(0)) => Err(self.closed()),
            Ok(Some(count)) => {
                self.inbox.filled(count);
                self.skip_asides()
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    /// The error for bytes that make no sense; the connection is of no use after it.
    pub(super) fn protocol(&mut self, what: impl Into<String>) -> PgError {
        self.abandon("the server broke the protocol");
        PgError::Protocol {
            address: self.address.clone(),
            what: what.into(),
        }
    }

    pub(super) fn unexpected(&mut self) -> PgError {
        self.protocol(format!("unexpected message while {}", self.doing))
    }

    pub(super) fn server_error(
        &mut self,
        body: &ErrorResponseBody,
    ) -> Result<ServerError, PgError> {
        ServerError::parse(body.fields()).map_err(|error| self.protocol(error.to_string()))
    }

    /// Hands the next message to `take` as it came, whatever it is; its first byte and its last.
    pub(super) fn forward(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(u8, u8), PgError> {
        let length = loop {
            match self.message_length()? {
                Some(length) => break length,
                None => self.fill()?,
            }
        };
        let message = &self.inbox.bytes()[..length];
        take(message);
        let ends = (message[0], message[length - 1]);
        self.inbox.consume(length);
        Ok(ends)
    }

    fn next_raw(&mut self) -> Result<Message, PgError> {
        while self.message_length()?.is_none() {
            self.fill()?;
        }
        self.take_message()
    }

    /// The length of the message at the start of the inbox, header included, if all of it is there.
    fn message_length(&mut self) -> Result<Option<usize>, PgError> {
        let header = Header::parse(self.inbox.bytes());
        let Some(header) = header.map_err(|error| self.protocol(error.to_string()))? else {
            return Ok(None);
        };
        let length = header.len().unsigned_abs() as usize + 1;
        if length > self.limit {
            return Err(self.protocol(format!("message of {length} bytes while {}", self.doing)));
        }
        Ok((self.inbox.bytes().len() >= length).then_some(length))
    }

    /// Takes the message that [`Self::message_length`] has found to be there.
    fn take_message(&mut self) -> Result<Message, PgError> {
        let length = self.message_length()?.unwrap_or(0);
        let mut bytes = BytesMut::from(&self.inbox.bytes()[..length]);
        self.inbox.consume(length);
        match Message::parse(&mut bytes) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.unexpected()),
            Err(error) => Err(self.protocol(error.to_string())),
        }
    }

    /// Hands back what is not an aside.
    fn take_aside(&mut self, message: Message) -> Result<Option<Message>, PgError> {
        match message {
            Message::ParameterStatus(body) => self.set_parameter(&body)?,
            Message::NoticeResponse(body) => self.log_notice(&body)?,
            Message::NotificationResponse(_) => {}
            answer => return Ok(Some(answer)),
        }
        Ok(None)
    }

    /// Deals with complete asides at the start of the inbox; true: something else follows them.
    fn skip_asides(&mut self) -> Result<bool, PgError> {
        while let Some(&tag) = self.inbox.bytes().first() {
            let aside = matches!(
                tag,
                backend::NOTICE_RESPONSE_TAG
                    | backend::PARAMETER_STATUS_TAG
                    | backend::NOTIFICATION_RESPONSE_TAG
            );
            if !aside {
                return Ok(true);
            }
            if self.message_length()?.is_none() {
                return Ok(false);
            }
            let message = self.take_message()?;
            self.take_aside(message)?;
        }
        Ok(false)
    }

    fn set_parameter(&mut self, body: &ParameterStatusBody) -> Result<(), PgError> {
        match (body.name(), body.value()) {
            (Ok(name), Ok(value)) => {
                self.parameters.insert(name.to_owned(), value.to_owned());
                Ok(())
            }
            _ => Err(self.protocol("parameter status is not UTF-8")),
        }
    }

    fn log_notice(&mut self, body: &NoticeResponseBody) -> Result<(), PgError> {
        let notice = ServerError::parse(body.fields());
        let notice = notice.map_err(|error| self.protocol(error.to_string()))?;
        // what a function of the user's raises may quote rows; the server's own notices do not
        let raised = notice.routine.as_deref() == Some("exec_stmt_raise");
        let message = if raised {
            "raised by a function"
        } else {
            &notice.message
        };
        tracing::debug!(
            severity = notice.severity,
            sqlstate = notice.sqlstate,
            message,
            "notice"
        );
        Ok(())
    }

    /// While connecting, each read may last as long as is left.
    fn limit_read(&mut self) -> Result<(), PgError> {
        let Some((deadline, limit)) = self.deadline else {
            return Ok(());
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.abandon("it took too long to connect");
            return Err(PgError::ConnectTimeout {
                address: self.address.clone(),
                limit,
            });
        }
        let set = self.stream.set_read_timeout(Some(left));
        set.map_err(|error| self.lost(error))
    }

    fn check_usable(&self) -> Result<(), PgError> {
        match self.unusable {
            None => Ok(()),
            Some(why) => Err(PgError::Unusable {
                address: self.address.clone(),
                why,
            }),
        }
    }

    fn closed(&mut self) -> PgError {
        self.abandon("the server has closed it");
        PgError::Closed {
            address: self.address.clone(),
            doing: self.doing,
        }
    }

    fn lost(&mut self, source: io::Error) -> PgError {
        self.abandon("it was lost");
        PgError::Lost {
            address: self.address.clone(),
            doing: self.doing,
            source,
        }
    }
}
