//! One side dies while the journal moves to the new snapshot.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use pgpipe::pg::{Client, ConnInfo};
use pgpipe::selection::Selection;
use pgpipe::source::keeper::Spec;

use crate::journal::{assert_kept, wait_for_chunks, wait_until};
use crate::support::holds::{Hold, pg_dump_to_hold, wait_until_held};
use crate::support::{Databases, Run, keepers, poll, start_recv, start_send};
use crate::{DATA, LIMIT, SLOW, finish, kill_all, kill_keeper, plan, start_both};

const CHANGE: &str = "UPDATE first SET s = 'other' WHERE i = 1";
/// recv's transaction waits for a lock on the table that begins again.
const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%'
    AND wait_event_type = 'Lock' AND query LIKE 'TRUNCATE%')";

/// Both sides with the proof behind them, recv's transaction held up by a session.
fn held_up(name: &str) -> (Databases, Run, Run, Client) {
    let dbs = Databases::new(name, DATA);
    let (send, recv) = start_both(&dbs, &[]);
    wait_for_chunks(&dbs, 3);
    kill_all(&dbs, send, recv);
    dbs.source_sql(CHANGE);
    let info = ConnInfo::resolve(&dbs.target_conninfo(), &|_| None).unwrap();
    let mut session = Client::connect(&info, "the application").unwrap();
    let lock = "BEGIN; LOCK TABLE public.first IN ACCESS SHARE MODE";
    session.execute(lock).unwrap();
    let (send, recv) = start_both(&dbs, &[]);
    wait_until(&dbs, WAITS);
    (dbs, send, recv, session)
}

/// What a dead recv asked for, and what still waits for a lock, is never done.
fn end_backends(dbs: &Databases) {
    dbs.target_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%'",
    );
    wait_until(
        dbs,
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%')",
    );
}

/// The backend of a dead recv still commits: its successor finds the journal in the new snapshot.
#[test]
fn recv_before_the_transactions_answer() {
    let (dbs, send, recv, mut session) = held_up("survivor");
    recv.kill();
    session.execute("COMMIT").unwrap();
    let recv = start_recv(&dbs, &["--keep-journal"]);
    finish(&dbs, send, recv);
}

/// It never commits: all is proved once more.
#[test]
fn recv_with_its_transaction() {
    let (dbs, send, recv, mut session) = held_up("no_survivor");
    recv.kill();
    end_backends(&dbs);
    session.execute("COMMIT").unwrap();
    let recv = start_recv(&dbs, &["--keep-journal"]);
    let (send, _) = finish(&dbs, send, recv);
    let said = send.output();
    assert_eq!(
        said.matches("begin again: public.first").count(),
        2,
        "{said}"
    );
}

/// Nobody dies: both sides name the session that holds recv up.
#[test]
fn nobody_and_who_holds_it_up_is_named() {
    let (dbs, send, recv, mut session) = held_up("named");
    let held = "waiting for locks on public.first held by";
    assert!(recv.wait_for(held).contains("(the application)"));
    assert!(
        send.wait_for("recv, which waits for locks")
            .contains("(the application)")
    );
    session.execute("COMMIT").unwrap();
    finish(&dbs, send, recv);
}

#[test]
fn send_before_the_transactions_answer() {
    let (dbs, send, recv, mut session) = held_up("send_killed");
    send.kill();
    session.execute("COMMIT").unwrap();
    let send = start_send(&dbs, &SLOW);
    finish(&dbs, send, recv);
}

/// The new snapshot goes with send: a third one, whose proof starts from the second.
#[test]
fn send_and_keeper_before_the_transactions_answer() {
    let (dbs, send, recv, mut session) = held_up("third");
    send.kill();
    kill_keeper(&dbs);
    dbs.source_sql("UPDATE first SET s = 'another' WHERE i = 2");
    session.execute("COMMIT").unwrap();
    let send = start_send(&dbs, &SLOW);
    send.wait_for("new snapshot:");
    finish(&dbs, send, recv);
}

