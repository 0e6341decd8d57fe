//! Bytes to the server, without waiting for one that waits for us.

use std::io::{self, IoSlice, Read, Write};
use std::time::Duration;

use postgres_protocol::message::backend::Message;

use super::super::error::PgError;
use super::super::stream::is_timeout;
use super::Messages;

/// A server that has said nothing for this long while we cannot write is busy, not talkative.
const QUIET: Duration = Duration::from_millis(10);
/// How long a server that has hung up may take to deliver its reason.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Messages {
    /// Sends all parts as one. Where the server hangs up instead, its reason is the error.
    pub(in crate::pg) fn send(&mut self, parts: &[&[u8]]) -> Result<(), PgError> {
        self.check_usable()?;
        let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match self.stream.write_vectored(rest) {
                Ok(0) => return Err(self.last_words(io::ErrorKind::WriteZero.into())),
                Ok(count) => IoSlice::advance_slices(&mut rest, count),
                Err(error) => self.retry_write(error)?,
            }
        }
        loop {
            match self.stream.flush() {
                Ok(()) => return Ok(()),
                Err(error) => self.retry_write(error)?,
            }
        }
    }

    /// A write got nowhere: if it only timed out, hears the server out, lest both wait for ever.
    fn retry_write(&mut self, error: io::Error) -> Result<(), PgError> {
        if error.kind() == io::ErrorKind::Interrupted {
            return Ok(());
        }
        if !is_timeout(&error) {
            return Err(self.last_words(error));
        }
        self.limit_read()?;
        if self.deadline.is_none() {
            self.hear_out()?;
        }
        Ok(())
    }

    /// Takes asides until the server is quiet: it may raise many for each row that it reads from us.
    fn hear_out(&mut self) -> Result<(), PgError> {
        let set = self.stream.set_read_timeout(Some(QUIET));
        set.map_err(|error| self.lost(error))?;
        while !self.skip_asides()? {
            match self.stream.read(self.inbox.space()) {
                Ok(0) => return Err(self.closed()),
                Ok(count) => self.inbox.filled(count),
                Err(error) if is_timeout(&error) => break,
                Err(error) => return Err(self.lost(error)),
            }
        }
        self.set_read_timeout(self.read_timeout)
    }

    /// The reason of a server that hung up on us, if it sent one.
    fn last_words(&mut self, error: io::Error) -> PgError {
        // only a best effort: the first error is reported if this fails
        let _ = self.stream.set_read_timeout(Some(LAST_WORDS));
        let mut said = None;
        while let Ok(message) = self.next() {
            if let Message::ErrorResponse(body) = message {
                said = self.server_error(&body).ok();
                break;
            }
        }
        let lost = self.lost(error);
        said.map_or(lost, |error| PgError::Server(Box::new(error)))
    }
}
