//! Selections that are refused, before anything is made.

use rustix::process::Signal;

use super::support::{Databases, End, assert_nothing_left, migrate, start_recv, start_send};

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

/// Enums hash otherwise on the target: rows of one partition may belong to any other there.
#[test]
fn a_hash_family_that_is_not_whole_is_refused() {
    let dbs = Databases::new(
        "family",
        "CREATE TYPE mood AS ENUM ('sad', 'glad', 'so', 'la');
         CREATE TABLE \"Moods\" (m mood, i int) PARTITION BY HASH (m);
         CREATE TABLE moods_0 PARTITION OF \"Moods\" FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY RANGE (i);
         CREATE TABLE moods_1 PARTITION OF \"Moods\" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         CREATE TABLE moods_0_low PARTITION OF moods_0 FOR VALUES FROM (0) TO (50);
         CREATE TABLE moods_0_high PARTITION OF moods_0 FOR VALUES FROM (50) TO (100);
         INSERT INTO \"Moods\" SELECT unnest(enum_range(NULL::mood)), i FROM generate_series(0, 99) i;
         CREATE TABLE other (i int) PARTITION BY HASH (i);
         CREATE TABLE other_0 PARTITION OF other FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE other_1 PARTITION OF other FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO other SELECT generate_series(1, 100)",
    );
    for (left_out, named) in [
        ("moods_1", "leaves public.moods_1 out"),
        ("moods_0_high", "leaves public.moods_0_high out"),
        ("moods_0", "leaves public.moods_0 out"),
    ] {
        let end = sent(&dbs, &["--exclude-table", left_out]);
        end.must_end(1);
        assert_says(&end, &[named, "rows of public.\"Moods\" may belong"]);
    }
    // The hash of an integer is the same everywhere, and without the parent each is a table of its own.
    let options = [
        "--exclude-table=other_1",
        "--exclude-table=\"Moods\"",
        "--exclude-table=moods_0_low",
    ];
    let (send, _) = migrate(&dbs, &options, &[]);
    send.must_end(4);
    for table in ["other_0", "moods_0_high", "moods_1"] {
        let rows = format!("SELECT count(*), sum(i) FROM {table}");
        assert_eq!(dbs.target_sql(&rows), dbs.source_sql(&rows), "{table}");
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

/// A foreign partition of such a family would get rows on its own server.
#[test]
fn a_hash_family_with_a_foreign_partition_is_refused() {
    let dbs = Databases::new(
        "foreign_family",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
         CREATE TYPE mood AS ENUM ('sad', 'glad');
         CREATE TABLE moods (m mood) PARTITION BY HASH (m);
         CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE FOREIGN TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1) SERVER s",
    );
    let end = sent(&dbs, &[]);
    end.must_end(1);
    assert_says(
        &end,
        &["moods_1 is a foreign table", "partitions of public.moods"],
    );
}

/// What would lie in the journal's schema would be dropped with it, and its rows would be taken for
/// the journal's: a journal that was kept lies on a server that now is the source.
#[test]
fn a_schema_named_like_the_journal_is_refused() {
    let dbs = Databases::new(
        "like_the_journal",
        "CREATE SCHEMA pgpipe; CREATE TABLE pgpipe.step (step text); INSERT INTO pgpipe.step VALUES ('sequences')",
    );
    let (send, recv) = migrate(&dbs, &[], &[]);
    for end in [send, recv] {
        end.must_end(1);
        assert_says(&end, &["a schema pgpipe of its own", "--journal-schema"]);
    }
    assert_nothing_left(&dbs);
    let (send, recv) = migrate(&dbs, &[], &["--journal-schema", "progress"]);
    send.must_end(0);
    recv.must_end(0);
    let rows = "SELECT step, to_regnamespace('progress') FROM pgpipe.step";
    assert_eq!(dbs.target_sql(rows).trim(), "sequences|");
}
