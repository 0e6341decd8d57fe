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
    for path in [run.file("recv", "peer"), run.dir("recv")] {
        chown(&path, Some(STRANGER), None).unwrap();
        let shown = path.display().to_string();
        run.refuses("recv", &[&shown, "another user (uid 54321)", "--state"]);
        chown(&path, Some(0), None).unwrap();
    }
    run.completes();
}

/// In a directory that everybody may write, anybody could put his own in place of ours: as a volume of
/// a container may be, whose user cannot change that.
#[test]
fn a_way_that_is_open_to_everybody_is_told() {
    let run = Interrupted::new("open_way");
    let above = run.dbs.path("recv.state");
    let before = mode(&above);
    let shown = format!("everybody may write to `{}`", above.display());
    // As /tmp is; and a group of the user's own.
    for (open, is_told) in [(0o777, true), (0o1777, false), (0o775, false)] {
        set(&above, open);
        let end = start_recv(&run.dbs, &["--give-up", "1s"]).wait();
        end.must_end(3);
        let told = end.stderr.matches(&shown).count();
        assert_eq!(told, usize::from(is_told), "{open:o}: {}", end.stderr);
    }
    set(&above, 0o777);
    run.completes();
    set(&above, before);
}

/// One line for all that is found on the way.
#[test]
fn a_way_that_is_another_users_is_told() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this user can give no file away");
        return;
    }
    let run = Interrupted::new("owned_way");
    let state = run.dbs.path("recv.state");
    let above = [state.join("main"), state];
    for path in &above {
        chown(path, Some(STRANGER), None).unwrap();
    }
    let end = start_recv(&run.dbs, &["--give-up", "1s"]).wait();
    end.must_end(3);
    let is_told = |line: &&str| line.contains("could put another state directory in place of");
    let lines: Vec<_> = end.stderr.lines().filter(is_told).collect();
    assert_eq!(lines.len(), 1, "{}", end.stderr);
    for path in &above {
        let shown = format!("`{}` belongs to another user (uid 54321)", path.display());
        assert!(lines[0].contains(&shown), "{}", lines[0]);
    }
    run.completes();
}