/// Neither side is at work, and the journal is still of the first snapshot: recv's plan files are gone.
fn without_plans(name: &str, end: impl Fn(&Databases)) -> Databases {
    let (dbs, send, recv, mut session) = held_up(name);
    recv.kill();
    send.kill();
    end(&dbs);
    end_backends(&dbs);
    session.execute("COMMIT").unwrap();
    for file in ["plan", "plan.renewed"] {
        fs::remove_file(dbs.path("recv.state/main/recv").join(file)).unwrap();
    }
    dbs
}

/// Send has kept the one that the journal is of, while its own became another's, twice.
#[test]
fn everybody_and_recvs_plans() {
    let dbs = without_plans("lost_plans", kill_keeper);
    let (send, recv) = start_both(&dbs, &[]);
    let line = send.wait_for("new snapshot:");
    assert!(line.ends_with("begin again: public.first"), "{line}");
    finish(&dbs, send, recv);
    let kept = dbs.path("send.state/main/send/plan.agreed");
    assert!(!kept.exists(), "it is of no use any more");
}

/// Where it has not, nothing is begun that could only fail, and what to do is said: it works, though
/// recv has lost its archive too.
#[test]
fn everybody_and_every_plan() {
    let dbs = without_plans("no_plan_at_all", |_| ());
    fs::remove_file(dbs.path("send.state/main/send/plan.agreed")).unwrap();
    fs::remove_file(dbs.path("recv.state/main/recv/schema.dump")).unwrap();
    let (send, recv) = start_both(&dbs, &[]);
    for end in [send.wait(), recv.wait()] {
        end.must_end(1);
        let said = end.stderr.contains("pgpipe reset");
        assert!(said, "{}", end.output());
    }
    reset(&dbs, "recv", "objects and the journal");
    reset(&dbs, "send", "the snapshot is released");
    let (send, recv) = start_both(&dbs, &[]);
    finish(&dbs, send, recv);
}

#[track_caller]
fn reset(dbs: &Databases, side: &str, says: &str) {
    let state = dbs.path(&format!("{side}.state")).display().to_string();
    let target = dbs.target_conninfo();
    let args = ["main", "--yes", "--state", &state, "--target", &target];
    let end = Run::start(dbs.dir(), "reset", &args.map(str::to_owned), &[]).wait();
    end.must_end(0);
    assert!(end.output().contains(says), "{}", end.output());
}

/// A run of which every chunk is committed, and whose mark for that is held up by a session.
fn without_mark(name: &str) -> (Databases, Run, Run, Client) {
    let dbs = Databases::new(name, DATA);
    let (send, recv) = start_both(&dbs, &[]);
    wait_for_chunks(&dbs, 2);
    let info = ConnInfo::resolve(&dbs.target_conninfo(), &|_| None).unwrap();
    let mut session = Client::connect(&info, "the application").unwrap();
    let lock = "BEGIN; LOCK TABLE pgpipe.step IN EXCLUSIVE MODE";
    session.execute(lock).unwrap();
    wait_for_chunks(&dbs, plan(&dbs).chunks.len());
    (dbs, send, recv, session)
}

/// No snapshot is needed where every chunk is committed: neither in the run …
#[test]
fn the_keeper_when_every_chunk_is_committed() {
    let (dbs, send, recv, mut session) = without_mark("all_there");
    wait_until(&dbs, MARK_WAITS);
    kill_keeper(&dbs);
    session.execute("COMMIT").unwrap();
    let (send, _) = finish(&dbs, send, recv);
    assert!(!send.output().contains("new snapshot"), "{}", send.output());
}

const MARK_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%''data''%')";

/// … nor in the one after it.
#[test]
fn everybody_when_every_chunk_is_committed() {
    let (dbs, send, recv, mut session) = without_mark("all_there_too");
    kill_all(&dbs, send, recv);
    end_backends(&dbs);
    session.execute("COMMIT").unwrap();
    let (send, recv) = start_both(&dbs, &[]);
    let line = send.wait_for("migration main:");
    assert!(line.contains("no snapshot is needed"), "{line}");
    let (send, _) = finish(&dbs, send, recv);
    assert!(!send.output().contains("new snapshot"), "{}", send.output());
}

