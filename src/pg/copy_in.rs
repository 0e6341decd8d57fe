//! COPY FROM STDIN.

use bytes::BytesMut;
use postgres_protocol::message::backend::{COPY_DATA_TAG, Message};
use postgres_protocol::message::frontend;

use super::client::Client;
use super::copy_out::row_count;
use super::error::PgError;
use super::messages::HEADER;

/// The server keeps a whole CopyData message in memory before it looks at it.
const MAX_PAYLOAD: usize = 1 << 20;

/// A running `COPY … FROM STDIN`. Dropped before [`CopyIn::finish`] or [`CopyIn::abort`] it closes the
/// connection, so that the rows so far are rolled back.
pub struct CopyIn<'a> {
    client: &'a mut Client,
    done: bool,
}

impl<'a> CopyIn<'a> {
    pub(super) fn new(client: &'a mut Client) -> Self {
        client.messages.doing = "writing a COPY";
        Self {
            client,
            done: false,
        }
    }

    /// Sends `data`, whose end need not be a row's.
    ///
    /// If the server has already given up, its error is returned here, else by `finish`; after it the
    /// client is ready for the next statement and this COPY takes nothing more.
    pub fn write(&mut self, data: &[u8]) -> Result<(), PgError> {
        for payload in data.chunks(MAX_PAYLOAD) {
            self.check()?;
            let sent = self
                .client
                .messages
                .send(&[&header(payload.len()), payload]);
            sent.inspect_err(|_| self.done = true)?;
        }
        Ok(())
    }

    /// Ends the COPY; the number of rows that it has stored.
    pub fn finish(mut self) -> Result<u64, PgError> {
        self.refuse_after_error()?;
        let mut message = BytesMut::new();
        frontend::copy_done(&mut message);
        let sent = self.client.messages.send(&[&message]);
        sent.inspect_err(|_| self.done = true)?;
        let tag = self.settle()?;
        row_count(&tag).ok_or(PgError::NoRowCount { tag })
    }

    /// Makes the COPY fail with `why` as its message; an error only if that could not be told.
    pub fn abort(mut self, why: &str) -> Result<(), PgError> {
        if self.done {
            return Ok(());
        }
        self.client.send_copy_fail(why)?;
        match self.settle() {
            Err(error) if !error.is_connection_lost() && error.sqlstate().is_some() => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(self.client.messages.unexpected()),
        }
    }

    fn refuse_after_error(&self) -> Result<(), PgError> {
        if self.done {
            return Err(PgError::CopyEnded);
        }
        Ok(())
    }

    /// Looks, without waiting, whether the server has given up.
    fn check(&mut self) -> Result<(), PgError> {
        self.refuse_after_error()?;
        if self
            .client
            .messages
            .poll()
            .inspect_err(|_| self.done = true)?
        {
            // what waits is the error: nothing else answers data
            self.settle()?;
            return Err(self.client.messages.unexpected());
        }
        Ok(())
    }

    /// Takes messages up to ReadyForQuery; the command tag.
    fn settle(&mut self) -> Result<String, PgError> {
        self.done = true;
        let mut last = String::new();
        loop {
            match self.client.messages.next()? {
                Message::CommandComplete(body) => {
                    let tag = body.tag().map(str::to_owned);
                    last =
                        tag.map_err(|_| self.client.messages.protocol("command tag is not UTF-8"))?;
                }
                Message::ReadyForQuery(body) => {
                    self.client.ready(body.status());
                    return Ok(last);
                }
                Message::ErrorResponse(body) => {
                    let error = self.client.messages.server_error(&body)?;
                    return Err(self.client.fail(error));
                }
                _ => return Err(self.client.messages.unexpected()),
            }
        }
    }
}

impl Drop for CopyIn<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.client
                .messages
                .abandon("a COPY was given up in the middle");
        }
    }
}

fn header(payload: usize) -> [u8; HEADER] {
    let length = u32::try_from(payload + 4).expect("a payload is at most MAX_PAYLOAD");
    let [a, b, c, d] = length.to_be_bytes();
    [COPY_DATA_TAG, a, b, c, d]
}
