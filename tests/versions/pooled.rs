//! Before 15 a session that stays open may keep for itself what it wrote.

use pgpipe::pg::{Client, ConnInfo};

use super::lost::{DATA, SLOW};
use super::support::journal::wait_for_chunks;
use super::support::{Databases, server_of, servers, start_recv, start_send};

#[test]
fn a_write_of_a_session_that_stays_is_seen() {
    let Some(source) = server_of(13) else {
        return;
    };
    let dbs = Databases::between(source, &servers().target, "pooled_13", DATA);
    let (send, recv) = (start_send(&dbs, &SLOW), start_recv(&dbs, &[]));
    wait_for_chunks(&dbs, 1);
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut pooled = Client::connect(&info, "a pool").unwrap();
    pooled.execute("SELECT count(*) FROM by_key").unwrap();
    let insert = "INSERT INTO by_key VALUES (0, 'pooled')";
    pooled.execute(insert).unwrap();
    let (send, recv) = (send.wait(), recv.wait());
    for end in [&send, &recv] {
        end.must_end(5);
        let said = end.output();
        let told = said.contains("INSERT of pid") || said.contains("public.by_key");
        assert!(told, "{said}");
    }
}

/// One that reads is no writer, whatever others did meanwhile.
#[test]
fn a_session_that_only_reads_is_no_change() {
    let Some(source) = server_of(13) else {
        return;
    };
    let dbs = Databases::between(source, &servers().target, "reads_13", DATA);
    let (send, recv) = (start_send(&dbs, &SLOW), start_recv(&dbs, &[]));
    wait_for_chunks(&dbs, 1);
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut monitor = Client::connect(&info, "a monitor").unwrap();
    monitor.execute("SELECT txid_current()").unwrap();
    monitor.execute("SELECT count(*) FROM by_key").unwrap();
    send.wait().must_end(0);
    recv.wait().must_end(0);
}
