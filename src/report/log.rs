//! The log file: one JSON object per line, times in RFC 3339 UTC.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::util::SubscriberInitExt;

/// The environment variable that holds the level, or a list such as `info,pgpipe=debug`.
pub const LEVEL_VARIABLE: &str = "PGPIPE_LOG";

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    #[error("cannot open log file {path}")]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot read {LEVEL_VARIABLE}={value:?}; it takes a level such as info or debug")]
    Level {
        value: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the log is already set up")]
    Twice,
}

/// Appends what the process logs to `file` (mode 0600); without a file nothing is logged, as the
/// terminal belongs to progress and results.
pub fn init(file: Option<&Path>) -> Result<(), LogError> {
    let Some(path) = file else {
        return Ok(());
    };
    let filter = filter(std::env::var(LEVEL_VARIABLE).ok())?;
    subscriber(open(path)?, filter)
        .try_init()
        .map_err(|_| LogError::Twice)
}

fn filter(level: Option<String>) -> Result<EnvFilter, LogError> {
    let value = level
        .filter(|l| !l.is_empty())
        .unwrap_or_else(|| "info".to_owned());
    EnvFilter::try_new(&value).map_err(|source| LogError::Level {
        value,
        source: source.into(),
    })
}

fn open(path: &Path) -> Result<File, LogError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options.open(path).map_err(|source| LogError::Open {
        path: path.to_owned(),
        source,
    })
}

fn subscriber(file: File, filter: EnvFilter) -> impl tracing::Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .json()
        .with_timer(Rfc3339)
        .with_env_filter(filter)
        .with_writer(Mutex::new(file))
        .finish()
}

struct Rfc3339;

impl FormatTime for Rfc3339 {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{:.6}", jiff::Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn lines_are_json_with_utc_times_and_old_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "{}\n").unwrap();
        let subscriber = subscriber(open(&path).unwrap(), filter(None).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(chunk = 7, "chunk committed");
            tracing::debug!("not at this level");
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[1]["fields"]["chunk"], 7);
        let time = lines[1]["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok());
    }

    #[test]
    fn a_new_log_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mode = open(&path)
            .unwrap()
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_wrong_level_is_named() {
        let error = filter(Some("x=y=z".to_owned())).unwrap_err();
        assert!(error.to_string().contains("x=y=z"), "{error}");
    }
}
