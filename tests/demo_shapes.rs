//! The demo's own ground: throw-away servers, the history that fills them, and the comparison.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

use std::path::Path;
use std::process::Command;

use pgpipe::demo::cluster::{Cluster, ClusterOptions, StopMode};
use pgpipe::demo::compare::{self, Difference};
use pgpipe::demo::history::History;

fn options() -> ClusterOptions {
    let settings = [("fsync", "off"), ("shared_buffers", "64MB")];
    let settings = settings
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    ClusterOptions {
        settings,
        ..ClusterOptions::default()
    }
}

fn number(cluster: &Cluster, sql: &str) -> u64 {
    cluster
        .psql("history", sql)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// Copies a database the way that pgpipe is measured against.
fn copy_with_pg_dump(cluster: &Cluster, from: &str, to: &str) {
    cluster.create_database(to).unwrap();
    let bin = cluster.programs().client_dir();
    let script = r#""$1/pg_dump" -Fc -Z0 -d "$2" | "$1/pg_restore" -d "$3""#;
    let status = Command::new("bash")
        .args(["-o", "pipefail", "-c", script, "copy"])
        .arg(bin)
        .args([cluster.conninfo(from), cluster.conninfo(to)])
        .status()
        .unwrap();
    assert!(status.success());
}

fn differences(cluster: &Cluster) -> Vec<Difference> {
    compare::differences(&cluster.database("history"), &cluster.database("copy")).unwrap()
}

#[test]
fn history_has_its_shapes_and_comparison_sees_what_differs() {
    let cluster = Cluster::start(&options()).unwrap();
    cluster.create_database("history").unwrap();
    History::of_rows(40_000)
        .fill(&cluster.database("history"))
        .unwrap();

    assert_shapes(&cluster);
    copy_with_pg_dump(&cluster, "history", "copy");
    assert_eq!(differences(&cluster), []);

    cluster
        .psql(
            "copy",
            "UPDATE vm_disk_hourly_history SET vm_disk_status = 2 WHERE history_id = 7",
        )
        .unwrap();
    cluster
        .psql("copy", "DROP INDEX idx_vm_disk_id_hourly")
        .unwrap();
    cluster
        .psql("copy", "SELECT nextval('vm_history_seq1')")
        .unwrap();
    let objects: Vec<String> = differences(&cluster)
        .into_iter()
        .map(|difference| difference.object)
        .collect();
    assert!(
        objects.contains(&"table public.vm_disk_hourly_history".to_owned()),
        "{objects:?}"
    );
    assert!(
        objects.contains(&"index public.idx_vm_disk_id_hourly".to_owned()),
        "{objects:?}"
    );
    assert!(
        objects.contains(&"sequence public.vm_history_seq1".to_owned()),
        "{objects:?}"
    );
    assert_eq!(
        objects.len(),
        4,
        "those three and one line of the schema: {objects:?}"
    );
}

fn assert_shapes(cluster: &Cluster) {
    let tuples = number(cluster, "SELECT sum(n_live_tup) FROM pg_stat_user_tables");
    assert!(
        (36_000..48_000).contains(&tuples),
        "about the rows asked for, not {tuples}"
    );
    let dropped = number(
        cluster,
        "SELECT count(*) FROM pg_attribute WHERE attisdropped",
    );
    assert!(dropped >= 6, "{dropped} dropped columns");
    let kinds = number(
        cluster,
        "SELECT count(DISTINCT relkind) FROM pg_class WHERE oid >= 16384",
    );
    assert_eq!(
        kinds, 9,
        "tables, indexes, sequences, views, a matview, a type, TOAST, partitioned both"
    );
    let holes = number(
        cluster,
        "SELECT max(history_id) - count(*) FROM vm_samples_history HAVING min(history_id) > 1",
    );
    assert!(holes > 0, "the nightly delete left no hole");
    let longest = number(cluster, "SELECT max(length(relname)) FROM pg_class");
    assert_eq!(longest, 63);
}

#[test]
fn the_same_rows_come_out_each_time() {
    let cluster = Cluster::start(&options()).unwrap();
    for name in ["history", "copy"] {
        cluster.create_database(name).unwrap();
        History::of_rows(10_000)
            .fill(&cluster.database(name))
            .unwrap();
    }
    assert_eq!(differences(&cluster), []);
}

#[test]
fn a_cluster_survives_a_kill_and_leaves_nothing() {
    let mut cluster = Cluster::start(&options()).unwrap();
    let directory = cluster.socket_dir().to_path_buf();
    cluster
        .psql(
            "postgres",
            "CREATE TABLE kept (id integer); INSERT INTO kept VALUES (1);",
        )
        .unwrap();
    cluster.kill9();
    assert_eq!(cluster.postmaster_pid(), None);
    cluster.start_again().unwrap();
    cluster.stop(StopMode::Fast).unwrap();
    cluster.start_again().unwrap();
    assert_eq!(
        cluster
            .psql("postgres", "SELECT count(*) FROM kept")
            .unwrap(),
        "1\n"
    );

    let pid = cluster.postmaster_pid().unwrap();
    drop(cluster);
    assert!(!directory.exists());
    assert!(!Path::new("/proc").join(pid.to_string()).exists());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let mut broken = options();
    broken
        .settings
        .push(("shared_buffers".to_owned(), "many".to_owned()));
    let error = Cluster::start(&broken).unwrap_err().to_string();
    assert!(
        error.contains("invalid value for parameter \"shared_buffers\""),
        "{error}"
    );
}
