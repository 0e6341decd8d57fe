//! The commands beside a migration: status, stop, abort, reset, cleanup, on either host.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod abort;
mod cleanup;
mod keeper;
mod reset;
mod status;
mod stop;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::{Databases, Run, poll, start_recv, start_send};

/// Some 12 chunks that do not compress much: about 6 MB on the wire, three seconds at [`SLOW`].
const DATA: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 40000) g;
    CREATE TABLE small (i int PRIMARY KEY, big int REFERENCES big, s text);
    INSERT INTO small SELECT g, g, md5(g::text) FROM generate_series(1, 2000) g;
    CREATE INDEX ON small (s);
    CREATE SEQUENCE counter; SELECT setval('counter', 4711);
    CREATE VIEW seen AS SELECT s FROM small;
    CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i * 2';";

/// No single step takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(60);

const SLOW: [&str; 6] = ["--rate", "16Mbit", "--chunk-size", "1MiB", "--jobs", "2"];

/// Both sides at work, with some chunks committed.
fn under_way(dbs: &Databases) -> (Run, Run) {
    let recv = start_recv(dbs, &[]);
    let send = start_send(dbs, &SLOW);
    wait_for_chunks(dbs, &send);
    (send, recv)
}

#[track_caller]
fn wait_for_chunks(dbs: &Databases, send: &Run) {
    let seen = poll(LIMIT, || (committed(dbs) >= 2).then_some(()));
    assert!(seen.is_some(), "no chunks: {}", send.stderr());
}

/// Chunks in the journal; none where there is none yet.
fn committed(dbs: &Databases) -> u64 {
    let there = dbs.target_sql("SELECT to_regclass('pgpipe.chunk') IS NOT NULL");
    if there.trim() != "t" {
        return 0;
    }
    let count = dbs.target_sql("SELECT count(*) FROM pgpipe.chunk");
    count.trim().parse().unwrap()
}

/// Runs a command on the host of one side to its end.
fn pgpipe(dbs: &Databases, side: &str, args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgpipe"));
    let ran = command
        .args(args)
        .arg("--state")
        .arg(dbs.path(&format!("{side}.state")))
        .stdin(Stdio::null())
        .output();
    Said::from(ran.unwrap())
}

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Said {
    /// Ended with this code, and said all of these on either output.
    #[track_caller]
    fn must(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            let said = self.stdout.contains(word) || self.stderr.contains(word);
            assert!(said, "{word:?} is missing: {self:?}");
        }
        self
    }
}

/// Sessions of pgpipe in the test's database.
fn sessions(server: &pgpipe::demo::cluster::Cluster, dbs: &Databases) -> String {
    let look = format!(
        "SELECT application_name || ' ' || state FROM pg_stat_activity
         WHERE datname = '{}' AND application_name LIKE 'pgpipe%'",
        dbs.name()
    );
    server.psql("postgres", &look).unwrap().trim().to_owned()
}

/// Nothing of either side is open on either server.
#[track_caller]
fn assert_quiet(dbs: &Databases) {
    for server in [dbs.source(), dbs.target()] {
        let quiet = poll(LIMIT, || sessions(server, dbs).is_empty().then_some(()));
        assert!(quiet.is_some(), "left: {}", sessions(server, dbs));
    }
    let gone = poll(LIMIT, || support::keepers(dbs).is_empty().then_some(()));
    assert!(gone.is_some(), "a keeper is left");
}
