//! A target of an older major version than the source.

use super::support::{
    Databases, assert_nothing_left, migrate, programs_of, server_of, servers, target_of,
};

const FILL: &str = "CREATE TABLE t (i int PRIMARY KEY, s text);
    INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 20000) i;
    CREATE VIEW v AS SELECT count(*) FROM t;";
const SUM: &str =
    "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY i)) FROM t; SELECT * FROM v";

/// From 18 into the one that is installed, if that is older.
fn databases(name: &str) -> Option<(Databases, String)> {
    let (source, target) = (server_of(18)?, &servers().target);
    let version = target.psql("postgres", "SHOW server_version_num").unwrap();
    if version.trim() >= "180000" {
        eprintln!("skipped: the installed server is no older one");
        return None;
    }
    let dbs = Databases::between(source, target, name, FILL);
    Some((dbs, programs_of(18).display().to_string()))
}

#[test]
fn an_older_target_is_refused() {
    let Some((dbs, programs)) = databases("refused_downgrade") else {
        return;
    };
    let bin = ["--pg-bin", &programs];
    let (send, recv) = migrate(&dbs, &bin, &bin);
    for end in [&send, &recv] {
        end.must_end(1);
        let told = end.output();
        let line = told.lines().find(|line| line.contains("--allow-downgrade"));
        let line = line.unwrap_or_else(|| panic!("not told: {told}"));
        assert!(line.contains("older than the source (18."), "{line}");
    }
    assert_nothing_left(&dbs);
}

#[test]
fn an_older_target_is_taken_where_it_may_be() {
    let Some((dbs, programs)) = databases("allowed_downgrade") else {
        return;
    };
    let bin = ["--pg-bin", &programs];
    let (send, recv) = migrate(&dbs, &bin, &[&bin[..], &["--allow-downgrade"]].concat());
    send.must_end(0);
    recv.must_end(0);
    assert_eq!(dbs.source_sql(SUM), dbs.target_sql(SUM));
    assert_nothing_left(&dbs);
}

/// What no server before 14 can hold, in any format.
#[test]
fn infinities_are_spoken_of_before_a_row_moves() {
    let (Some(source), Some(target)) = (server_of(14), target_of(13)) else {
        return;
    };
    let fill = "CREATE TABLE t (i int PRIMARY KEY, n numeric);
        INSERT INTO t SELECT i, i / 3.0 FROM generate_series(1, 1000) i;
        INSERT INTO t VALUES (0, '-Infinity')";
    let dbs = Databases::between(source, target, "infinities", fill);
    let (send, recv) = migrate(&dbs, &[], &["--allow-downgrade"]);
    for end in [&send, &recv] {
        end.must_end(1);
        let told = end.output();
        assert!(told.contains("cannot write table public.t"), "{told}");
    }
    let told = recv.output();
    let line = told.lines().find(|line| line.contains("infinite values"));
    let line = line.unwrap_or_else(|| panic!("not told: {told}"));
    assert!(line.contains("by the target, PostgreSQL 13."), "{line}");
}
