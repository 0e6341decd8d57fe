//! Large objects arrive with their OIDs, bytes, owners, privileges and comments, once and whole,
//! whatever dies meanwhile. Judged by SQL that pgpipe has no part in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod again;
mod refused;
#[path = "../support/mod.rs"]
mod support;
mod versions;
mod whole;

use support::journal::wait_for_chunks;
use support::{Databases, Run, assert_equal, assert_nothing_left};

const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Every kind, OIDs at both ends among them.
const KINDS: &str = "SELECT lo_create(3); SELECT lo_from_bytea(4294967295, 'last');
    SELECT lo_create(70000), lo_put(70000, 100000, 'after a hole'), lo_put(70000, 5000000, 'and another');
    SELECT lo_create(70001), lo_put(70001, 10, 'short'), lo_put(70001, 8192, 'x');
    BEGIN; SELECT lo_truncate64(lo_open(70001, 131072), 8192); COMMIT;
    COMMENT ON LARGE OBJECT 3 IS 'it''s \\ empty';";

/// Small ones, each another, of many sizes.
fn small(count: u32) -> String {
    format!(
        "SELECT count(lo_from_bytea((100000 + i)::oid,
            convert_to(repeat(md5(i::text), 1 + i % 90), 'UTF8'))) FROM generate_series(1, {count}) i;"
    )
}

/// The pages as the servers keep them, and the rest of what they know of each.
fn facts(sql: impl Fn(&str) -> String) -> String {
    sql("SELECT count(*), md5(string_agg(concat_ws(',', oid, pg_get_userbyid(lomowner),
            obj_description(oid, 'pg_largeobject'),
            (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(lomacl) a)), ';' ORDER BY oid))
        FROM pg_largeobject_metadata;
        SELECT count(*), sum(length(data)), md5(string_agg(concat_ws(',', loid, pageno, md5(data)), ';' ORDER BY loid, pageno))
        FROM pg_largeobject WHERE length(data) > 0 OR pageno > 0")
}

#[track_caller]
fn assert_same_objects(dbs: &Databases) {
    let source = facts(|sql| dbs.source_sql(sql));
    assert_eq!(source, facts(|sql| dbs.target_sql(sql)));
}

#[track_caller]
fn finish(dbs: &Databases, send: Run, recv: Run) {
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_same_objects(dbs);
    assert_equal(dbs);
    assert_nothing_left(dbs);
}
