//! Moments that only a lock makes certain: another session holds up what recv's backend is at, and
//! one side dies meanwhile.

use rustix::process::Signal;

use crate::journal::wait_for_chunks;
use crate::support::holds::{DROP, Hold, SEQUENCES, wait_until_held};
use crate::support::{Databases, Run, keepers, poll, start_recv, start_send};
use crate::{DATA, LIMIT, finish, kill, start_both};

/// Both sides, and another session that holds something since some chunks were there.
fn held_up(name: &str, statement: &str) -> (Databases, Run, Run, Hold) {
    let dbs = Databases::new(name, DATA);
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_for_chunks(&dbs, 2);
    let hold = Hold::with(&dbs, statement);
    (dbs, send, recv, hold)
}

/// Its tables come in one transaction, which a dead recv's backend may still commit.
#[test]
fn recv_dies_while_it_makes_tables() {
    let dbs = Databases::new("making", DATA);
    let hold = Hold::tables(&dbs);
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_until_held(&dbs, "advisory", "%CREATE SEQUENCE%");
    kill(recv);
    let recv = start_recv(&dbs, &[]);
    hold.release_tables(&dbs);
    finish(&dbs, send, recv);
}

/// The old backend is at the chunk's journal row. Its successor takes the chunk for missing, and
/// waits at the advisory lock until the rows are there.
#[test]
fn a_chunk_is_found_committed_behind_the_advisory_lock() {
    let lock = "LOCK TABLE pgpipe.chunk IN SHARE MODE";
    let (dbs, send, recv, hold) = held_up("advisory", lock);
    wait_until_held(&dbs, "relation", "%INSERT INTO%chunk%");
    kill(recv);
    let recv = start_recv(&dbs, &[]);
    wait_until_held(&dbs, "advisory", "%pg_advisory_xact_lock%");
    hold.release();
    finish(&dbs, send, recv);
}

#[test]
fn recv_dies_while_it_sets_sequences() {
    let (dbs, send, recv, hold) = held_up("recv_sequences", SEQUENCES);
    wait_until_held(&dbs, "relation", "%setval%");
    kill(recv);
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("continuing, all rows are there");
    hold.release();
    finish(&dbs, send, recv);
}

/// The last steps: each property of the database itself, once.
#[test]
fn recv_dies_while_it_changes_the_database() {
    let more = "COMMENT ON DATABASE the_database IS 'comes along';
        ALTER DATABASE the_database SET work_mem = '5MB'; REVOKE TEMPORARY ON DATABASE the_database FROM PUBLIC;";
    let dbs = Databases::new("the_database", &format!("{DATA}; {more}"));
    let (send, recv) = start_both(&dbs, &[], &[]);
    wait_for_chunks(&dbs, 2);
    let hold = Hold::with(&dbs, "COMMENT ON DATABASE the_database IS 'another'");
    wait_until_held(&dbs, "object", "%COMMENT ON DATABASE%");
    kill(recv);
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("continuing, all rows are there");
    hold.release();
    finish(&dbs, send, recv);
    let told = "SELECT shobj_description(oid, 'pg_database'), datacl::text,
        (SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = d.oid)
        FROM pg_database d WHERE datname = current_database()";
    assert_eq!(dbs.source_sql(told), dbs.target_sql(told));
}

/// recv has the tail: it goes on alone, and tells the report to the next send.
#[test]
fn send_dies_when_it_has_told_the_tail() {
    let (dbs, send, recv, hold) = held_up("send_tail", SEQUENCES);
    wait_until_held(&dbs, "relation", "%setval%");
    kill(send);
    hold.release();
    finish(&dbs, start_send(&dbs, &[]), recv);
}

#[test]
fn send_dies_while_the_journal_is_dropped() {
    let (dbs, send, recv, hold) = held_up("send_drop", DROP);
    wait_until_held(&dbs, "relation", "DROP SCHEMA%");
    kill(send);
    hold.release();
    finish(&dbs, start_send(&dbs, &[]), recv);
}

/// The report is written down, the journal cannot be dropped yet.
fn killed_at_the_drop(name: &str, backend_dies: bool) {
    let (dbs, send, recv, hold) = held_up(name, DROP);
    wait_until_held(&dbs, "relation", "DROP SCHEMA%");
    kill(recv);
    if backend_dies {
        terminate_recv(&dbs);
    }
    hold.release();
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("finished; nothing to do");
    finish(&dbs, send, recv);
}

#[test]
fn recv_dies_before_it_drops_the_journal() {
    killed_at_the_drop("journal_stays", true);
}

/// Its backend drops the journal after its death.
#[test]
fn recv_dies_while_it_drops_the_journal() {
    killed_at_the_drop("journal_goes", false);
}

/// A stop does not wait for what somebody else holds.
#[test]
fn recv_is_interrupted_while_it_sets_sequences() {
    let (dbs, send, recv, hold) = held_up("recv_stopped", SEQUENCES);
    wait_until_held(&dbs, "relation", "%setval%");
    recv.signal(Signal::INT);
    recv.wait().must_end(3);
    send.wait().must_end(3);
    hold.release();
    let (send, recv) = start_both(&dbs, &[], &[]);
    finish(&dbs, send, recv);
}

/// Whatever comes after that: it is not there any more.
#[test]
fn the_keeper_ends_when_the_rows_are_durable() {
    let lock = "LOCK TABLE big IN ROW EXCLUSIVE MODE";
    let (dbs, send, recv, hold) = held_up("no_keeper", lock);
    wait_until_held(&dbs, "relation", "%INDEX%");
    poll(LIMIT, || keepers(&dbs).is_empty().then_some(())).expect("the keeper ends");
    kill(recv);
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("continuing, all rows are there");
    hold.release();
    finish(&dbs, send, recv);
}

/// Nor does it when the next recv wants to drop what its predecessor could not.
#[test]
fn recv_is_interrupted_while_it_drops_an_old_journal() {
    let (dbs, send, recv, hold) = held_up("drop_stopped", DROP);
    wait_until_held(&dbs, "relation", "DROP SCHEMA%");
    kill(recv);
    terminate_recv(&dbs);
    let recv = start_recv(&dbs, &[]);
    wait_until_held(&dbs, "relation", "DROP SCHEMA%");
    recv.signal(Signal::INT);
    recv.wait().must_end(3);
    hold.release();
    let recv = start_recv(&dbs, &[]);
    finish(&dbs, send, recv);
}

/// The server's own words say nothing of what was tried.
#[test]
fn a_step_that_ends_with_its_session_is_named() {
    let (dbs, send, recv, hold) = held_up("named_step", SEQUENCES);
    wait_until_held(&dbs, "relation", "%setval%");
    terminate_recv(&dbs);
    send.wait().must_end(3);
    let end = recv.wait();
    end.must_end(3);
    let named = "cannot do step \"sequences\" on the target: ";
    assert!(end.stderr.contains(named), "{}", end.stderr);
    hold.release();
    let (send, recv) = start_both(&dbs, &[], &[]);
    finish(&dbs, send, recv);
}

fn terminate_recv(dbs: &Databases) {
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%'";
    dbs.target_sql(terminate);
    let gone = || {
        let sql = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'pgpipe recv%'";
        (dbs.target_sql(sql).trim() == "0").then_some(())
    };
    poll(LIMIT, gone).expect("recv's sessions end");
}
