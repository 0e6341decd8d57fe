//! Who may read and write the files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::interrupted::Interrupted;
use crate::support::start_recv;

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

/// Some user who is neither root nor whoever runs the tests.
const STRANGER: u32 = 54321;

/// What another user owns is not believed, whatever its mode. Root alone can give files away.
#[test]
fn what_another_user_owns_is_not_believed() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this user can give no file away");
        return;
    }
    let run = Interrupted::new("owner");
    let above = run.dbs.path("recv.state");
    for path in [run.file("recv", "peer"), run.dir("recv"), above] {
        chown(&path, Some(STRANGER), None).unwrap();
        let shown = path.display().to_string();
        run.refuses("recv", &[&shown, "another user (uid 54321)", "--state"]);
        chown(&path, Some(0), None).unwrap();
    }
    run.completes();
}

/// In a directory that everybody may write, anybody could put his own in place of ours.
#[test]
fn a_way_that_is_open_to_everybody_is_refused() {
    let run = Interrupted::new("open_way");
    let above = run.dbs.path("recv.state");
    let before = mode(&above);
    set(&above, 0o777);
    let shown = above.display().to_string();
    run.refuses("recv", &[&shown, "everybody may write", "chmod"]);
    // As /tmp is; and a group of the user's own.
    for harmless in [0o1777, 0o775] {
        set(&above, harmless);
        let recv = start_recv(&run.dbs, &["--give-up", "1s"]);
        recv.wait().must_end(3);
    }
    set(&above, before);
    run.completes();
}
