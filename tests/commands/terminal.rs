//! What is shown and asked on a terminal: `script` of util-linux gives the commands one.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::reset::{aborted, objects};
use crate::support::Databases;
use crate::{DATA, Said, under_way};

/// Cursor home, and everything below it away.
const REDRAW: &str = "\x1b[H\x1b[J";

/// Runs a command on the host of one side, where somebody types `answer`. The terminal has both
/// outputs.
fn on_terminal(dbs: &Databases, side: &str, args: &[&str], answer: &str) -> Said {
    let state = dbs.path(&format!("{side}.state")).display().to_string();
    let words = [&[env!("CARGO_BIN_EXE_pgpipe")], args, &["--state", &state]].concat();
    let words: Vec<_> = words.into_iter().map(quoted).collect();
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &words.join(" ")])
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = script.stdin.take().unwrap();
    keyboard.write_all(answer.as_bytes()).unwrap();
    drop(keyboard);
    Said::from(script.wait_with_output().unwrap())
}

/// One word of a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[test]
fn a_watch_redraws_what_it_shows() {
    let dbs = Databases::new("terminal_watch", DATA);
    let (send, recv) = under_way(&dbs);
    let watch = on_terminal(&dbs, "recv", &["status", "--watch"], "");
    watch.must(0, &["recv running", "recv finished with exit code 0"]);
    let pictures: Vec<_> = watch.stdout.split(REDRAW).collect();
    assert!(pictures.len() > 2, "{watch:?}");
    for picture in &pictures[1..] {
        assert_eq!(picture.matches("migration main: recv").count(), 1);
    }
    send.wait().must_end(0);
    recv.wait().must_end(0);
}

#[test]
fn a_reset_asks_first() {
    let dbs = aborted("terminal_reset", DATA);
    let target = dbs.target_conninfo();
    let args = ["reset", "main", "--target", &target];
    let before = objects(&dbs);
    for answer in ["n\n", "\n", "yes please\n", "\x04"] {
        on_terminal(&dbs, "recv", &args, answer)
            .must(1, &["are dropped", "Go on? [y/N]", "nothing was done"]);
        assert_eq!(objects(&dbs), before);
    }
    on_terminal(&dbs, "recv", &args, "y\n").must(0, &["Go on? [y/N]", "recv begins anew"]);
    assert_eq!(objects(&dbs).trim(), "");
    on_terminal(&dbs, "send", &["reset", "main"], "yes\n").must(0, &["send begins anew"]);
}

#[test]
fn a_cleanup_asks_first() {
    let dbs = aborted("terminal_cleanup", DATA);
    for side in ["send", "recv"] {
        let directory = dbs.path(&format!("{side}.state/main"));
        on_terminal(&dbs, side, &["cleanup", "main"], "N\n")
            .must(1, &["its state directory is removed", "nothing was done"]);
        assert!(directory.exists());
        on_terminal(&dbs, side, &["cleanup", "main"], "Y\n").must(0, &["removed"]);
        assert!(!directory.exists());
    }
}
