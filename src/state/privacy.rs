//! That a state directory is nobody else's: what others could read is closed to them, what they
//! could write, or put something else in place of, is not believed. A checksum shows accidents, not
//! intent.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::error::{StateError, io_error};

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
const EVERYBODY_WRITES: u32 = 0o002;
/// Only who owns a file in such a directory may rename or remove it (inode(7)).
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// Closes the directory itself.
pub(super) fn close_directory(path: &Path) -> Result<(), StateError> {
    narrow(path, 0o700)
}

/// Refuses a directory above which somebody else could put another in its place: each on the way down
/// to it is ours or root's, and nobody else may rename what is in it. Groups are trusted, as many a
/// user has one of his own.
pub(super) fn check_way(path: &Path) -> Result<(), StateError> {
    let real = fs::canonicalize(path).map_err(io_error("read", path))?;
    for above in real.ancestors().skip(1) {
        let found = fs::metadata(above).map_err(io_error("read", above))?;
        judge(above, &real, &found)?;
    }
    Ok(())
}

fn judge(above: &Path, below: &Path, found: &Metadata) -> Result<(), StateError> {
    let (path, below) = (above.to_owned(), below.to_owned());
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    if !is_trusted(owner) {
        return Err(StateError::Above { path, owner, below });
    }
    if mode & EVERYBODY_WRITES != 0 && mode & STICKY == 0 {
        return Err(StateError::Open { path, mode, below });
    }
    Ok(())
}

/// Root could do anything anyway.
fn is_trusted(owner: u32) -> bool {
    owner == ROOT || owner == rustix::process::geteuid().as_raw()
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
    let found = match fs::metadata(path) {
        Ok(found) => found,
        // A keeper that ends takes its files along.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io_error("read", path)(e)),
    };
    let (owner, mode) = (found.uid(), found.mode() & 0o777);
    if !is_trusted(owner) {
        let path = path.to_owned();
        return Err(StateError::Owner { path, owner });
    }
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
