//! A target whose disk is small: a tablespace on a tmpfs, where the test may mount one.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use pgpipe::demo::cluster::{Cluster, ClusterOptions};
use pgpipe::demo::compare;

use crate::support::{Databases, start_recv, start_send};
use crate::{SMALL, fails};

/// Some 60 MB in 16 chunks or so, slowly enough to be stopped in between.
pub(crate) const FILL: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 24) i) FROM generate_series(1, 60000) g;";
const CHUNKS: [&str; 4] = ["--chunk-size", "4MiB", "--jobs", "2"];

/// A target whose only database is on a file system of its own.
struct SmallDisk {
    cluster: Cluster,
    mount: PathBuf,
}

impl SmallDisk {
    /// None, with the reason printed, where nothing may be mounted.
    fn new(size: &str) -> Option<Self> {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let mount = cluster.socket_dir().join("small");
        fs::create_dir(&mount).unwrap();
        let options = format!("size={size}");
        if !run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], &mount) {
            eprintln!("skipped: a tmpfs cannot be mounted here");
            return None;
        }
        let disk = Self { cluster, mount };
        let owner = fs::metadata(disk.cluster.data_dir()).unwrap();
        chown(&disk.mount, Some(owner.uid()), Some(owner.gid())).unwrap();
        let location = disk.mount.display();
        disk.sql(
            "postgres",
            &format!("CREATE TABLESPACE small LOCATION '{location}'"),
        );
        let database = "CREATE DATABASE target TEMPLATE template0 TABLESPACE small";
        disk.sql("postgres", database);
        Some(disk)
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(run("mount", &["-o", &options], &self.mount));
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        self.cluster.psql(database, sql).unwrap()
    }

    fn assert_equal(&self, dbs: &Databases) {
        let source = dbs.source().database(dbs.name());
        let found = compare::differences(&source, &self.cluster.database("target")).unwrap();
        assert!(found.is_empty(), "{}", found[0]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self
            .cluster
            .stop(pgpipe::demo::cluster::StopMode::Immediate);
        run("umount", &[], &self.mount);
    }
}

pub(crate) fn run(program: &str, args: &[&str], path: &Path) -> bool {
    let output = Command::new(program).args(args).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

/// Both sides against the small disk; the ends of send and recv.
fn migrate(dbs: &Databases, disk: &SmallDisk, keep: &str) -> (crate::End, crate::End) {
    let target = disk.cluster.conninfo("target");
    let recv = start_recv(
        dbs,
        &[
            "--target",
            &target,
            "--keep-free",
            keep,
            "--index-jobs",
            "1",
        ],
    );
    let send = start_send(dbs, &CHUNKS);
    (send.wait(), recv.wait())
}

#[test]
fn recv_stops_before_the_disk_is_full_and_goes_on() {
    let dbs = Databases::new("keep_free", FILL);
    let Some(disk) = SmallDisk::new("120M") else {
        return;
    };
    let slow = [CHUNKS.as_slice(), &["--rate", "32Mbit"]].concat();
    let target = disk.cluster.conninfo("target");
    let recv = start_recv(&dbs, &["--target", &target, "--keep-free", "96MiB"]);
    let send = start_send(&dbs, &slow);
    let (send, recv) = (send.wait(), recv.wait());
    let place = disk.mount.display().to_string();
    fails(&recv, 3, &["free", &place, "--keep-free"]);
    fails(&send, 3, &["recv: ", "free", &place]);
    let journal = "SELECT count(*) FROM pgpipe.chunk";
    let there: u32 = disk.sql("target", journal).trim().parse().unwrap();
    assert!(there > 0, "stopped before the first chunk");
    disk.resize("400M");
    let (send, recv) = migrate(&dbs, &disk, "96MiB");
    send.must_end(0);
    recv.must_end(0);
    disk.assert_equal(&dbs);
}

#[test]
fn a_full_disk_ends_with_3_and_goes_on() {
    let dbs = Databases::new("disk_full", FILL);
    let Some(disk) = SmallDisk::new("50M") else {
        return;
    };
    let (send, recv) = migrate(&dbs, &disk, "none");
    fails(&recv, 3, &["53100"]);
    fails(&send, 3, &["recv: ", "53100"]);
    disk.resize("400M");
    let (send, recv) = migrate(&dbs, &disk, "none");
    send.must_end(0);
    recv.must_end(0);
    disk.assert_equal(&dbs);
}

/// A server on another host keeps its disks to itself.
#[test]
fn a_disk_that_cannot_be_seen_is_told_only_if_asked_for() {
    let dbs = Databases::new("disk_unseen", SMALL);
    let role = "CREATE ROLE visitor LOGIN";
    dbs.target().psql("postgres", role).unwrap();
    let target = dbs
        .target_conninfo()
        .replace("user=postgres", "user=visitor");
    let recv = start_recv(&dbs, &["--target", &target, "--keep-free", "1GiB"]).wait();
    fails(
        &recv,
        1,
        &["--keep-free", "cannot be seen", "--keep-free none"],
    );
    let recv = start_recv(&dbs, &["--target", &target, "--give-up", "1s"]).wait();
    fails(&recv, 3, &["within 1 s"]);
}
