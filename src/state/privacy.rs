//! That a state directory is nobody else's: what others could read is closed to them, what they
//! could write is not believed. A checksum shows accidents, not intent.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::{StateError, io_error};

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Closes the directory itself.
pub(super) fn close_directory(path: &Path) -> Result<(), StateError> {
    narrow(path, 0o700)
}

/// Closes the files in it. A socket is as private as its directory.
pub(super) fn close_files(directory: &Path) -> Result<(), StateError> {
    for entry in fs::read_dir(directory).map_err(io_error("list", directory))? {
        let entry = entry.map_err(io_error("list", directory))?;
        let kind = entry.file_type().map_err(io_error("read", entry.path()))?;
        if kind.is_file() {
            narrow(&entry.path(), 0o600)?;
        }
    }
    Ok(())
}

fn narrow(path: &Path, private: u32) -> Result<(), StateError> {
    let mode = match fs::metadata(path) {
        Ok(found) => found.permissions().mode() & 0o777,
        // A keeper that ends takes its files along.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io_error("read", path)(e)),
    };
    if mode & OTHERS_WRITE != 0 {
        let path = path.to_owned();
        return Err(StateError::Writable { path, mode });
    }
    if mode & OTHERS == 0 {
        return Ok(());
    }
    tracing::warn!(path = %path.display(), mode = format!("{mode:03o}"), "others could read this");
    fs::set_permissions(path, Permissions::from_mode(private)).map_err(io_error("restrict", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_could_read_is_closed_and_what_they_could_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("identity");
        fs::write(&file, "").unwrap();
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        for (open, closed) in [(0o644, 0o600), (0o640, 0o600), (0o400, 0o400)] {
            fs::set_permissions(&file, Permissions::from_mode(open)).unwrap();
            close_files(root.path()).unwrap();
            assert_eq!(mode(), closed);
        }
        for open in [0o620, 0o602, 0o666] {
            fs::set_permissions(&file, Permissions::from_mode(open)).unwrap();
            let error = close_files(root.path()).unwrap_err();
            assert!(matches!(error, StateError::Writable { .. }), "{error}");
            assert_eq!(mode(), open);
        }
    }
}
