//! A listening side that is known by its name, which comes to mean another address.

use std::fs;

use rustix::process::geteuid;

use crate::support::{start_recv, start_under};
use crate::{Link, SLOW};

const NAME: &str = "listener.test";
/// Runs what follows with another hosts(5) file.
const WITH_HOSTS: &str = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";

/// send asks the resolver each time.
#[test]
fn the_listening_side_comes_back_at_another_address() {
    let link = Link::new("renamed");
    let (dbs, hosts) = (&link.dbs, link.dbs.path("hosts"));
    let is_at = |address: &str| fs::write(&hosts, format!("{address} {NAME}\n")).unwrap();
    is_at("127.0.0.1");
    let recv = start_recv(dbs, &[]);
    let address = dbs.address();
    let (_, port) = address.rsplit_once(':').unwrap();
    let name = format!("{NAME}:{port}");
    let path = hosts.display().to_string();
    let mut under = vec!["unshare", "--mount", "sh", "-c", WITH_HOSTS, &path];
    if !geteuid().is_root() {
        under.insert(1, "--map-root-user");
    }
    let args = [&SLOW[..], &["--connect", &name]].concat();
    let send = start_under(dbs, &under, "send", &args, &[]);
    link.wait_for_data();
    recv.kill();
    is_at("127.0.0.2");
    let recv = start_recv(dbs, &["--listen", &format!("127.0.0.2:{port}")]);
    link.finish(send, recv);
}
