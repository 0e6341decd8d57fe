//! A target whose write-ahead log has no room: the server stops itself.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use pgpipe::demo::compare;

use crate::fails;
use crate::room::{FILL, run};
use crate::support::{Databases, End, start_recv, start_send, undertaker};

/// A server whose `pg_wal` is on a file system of its own, which its undertaker unmounts.
struct SmallLog {
    cluster: Cluster,
    mount: PathBuf,
    _undertaker: Child,
}

impl SmallLog {
    /// None, with the reason printed, where nothing may be mounted.
    fn new(size: &str) -> Option<Self> {
        let mut cluster = Cluster::start(&ClusterOptions {
            initdb_args: vec!["--wal-segsize=1".to_owned()],
            ..ClusterOptions::default()
        })
        .unwrap();
        cluster.create_database("target").unwrap();
        cluster.stop(StopMode::Fast).unwrap();
        let mount = cluster.socket_dir().join("disk");
        fs::create_dir(&mount).unwrap();
        let options = format!("size={size}");
        if !run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], &mount) {
            eprintln!("skipped: a tmpfs cannot be mounted here");
            return None;
        }
        let log = cluster.data_dir().join("pg_wal");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(log.join("."))
            .arg(&mount)
            .status();
        assert!(copied.unwrap().success());
        fs::remove_dir_all(&log).unwrap();
        std::os::unix::fs::symlink(&mount, &log).unwrap();
        cluster.start_again().unwrap();
        Some(Self {
            _undertaker: undertaker(&cluster),
            cluster,
            mount,
        })
    }

    /// Both sides against it; the ends of send and recv.
    fn migrate(&self, dbs: &Databases) -> (End, End) {
        let target = self.cluster.conninfo("target");
        let recv = start_recv(dbs, &["--target", &target, "--keep-free", "none"]);
        let send = start_send(dbs, &["--chunk-size", "4MiB", "--jobs", "2"]);
        (send.wait(), recv.wait())
    }
}

#[test]
fn a_server_that_stops_for_want_of_wal_ends_both_with_3_and_goes_on() {
    let dbs = Databases::new("wal_full", FILL);
    let Some(mut target) = SmallLog::new("32M") else {
        return;
    };
    let (send, recv) = target.migrate(&dbs);
    fails(&recv, 3, &["cannot write table public.big"]);
    fails(&send, 3, &["recv: "]);
    let log = target.cluster.log();
    assert!(
        log.contains("PANIC") && log.contains("No space left"),
        "{log}"
    );
    assert!(run("mount", &["-o", "remount,size=600M"], &target.mount));
    target.cluster.kill9();
    target.cluster.start_again().unwrap();
    let (send, recv) = target.migrate(&dbs);
    send.must_end(0);
    recv.must_end(0);
    let source = dbs.source().database(dbs.name());
    let found = compare::differences(&source, &target.cluster.database("target")).unwrap();
    assert!(found.is_empty(), "{}", found[0]);
}
