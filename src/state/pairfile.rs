//! The `--pair-file`: how a code gets from recv to send without hands.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::StateError;
use super::directory::replace;
use super::error::io_error;
use crate::wire::handshake::PairCode;

/// How often a file that is not there yet is looked for.
const POLL: Duration = Duration::from_millis(200);
/// Many times a code; keeps a mistaken path to a huge file from being read.
const SIZE_LIMIT: u64 = 4096;
const OTHERS: u32 = 0o077;

/// Puts `code` into the file at `path`, mode 0600, by rename: nobody ever reads half a code.
pub fn publish(path: &Path, code: &PairCode) -> Result<(), StateError> {
    replace(path, format!("{code}\n").as_bytes())
}

/// The code in the file, `None` if the file is missing or empty.
///
/// A file that others may read gives its code away: a warning says so.
pub fn read(path: &Path) -> Result<Option<PairCode>, StateError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_error("read pair file", path)(e)),
    };
    let mode = file.metadata().map(|meta| meta.permissions().mode());
    let mut text = Vec::new();
    file.take(SIZE_LIMIT)
        .read_to_end(&mut text)
        .map_err(io_error("read pair file", path))?;
    let text = String::from_utf8_lossy(&text);
    if text.trim().is_empty() {
        return Ok(None);
    }
    if mode.is_ok_and(|mode| mode & OTHERS != 0) {
        tracing::warn!(path = %path.display(), "pair file can be read by others; chmod 600 it");
    }
    let code = text.parse().map_err(|source| StateError::PairFile {
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(code))
}

/// The code in the file, once there is one; gives up after `limit`. Cancel-safe.
pub async fn wait(path: &Path, limit: Duration) -> Result<PairCode, StateError> {
    let end = Instant::now() + limit;
    loop {
        if let Some(code) = read(path)? {
            return Ok(code);
        }
        if Instant::now() >= end {
            return Err(StateError::NoPairFile {
                path: path.to_owned(),
                seconds: limit.as_secs(),
            });
        }
        sleep(POLL.min(limit)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handshake::PairCodeError;

    #[tokio::test]
    async fn a_code_is_published_privately_and_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pair");
        assert_eq!(read(&path).unwrap(), None);
        let code = PairCode::generate();
        let (waited, _) = tokio::join!(wait(&path, Duration::from_secs(10)), async {
            sleep(Duration::from_millis(20)).await;
            publish(&path, &code).unwrap();
        });
        assert_eq!(waited.unwrap(), code);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn waiting_ends_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pair");
        fs::write(&path, "\n").unwrap();
        let error = wait(&path, Duration::from_millis(1)).await.unwrap_err();
        assert!(matches!(error, StateError::NoPairFile { .. }));
    }

    #[test]
    fn a_mistyped_code_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pair");
        let text = PairCode::generate().to_string().replacen("-", "-!", 1);
        fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(
            error,
            StateError::PairFile {
                source: PairCodeError::Symbol('!'),
                ..
            }
        ));
        assert!(error.to_string().contains("pair"));
    }
}
