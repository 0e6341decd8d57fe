//! The target server crashes: what it had made durable stays, unlogged tables it empties.

use rustix::process::Signal;

use crate::journal::wait_for_chunks;
use crate::scene::{DATA_IS_DURABLE, Scene};
use crate::support::holds::Hold;
use crate::support::{Databases, Run, assert_equal, poll, start_send};
use crate::{DATA, LIMIT, SLOW, start_both};

/// Some three chunks each.
const UNLOGGED: &str = "CREATE UNLOGGED TABLE fleeting (i int PRIMARY KEY, s text);
    INSERT INTO fleeting SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 12000) g;
    CREATE TABLE lasting (i int PRIMARY KEY, s text);
    INSERT INTO lasting SELECT * FROM fleeting;";

#[test]
fn unlogged_rows_are_sent_again_before_the_data_phase_ends() {
    let mut scene = Scene::new("fleeting_before", UNLOGGED);
    let (send, recv) = scene.start(&[]);
    lose_unlogged_rows(&mut scene, send, recv);
    scene.assert_equal();
}

/// A crash when rows of `fleeting` are there takes them along; the next start sends them again.
#[track_caller]
fn lose_unlogged_rows(scene: &mut Scene, send: Run, recv: Run) {
    scene.wait_until("SELECT count(*) > 0 FROM pgpipe.chunk_unlogged");
    scene.crash();
    recv.wait().must_end(3);
    send.wait().must_end(3);
    scene.target.start_again().unwrap();
    scene.wait_until("SELECT count(*) = 0 FROM pgpipe.chunk_unlogged");
    scene.wait_until("SELECT count(*) = 0 FROM fleeting");
    let (send, recv) = scene.start(&[]);
    send.wait().must_end(0);
    recv.wait().must_end(0);
}

/// The snapshot is gone by then: they are listed.
#[test]
fn unlogged_tables_are_listed_after_the_data_phase() {
    let mut scene = Scene::new("fleeting_after", UNLOGGED);
    let (send, recv) = scene.start(&[]);
    let session = scene.hold_indexes("lasting");
    scene.wait_until(DATA_IS_DURABLE);
    scene.crash();
    drop(session);
    recv.wait().must_end(3);
    send.wait().must_end(3);
    scene.target.start_again().unwrap();
    let (send, recv) = scene.start(&[]);
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(4);
    recv.must_end(4);
    let errors = &recv.report()["errors"];
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["object"], "TABLE public.fleeting");
    let rows = "SELECT count(*) FROM lasting; SELECT count(*) FROM fleeting";
    let rows = scene.target.psql(scene.dbs.name(), rows).unwrap();
    assert_eq!(rows, "12000\n0\n");
}

/// What is unlogged is told by the target's tables, whatever the source's are; small ones of both kinds, that
/// shared a chunk, share none.
#[test]
fn rows_of_tables_that_are_unlogged_there_alone_are_sent_again() {
    let small = "CREATE TABLE little (i int); CREATE UNLOGGED TABLE trifle (i int);
        INSERT INTO little VALUES (1); INSERT INTO trifle VALUES (1), (2);";
    let turned = UNLOGGED
        .replace("UNLOGGED TABLE fleeting", "TABLE fleeting")
        .replace("TABLE lasting", "UNLOGGED TABLE lasting");
    let mut scene = Scene::new("fleeting_there", &(turned + small));
    scene.ask(
        "CREATE UNLOGGED TABLE fleeting (i int PRIMARY KEY, s text); CREATE TABLE lasting (i int PRIMARY KEY, s text);
        CREATE UNLOGGED TABLE little (i int); CREATE TABLE trifle (i int)",
    );
    let (send, recv) = scene.start_with(&["--data-only"], &[]);
    scene.wait_until("SELECT count(*) > 0 FROM pgpipe.chunk");
    lose_unlogged_rows(&mut scene, send, recv);
    scene.assert_same_rows();
}

/// recv gives its builder up, and begins anew from the journal when send comes.
#[test]
fn a_recv_that_stays_outlives_its_index_sessions() {
    let mut scene = Scene::new("stays", DATA);
    let (send, mut recv) = scene.start(&["--stay"]);
    let session = scene.hold_indexes("big");
    scene.wait_until(DATA_IS_DURABLE);
    scene.crash();
    drop(session);
    send.wait().must_end(3);
    recv.wait_for("waiting for the next send");
    assert!(recv.is_running());
    scene.target.start_again().unwrap();
    start_send(&scene.dbs, &SLOW).wait().must_end(0);
    recv.signal(Signal::INT);
    recv.wait().must_end(3);
    scene.assert_equal();
}

/// The server lives, but every session that builds is terminated, more often than it is tried again.
#[test]
fn a_recv_that_stays_outlives_terminated_builders() {
    let dbs = Databases::new("stays_terminated", DATA);
    let (mut send, mut recv) = start_both(&dbs, &[], &["--stay"]);
    wait_for_chunks(&dbs, 2);
    let hold = Hold::with(&dbs, "LOCK TABLE big IN ROW EXCLUSIVE MODE");
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%'
        AND wait_event_type = 'Lock' AND query LIKE '%INDEX%'";
    let ends = || {
        dbs.target_sql(terminate);
        (!send.is_running()).then_some(())
    };
    poll(LIMIT, ends).expect("send ends");
    send.wait().must_end(3);
    recv.wait_for("waiting for the next send");
    assert!(recv.is_running());
    hold.release();
    start_send(&dbs, &SLOW).wait().must_end(0);
    recv.signal(Signal::INT);
    recv.wait().must_end(3);
    assert_equal(&dbs);
}
