//! COPY TO STDOUT: the hot path of a source. One read takes what the socket holds, one copy moves each
//! row's payload to the caller's buffer.

use std::time::Duration;

use postgres_protocol::message::backend::{COPY_DATA_TAG, Message};

use super::client::Client;
use super::error::PgError;
use super::messages::HEADER;
use super::stream::Stream;

/// A running `COPY … TO STDOUT`. Dropped before its end it closes the connection, so that the server
/// does not go on sending into nothing.
pub struct CopyOut<'a> {
    client: &'a mut Client,
    /// Bytes of the current CopyData payload that are still to come.
    open: usize,
    rows: Option<u64>,
    done: bool,
    pace: Pace,
}

impl<'a> CopyOut<'a> {
    pub(super) fn new(client: &'a mut Client) -> Self {
        client.messages.doing = "reading a COPY";
        client.messages.enlarge();
        let pace = Pace::of(client.messages.stream());
        Self {
            client,
            open: 0,
            rows: None,
            done: false,
            pace,
        }
    }

    /// Appends CopyData payloads to `buf` until it holds `target` bytes or the COPY ends.
    ///
    /// Stops at a message's end where it can: a message that would overflow `target` is left for the next
    /// call unless `buf` is empty, when it is split. `Ok(true)`: more to come, once `buf` has room again.
    /// `Ok(false)`: all has been read and the client is ready for the next statement.
    pub fn read(&mut self, buf: &mut Vec<u8>, target: usize) -> Result<bool, PgError> {
        while !self.done {
            let received = self.client.messages.received();
            let (taken, stop) = take(received, buf, target, &mut self.open);
            self.client.messages.consume(taken);
            match stop {
                Stop::Full => return Ok(true),
                Stop::Starved => self.fill()?,
                Stop::Other => self.control()?,
            }
        }
        Ok(false)
    }

    /// The number of rows in the command tag, once `read` has returned `Ok(false)`.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    fn fill(&mut self) -> Result<(), PgError> {
        if let Some(pause) = self.pace.pause() {
            std::thread::sleep(pause);
        }
        let before = self.client.messages.received().len();
        let filled = self.client.messages.fill();
        let read = self.client.messages.received().len().saturating_sub(before);
        self.pace.learn(read);
        filled.inspect_err(|_| self.done = true)
    }

    /// A message that is not data, complete.
    fn control(&mut self) -> Result<(), PgError> {
        let message = self.client.messages.next();
        match message.inspect_err(|_| self.done = true)? {
            Message::CopyDone => {}
            Message::CommandComplete(body) => {
                self.rows = body.tag().ok().and_then(row_count).or(self.rows);
            }
            Message::ReadyForQuery(body) => {
                self.client.ready(body.status());
                self.done = true;
            }
            Message::ErrorResponse(body) => {
                self.done = true;
                let error = self.client.messages.server_error(&body)?;
                return Err(self.client.fail(error));
            }
            _ => {
                self.done = true;
                return Err(self.client.messages.unexpected());
            }
        }
        Ok(())
    }
}

impl Drop for CopyOut<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.client
                .messages
                .abandon("a COPY was given up in the middle");
        }
    }
}

/// How long to wait before a read, so that it brings much.
///
/// The server writes 8 KiB at a time, and each write would wake us for a read of its own. A reader
/// that is ahead pauses instead until about half of what the socket holds has gathered in it: that
/// is 208 KiB by default, less what the kernel needs for itself.
#[derive(Debug)]
struct Pace {
    pause: Duration,
    longest: Duration,
    /// Reads in a row that brought little, none of them after a pause.
    scant: u32,
}

/// A read of less than this shows that we are ahead.
const SCANT_BYTES: usize = 64 << 10;
/// A read of more than this shows that the server may soon wait for us.
const AMPLE_BYTES: usize = 2 * SCANT_BYTES;
/// Short COPYs end before the first pause.
const SCANT_READS: u32 = 8;
/// A server would have to send 800 MB/s to be held up by it.
const FIRST_PAUSE: Duration = Duration::from_micros(250);
/// A slower server gains nothing from more: here it sends 32 MB/s.
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

impl Pace {
    fn of(stream: &Stream) -> Self {
        let longest = match stream {
            Stream::Unix(_) => LONGEST_PAUSE,
            // the window that TCP begins with may be less than half a Unix socket
            Stream::Tcp(_) => FIRST_PAUSE,
            // a read brings one record, however much waits
            Stream::Tls(_) => Duration::ZERO,
        };
        Self {
            pause: Duration::ZERO,
            longest,
            scant: 0,
        }
    }

    fn pause(&self) -> Option<Duration> {
        (!self.pause.is_zero()).then_some(self.pause)
    }

    fn learn(&mut self, read: usize) {
        if read >= AMPLE_BYTES {
            self.pause /= 2;
            if self.pause < FIRST_PAUSE {
                self.pause = Duration::ZERO;
            }
        } else if read >= SCANT_BYTES {
            self.scant = 0;
        } else if self.pause.is_zero() && self.scant < SCANT_READS {
            self.scant += 1;
        } else {
            self.pause = (self.pause * 2).max(FIRST_PAUSE).min(self.longest);
        }
    }
}

