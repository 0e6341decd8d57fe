//! Keys that are unique on the source and not on the target, where text compares otherwise.

use std::fs;

use serde_json::Value;

use super::support::{Databases, End, assert_nothing_left, start_side};

const KEYS: &str = include_str!("keys.sql");
/// The target has the collation already, and has it otherwise: in the place of a library of another version.
const CONTRARY: &str =
    "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false)";

#[track_caller]
fn error<'a>(report: &'a Value, object: &str) -> (&'a str, &'a str) {
    let errors = report["errors"].as_array().unwrap();
    let found = errors.iter().find(|error| error["object"] == object);
    let found = found.unwrap_or_else(|| panic!("{object} is not in {errors:#?}"));
    let text = |key: &str| found[key].as_str().unwrap();
    (text("message"), text("statement"))
}

/// One line, however a terminal breaks it.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(end: &End, object: &str, key: &str, collation: &str) {
    let report = end.report();
    let (message, _) = error(&report, object);
    // Either row may be the one that is told.
    let lower = message.to_lowercase();
    assert!(lower.contains(&format!("; key {key}")), "{message}");
    let by = format!("; text compares on the target by {collation}; compare ");
    assert!(message.contains(&by), "{by}: {message}");
    assert!(message.ends_with("that the report has"), "{message}");
    let shown = unbroken(&end.output());
    assert!(shown.contains(&format!("{object}: {message}")), "{shown}");
}

#[test]
fn a_key_that_is_there_twice_is_told_with_its_collations() {
    let name = "contrary_keys";
    let dbs = Databases::new(name, KEYS);
    let fold = format!("ALTER DATABASE {name} SET pgpipe_test.fold = 'on'");
    dbs.target_sql(&format!("{CONTRARY}; {fold}"));
    let start = |side| {
        let log = dbs.path(&format!("{side}.log")).display().to_string();
        start_side(&dbs, side, &["--log", &log], &[("PGPIPE_LOG", "trace")])
    };
    let (recv, send) = (start("recv"), start("send"));
    let (send, recv) = (send.wait(), recv.wait());
    let version = "SELECT collversion FROM pg_collation WHERE collname = 'blind'";
    let version = dbs.target_sql(version);
    let blind = format!(
        "(icu und-u-ks-level1, not deterministic, version {})",
        version.trim()
    );
    let of_k = format!("public.blind of k {blind}");
    let default = "the database's default of s (libc C, no version)";
    for end in [&send, &recv] {
        end.must_end(4);
        says(
            end,
            "CONSTRAINT public t t_pkey",
            "(k)=(geheim) is duplicated",
            &of_k,
        );
        says(
            end,
            "CONSTRAINT public t t_k_excl",
            "(k)=(geheim) conflicts with key (k)=(geheim)",
            &of_k,
        );
        let alone = format!("public.blind {blind}");
        says(
            end,
            "INDEX public by_name",
            "(n, s)=(1, verborgen) is duplicated",
            &alone,
        );
        says(
            end,
            "INDEX public by_function",
            "(public.folded(s))=(verborgen) is duplicated",
            default,
        );
        let report = end.report();
        let (_, statement) = error(&report, "CONSTRAINT public t t_pkey");
        assert!(
            statement.contains("ADD CONSTRAINT t_pkey PRIMARY KEY (k);\n"),
            "{statement}"
        );
        assert_eq!(
            report["errors"].as_array().unwrap().len(),
            5,
            "the collation too: {report}"
        );
    }
    for side in ["send", "recv"] {
        let log = fs::read_to_string(dbs.path(&format!("{side}.log"))).unwrap();
        let log = log.to_lowercase();
        assert!(
            !log.contains("geheim") && !log.contains("verborgen"),
            "{log}"
        );
    }
    // By hand, once the rows are corrected.
    dbs.target_sql("DELETE FROM t WHERE k COLLATE \"C\" = 'GEHEIM'");
    let report = recv.report();
    for object in ["CONSTRAINT public t t_pkey", "INDEX public by_function"] {
        dbs.target_sql(error(&report, object).1);
    }
    assert_nothing_left(&dbs);
}
