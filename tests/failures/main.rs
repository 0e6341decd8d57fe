//! What can go wrong before and between the two sides: each failure is one clear line and the
//! documented exit code, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crowded;
mod families;
mod link;
mod locks;
mod pairing;
mod room;
mod servers;
mod spill;
#[path = "../support/mod.rs"]
mod support;
mod target;
mod tools;
mod wal;

use std::fs;

use support::{Databases, End, Run};

/// What nobody cares for but must not change.
const SMALL: &str = "CREATE TABLE t (i int PRIMARY KEY, s text);
    INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 1000) g;";

/// About 3 MB on the wire: three seconds at [`SLOW`].
const LARGE: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 20000) g;";
const SLOW: [&str; 4] = ["--rate", "8Mbit", "--chunk-size", "1MiB"];

/// Holds a failure against its contract; returns the one line that tells of it.
#[track_caller]
fn failure(end: &End, code: i32) -> String {
    end.must_end(code);
    let ours = |line: &&str| line.starts_with("pgpipe: ");
    let lines: Vec<_> = end.stderr.lines().filter(ours).collect();
    let told: Vec<_> = lines
        .iter()
        .filter(|l| !l.contains("goes on from there"))
        .collect();
    assert_eq!(told.len(), 1, "{}", end.stderr);
    assert_eq!(
        lines.len() > 1,
        code == 3,
        "only what can go on says so: {}",
        end.stderr
    );
    for noise in ["panicked", "backtrace", "SendError", "RecvError"] {
        assert!(!end.output().contains(noise), "{}", end.output());
    }
    (*told[0]).to_owned()
}

/// The same, with words that the line must have.
#[track_caller]
fn fails(end: &End, code: i32, says: &[&str]) {
    let line = failure(end, code);
    for word in says {
        assert!(line.contains(word), "{word:?} is not in: {line}");
    }
}

/// Nothing of ours, and nothing of the source's, on the target.
#[track_caller]
fn assert_empty_target(dbs: &Databases) {
    let tables = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'";
    assert_eq!(dbs.target_sql(tables).trim(), "0");
}

/// A side that shares nothing with the test's own but the databases and what `args` say.
fn stranger(dbs: &Databases, side: &'static str, home: &str, args: &[&str]) -> Run {
    let dir = dbs.path(home);
    fs::create_dir_all(&dir).unwrap();
    let own = |name: &str| dir.join(name).display().to_string();
    let mut all: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let mut default = |option: &str, value: String| {
        if !args.contains(&option) {
            all.extend([option.to_owned(), value]);
        }
    };
    match side {
        "send" => default("--source", dbs.source_conninfo()),
        _ => default("--target", dbs.target_conninfo()),
    }
    default("--state", own("state"));
    default("--report", own("report.json"));
    default("--progress", "plain".to_owned());
    default("--give-up", "20s".to_owned());
    Run::start(&dir, side, &all, &[])
}
