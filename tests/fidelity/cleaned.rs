//! `--clean` over an earlier copy of each kind of object: all of it goes, and comes again.

use super::judge;
use super::scene::Origin;
use super::support::assert_nothing_left;

/// A subscription with a slot is not dropped in a transaction, the event triggers of this database refuse a journal, and
/// a range and its canonical function need one another: neither goes without CASCADE.
const AT_REST: &str = "ALTER SUBSCRIPTION listening SET (slot_name = NONE);
    SELECT format('ALTER EVENT TRIGGER %I DISABLE', evtname) FROM pg_event_trigger \\gexec
    DROP TYPE app.steps CASCADE";

fn comes_again((name, sql): (&str, &str), before: &str) {
    let origin = Origin::new(&format!("again_{name}"), sql);
    let dbs = origin.dbs();
    dbs.target().create_database(dbs.name()).unwrap();
    origin.arrives("first", &[], &[]);
    dbs.target_sql(before);
    origin.arrives("again", &["--clean"], &["--clean"]);
    judge::assert_same(dbs, "again");
    assert_nothing_left(dbs);
    origin.drop_target();
}

#[test]
fn extensions_are_cleaned() {
    comes_again(("extensions", include_str!("databases/extensions.sql")), "");
}

#[test]
fn objects_are_cleaned() {
    comes_again(("objects", include_str!("databases/objects.sql")), AT_REST);
}

#[test]
fn relations_are_cleaned() {
    comes_again(("relations", include_str!("databases/relations.sql")), "");
}

#[test]
fn names_are_cleaned() {
    comes_again(("names", include_str!("databases/names.sql")), "");
}