/// The n of `COPY n`.
pub(super) fn row_count(tag: &str) -> Option<u64> {
    tag.strip_prefix("COPY ")?.parse().ok()
}

#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// The caller's buffer takes no more.
    Full,
    /// All that was received is taken.
    Starved,
    /// A message of another kind.
    Other,
}

/// Moves payloads from `bytes` to `out`; how many bytes it took, and why it stopped.
///
/// ```text
/// 'd'  length u32, itself included  payload        one message per row
/// ```
fn take(bytes: &[u8], out: &mut Vec<u8>, target: usize, open: &mut usize) -> (usize, Stop) {
    let mut at = 0;
    loop {
        if *open > 0 {
            let room = target.saturating_sub(out.len());
            let count = (*open).min(room).min(bytes.len() - at);
            out.extend_from_slice(&bytes[at..at + count]);
            at += count;
            *open -= count;
        }
        if out.len() >= target {
            return (at, Stop::Full);
        }
        let Some(&[tag, a, b, c, d]) = bytes[at..].first_chunk::<HEADER>() else {
            return (at, Stop::Starved);
        };
        // a length below 4 is left for the parser of whole messages to refuse
        let Some(length) = u32::from_be_bytes([a, b, c, d]).checked_sub(4) else {
            return (at, Stop::Other);
        };
        let length = length as usize;
        if tag != COPY_DATA_TAG {
            return (at, Stop::Other);
        }
        if length > target - out.len() && !out.is_empty() {
            return (at, Stop::Full);
        }
        at += HEADER;
        *open = length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len() + 4).unwrap();
        [b"d", length.to_be_bytes().as_slice(), payload].concat()
    }

    /// Feeds `bytes` in pieces of `piece` and collects what each full buffer held.
    fn blocks(bytes: &[u8], piece: usize, target: usize) -> Vec<Vec<u8>> {
        let (mut blocks, mut out, mut open) = (vec![], vec![], 0);
        let mut inbox: Vec<u8> = vec![];
        let mut pieces = bytes.chunks(piece);
        loop {
            let (taken, stop) = take(&inbox, &mut out, target, &mut open);
            inbox.drain(..taken);
            match stop {
                Stop::Full => blocks.push(std::mem::take(&mut out)),
                Stop::Starved => match pieces.next() {
                    Some(piece) => inbox.extend_from_slice(piece),
                    None => return blocks.into_iter().chain([out]).collect(),
                },
                Stop::Other => panic!("not data"),
            }
        }
    }

    #[test]
    fn blocks_end_where_messages_end_unless_one_is_too_large() {
        let payloads: [&[u8]; 6] = [b"aaa", b"", b"bbb", b"cccccccccccccccccccc", b"dd", b"e"];
        let stream: Vec<u8> = payloads.iter().flat_map(|p| message(p)).collect();
        for piece in 1..=stream.len() {
            let blocks = blocks(&stream, piece, 8);
            let expected: [&[u8]; 4] = [b"aaabbb", b"cccccccc", b"cccccccc", b"ccccdde"];
            assert_eq!(blocks, expected, "pieces of {piece}");
        }
    }

    #[test]
    fn other_messages_and_bad_lengths_stop_it() {
        for bytes in [b"c\0\0\0\x04", b"d\0\0\0\x03", b"d\0\0\0\0"] {
            let taken = take(bytes, &mut vec![], 8, &mut 0);
            assert_eq!(taken, (0, Stop::Other));
        }
    }

    fn pace(longest: Duration) -> Pace {
        Pace {
            pause: Duration::ZERO,
            longest,
            scant: 0,
        }
    }

    #[test]
    fn pauses_come_after_scant_reads_only_and_settle_where_reads_bring_enough() {
        let mut pace = pace(LONGEST_PAUSE);
        for _ in 0..SCANT_READS {
            pace.learn(SCANT_BYTES - 1);
            assert_eq!(pace.pause(), None);
        }
        // at 50 MB/s
        for _ in 0..100 {
            let gathered = pace.pause().unwrap_or_default().as_micros() as usize * 50;
            pace.learn(gathered.max(8192));
        }
        assert_eq!(pace.pause(), Some(Duration::from_millis(2)));
        // and at 1 GB/s
        pace.learn(AMPLE_BYTES);
        assert_eq!(pace.pause(), Some(Duration::from_millis(1)));
        for _ in 0..3 {
            pace.learn(AMPLE_BYTES);
        }
        assert_eq!(pace.pause(), None);
    }

    #[test]
    fn a_stream_that_gives_little_at_a_time_is_never_waited_for() {
        let mut pace = pace(Duration::ZERO);
        for _ in 0..100 {
            pace.learn(8192);
        }
        assert_eq!(pace.pause(), None);
    }

    #[test]
    fn tags_tell_the_number_of_rows() {
        assert_eq!(row_count("COPY 12"), Some(12));
        assert_eq!(row_count("COPY"), None);
        assert_eq!(row_count("INSERT 0 1"), None);
    }
}
