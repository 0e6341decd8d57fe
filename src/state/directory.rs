//! The directory itself: locked while open, its files replaced whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use super::error::{StateError, io_error};
use super::{envelope, privacy};
use crate::wire::Role;

const LOCK_FILE: &str = "lock";
/// Begins the name of a file that is being written; what a crash leaves is removed at `open`.
const TEMPORARY_PREFIX: &str = ".new-";
/// How long the lock may outlive the process that had it: a child that it was about to start has the
/// lock too until it is another program.
const LEGACY: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
/// Leaves room for suffixes within the 255 bytes of a file name.
const NAME_LIMIT: usize = 100;

/// The state directory of one migration and role, this process's alone while the value lives.
#[derive(Debug)]
pub struct StateDir {
    /// Without links: what was looked at is what is used, wherever a link leads later.
    path: PathBuf,
    /// Who could put another directory in its place.
    doubt: Option<String>,
    /// Holds the lock; closing it, in whatever way the process ends, lets go.
    _lock: File,
}

impl StateDir {
    /// Opens `<root>/<migration>/<role>`, making what is missing, and locks it.
    pub fn open(root: &Path, migration: &str, role: Role) -> Result<Self, StateError> {
        check_name(migration)?;
        make_directory(root)?;
        let migration = root.join(migration);
        make_directory(&migration)?;
        let path = migration.join(role.as_str());
        make_directory(&path)?;
        let path = fs::canonicalize(&path).map_err(io_error("read", &path))?;
        privacy::close_directory(&path)?;
        let lock = lock(&path)?;
        remove_leftovers(&path)?;
        privacy::close_files(&path)?;
        let doubt = privacy::doubt_way(&path);
        if let Some(doubt) = &doubt {
            tracing::warn!("{doubt}");
        }
        Ok(Self {
            path,
            doubt,
            _lock: lock,
        })
    }

    /// Whether there is such a file where the directory itself cannot be opened.
    pub fn has(root: &Path, migration: &str, role: Role, file: &str) -> bool {
        let directory = root.join(migration).join(role.as_str());
        directory.join(file).exists()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its user is to be told of the way to it, if anything.
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// The value in `file`, `None` if there is no such file. A torn or foreign one is an error.
    pub fn read<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, StateError> {
        glance(&self.path, file)
    }

    /// Puts `value` into `file`: durable on return, and after a crash either old or new.
    pub fn write<T: Serialize>(&self, file: &str, value: &T) -> Result<(), StateError> {
        let text = envelope::seal(&self.path.join(file), file, value)?;
        self.write_bytes(file, text.as_bytes())
    }

    /// Like [`write`](Self::write), but never replaces: false if `file` was there already.
    pub fn create<T: Serialize>(&self, file: &str, value: &T) -> Result<bool, StateError> {
        let path = self.path.join(file);
        let text = envelope::seal(&path, file, value)?;
        let temporary = temporary(&self.path, text.as_bytes())?;
        match temporary.persist_noclobber(&path) {
            Ok(_) => sync_directory(&self.path).map(|()| true),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(io_error("create", &path)(e.error)),
        }
    }

    /// The bytes of `file` as they are, `None` if there is no such file.
    pub fn read_bytes(&self, file: &str) -> Result<Option<Vec<u8>>, StateError> {
        read_file(&self.path.join(file))
    }

    /// Puts `bytes` into `file` without an envelope, as durably as [`write`](Self::write).
    pub fn write_bytes(&self, file: &str, bytes: &[u8]) -> Result<(), StateError> {
        replace(&self.path.join(file), bytes)
    }

    /// Removes `file`, durably; not an error if there is none.
    pub fn remove(&self, file: &str) -> Result<(), StateError> {
        let path = self.path.join(file);
        match fs::remove_file(&path) {
            Ok(()) => sync_directory(&self.path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(io_error("remove", &path)(e)),
        }
    }
}

/// The value in `file` of a state directory that another process may hold: files are replaced
/// whole, so what is read is what was true a moment ago.
pub fn glance<T: DeserializeOwned>(dir: &Path, file: &str) -> Result<Option<T>, StateError> {
    let path = dir.join(file);
    let text = read_file(&path)?;
    text.map(|text| envelope::open(&path, file, &text))
        .transpose()
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_error("read", path)(e)),
    }
}

/// Replaces the file at `path` by one of mode 0600 that holds `bytes`.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let directory = directory_of(path);
    let temporary = temporary(directory, bytes)?;
    temporary
        .persist(path)
        .map_err(|e| io_error("replace", path)(e.error))?;
    sync_directory(directory)
}

/// The directory a file is in; that of a bare name is the current one.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A synced file of mode 0600 (tempfile's own default) in `directory`, under a temporary name.
fn temporary(directory: &Path, bytes: &[u8]) -> Result<NamedTempFile, StateError> {
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(directory)
        .map_err(io_error("create a file in", directory))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(io_error("write", file.path()))?;
    Ok(file)
}

fn sync_directory(directory: &Path) -> Result<(), StateError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(io_error("sync", directory))
}

fn check_name(name: &str) -> Result<(), StateError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let first = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    if first && name.len() <= NAME_LIMIT && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(StateError::Name {
        name: name.to_owned(),
        limit: NAME_LIMIT,
    })
}

/// Makes `path` and its parents with mode 0700; one that is there already keeps its mode.
fn make_directory(path: &Path) -> Result<(), StateError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io_error("create directory", path))?;
    sync_directory(directory_of(path))
}

