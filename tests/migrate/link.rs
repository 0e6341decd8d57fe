//! The ways for the two sides to find and trust one another.

use super::support::{
    Databases, Run, assert_equal, assert_nothing_left, migrate, start_recv, start_send,
};

const SMALL: &str = "CREATE TABLE t (i int PRIMARY KEY, t text);
    INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 5000) i;";

/// Data flows the same way, whoever opens the connection.
#[test]
fn recv_can_be_the_side_that_dials() {
    let dbs = Databases::new("recv_dials", SMALL);
    let address = dbs.address();
    let (send, recv) = migrate(&dbs, &["--listen", &address], &["--connect", &address]);
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
    assert!(
        recv.stderr
            .contains(&format!("pgpipe send --listen {address}")),
        "{}",
        recv.stderr
    );
}

/// As a user does it without a shared file: recv prints the code and the command, send is given both.
#[test]
fn the_printed_code_and_command_are_enough() {
    let dbs = Databases::new("printed_code", SMALL);
    let file = |name: &str| dbs.path(name).display().to_string();
    let address = dbs.address();
    let target = dbs.target_conninfo();
    let recv_args = [
        "--target",
        &target,
        "--listen",
        &address,
        "--state",
        &file("r"),
        "--give-up",
        "60s",
    ];
    let recv = Run::start(dbs.dir(), "recv", &owned(&recv_args), &[]);
    let code = recv.wait_for("pairing code ");
    let command = recv.wait_for("pgpipe send ");
    let code = code.split_whitespace().nth(2).unwrap();
    let mut words = command.split_whitespace();
    let link: Vec<&str> = words.by_ref().skip(2).take(2).collect();
    assert_eq!(link, ["--connect", &address]);
    let source = dbs.source_conninfo();
    let send_args = [
        "--source",
        &source,
        link[0],
        link[1],
        "--state",
        &file("s"),
        "--give-up",
        "60s",
    ];
    let send = Run::start(
        dbs.dir(),
        "send",
        &owned(&send_args),
        &[("PGPIPE_PAIR", code)],
    );
    let (send, recv) = (send.wait(), recv.wait());
    send.must_end(0);
    recv.must_end(0);
    assert_equal(&dbs);
    assert!(!send.output().contains(code));
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

/// Neither has to be there first.
#[test]
fn send_waits_for_a_recv_that_comes_later() {
    let dbs = Databases::new("recv_comes_later", SMALL);
    let send = start_send(&dbs, &[]);
    send.wait_for("waiting for the pairing code");
    let recv = start_recv(&dbs, &[]);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_equal(&dbs);
}
