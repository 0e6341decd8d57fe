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
    start_side(dbs, "recv", args, &[])
}

/// Starts send: dialling the test's address.
pub(crate) fn start_send(dbs: &Databases, args: &[&str]) -> Run {
    start_side(dbs, "send", args, &[])
}

/// Starts `recv`, `send` or `clone` with environment variables.
pub(crate) fn start_side(
    dbs: &Databases,
    side: &'static str,
    args: &[&str],
    env: &[(&str, &str)],
) -> Run {
    start_under(dbs, &[], side, args, env)
}

/// The same by another program, whose last arguments are `pgpipe SIDE ARGS…`, and which becomes it.
pub(crate) fn start_under(
    dbs: &Databases,
    under: &[&str],
    side: &'static str,
    args: &[&str],
    env: &[(&str, &str)],
) -> Run {
    let in_dir = |name: &str| dbs.path(name).display().to_string();
    let mut defaults = vec![
        ("--state", in_dir(&format!("{side}.state"))),
        ("--report", in_dir(&format!("{side}.json"))),
        ("--progress", "plain".to_owned()),
    ];
    if side != "recv" {
        defaults.push(("--source", dbs.source_conninfo()));
    }
    if side != "send" {
        defaults.push(("--target", dbs.target_conninfo()));
    }
    if side != "clone" {
        defaults.push(("--pair-file", in_dir("pair")));
        defaults.push(("--give-up", GIVE_UP.to_owned()));
    }
    if side != "clone" && !args.contains(&"--listen") && !args.contains(&"--connect") {
        let link = if side == "recv" {
            "--listen"
        } else {
            "--connect"
        };
        defaults.push((link, dbs.address()));
    }
    let mut all: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    for (option, value) in defaults {
        if !args.contains(&option) {
            all.extend([option.to_owned(), value]);
        }
    }
    Run::start_under(under, dbs.dir(), side, &all, env)
}
