//! Selections that are refused, before anything is made.

use rustix::process::Signal;

use super::support::{Databases, End, assert_nothing_left, start_recv, start_send};

const SQL: &str = "CREATE SCHEMA app; CREATE TABLE app.t AS SELECT i, repeat('x', 500) x FROM generate_series(1, 20000) i;
    CREATE TABLE app.u AS SELECT 1 i";

fn sent(dbs: &Databases, args: &[&str]) -> End {
    start_send(dbs, args).wait()
}

#[track_caller]
fn assert_says(end: &End, words: &[&str]) {
    for word in words {
        assert!(
            end.stderr.contains(word),
            "{word:?} is not in {}",
            end.stderr
        );
    }
}

#[test]
fn what_is_no_pattern_is_a_wrong_command_line() {
    let dbs = Databases::new("no_pattern", SQL);
    for (args, why) in [
        (["--schema", "app.t"], "no dot"),
        (["--table", "db.app.t"], "one dot at most"),
        (["--table", "\"t"], "not closed"),
        (["--exclude-table", ""], "matches nothing"),
    ] {
        let end = sent(&dbs, &args);
        end.must_end(2);
        assert_says(&end, &[why, args[0]]);
    }
}

#[test]
fn what_matches_nothing_is_refused() {
    let dbs = Databases::new("no_match", SQL);
    for args in [
        ["--schema", "ap"],
        ["--table", "app.x*"],
        ["--exclude-schema", "x"],
        ["--exclude-table", "t"],
    ] {
        let end = sent(&dbs, &args);
        end.must_end(1);
        assert_says(&end, &[&format!("{} {} matches nothing", args[0], args[1])]);
    }
    assert_nothing_left(&dbs);
}

/// pg_dump would put the system's own tables into the archive.
#[test]
fn what_belongs_to_the_system_is_refused() {
    let dbs = Databases::new("system", SQL);
    for args in [
        ["--table", "*"],
        ["--schema", "pg_catalog"],
        ["--table", "pg_cl*"],
    ] {
        let end = sent(&dbs, &args);
        end.must_end(1);
        assert_says(&end, &["pg_catalog.", "belongs to the system"]);
    }
}

/// The selection belongs to the migration: another one is refused, none goes on with it.
#[test]
fn a_migration_keeps_its_selection() {
    let dbs = Databases::new("kept_selection", SQL);
    let select = ["--schema", "app", "--exclude-table", "app.u"];
    let recv = start_recv(&dbs, &["--stay"]);
    let send = start_send(
        &dbs,
        &[&select[..], &["--rate", "800kbit", "--compress", "none"]].concat(),
    );
    send.wait_for("data: ");
    send.signal(Signal::INT);
    send.wait().must_end(3);
    for other in [&["--schema", "app"][..], &["--exclude-table", "app.u"]] {
        let end = sent(&dbs, other);
        end.must_end(1);
        assert_says(&end, &["was begun with --schema app --exclude-table app.u"]);
    }
    let end = sent(&dbs, &["--exclude-table", "app.u", "--schema", "app"]);
    end.must_end(0);
    assert_eq!(end.report()["skipped"].as_array().unwrap().len(), 1);
    drop(recv);
    let counts = "SELECT count(*), to_regclass('app.u') FROM app.t";
    assert_eq!(dbs.target_sql(counts).trim(), "20000|");
}
