//! A Unix socket at which one libpq program is let into a session of ours, and into its transaction.
//!
//! The program believes that it has a connection of its own. Its statements go to the server as they
//! are, and the answers back as they come; but what would begin or end a transaction is answered here.
//! It speaks the simple query protocol, as pg_dump does.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use postgres_protocol::message::backend;
use rustix::event::{PollFd, PollFlags, poll};

use super::client::Client;
use super::error::PgError;

/// libpq looks for this name in the directory that it is given as host.
const SOCKET: &str = ".s.PGSQL.5432";
const PORT: &str = "5432";
/// Startup messages are short; the server's own limit is 10,000 bytes.
const STARTUP_LIMIT: usize = 10_000;
/// pg_dump names all tables in one statement; those of a million take a tenth of it.
const QUERY_LIMIT: usize = 256 << 20;
/// Version 3.0 of the protocol.
const VERSION: u32 = 3 << 16;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// The socket; gone when dropped.
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
    /// Kept open: the way to the socket leads through it, as sun_path takes 107 bytes (unix(7)).
    dir: File,
    /// One end of a pair; the other is dropped when nobody comes any more.
    open: UnixStream,
}

/// Closes a [`Door`] from another thread when it is dropped.
pub struct Latch(#[allow(dead_code, reason = "held, to be dropped")] UnixStream);

impl Door {
    /// Opens it in a directory that nobody else may enter.
    pub fn open(dir: &Path) -> io::Result<(Self, Latch)> {
        let path = dir.join(SOCKET);
        let _ = std::fs::remove_file(&path);
        let dir = File::open(dir)?;
        let listener = UnixListener::bind(Path::new(&host(&dir)).join(SOCKET))?;
        let (open, latch) = UnixStream::pair()?;
        let door = Self {
            listener,
            path,
            dir,
            open,
        };
        Ok((door, Latch(latch)))
    }

    /// The environment in which a libpq program comes here.
    pub fn env(&self, user: &str, dbname: &str) -> Vec<(String, String)> {
        let host = host(&self.dir);
        let vars = [
            ("PGHOST", host.as_str()),
            ("PGPORT", PORT),
            ("PGUSER", user),
            ("PGDATABASE", dbname),
            ("PGGSSENCMODE", "disable"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        vars.into_iter().map(owned).collect()
    }

    /// Lets the first who comes speak through `client`, until he leaves or the latch is dropped.
    ///
    /// Fails where the connection to the server does. What the guest does wrong he is told, or he sees
    /// his connection closed.
    pub fn serve(&self, client: &mut Client) -> Result<(), PgError> {
        match self.accept() {
            Ok(Some(stream)) => Visit { stream, client }.run(),
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "nobody is let in");
                Ok(())
            }
        }
    }

    /// `None` where the latch was dropped first.
    fn accept(&self) -> io::Result<Option<UnixStream>> {
        loop {
            let mut sockets = [
                PollFd::new(&self.listener, PollFlags::IN),
                PollFd::new(&self.open, PollFlags::IN),
            ];
            match poll(&mut sockets, None) {
                Ok(_) if !sockets[0].revents().is_empty() => {
                    return self.listener.accept().map(|(stream, _)| Some(stream));
                }
                Ok(_) => return Ok(None),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The directory as a path that other processes of ours can use.
fn host(dir: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), dir.as_raw_fd())
}

/// Somebody who was let in.
struct Visit<'a> {
    stream: UnixStream,
    client: &'a mut Client,
}

impl Visit<'_> {
    fn run(mut self) -> Result<(), PgError> {
        let Ok(mut guest) = self.stream.try_clone().map(BufReader::new) else {
            return Ok(());
        };
        if self.greet(&mut guest).is_err() {
            return Ok(());
        }
        while let Ok(message) = read_message(&mut guest) {
            match message.first() {
                Some(&b'Q') => self.statement(&message)?,
                Some(&b'X') => break,
                _ => self.refuse("only simple queries are answered here"),
            }
        }
        Ok(())
    }

    /// ```text
    /// length u32, itself included  code u32  rest      SSLRequest, GSSENCRequest, or StartupMessage
    /// ```
    fn greet(&mut self, guest: &mut impl Read) -> io::Result<()> {
        loop {
            let startup = read_counted(guest, Vec::new(), STARTUP_LIMIT)?;
            match startup.get(4..).and_then(|rest| rest.first_chunk()) {
                Some(&code) if matches!(u32::from_be_bytes(code), SSL_REQUEST | GSS_REQUEST) => {
                    self.stream.write_all(b"N")?;
                }
                Some(&code) if u32::from_be_bytes(code) == VERSION => break,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        // AuthenticationOk: whoever can enter the directory is us.
        let mut answer = message(b'R', &[&0_u32.to_be_bytes()]);
        for (name, value) in self.client.parameters() {
            let parts = [name.as_bytes(), b"\0", value.as_bytes(), b"\0"];
            answer.extend(message(backend::PARAMETER_STATUS_TAG, &parts));
        }
        answer.extend(self.ready());
        self.stream.write_all(&answer)
    }

    fn statement(&mut self, query: &[u8]) -> Result<(), PgError> {
        let sql = String::from_utf8_lossy(&query[5..]);
        match own_answer(&sql) {
            Answer::Tag(tag) => self.say(&message(b'C', &[tag.as_bytes(), b"\0"])),
            Answer::Refusal => {
                self.refuse("the transaction is not yours to end");
                return Ok(());
            }
            Answer::Server => {
                let mut stream = &self.stream;
                // A guest who has gone hears nothing, but the server is heard out.
                return self.client.relay(query, &mut |bytes| {
                    let _ = stream.write_all(bytes);
                });
            }
        }
        self.say(&self.ready());
        Ok(())
    }

    fn refuse(&self, why: &str) {
        let fields = [b"SERROR\0C0A000\0M", why.as_bytes(), b"\0\0"];
        self.say(&message(b'E', &fields));
        self.say(&self.ready());
    }

    fn ready(&self) -> Vec<u8> {
        message(b'Z', &[&[self.client.status()]])
    }

    /// One who has gone is noticed at the next read.
    fn say(&self, bytes: &[u8]) {
        let _ = (&self.stream).write_all(bytes);
    }
}

/// What becomes of a statement.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Done already: the transaction is open, and is as pg_dump wants it.
    Tag(&'static str),
    Refusal,
    Server,
}

fn own_answer(sql: &str) -> Answer {
    let mut words = sql.split(|c: char| !c.is_ascii_alphabetic());
    let mut word = || words.next().unwrap_or_default().to_ascii_uppercase();
    match (word().as_str(), word().as_str()) {
        ("BEGIN", _) => Answer::Tag("BEGIN"),
        ("SET", "TRANSACTION") => Answer::Tag("SET"),
        ("START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT", _) | ("PREPARE", "TRANSACTION") => {
            Answer::Refusal
        }
        _ => Answer::Server,
    }
}

/// A backend message.
fn message(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length + 4).expect("made of short parts");
    let mut message = vec![tag];
    message.extend(length.to_be_bytes());
    message.extend(parts.concat());
    message
}

/// A frontend message, tag and length included.
fn read_message(guest: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut tag = [0];
    guest.read_exact(&mut tag)?;
    read_counted(guest, tag.to_vec(), QUERY_LIMIT)
}

/// Appends a length and what it counts. Grows only as bytes really arrive.
fn read_counted(guest: &mut impl Read, mut message: Vec<u8>, limit: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    guest.read_exact(&mut length)?;
    message.extend(length);
    let rest = (u32::from_be_bytes(length) as usize).checked_sub(4);
    let rest = rest.filter(|rest| *rest <= limit);
    let rest = rest.ok_or(io::ErrorKind::InvalidData)?;
    let read = guest.take(rest as u64).read_to_end(&mut message)?;
    match read == rest {
        true => Ok(message),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_transaction_begins_and_ends_with_is_answered_here() {
        let answers = [
            ("BEGIN", Answer::Tag("BEGIN")),
            (
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                Answer::Tag("SET"),
            ),
            ("set client_encoding to 'UTF8'", Answer::Server),
            ("SET statement_timeout = 0", Answer::Server),
            (
                "PREPARE dumpFunc(pg_catalog.oid) AS SELECT 1",
                Answer::Server,
            ),
            ("COMMIT", Answer::Refusal),
            ("ROLLBACK;", Answer::Refusal),
            ("", Answer::Server),
        ];
        for (sql, answer) in answers {
            assert_eq!(own_answer(sql), answer, "{sql}");
        }
    }

    #[test]
    fn lengths_are_not_believed() {
        let long = |length: u32| {
            let bytes = [b"Q".as_slice(), &length.to_be_bytes(), b"SELECT"].concat();
            read_message(&mut bytes.as_slice()).map_err(|error| error.kind())
        };
        assert_eq!(long(10).unwrap().len(), 11);
        assert_eq!(long(11), Err(io::ErrorKind::UnexpectedEof));
        for length in [0, 3, u32::MAX] {
            assert_eq!(long(length), Err(io::ErrorKind::InvalidData));
        }
    }
}
