//! Both sides in one process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{Databases, assert_equal, assert_nothing_left, migrate};

#[test]
fn smoke() {
    let dbs = Databases::new(
        "smoke",
        "CREATE TABLE t AS SELECT generate_series(1, 1000) i",
    );
    let (send, recv) = migrate(&dbs, &[], &[]);
    println!("{send:?} {recv:?}");
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}
