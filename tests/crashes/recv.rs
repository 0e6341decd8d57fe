//! recv dies; send lives on.

use crate::journal::{assert_kept, committed, wait_for_chunks, wait_until};
use crate::support::{Databases, assert_equal, start_recv, start_send};
use crate::{DATA, finish, kill, start_both};

#[test]
fn killed_in_the_data_phase() {
    let dbs = Databases::new("recv_data", DATA);
    let keep = ["--keep-journal"];
    let (send, recv) = start_both(&dbs, &[], &keep);
    let before = wait_for_chunks(&dbs, 3);
    kill(recv);
    let recv = start_recv(&dbs, &keep);
    let again = recv.wait_for("continuing");
    assert!(again.contains("chunks committed"), "{again}");
    let line = send.wait_for("continuing");
    assert!(line.contains("snapshot alive"), "{line}");
    assert!(!line.contains(" of 0 "), "{line}");
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(0);
    recv.must_end(0);
    assert_kept(&before, &committed(&dbs));
    assert_equal(&dbs);
}

/// Its decoders then refuse what send's encoders were allowed before.
#[test]
fn it_comes_back_with_less_memory() {
    let dbs = Databases::new("recv_memory", DATA);
    let (send, recv) = start_both(&dbs, &[], &["--memory", "1GiB"]);
    wait_for_chunks(&dbs, 2);
    kill(recv);
    let recv = start_recv(&dbs, &["--memory", "84MiB"]);
    finish(&dbs, send, recv);
}

/// Each takes about a second: long enough to be found at work.
const SLOW_INDEXES: &str = "CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM pg_catalog.pg_sleep(0.0005); RETURN i; END$$;
    CREATE TABLE t (i int PRIMARY KEY, s text);
    INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 2000) g;
    CREATE INDEX slow_a ON t (public.slow(i));
    CREATE INDEX slow_b ON t (public.slow(i + 1));
    CREATE INDEX slow_c ON t (public.slow(i + 2));
    CREATE INDEX plain ON t (s);";

#[test]
fn killed_in_the_index_phase() {
    let dbs = Databases::new("recv_index", SLOW_INDEXES);
    let jobs = ["--index-jobs", "1"];
    let (send, recv) = start_both(&dbs, &[], &jobs);
    // One is there and journaled, the next is being built.
    let building = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%INDEX slow_%'
        AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()
        AND EXISTS (SELECT FROM pg_class WHERE relname IN ('slow_a', 'slow_b', 'slow_c'))";
    wait_until(&dbs, building);
    kill(recv);
    let recv = start_recv(&dbs, &jobs);
    recv.wait_for("continuing, all rows are there");
    finish(&dbs, send, recv);
}

/// A server does not notice that its client is gone while it builds an index: the next recv meets the
/// backend of the dead one at the same index, and takes what that one commits.
#[test]
fn its_backend_builds_on_when_it_is_killed() {
    let very_slow = SLOW_INDEXES.replace("0.0005", "0.001");
    let dbs = Databases::new("recv_orphan", &very_slow);
    let jobs = ["--index-jobs", "2"];
    let (send, recv) = start_both(&dbs, &[], &jobs);
    let building = "SELECT count(*) = 2 FROM pg_stat_activity WHERE query LIKE '%INDEX slow_%'
        AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()";
    wait_until(&dbs, building);
    kill(recv);
    kill(send);
    let recv = start_recv(&dbs, &jobs);
    let send = start_send(&dbs, &[]);
    finish(&dbs, send, recv);
}

/// Nobody is paired yet: the code in the pair file stays the same, and good.
#[test]
fn killed_before_the_first_meeting() {
    let dbs = Databases::new("recv_unmet", DATA);
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("pairing code is in");
    let code = std::fs::read(dbs.path("pair")).unwrap();
    kill(recv);
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("pairing code is in");
    assert_eq!(std::fs::read(dbs.path("pair")).unwrap(), code);
    let send = start_send(&dbs, &[]);
    finish(&dbs, send, recv);
}

/// As it stands when recv dies after CREATE DATABASE.
#[test]
fn a_database_without_a_journal_is_found_again() {
    let dbs = Databases::new("recv_made", DATA);
    let (send, recv) = start_both(&dbs, &[], &["--create-db"]);
    finish(&dbs, send, recv);
}
