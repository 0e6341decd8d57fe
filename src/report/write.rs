//! A report on disk: whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::contract::Report;
use super::html;

/// What a report is written as; its file's extension chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    Json,
    Html,
}

/// Why a report could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    #[error("report file {path} must end in .json or .html")]
    Extension { path: PathBuf },
    #[error("cannot write report {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl ReportFormat {
    pub fn of(path: &Path) -> Result<Self, WriteError> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => Ok(Self::Json),
            Some("html") => Ok(Self::Html),
            _ => Err(WriteError::Extension {
                path: path.to_owned(),
            }),
        }
    }
}

impl Report {
    /// Writes the report as its extension says, by a temporary file beside it and a rename.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let text = match ReportFormat::of(path)? {
            ReportFormat::Json => self.to_json(),
            ReportFormat::Html => html::render(self),
        };
        replace(path, text.as_bytes()).map_err(|source| WriteError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// The report as indented JSON with a final line feed.
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("a report has only string and enum keys");
        text.push('\n');
        text
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // Subject to the umask, as any file a tool writes for others to read.
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::contract::tests::sample;

    #[test]
    fn json_comes_back_as_it_went() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        std::fs::write(&path, "an older one").unwrap();
        sample().write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let back: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(back, sample());
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn other_extensions_are_refused() {
        let error = sample().write(Path::new("/tmp/report.txt")).unwrap_err();
        let text = error.to_string();
        assert_eq!(
            text,
            "report file /tmp/report.txt must end in .json or .html"
        );
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = sample().write(Path::new("/no/such/r.json")).unwrap_err();
        assert_eq!(error.to_string(), "cannot write report /no/such/r.json");
    }
}
