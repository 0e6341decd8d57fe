//! A database that cannot be had.

use std::net::TcpListener;

use pgpipe::demo::cluster::{Cluster, ClusterOptions};

use crate::support::{Databases, Run, start_recv, start_send};
use crate::{SMALL, assert_empty_target, fails};

const HBA: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

#[test]
fn an_unreachable_server_is_named() {
    let dbs = Databases::new("unreachable", SMALL);
    let nowhere = dbs.path("nowhere").display().to_string();
    let conninfo = format!("host={nowhere} user=postgres dbname=unreachable");
    let send = start_send(&dbs, &["--source", &conninfo]).wait();
    fails(&send, 1, &["cannot connect", &nowhere]);
    let recv = start_recv(&dbs, &["--target", &conninfo]).wait();
    fails(&recv, 1, &["cannot connect", &nowhere]);
    assert_empty_target(&dbs);
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
fn a_wrong_password_is_told_and_not_repeated() {
    let cluster = Cluster::start(&ClusterOptions {
        hba: Some(HBA.to_owned()),
        tcp_port: Some(free_port()),
        ..ClusterOptions::default()
    });
    let cluster = cluster.unwrap();
    let sql = "ALTER ROLE postgres PASSWORD 'right'";
    cluster.psql("postgres", sql).unwrap();
    let dbs = Databases::new("password", SMALL);
    let conninfo = cluster.tcp_conninfo("postgres");
    for (side, option) in [("send", "--source"), ("recv", "--target")] {
        let state = dbs.path(side).display().to_string();
        let link = match side {
            "send" => "--connect",
            _ => "--listen",
        };
        let args = [option, &conninfo, "--state", &state, link, &dbs.address()];
        let args = args.map(str::to_owned);
        let end = Run::start(dbs.dir(), side, &args, &[("PGPASSWORD", "sesame")]).wait();
        fails(&end, 1, &["password", "28P01"]);
        assert!(!end.output().contains("sesame"), "{}", end.output());
    }
}

#[test]
fn a_missing_source_database_is_named() {
    let dbs = Databases::new("present", SMALL);
    let conninfo = dbs.source().conninfo("missing_source");
    let send = start_send(&dbs, &["--source", &conninfo]).wait();
    fails(&send, 1, &["missing_source", "does not exist", "3D000"]);
}

#[test]
fn a_missing_target_database_points_to_create_db() {
    let dbs = Databases::without_target("missing_target", "", SMALL);
    let recv = start_recv(&dbs, &[]).wait();
    fails(
        &recv,
        1,
        &["missing_target", "does not exist", "--create-db"],
    );
    let made = "SELECT count(*) FROM pg_database WHERE datname = 'missing_target'";
    assert_eq!(dbs.target().psql("postgres", made).unwrap().trim(), "0");
}
