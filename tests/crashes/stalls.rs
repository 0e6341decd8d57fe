//! A link that is silent for a while: a chunk on its way goes on where it stood, and no transaction
//! stays open for longer than `--stall`.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::holds::Hold;
use crate::support::{Databases, Run, poll};
use crate::{DATA, LIMIT, finish, start_both};

/// Everything in one chunk, some six seconds long.
const ONE_CHUNK: [&str; 4] = ["--chunk-size", "128MiB", "--rate", "8Mbit"];
/// When recv's transactions that write rows began, one line each.
const WRITING: &str = "SELECT xact_start FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'pgpipe recv%' AND query LIKE 'COPY %FROM STDIN%'
    AND state <> 'idle'";
const READING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'pgpipe send%' AND xact_start IS NOT NULL";

/// Waits until rows are being written; since when.
fn written(dbs: &Databases) -> String {
    let began = || {
        let answer = dbs.target_sql(WRITING);
        (!answer.trim().is_empty()).then_some(answer)
    };
    poll(LIMIT, began).expect("rows on their way")
}

#[track_caller]
fn wait_for_answer(ask: impl Fn() -> String, answer: &str) {
    let given = || (ask().trim() == answer).then_some(());
    poll(LIMIT, given).unwrap_or_else(|| panic!("never {answer}, but {}", ask()));
}

/// recv is silent until send reads nothing any more.
#[track_caller]
fn lose_link(dbs: &Databases, send: &Run, recv: &Run) {
    recv.signal(Signal::STOP);
    send.wait_for("connection to recv lost");
    wait_for_answer(|| dbs.source_sql(READING), "0");
}

/// Both processes live on: the transaction on the target is the same before and after.
#[test]
fn a_new_connection_goes_on_inside_the_chunk() {
    let dbs = Databases::new("inside", DATA);
    let (send, recv) = start_both(&dbs, &ONE_CHUNK, &[]);
    let before = written(&dbs);
    std::thread::sleep(Duration::from_secs(1));
    send.signal(Signal::STOP);
    recv.wait_for("connection to send lost");
    assert_eq!(dbs.target_sql(WRITING), before);
    send.signal(Signal::CONT);
    send.wait_for("migration main: continuing, 0 of");
    assert_eq!(written(&dbs), before, "the chunk began again");
    finish(&dbs, send, recv);
}

/// A sender that is alive, as far as the link knows, and sends nothing.
#[test]
fn a_silent_sender_keeps_no_transaction_open() {
    let dbs = Databases::new("silent", DATA);
    let (send, recv) = start_both(&dbs, &ONE_CHUNK, &["--stall", "2s"]);
    written(&dbs);
    send.signal(Signal::STOP);
    wait_for_answer(|| dbs.target_sql(WRITING), "");
    send.signal(Signal::CONT);
    finish(&dbs, send, recv);
}

/// Without recv the readers' transactions end, and only the keeper's stays.
#[test]
fn a_lost_link_keeps_no_copy_open() {
    let dbs = Databases::new("no_copy", DATA);
    let args: Vec<_> = ONE_CHUNK.into_iter().chain(["--stall", "2s"]).collect();
    let (send, recv) = start_both(&dbs, &args, &["--stall", "2s"]);
    written(&dbs);
    lose_link(&dbs, &send, &recv);
    recv.signal(Signal::CONT);
    finish(&dbs, send, recv);
}

/// Nor one that its server gives no rows of: that does not notice a connection that is closed.
#[test]
fn a_lost_link_keeps_no_silent_copy_open() {
    let dbs = Databases::new("silent_copy", DATA);
    let hold = Hold::advisory(&dbs.source_conninfo());
    let waits = "big=pg_advisory_xact_lock_shared(4711) IS NOT NULL";
    let args = [&ONE_CHUNK[..], &["--where", waits, "--stall", "2s"]].concat();
    let (send, recv) = start_both(&dbs, &args, &["--stall", "2s"]);
    let waiting = format!("{READING} AND wait_event = 'advisory'");
    wait_for_answer(|| dbs.source_sql(&waiting), "1");
    lose_link(&dbs, &send, &recv);
    hold.release();
    recv.signal(Signal::CONT);
    finish(&dbs, send, recv);
}
