//! Something dies while objects are on their way.

use rustix::process::{Pid, kill_process};

use crate::support::{Databases, keepers, poll, start_recv, start_send};
use crate::{KINDS, LIMIT, finish, small, wait_for_chunks};

const SLOW: [&str; 6] = ["--rate", "8Mbit", "--chunk-size", "1MiB", "--jobs", "2"];

fn data() -> String {
    small(4000) + KINDS
}

#[test]
fn send_is_killed() {
    let dbs = Databases::new("lo_send", &data());
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &SLOW));
    wait_for_chunks(&dbs, 3);
    send.kill();
    finish(&dbs, start_send(&dbs, &SLOW), recv);
}

#[test]
fn recv_is_killed() {
    let dbs = Databases::new("lo_recv", &data());
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &SLOW));
    wait_for_chunks(&dbs, 3);
    recv.kill();
    finish(&dbs, send, start_recv(&dbs, &[]));
}

/// The committed objects differ in the new snapshot: they are removed and come again.
#[test]
fn the_snapshot_is_lost_and_objects_change() {
    let dbs = Databases::new("lo_lost", &data());
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &SLOW));
    wait_for_chunks(&dbs, 4);
    send.kill();
    recv.kill();
    let pid = Pid::from_raw(keepers(&dbs)[0].cast_signed()).unwrap();
    kill_process(pid, rustix::process::Signal::KILL).unwrap();
    poll(LIMIT, || keepers(&dbs).is_empty().then_some(())).expect("the keeper ends");
    dbs.source_sql(
        "SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata WHERE oid::bigint % 7 = 0;
         SELECT count(lo_put(oid, 5, 'changed')) FROM pg_largeobject_metadata WHERE oid::bigint % 5 = 0;
         SELECT lo_create(5), lo_create(300000)",
    );
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &SLOW));
    send.wait_for("begin again: pg_catalog.pg_largeobject");
    finish(&dbs, send, recv);
}