fn lock(directory: &Path) -> Result<File, StateError> {
    let path = directory.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io_error("open", &path))?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK) => {
                let holder = holder(&mut file);
                if holder.is_some_and(is_alive) || begun.elapsed() > LEGACY {
                    return Err(StateError::Locked {
                        path: directory.to_owned(),
                        holder: holder.map(Pid::as_raw_pid),
                    });
                }
                std::thread::sleep(PAUSE);
            }
            Err(errno) => return Err(io_error("lock", &path)(errno.into())),
        }
    }
    note_holder(&mut file).map_err(io_error("write", &path))?;
    Ok(file)
}

/// Only for the error message of whoever comes second: not synced.
fn note_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The process that has the lock, once it has said so.
fn holder(file: &mut File) -> Option<Pid> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

/// One of another user is alive too.
fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid) != Err(Errno::SRCH)
}

fn remove_leftovers(directory: &Path) -> Result<(), StateError> {
    let list = io_error("list", directory);
    let entries = fs::read_dir(directory).map_err(list)?;
    for entry in entries {
        let entry = entry.map_err(io_error("list", directory))?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(TEMPORARY_PREFIX)
        {
            fs::remove_file(entry.path()).map_err(io_error("remove", entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn values_come_back_from_private_files() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(&root.path().join("new/root"), "m1", Role::Send).unwrap();
        assert!(state.path().ends_with("new/root/m1/send"));
        assert_eq!(state.read::<Vec<u8>>("plan").unwrap(), None);
        state.write("plan", &vec![1_u8]).unwrap();
        state.write("plan", &vec![2_u8]).unwrap();
        assert_eq!(state.read("plan").unwrap(), Some(vec![2_u8]));
        assert_eq!(mode(&state.path().join("plan")), 0o600);
        assert_eq!(mode(state.path()), 0o700);
        assert_eq!(mode(state.path().parent().unwrap()), 0o700);

        state.write_bytes("archive", b"\x00\xff").unwrap();
        assert_eq!(state.read_bytes("archive").unwrap().unwrap(), b"\x00\xff");
        assert_eq!(mode(&state.path().join("archive")), 0o600);
        state.remove("plan").unwrap();
        state.remove("plan").unwrap();
        assert_eq!(state.read::<Vec<u8>>("plan").unwrap(), None);
    }

    #[test]
    fn a_directory_that_was_open_to_others_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("m1/recv");
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        StateDir::open(root.path(), "m1", Role::Recv).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_link_on_the_way_is_followed_once() {
        let root = tempfile::tempdir().unwrap();
        let [first, second, link] = ["first", "second", "link"].map(|name| root.path().join(name));
        fs::create_dir(&first).unwrap();
        std::os::unix::fs::symlink(&first, &link).unwrap();
        let state = StateDir::open(&link, "m1", Role::Send).unwrap();
        let real = fs::canonicalize(&first).unwrap().join("m1/send");
        assert_eq!(state.path(), real);
        fs::create_dir_all(second.join("m1/send")).unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&second, &link).unwrap();
        state.write("plan", &1).unwrap();
        assert!(real.join("plan").exists());
        assert!(!second.join("m1/send/plan").exists());
    }

    /// What a killed process was about to start has its lock for a moment longer.
    #[test]
    fn the_lock_of_the_dead_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let path = StateDir::open(root.path(), "m1", Role::Send).unwrap().path;
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        fs::write(path.join(LOCK_FILE), format!("{}\n", dead.id())).unwrap();
        let left = File::open(path.join(LOCK_FILE)).unwrap();
        flock(&left, FlockOperation::LockExclusive).unwrap();
        let child = std::thread::spawn(move || {
            std::thread::sleep(PAUSE * 5);
            drop(left);
        });
        StateDir::open(root.path(), "m1", Role::Send).unwrap();
        child.join().unwrap();
    }

    #[test]
    fn create_never_replaces() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m1", Role::Send).unwrap();
        assert!(state.create("peer", &1).unwrap());
        assert!(!state.create("peer", &2).unwrap());
        assert_eq!(state.read("peer").unwrap(), Some(1));
        assert_eq!(mode(&state.path().join("peer")), 0o600);
    }

    #[test]
    fn the_second_opener_is_told_who_holds_the_lock() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m1", Role::Send).unwrap();
        let error = StateDir::open(root.path(), "m1", Role::Send).unwrap_err();
        assert!(matches!(error, StateError::Locked { .. }));
        let line = error.to_string();
        assert!(line.contains("m1/send"), "{line}");
        assert!(line.contains(&format!("process {}", std::process::id())));

        StateDir::open(root.path(), "m1", Role::Recv).unwrap();
        StateDir::open(root.path(), "m2", Role::Send).unwrap();
        drop(state);
        StateDir::open(root.path(), "m1", Role::Send).unwrap();
    }

    #[test]
    fn what_a_crash_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m1", Role::Send).unwrap();
        let left = state.path().join(".new-abc");
        fs::write(&left, "half").unwrap();
        drop(state);
        StateDir::open(root.path(), "m1", Role::Send).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn names_that_leave_the_root_are_refused() {
        let long = "a".repeat(NAME_LIMIT + 1);
        for name in ["", ".", "..", "a/b", "../x", "-x", "a b", "ä", &long] {
            let error = StateDir::open(Path::new("/nowhere"), name, Role::Send).unwrap_err();
            assert!(matches!(error, StateError::Name { .. }), "{name}");
        }
        check_name("momentum_2024-06.b").unwrap();
    }
}
