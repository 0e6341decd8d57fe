//! What is shown of a migration, in each of its states.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Databases, migrate};
use crate::{DATA, Said, pgpipe, under_way};

/// Every field of a side, which scripts count on.
const FIELDS: &str = "role state directory pid phase waiting_for bytes_done bytes_total rate \
    eta_seconds rows chunks_done chunks_total index_done index_total elapsed_seconds exit keeper hint";
const KEEPER: &str =
    "pid snapshot_time snapshot_lsn age_seconds locked single held_transaction_ids";

fn side(said: &Said) -> Value {
    let picture: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(picture["migrations"][0]["name"], "main");
    let side = picture["migrations"][0]["sides"][0].clone();
    has(&side, FIELDS);
    side
}

fn has(object: &Value, fields: &str) {
    let mut found: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
    let mut wanted: Vec<_> = fields.split_whitespace().map(str::to_owned).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[test]
fn at_work_stopped_and_given_up() {
    let dbs = Databases::new("status_states", DATA);
    let (send, recv) = under_way(&dbs);
    let sends = side(pgpipe(&dbs, "send", &["status", "--json"]).must(0, &[]));
    assert_eq!(
        (&sends["role"], &sends["state"]),
        (&"send".into(), &"running".into())
    );
    assert_eq!(sends["pid"], send.pid());
    assert_eq!(sends["phase"], "data");
    assert!(sends["chunks_total"].as_u64().unwrap() > 5, "{sends}");
    has(&sends["keeper"], KEEPER);
    assert_eq!(sends["keeper"]["locked"], true);
    assert!(sends["keeper"]["held_transaction_ids"].is_u64(), "{sends}");
    let recvs = side(pgpipe(&dbs, "recv", &["status", "--json"]).must(0, &[]));
    assert_eq!(
        (&recvs["role"], &recvs["keeper"]),
        (&"recv".into(), &Value::Null)
    );
    assert_eq!(recvs["pid"], recv.pid());
    let words = pgpipe(&dbs, "send", &["status"]);
    words.must(
        0,
        &[
            "migration main: send running",
            "lock on every table",
            "holds back",
        ],
    );
    pgpipe(&dbs, "send", &["stop"]).must(0, &[]);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    let sends =
        side(pgpipe(&dbs, "send", &["status", "--json", "--migration", "main"]).must(0, &[]));
    assert_eq!(
        (&sends["state"], &sends["pid"]),
        (&"stopped".into(), &Value::Null)
    );
    assert!(sends["keeper"]["pid"].is_u64());
    pgpipe(&dbs, "recv", &["status"]).must(0, &["recv stopped", "start recv again"]);
    pgpipe(&dbs, "send", &["abort"]).must(0, &[]);
    pgpipe(&dbs, "send", &["status"]).must(0, &["send aborted", "pgpipe reset main"]);
}

/// The ids that are held back grow while the snapshot is held.
#[test]
fn held_transaction_ids_are_counted() {
    let dbs = Databases::new("status_ids", DATA);
    let (send, recv) = under_way(&dbs);
    let held = || {
        side(&pgpipe(&dbs, "send", &["status", "--json"]))["keeper"]["held_transaction_ids"]
            .as_u64()
    };
    let before = held().unwrap();
    for _ in 0..5 {
        dbs.source_sql("SELECT txid_current()");
    }
    assert!(held().unwrap() >= before + 5);
    drop((send, recv));
    pgpipe(&dbs, "send", &["abort"]).must(0, &[]);
}

#[test]
fn finished_and_never_met() {
    let dbs = Databases::new("status_ends", "CREATE TABLE t (i int)");
    let recv = crate::start_recv(&dbs, &[]);
    recv.wait_for("waiting for send");
    pgpipe(&dbs, "recv", &["status"]).must(0, &["recv running", "waiting for send"]);
    pgpipe(&dbs, "recv", &["stop"]).must(0, &[]);
    recv.wait().must_end(3);
    pgpipe(&dbs, "recv", &["status"]).must(0, &["unpaired", "never met"]);
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    for host in ["send", "recv"] {
        let side = side(pgpipe(&dbs, host, &["status", "--json"]).must(0, &[]));
        assert_eq!(
            (&side["state"], &side["exit"]),
            (&"finished".into(), &0.into())
        );
    }
}

/// Plain lines where there is no terminal, until the end.
#[test]
fn a_watch_ends_with_what_it_watches() {
    let dbs = Databases::new("status_watch", DATA);
    let (send, recv) = under_way(&dbs);
    let watch = pgpipe(&dbs, "recv", &["status", "--watch"]);
    watch.must(0, &["recv running", "recv finished with exit code 0"]);
    assert!(!watch.stdout.contains('\x1b'), "{watch:?}");
    send.wait().must_end(0);
    recv.wait().must_end(0);
}

#[test]
fn a_watch_is_interrupted() {
    let dbs = Databases::new("status_ctrl_c", "");
    let recv = crate::start_recv(&dbs, &[]);
    recv.wait_for("waiting for send");
    let mut watch = Command::new(env!("CARGO_BIN_EXE_pgpipe"))
        .args(["status", "--watch", "--json", "--state"])
        .arg(dbs.path("recv.state"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut lines = std::io::BufReader::new(watch.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    assert!(line.starts_with("{\"migrations\":"), "{line}");
    let pid = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(0));
    pgpipe(&dbs, "recv", &["abort"]).must(0, &[]);
    recv.wait().must_end(1);
}

#[test]
fn what_is_not_there() {
    let dbs = Databases::new("status_nothing", "");
    pgpipe(&dbs, "send", &["status"]).must(1, &["cannot look into the state directory"]);
    std::fs::create_dir(dbs.path("send.state")).unwrap();
    pgpipe(&dbs, "send", &["status"]).must(0, &["no migrations here"]);
    pgpipe(&dbs, "send", &["status", "--json"]).must(0, &["{\"migrations\":[]}"]);
    pgpipe(&dbs, "send", &["status", "--migration", "x"]).must(1, &["there is no migration x"]);
}
