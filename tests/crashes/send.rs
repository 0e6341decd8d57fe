//! send dies, alone or with recv; the keeper lives on.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::journal::{assert_kept, committed, wait_for_chunks, wait_until};
use crate::support::holds::pg_dump_to_hold;
use crate::support::{Databases, assert_equal, keepers, poll, start_recv, start_send};
use crate::{DATA, LIMIT, SLOW, finish, kill, start_both};

#[test]
fn killed_in_the_data_phase() {
    let dbs = Databases::new("send_data", DATA);
    let (send, recv) = start_both(&dbs, &[], &["--keep-journal"]);
    wait_for_chunks(&dbs, 3);
    kill(send);
    // What was on its way may still be committed.
    recv.wait_for("connection to send lost");
    let before = committed(&dbs);
    let send = start_send(&dbs, &SLOW);
    let line = send.wait_for("migration main:");
    assert!(line.contains("continuing, "), "{line}");
    assert!(line.contains("chunks committed, snapshot alive"), "{line}");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_kept(&before, &committed(&dbs));
    assert_equal(&dbs);
}

/// The journal says that all rows are there: nothing is read again, the keeper is not needed.
#[test]
fn killed_when_all_rows_are_there() {
    let slow = "CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            $$BEGIN PERFORM pg_catalog.pg_sleep(0.001); RETURN i; END$$;
        CREATE TABLE t (i int PRIMARY KEY);
        INSERT INTO t SELECT generate_series(1, 2000);
        CREATE INDEX slow ON t (public.slow(i));";
    let dbs = Databases::new("send_index", slow);
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_until(
        &dbs,
        "SELECT count(*) > 0 FROM pgpipe.step WHERE step = 'data'",
    );
    kill(send);
    let send = start_send(&dbs, &[]);
    let line = send.wait_for("migration main:");
    // recv goes on without the link, but not to the end: only send can tell the sequences.
    let known = "continuing, 1 of 1 chunks committed, all rows are there";
    assert!(line.contains(known), "{line}");
    finish(&dbs, send, recv);
}

#[test]
fn killed_with_recv() {
    let dbs = Databases::new("killed_pair", DATA);
    let keep = ["--keep-journal"];
    let (send, recv) = start_both(&dbs, &[], &keep);
    let before = wait_for_chunks(&dbs, 3);
    kill(recv);
    kill(send);
    let recv = start_recv(&dbs, &keep);
    let send = start_send(&dbs, &SLOW);
    let line = send.wait_for("migration main:");
    assert!(line.contains("snapshot alive"), "{line}");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_kept(&before, &committed(&dbs));
    assert_equal(&dbs);
}

fn wait_for_text(path: &Path, text: &str) {
    let there = || {
        let content = fs::read_to_string(path).unwrap_or_default();
        content.contains(text).then_some(())
    };
    poll(LIMIT, there).unwrap_or_else(|| panic!("{} never has {text:?}", path.display()));
}

/// Its keeper lives, and no record names it: the next send releases it, and takes a snapshot of its own.
#[test]
fn killed_before_the_snapshot_is_recorded() {
    let dbs = Databases::new("send_unrecorded", DATA);
    let bin = pg_dump_to_hold(&dbs);
    fs::write(dbs.path("hold"), "").unwrap();
    let (send, recv) = start_both(&dbs, &["--pg-bin", &bin], &[]);
    poll(LIMIT, || dbs.path("begun").exists().then_some(())).expect("pg_dump");
    let before = keepers(&dbs);
    kill(send);
    assert_eq!(keepers(&dbs), before, "the keeper outlives send");
    fs::remove_file(dbs.path("hold")).unwrap();
    let send = start_send(&dbs, &SLOW);
    let line = send.wait_for("migration main:");
    assert!(line.contains("new, "), "{line}");
    wait_for_chunks(&dbs, 1);
    let now = keepers(&dbs);
    assert!(now.len() == 1 && now != before, "{before:?}, then {now:?}");
    finish(&dbs, send, recv);
}

/// recv, which is stopped meanwhile, has not heard of the snapshot; it is offered all the same.
#[test]
fn killed_before_the_offer() {
    let dbs = Databases::new("send_offer", DATA);
    let bin = pg_dump_to_hold(&dbs);
    fs::write(dbs.path("hold"), "").unwrap();
    let (send, recv) = start_both(&dbs, &["--pg-bin", &bin], &[]);
    poll(LIMIT, || dbs.path("begun").exists().then_some(())).expect("pg_dump");
    recv.signal(Signal::STOP);
    fs::remove_file(dbs.path("hold")).unwrap();
    let record = dbs.path("send.state/main/send/migration");
    wait_for_text(&record, "\"prepared\":{");
    kill(send);
    recv.signal(Signal::CONT);
    let keeper = keepers(&dbs);
    let send = start_send(&dbs, &SLOW);
    send.wait_for("migration main:");
    assert_eq!(keepers(&dbs), keeper, "another snapshot");
    let said = finish(&dbs, send, recv);
    assert!(!said.contains("new snapshot"), "{said}");
}
