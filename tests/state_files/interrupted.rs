//! A migration whose two sides were killed in the middle: both directories have all their files.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::{
    Databases, End, Run, assert_equal, assert_nothing_left, poll, start_recv, start_send,
};

/// 40 KB on the wire.
const DATA: &str = "CREATE TABLE a (s text NOT NULL);
    INSERT INTO a SELECT md5(g::text) FROM generate_series(1, 2500) g;";
/// Half a minute for them.
const SLOW: [&str; 2] = ["--rate", "8Kbit"];
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Interrupted {
    pub(crate) dbs: Databases,
}

impl Interrupted {
    pub(crate) fn new(name: &str) -> Self {
        let dbs = Databases::new(name, DATA);
        let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &SLOW));
        let made = "SELECT to_regclass('a') IS NOT NULL";
        let begun = || (dbs.target_sql(made).trim() == "t").then_some(());
        poll(LIMIT, begun).expect("the schema is made");
        for run in [send, recv] {
            run.kill();
        }
        Self { dbs }
    }

    pub(crate) fn dir(&self, side: &str) -> PathBuf {
        self.dbs.path(&format!("{side}.state/main/{side}"))
    }

    pub(crate) fn file(&self, side: &str, name: &str) -> PathBuf {
        self.dir(side).join(name)
    }

    pub(crate) fn start(&self, side: &str) -> Run {
        match side {
            "send" => start_send(&self.dbs, &[]),
            _ => start_recv(&self.dbs, &[]),
        }
    }

    /// The side ends with exit code 1 and one line that has these words, and did nothing.
    #[track_caller]
    pub(crate) fn refuses(&self, side: &str, says: &[&str]) {
        let before = self.target();
        let end = self.start(side).wait();
        told_once(&end, says);
        assert_eq!(self.target(), before, "the target was changed");
    }

    fn target(&self) -> String {
        let look = "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM a),
            (SELECT count(*) FROM pgpipe.step), (SELECT count(*) FROM pgpipe.chunk)";
        self.dbs.target_sql(look)
    }

    /// Both go on to the end.
    #[track_caller]
    pub(crate) fn completes(&self) {
        let (recv, send) = (self.start("recv"), self.start("send"));
        send.wait().must_end(0);
        recv.wait().must_end(0);
        assert_equal(&self.dbs);
        assert_nothing_left(&self.dbs);
    }

    /// Puts `content` into the file for as long as `act` takes.
    pub(crate) fn with(&self, side: &str, name: &str, content: &[u8], act: impl FnOnce()) {
        let path = self.file(side, name);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        act();
        fs::write(&path, kept).unwrap();
    }
}

/// Exit code 1, and one line of the program's own.
#[track_caller]
pub(crate) fn told_once(end: &End, says: &[&str]) {
    end.must_end(1);
    let lines = end.stderr.lines().filter(|l| l.starts_with("pgpipe: "));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{}", end.stderr);
    for word in says {
        assert!(lines[0].contains(word), "{word:?} is not in: {}", lines[0]);
    }
    assert!(!end.output().contains("panicked"), "{}", end.output());
}
