//! The side of the command that asks; blocks.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Answer, LINE_LIMIT, Live, Request, socket_path};

/// A live process answers from memory; longer means that it hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How the process that works on this state directory is; `None` where none does. An error where
/// one does and does not answer.
pub fn find(dir: &Path) -> io::Result<Option<Live>> {
    match ask(dir, Request::Status)? {
        Some((Answer::Status(live), _)) => Ok(Some(live)),
        Some((Answer::Accepted { .. }, _)) => Err(io::ErrorKind::InvalidData.into()),
        None => Ok(None),
    }
}

/// Asks the live process to end; `None` where there is none.
pub fn request(dir: &Path, request: Request) -> io::Result<Option<Ending>> {
    Ok(match ask(dir, request)? {
        Some((Answer::Accepted { pid }, stream)) => Some(Ending { pid, stream }),
        Some((Answer::Status(_), _)) => return Err(io::ErrorKind::InvalidData.into()),
        None => None,
    })
}

/// A process that was asked to end.
#[derive(Debug)]
pub struct Ending {
    pub pid: u32,
    stream: UnixStream,
}

impl Ending {
    /// Waits until it has ended, at most `limit`; whether it has.
    pub fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return false;
            }
            match (&self.stream).read(&mut [0]) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // End of file, or a reset: the process has closed everything.
                Ok(0) | Err(_) => return true,
            }
        }
    }
}

fn ask(dir: &Path, request: Request) -> io::Result<Option<(Answer, UnixStream)>> {
    let handle = File::open(dir)?;
    let stream = match UnixStream::connect(socket_path(&handle)) {
        Ok(stream) => stream,
        // Nobody listens, or never did.
        Err(error) if is_nobody(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    writeln!(&stream, "{}", serde_json::to_string(&request)?)?;
    let mut line = String::new();
    let read = BufReader::new((&stream).take(LINE_LIMIT as u64)).read_line(&mut line)?;
    match read {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(Some((serde_json::from_str(&line)?, stream))),
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}
