//! Cancel requests, as Ctrl-C in psql.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use super::endpoint::{Endpoint, Wish};
use super::error::PgError;
use super::messages::Messages;

/// Whoever cancels is about to end, and does not wait for a server that takes no connection.
const LIMIT: Duration = Duration::from_secs(2);

/// Names one session to its server. `Send` and `Sync`.
#[derive(Clone)]
pub struct CancelToken {
    endpoint: Endpoint,
    tls: bool,
    pid: i32,
    secret: i32,
}

impl CancelToken {
    pub(super) fn new(endpoint: Endpoint, tls: bool, pid: i32, secret: i32) -> Self {
        Self {
            endpoint,
            tls,
            pid,
            secret,
        }
    }

    /// Asks the server to cancel what the session runs, and waits until it has taken the request, two
    /// seconds at most.
    ///
    /// The session then gets an error with SQLSTATE 57014, if it was not already done.
    pub fn cancel(&self) -> Result<(), PgError> {
        let deadline = Some((Instant::now() + LIMIT, LIMIT));
        let wish = if self.tls { Wish::Tls } else { Wish::Plain };
        let stream = self.endpoint.open(wish, deadline)?;
        let mut messages = Messages::new(stream, self.endpoint.to_string(), deadline);
        messages.doing = "asking to cancel";
        let mut request = BytesMut::new();
        frontend::cancel_request(self.pid, self.secret, &mut request);
        messages.send(&[&request])?;
        match messages.next() {
            // there is no answer: the server just closes the connection
            Err(PgError::Closed { .. } | PgError::Lost { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(messages.unexpected()),
        }
    }
}
