//! Going on, beginning again and taking back, in tables that were there before.

use rustix::process::{Pid, Signal, kill_process};
use std::process::{Command, Output};

use crate::support::journal::wait_for_chunks;
use crate::support::{Databases, Run, keepers, poll, start_recv, start_send};
use crate::{LIMIT, assert_nothing_left, assert_same, assert_says};

/// Some six chunks that do not compress much.
pub(crate) const BIG: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 22000) g;
    CREATE TABLE small AS SELECT generate_series(1, 10) AS i";
/// `big` travels as text.
const TARGET: &str = "CREATE TABLE big (s text, i bigint PRIMARY KEY); CREATE TABLE small (i int);
    CREATE TABLE theirs (big int REFERENCES big ON DELETE CASCADE)";
const SLOW: [&str; 7] = [
    "--data-only",
    "--rate",
    "16Mbit",
    "--chunk-size",
    "1MiB",
    "--jobs",
    "2",
];
pub(crate) const SUMS: &str = "SELECT count(*), sum(hashtext(i || s)::bigint) FROM big";

/// Both at work, with so many chunks committed.
pub(crate) fn under_way(
    dbs: &Databases,
    send: &[&str],
    recv: &[&str],
    chunks: usize,
) -> (Run, Run) {
    let send = [&SLOW[..], send].concat();
    let (recv, send) = (start_recv(dbs, recv), start_send(dbs, &send));
    wait_for_chunks(dbs, chunks);
    (send, recv)
}

/// Of both sides: the rows that are there stay, which is said.
#[track_caller]
fn reset_leaves_rows(dbs: &Databases) {
    let before = dbs.target_sql("SELECT count(*) FROM big");
    let said = reset(dbs, "recv");
    assert!(said.contains("left: rows in public.big"), "{said}");
    assert_eq!(dbs.target_sql("SELECT count(*) FROM big"), before);
    reset(dbs, "send");
    assert_nothing_left(dbs);
}

/// Two chunks are there, and both sides stopped.
#[track_caller]
fn stop_under_way(dbs: &Databases) {
    let (send, recv) = under_way(dbs, &[], &[], 2);
    recv.signal(Signal::INT);
    send.wait().must_end(3);
    recv.wait().must_end(3);
}

fn reset(dbs: &Databases, side: &str) -> String {
    let state = dbs.path(&format!("{side}.state"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgpipe"));
    command
        .args(["reset", "main", "--yes", "--state"])
        .arg(state);
    command.args(["--target", &dbs.target_conninfo()]);
    let Output { stdout, stderr, .. } = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&stdout) + &text(&stderr)
}

#[test]
fn either_side_is_killed() {
    let dbs = Databases::new("do_killed", BIG);
    dbs.target_sql(TARGET);
    let (send, recv) = under_way(&dbs, &[], &[], 2);
    send.kill();
    let send = start_send(&dbs, &[]);
    send.wait_for("continuing");
    recv.kill();
    let recv = start_recv(&dbs, &[]);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_same(&dbs, SUMS);
    assert_nothing_left(&dbs);
}

/// Everything dies, and the source's rows are others then.
fn lose_the_snapshot(dbs: &Databases, recv: &[&str]) -> (Run, Run) {
    let (send, recv_) = under_way(dbs, &[], recv, 3);
    send.kill();
    recv_.kill();
    for pid in keepers(dbs) {
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    }
    poll(LIMIT, || keepers(dbs).is_empty().then_some(())).expect("the keeper ends");
    dbs.source_sql("UPDATE big SET s = 'changed' WHERE i % 100 = 1");
    (start_send(dbs, &[]), start_recv(dbs, recv))
}

/// What only this migration filled is emptied, though a key of others leads to it.
#[test]
fn a_table_begins_again_in_a_new_snapshot() {
    let dbs = Databases::new("do_renewed", BIG);
    dbs.target_sql(TARGET);
    let (send, recv) = lose_the_snapshot(&dbs, &[]);
    let line = send.wait_for("new snapshot:");
    assert!(line.contains("public.big"), "{line}");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_same(&dbs, SUMS);
    assert_nothing_left(&dbs);
}

/// Rows that are among others' stay, and reset says so.
#[test]
fn appended_rows_are_not_taken_back() {
    let dbs = Databases::new("do_mixed", BIG);
    dbs.target_sql(&format!("{TARGET}; INSERT INTO big VALUES ('mine', 0)"));
    let (send, recv) = lose_the_snapshot(&dbs, &["--append"]);
    for end in [send.wait(), recv.wait()] {
        end.must_end(1);
        assert_says(
            &end,
            &["other rows of public.big", "cannot be told from others"],
        );
    }
    reset_leaves_rows(&dbs);
}

/// What was empty is empty again, unseen by triggers, and both begin anew.
#[test]
fn reset_empties_what_was_empty() {
    let dbs = Databases::new("do_reset", BIG);
    dbs.target_sql(TARGET);
    stop_under_way(&dbs);
    dbs.target_sql(
        "ALTER TABLE theirs DROP CONSTRAINT theirs_big_fkey; CREATE FUNCTION refuse() RETURNS trigger
            LANGUAGE plpgsql AS 'BEGIN RAISE ''it acts''; END';
        CREATE TRIGGER refuse BEFORE TRUNCATE ON big EXECUTE FUNCTION refuse()",
    );
    let said = reset(&dbs, "recv");
    assert!(said.contains("tables are empty again"), "{said}");
    let left = dbs.target_sql("SELECT count(*), to_regclass('theirs') FROM big");
    assert_eq!(left.trim(), "0|theirs");
    reset(&dbs, "send");
    crate::moved(&dbs, &[], &[]);
    assert_same(&dbs, SUMS);
}

/// Without the plan nobody can tell whose rows are where: they stay, each table is named, and the journal goes.
#[test]
fn reset_without_the_plan_leaves_the_rows() {
    let dbs = Databases::new("do_reset_lost", BIG);
    dbs.target_sql(TARGET);
    stop_under_way(&dbs);
    std::fs::remove_file(dbs.path("recv.state/main/recv/plan")).unwrap();
    reset_leaves_rows(&dbs);
    dbs.target_sql("DELETE FROM big; DELETE FROM small");
    crate::moved(&dbs, &[], &[]);
    assert_same(&dbs, SUMS);
}
