//! Values of options: each parser's error is the sentence that a user reads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::report::ReportFormat;
use crate::report::units::{self, Rate, UnitError};
use crate::runtime::MIN_MEMORY;

const MAX_NAME: usize = 64;
/// Below this a chunk's commit and its COPY cost more than its rows.
const MIN_CHUNK: u64 = 64 << 10;
/// Above this hardly any table would be split, and a resume would repeat too much.
const MAX_CHUNK: u64 = 64 << 30;
/// PostgreSQL's limit for identifiers, in bytes.
const MAX_IDENTIFIER: usize = 63;

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// The usual level between hosts; within one host what costs less, from chunk to chunk.
    Auto,
    None,
    /// A zstd level, 1 to 19.
    Level(i32),
}

pub(super) fn compress(text: &str) -> Result<Compress, String> {
    match text {
        "auto" => return Ok(Compress::Auto),
        "none" => return Ok(Compress::None),
        _ => {}
    }
    match text.parse() {
        Ok(level @ 1..=19) => Ok(Compress::Level(level)),
        _ => Err("it is auto, none or a zstd level from 1 to 19".to_owned()),
    }
}

pub(super) fn size(text: &str) -> Result<u64, UnitError> {
    units::parse_size(text)
}

/// How much is to stay free on the target's disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepFree {
    Nothing,
    Bytes(u64),
}

pub(super) fn keep_free(text: &str) -> Result<KeepFree, UnitError> {
    match text {
        "none" => Ok(KeepFree::Nothing),
        _ => size(text).map(KeepFree::Bytes),
    }
}

pub(super) fn memory(text: &str) -> Result<u64, String> {
    match size(text).map_err(|e| e.to_string())? {
        bytes if bytes < MIN_MEMORY => Err("at least 64MiB are needed".to_owned()),
        bytes => Ok(bytes),
    }
}

pub(super) fn chunk_size(text: &str) -> Result<u64, String> {
    match size(text).map_err(|e| e.to_string())? {
        bytes @ MIN_CHUNK..=MAX_CHUNK => Ok(bytes),
        _ => Err("it is at least 64KiB and at most 64GiB".to_owned()),
    }
}

pub(super) fn rate(text: &str) -> Result<Rate, String> {
    match units::parse_rate(text).map_err(|e| e.to_string())? {
        Rate {
            bytes_per_second: 0,
        } => Err("a rate of nothing moves nothing".to_owned()),
        rate => Ok(rate),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, UnitError> {
    units::parse_duration(text)
}

pub(super) fn count(text: &str) -> Result<u64, UnitError> {
    units::parse_count(text)
}

/// A migration's name is a directory's name too, so dots alone are refused.
pub(super) fn migration(text: &str) -> Result<String, String> {
    let taken = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let dots = text.bytes().all(|b| b == b'.');
    if dots || text.len() > MAX_NAME || !text.bytes().all(taken) {
        return Err(format!(
            "a name is 1 to {MAX_NAME} of A-Z a-z 0-9 . _ - and not dots alone"
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn schema_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_IDENTIFIER {
        return Err(format!("a schema's name has 1 to {MAX_IDENTIFIER} bytes"));
    }
    if text.starts_with("pg_") {
        return Err("names that begin with pg_ belong to PostgreSQL".to_owned());
    }
    Ok(text.to_owned())
}

/// `ADDR:PORT` to listen on; an IPv6 address stands in brackets.
pub(super) fn listen(text: &str) -> Result<String, String> {
    host_port(text)
        .ok_or_else(|| "it is an address and a port, as in 0.0.0.0:5433 or [::]:5433".to_owned())
}

/// `HOST:PORT` to connect to.
pub(super) fn connect(text: &str) -> Result<String, String> {
    let error = "it is a host and a port, as in db2.example.org:5433 or [2001:db8::1]:5433";
    host_port(text)
        .filter(|t| !t.ends_with(":0"))
        .ok_or_else(|| error.to_owned())
}

fn host_port(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let plain = bracketed || !host.contains([':', '[', ']']);
    let digits = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    (plain && digits && !bare.is_empty() && !host.contains(char::is_whitespace))
        .then(|| text.to_owned())
}

/// Checked now, since it would be a pity to find out after eight hours.
pub(super) fn report_file(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    ReportFormat::of(path).map_err(|_| "it must end in .json or .html".to_owned())?;
    file_in_directory(text)
}

/// A file to be written: its directory must be there.
pub(super) fn file_in_directory(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty());
    match dir {
        Some(dir) if !dir.is_dir() => Err(format!("there is no directory {}", dir.display())),
        _ => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compress_takes_words_and_levels() {
        assert_eq!(compress("auto"), Ok(Compress::Auto));
        assert_eq!(compress("19"), Ok(Compress::Level(19)));
        for text in ["0", "20", "-1", "fast", ""] {
            assert!(compress(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_that_leave_the_state_directory_are_refused() {
        assert!(migration("engine-2.dwh_A").is_ok());
        for text in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(migration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn addresses_need_a_port() {
        for text in ["0.0.0.0:0", "[::]:5433", "localhost:1"] {
            assert!(listen(text).is_ok(), "{text}");
        }
        for text in [
            "", "host", ":1", "::1:5", "h:", "h:99999", "h:+1", "[]:1", "h h:1",
        ] {
            assert!(listen(text).is_err(), "{text}");
        }
        assert!(connect("host:0").is_err());
    }

    #[test]
    fn limits_are_named() {
        assert_eq!(memory("256MiB"), Ok(256 << 20));
        assert!(memory("63MiB").unwrap_err().contains("64MiB"));
        assert!(chunk_size("1kB").is_err());
        assert!(rate("1bit").is_err());
        assert!(schema_name("pg_pipe").is_err());
    }

    #[test]
    fn files_are_checked_before_the_work() {
        assert!(report_file("r.json").is_ok());
        assert!(
            report_file("/no/such/dir/r.html")
                .unwrap_err()
                .contains("/no/such/dir")
        );
        assert!(report_file("r.pdf").is_err());
    }
}
