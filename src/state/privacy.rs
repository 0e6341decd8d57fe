//! That a state directory is nobody else's: what others could read is closed to them, what they
//! could write is not believed, and where they could put something else in its place is told. A
//! checksum shows accidents, not intent.

use std::fs::{self, Permissions};
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

/// Who could put another directory in place of this one, whose path leads through no link: each above
/// it should be ours or root's, and nobody else should be able to rename what is in it. Groups are
/// trusted, as many a user has one of his own.
///
/// A word of warning, no refusal: in a container, in a user namespace or on a network file system its
/// user cannot have it otherwise.
pub(super) fn doubt_way(path: &Path) -> Option<String> {
    let doubts: Vec<_> = path.ancestors().skip(1).filter_map(doubt).collect();
    if doubts.is_empty() {
        return None;
    }
    Some(format!(
        "{}: others on this host could put another state directory in place of `{}`; \
         where you do not trust them, use one that is yours or root's all the way up (--state)",
        doubts.join(", "),
        path.display()
    ))
}

fn doubt(above: &Path) -> Option<String> {
    // What cannot be looked at stops nobody: the directory itself was found.
    let found = fs::metadata(above).ok()?;
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    let above = above.display();
    if !is_trusted(owner) {
        return Some(format!("`{above}` belongs to another user (uid {owner})"));
    }
    let is_open = mode & EVERYBODY_WRITES != 0 && mode & STICKY == 0;
    is_open.then(|| format!("everybody may write to `{above}` (mode {mode:04o})"))
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

    #[test]
    fn a_way_that_everybody_may_change_is_doubted() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let shown = format!("everybody may write to `{}`", root.display());
        for (mode, is_doubted) in [(0o777, true), (0o1777, false), (0o775, false)] {
            fs::set_permissions(&root, Permissions::from_mode(mode)).unwrap();
            let doubt = doubt_way(&root.join("m1/send")).unwrap_or_default();
            assert_eq!(doubt.contains(&shown), is_doubted, "{mode:o}: {doubt}");
        }
    }
}
