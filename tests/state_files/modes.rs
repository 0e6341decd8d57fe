//! Who may read and write the files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::interrupted::Interrupted;

const PRIVATE: [&str; 9] = [
    "identity",
    "peer",
    "pairing",
    "migration",
    "plan",
    "schema.dump",
    "keeper.log",
    "lock",
    "target",
];

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything that is there but sockets, whose directory is what keeps others out.
fn assert_private(dir: &Path) {
    assert_eq!(mode(dir), 0o700);
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    for file in files.filter(|file| file.file_type().unwrap().is_file()) {
        let name = file.file_name().into_string().unwrap();
        assert!(PRIVATE.contains(&&*name), "{name} is not documented");
        assert_eq!(mode(&file.path()), 0o600, "{name}");
    }
}

#[test]
fn every_file_is_made_private() {
    let run = Interrupted::new("made_private");
    for side in ["send", "recv"] {
        assert_private(&run.dir(side));
    }
    run.completes();
}

#[test]
fn what_others_could_read_is_closed_to_them() {
    let run = Interrupted::new("readable");
    for side in ["send", "recv"] {
        set(&run.dir(side), 0o755);
        for file in fs::read_dir(run.dir(side)).unwrap() {
            set(&file.unwrap().path(), 0o644);
        }
    }
    let dirs = ["send", "recv"].map(|side| run.dir(side));
    run.completes();
    dirs.iter().for_each(|dir| assert_private(dir));
}

#[test]
fn what_others_could_write_is_not_believed() {
    let run = Interrupted::new("writable");
    for (side, name) in [("send", "migration"), ("recv", "peer"), ("recv", "plan")] {
        let path = run.file(side, name);
        set(&path, 0o622);
        let shown = path.display().to_string();
        run.refuses(side, &[&shown, "others may write", "chmod"]);
        set(&path, 0o600);
    }
    for side in ["send", "recv"] {
        let dir = run.dir(side);
        set(&dir, 0o777);
        let shown = dir.display().to_string();
        run.refuses(side, &[&shown, "others may write", "chmod"]);
        set(&dir, 0o700);
    }
    run.completes();
}
