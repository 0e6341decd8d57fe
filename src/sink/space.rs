//! How much room the target server's disks have, where they can be seen from here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::fs::{stat, statvfs};

use crate::pg::{Client, ConnInfo, PgError};

const PATHS: &str = include_str!("space/paths.sql");
/// insufficient_privilege: only some roles may know where the server keeps its files.
const DENIED: &str = "42501";

/// The file systems that the target server writes to: a directory of each, its data directory's first.
#[derive(Debug, Clone)]
pub struct Space {
    directories: Vec<PathBuf>,
}

/// A file system with less room than is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    pub directory: PathBuf,
    pub free: u64,
    pub keep: u64,
}

impl Space {
    /// Looks where the server keeps its files. None where it runs on another host, keeps that from
    /// us, or its data directory cannot be looked at.
    pub fn find(client: &mut Client, info: &ConnInfo) -> Result<Option<Self>, PgError> {
        if !info.is_local() {
            return Ok(None);
        }
        let rows = match client.query(PATHS) {
            Err(error) if error.sqlstate() == Some(DENIED) => return Ok(None),
            rows => rows?,
        };
        let mut directories: Vec<PathBuf> = Vec::new();
        let mut seen = BTreeSet::new();
        for row in &rows {
            let path = PathBuf::from(row.text(0)?);
            match stat(&path) {
                Ok(found) if seen.insert(found.st_dev) => directories.push(path),
                Ok(_) => {}
                Err(_) if directories.is_empty() => return Ok(None),
                Err(error) => tracing::debug!(?path, %error, "its free space is not looked at"),
            }
        }
        Ok((!directories.is_empty()).then_some(Self { directories }))
    }

    /// The first file system with fewer bytes free than are to be kept on one of its size.
    pub fn shortage(&self, keep: &dyn Fn(u64) -> u64) -> Option<Shortage> {
        self.directories.iter().find_map(|directory| {
            let Room { free, size } = room(directory)?;
            let (directory, keep) = (directory.clone(), keep(size));
            (free < keep).then_some(Shortage {
                directory,
                free,
                keep,
            })
        })
    }

    /// Where the server keeps its data, and what is free there.
    pub fn data(&self) -> Option<(&Path, u64)> {
        let directory = self.directories.first()?;
        Some((directory, room(directory)?.free))
    }
}

/// Of a file system, in bytes.
struct Room {
    /// What a server that is not root can still write.
    free: u64,
    size: u64,
}

/// A file system that has gone is its server's trouble, and told by it.
fn room(directory: &Path) -> Option<Room> {
    let found = statvfs(directory).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Room {
        free: bytes(found.f_bavail),
        size: bytes(found.f_blocks),
    })
}
