//! A small file system for the target's databases, which can be filled and emptied.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgpipe::demo::cluster::Cluster;

/// A migration of the campaign takes a third.
const SIZE: &str = "192m";
const PIECE: usize = 64 << 10;

pub(crate) struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    pub(crate) const TABLESPACE: &str = "small";

    /// Mounts it and makes it a tablespace. Says why where that is not allowed.
    pub(crate) fn mount(server: &Cluster) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may mount one".to_owned());
        }
        // The undertaker knows this name.
        let dir = server.socket_dir().join("disk");
        fs::create_dir(&dir).map_err(|error| error.to_string())?;
        let owner = fs::metadata(server.data_dir()).map_err(|error| error.to_string())?;
        let (uid, gid) = (owner.uid(), owner.gid());
        let options = format!("size={SIZE},mode=0700,uid={uid},gid={gid}");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&dir);
        let done = mount.output().map_err(|error| format!("mount: {error}"))?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned());
        }
        // A tablespace wants a directory of its own; what fills the disk lies beside it.
        let (disk, place) = (Self { dir }, "space");
        let space = disk.dir.join(place);
        fs::create_dir(&space).map_err(|error| error.to_string())?;
        give(&space, uid, gid)?;
        let (name, space) = (Self::TABLESPACE, space.display());
        let create = format!("CREATE TABLESPACE {name} LOCATION '{space}'");
        server
            .psql("postgres", &create)
            .map_err(|error| error.to_string())?;
        Ok(disk)
    }

    /// Leaves no room at all.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        let piece = vec![0; PIECE];
        loop {
            match file.write(&piece) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("cannot fill {}: {error}", self.dir.display()),
            }
        }
    }

    /// Does nothing where it is not full.
    pub(crate) fn free(&self) {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                panic!("cannot empty {}: {error}", self.dir.display())
            }
            _ => {}
        }
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server that is about to end still holds files there.
        let done = Command::new("umount").arg("-l").arg(&self.dir).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("chaos: cannot unmount {}", self.dir.display());
        }
    }
}

fn give(path: &Path, uid: u32, gid: u32) -> Result<(), String> {
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(|error| error.to_string())
}
