//! Both sides in one process.

use crate::journal::{committed, wait_for_chunks};
use crate::support::holds::{Hold, wait_until_held};
use crate::support::{Databases, assert_equal, assert_nothing_left, start_side};
use crate::{DATA, kill_keeper};

/// On the target, a row of each chunk of `second` waits for the test.
const HELD: &str = "CREATE FUNCTION held(i int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN IF i % 2000 = 1 THEN PERFORM pg_catalog.pg_advisory_xact_lock_shared(4711); END IF;
        RETURN true; END';";

#[test]
fn clone_goes_on_in_a_new_snapshot() {
    let checked = DATA.replace(
        "second (i int PRIMARY KEY",
        "second (i int PRIMARY KEY CHECK (public.held(i))",
    );
    let dbs = Databases::new("under_clone", &format!("{HELD} {checked}"));
    let hold = Hold::with(&dbs, "SELECT pg_advisory_lock(4711)");
    let args = ["--chunk-size", "1MiB", "--jobs", "2", "--keep-journal"];
    let clone = start_side(&dbs, "clone", &args, &[]);
    wait_until_held(&dbs, "advisory", "COPY%");
    let before = wait_for_chunks(&dbs, 2);
    kill_keeper(&dbs);
    clone.wait_for("to be proved");
    hold.release();
    let clone = clone.wait();
    clone.must_end(0);
    let said = clone.output();
    assert!(said.contains("committed chunks stay"), "{said}");
    crate::journal::assert_kept(&before, &committed(&dbs));
    dbs.target_sql("DROP SCHEMA pgpipe CASCADE");
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}