/// A send that died in a renewal leaves a keeper that no record names. The next one, which needs no
/// snapshot, releases it all the same.
#[test]
fn send_before_it_records_its_keeper() {
    let (dbs, send, recv, mut session) = without_mark("unrecorded");
    kill_all(&dbs, send, recv);
    end_backends(&dbs);
    session.execute("COMMIT").unwrap();
    start_keeper(&dbs);
    let (send, recv) = start_both(&dbs, &[]);
    let line = send.wait_for("migration main:");
    assert!(line.contains("no snapshot is needed"), "{line}");
    finish(&dbs, send, recv);
}

/// The same by a kill, with rows missing: its keeper is released, and another snapshot taken.
#[test]
fn send_while_it_takes_a_new_snapshot() {
    let dbs = Databases::new("unrecorded_too", DATA);
    let bin = pg_dump_to_hold(&dbs);
    let (send, recv) = start_both(&dbs, &["--pg-bin", &bin]);
    let before = wait_for_chunks(&dbs, 3);
    fs::write(dbs.path("hold"), "").unwrap();
    kill_keeper(&dbs);
    poll(LIMIT, || dbs.path("begun").exists().then_some(())).expect("pg_dump");
    let unrecorded = keepers(&dbs);
    send.kill();
    assert_eq!(keepers(&dbs), unrecorded, "the keeper outlives send");
    fs::remove_file(dbs.path("hold")).unwrap();
    let send = start_send(&dbs, &SLOW);
    let line = send.wait_for("new snapshot:");
    assert!(line.contains("committed chunks stay"), "{line}");
    let now = keepers(&dbs);
    assert!(
        now.len() == 1 && now != unrecorded,
        "{unrecorded:?}, then {now:?}"
    );
    let (_, after) = finish(&dbs, send, recv);
    assert_kept(&before, &after);
}

/// Returns when it holds a snapshot.
fn start_keeper(dbs: &Databases) {
    let spec = Spec {
        source: dbs.source_conninfo(),
        migration: "main".to_owned(),
        selection: Selection::default(),
        keep_seconds: 600,
    };
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_pgpipe"))
        .args(["keeper", "--state-dir"])
        .arg(dbs.path("send.state/main/send"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = keeper.stdin.take().unwrap();
    stdin
        .write_all(&serde_json::to_vec(&spec).unwrap())
        .unwrap();
    drop(stdin);
    let said = BufReader::new(keeper.stdout.take().unwrap()).lines();
    let ready = said
        .map_while(Result::ok)
        .any(|line| line.contains("Ready"));
    assert!(ready, "no keeper");
    std::thread::spawn(move || keeper.wait());
}

/// Readers of the proof, which queue behind a session of the source, are terminated: they read again.
#[test]
fn the_readers_of_a_proof() {
    let dbs = Databases::new("proof_readers", DATA);
    let (send, recv) = start_both(&dbs, &[]);
    wait_for_chunks(&dbs, 3);
    kill_all(&dbs, send, recv);
    // What is committed is not told before the source's session is in its place.
    let untold = Hold::with(&dbs, "LOCK TABLE pgpipe.chunk IN ROW EXCLUSIVE MODE");
    let (mut send, mut recv) = start_both(&dbs, &[]);
    wait_until_held(&dbs, "relation", "%LOCK TABLE%");
    let mut session = Hold::at(&dbs.source_conninfo());
    let queued = std::thread::spawn(move || session.wait_for("LOCK TABLE public.first"));
    until_source(
        &dbs,
        "SELECT count(*) FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    untold.release();
    for _ in 0..2 {
        until_source(
            &dbs,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name ~ '^pgpipe send main [0-9]'
            AND wait_event_type = 'Lock'",
        );
    }
    until_source(
        &dbs,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'the application'",
    );
    assert!(!queued.join().unwrap(), "it never had the lock");
    assert!(send.is_running() && recv.is_running());
    let (send, _) = finish(&dbs, send, recv);
    let said = send.output();
    assert!(said.contains("committed chunks stay"), "{said}");
}

/// Asks the source for a number until it is not 0.
#[track_caller]
fn until_source(dbs: &Databases, sql: &str) {
    let some = || (dbs.source_sql(sql).trim() != "0").then_some(());
    poll(LIMIT, some).unwrap_or_else(|| panic!("never: {sql}"));
}
