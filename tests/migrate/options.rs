//! What the options for speed, memory and output do.

use std::fs;

use serde_json::Value;

use super::report;
use super::support::{
    Databases, End, assert_equal, assert_nothing_left, migrate, start_recv, start_side,
};

/// Half of it compresses well, half not at all.
const FILL: &str = "CREATE TABLE t (i int PRIMARY KEY, same text, noise text);
    INSERT INTO t SELECT i, 'always the same words', md5(i::text) || md5((-i)::text)
    FROM generate_series(1, 20000) i;
    CREATE TABLE by_name AS SELECT 't'::regclass AS r, i FROM generate_series(1, 5000) i;";

fn moved(name: &str, send: &[&str]) -> Value {
    let dbs = Databases::new(name, FILL);
    let (send, recv) = migrate(&dbs, send, &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    send.report()
}

#[test]
fn compression_changes_what_is_on_the_wire_and_nothing_else() {
    let reports = [("none", "level_none"), ("1", "level_1"), ("19", "level_19")]
        .map(|(level, name)| moved(name, &["--compress", level]));
    let [none, fast, best] = &reports;
    let sizes: Vec<u64> = reports
        .iter()
        .map(|report| report["totals"]["wire_bytes"].as_u64().unwrap())
        .collect();
    // Columns leave a higher level next to nothing to find, but it writes other bytes.
    let (least, most) = (sizes[1].min(sizes[2]), sizes[1].max(sizes[2]));
    assert!(least < most && 2 * most < sizes[0], "{sizes:?}");
    for table in ["public.t", "public.by_name"] {
        for field in ["rows", "raw_bytes", "digest"] {
            let value = |report| &report::table(report, table)[field];
            assert_eq!(value(none), value(fast), "{table} {field}");
            assert_eq!(value(none), value(best), "{table} {field}");
        }
    }
}

/// Slower is possible on a loaded machine, faster is not: a second's worth may go in one burst.
#[test]
fn a_rate_is_kept() {
    const BYTES_PER_SECOND: f64 = 500_000.0;
    let report = moved("rate", &["--compress", "none", "--rate", "4Mbit"]);
    let bytes = report["totals"]["wire_bytes"].as_f64().unwrap();
    let seconds = report["totals"]["seconds"].as_f64().unwrap();
    assert!(
        bytes > 3.0 * BYTES_PER_SECOND,
        "too little to tell: {bytes}"
    );
    let least = bytes / BYTES_PER_SECOND - 1.0;
    assert!(seconds > least, "{bytes} bytes in {seconds} s");
}

#[test]
fn progress_is_json_on_request_and_silent_on_request() {
    let dbs = Databases::new("json_progress", FILL);
    let (send, recv) = migrate(&dbs, &["--progress", "json"], &["--progress", "none"]);
    send.must_end(0);
    recv.must_end(0);
    let lines: Vec<Value> = send
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let last = lines.last().unwrap();
    assert!(lines.iter().all(Value::is_object), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.get("message").is_some()),
        "{lines:?}"
    );
    assert_eq!(last["rows"], send.report()["totals"]["rows"], "{last}");
    assert_eq!(recv.stdout, "");
}

#[test]
fn little_memory_is_enough() {
    let little = ["--memory", "64MiB"];
    let large = "CREATE TABLE large (id int, b bytea);
        INSERT INTO large SELECT i, decode(repeat(md5(i::text), 500000), 'hex') FROM generate_series(1, 8) i;";
    let dbs = Databases::new("little_memory", large);
    let (send, recv) = migrate(&dbs, &little, &little);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

/// At the most talkative level, and with a password that the server does not even ask for.
#[test]
fn logs_and_reports_hold_no_secrets() {
    const PASSWORD: &str = "correct-horse-battery";
    let dbs = Databases::new("secrets", FILL);
    let secret = |conninfo: String| format!("{conninfo} password={PASSWORD}");
    let (source, target) = (secret(dbs.source_conninfo()), secret(dbs.target_conninfo()));
    let path = |name: &str| dbs.path(name).display().to_string();
    let env = [("PGPIPE_LOG", "trace")];
    let recv_args = ["--target", &target, "--log", &path("recv.log")];
    let recv = start_side(&dbs, "recv", &recv_args, &env);
    let send_args = ["--source", &source, "--log", &path("send.log")];
    let send = start_side(&dbs, "send", &send_args, &env);
    let ends = [send.wait(), recv.wait()];
    let code = fs::read_to_string(dbs.path("pair")).unwrap();
    for end in &ends {
        end.must_end(0);
        holds_none_of(&dbs, end, &[PASSWORD, code.trim()]);
    }
}

fn holds_none_of(dbs: &Databases, end: &End, secrets: &[&str]) {
    let log = fs::read_to_string(dbs.path(&format!("{}.log", end.side))).unwrap();
    assert!(log.lines().count() > 1, "{log}");
    for line in log.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(parsed.is_object(), "{line}");
    }
    for secret in secrets {
        assert!(secret.len() > 10, "{secret}");
        for text in [&log, &end.output(), &end.report().to_string()] {
            assert!(!text.contains(secret), "{} tells {secret}", end.side);
        }
    }
}

/// A recv alone has nothing to lose: SIGINT ends it as something that can go on later.
#[test]
fn a_waiting_recv_can_be_stopped() {
    let dbs = Databases::new("stopped_while_waiting", "");
    let recv = start_recv(&dbs, &[]);
    recv.wait_for("pgpipe send ");
    recv.signal(rustix::process::Signal::INT);
    recv.wait().must_end(3);
    assert_nothing_left(&dbs);
}
