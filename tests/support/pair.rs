//! recv and send with what each needs to meet the other, unless a test says otherwise.

use super::databases::Databases;
use super::process::{End, Run};

/// A side whose other side never comes ends by itself, even if its test was killed.
const GIVE_UP: &str = "60s";

/// Runs both sides to their ends.
pub(crate) fn migrate(dbs: &Databases, send: &[&str], recv: &[&str]) -> (End, End) {
    let recv = start_recv(dbs, recv);
    let send = start_send(dbs, send);
    (send.wait(), recv.wait())
}

/// Starts recv: listening on the test's address, with its pair file, state and report.
pub(crate) fn start_recv(dbs: &Databases, args: &[&str]) -> Run {
    let target = dbs.target_conninfo();
    start(dbs, "recv", ("--target", &target), "--listen", args)
}

/// Starts send: dialling the test's address.
pub(crate) fn start_send(dbs: &Databases, args: &[&str]) -> Run {
    let source = dbs.source_conninfo();
    start(dbs, "send", ("--source", &source), "--connect", args)
}

fn start(
    dbs: &Databases,
    side: &'static str,
    database: (&str, &str),
    link: &str,
    args: &[&str],
) -> Run {
    let given = |option: &str| args.contains(&option);
    let in_dir = |name: &str| dbs.path(name).display().to_string();
    let mut all: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let mut default = |option: &str, value: &str| {
        if !given(option) {
            all.extend([option.to_owned(), value.to_owned()]);
        }
    };
    default(database.0, database.1);
    if !given("--listen") && !given("--connect") {
        default(link, &dbs.address());
    }
    default("--pair-file", &in_dir("pair"));
    default("--state", &in_dir(&format!("{side}.state")));
    default("--report", &in_dir(&format!("{side}.json")));
    default("--progress", "plain");
    default("--give-up", GIVE_UP);
    Run::start(dbs.dir(), side, &all, &[])
}
