//! Whole databases from version to version: each source into the newest target, 15 into each target from itself up, and
//! the older targets from sources that are not newer (`make test-versions`). Judged by the rows of both ends, and by what pg_dump and pg_restore make of the same
//! source on the same target: servers of two versions show the same view in other words (docs/versions.md).

use std::path::{Path, PathBuf};
use std::process::Command;

use pgpipe::demo::cluster::Cluster;
use pgpipe::demo::compare::{self, Database};
use pgpipe::demo::{Programs, Stop};

use super::support::{
    Databases, NEWEST, assert_nothing_left, migrate, programs_of, server_of, target_of,
};

const SHAPES: &str = include_str!("shapes.sql");
const SPLITS: &str = include_str!("splits.sql");
const NASTY: &str = include_str!("../migrate/nasty.sql");
const OLDEST: u32 = 10;
/// The version that the project is at home with.
const HOME: u32 = 15;

/// Moves a database in chunks so small that every larger table is split.
fn arrives(from: u32, to: u32, what: &str, fill: &str) {
    let (source, target) = (there(from, server_of(from)), there(to, target_of(to)));
    let dbs = Databases::between(source, target, &format!("{what}_{from}_{to}"), fill);
    let clients = clients_for(from);
    let bin = ["--pg-bin", clients.to_str().unwrap()];
    let small = ["--chunk-size", "1MiB", "--jobs", "2"];
    let (send, recv) = migrate(&dbs, &[&small[..], &bin].concat(), &bin);
    send.must_end(0);
    recv.must_end(0);
    rows_are_the_sources(&dbs);
    rest_is_as_restored(&dbs, &clients);
    assert_nothing_left(&dbs);
    eprintln!("{what} of {from} into {to}: equal");
}

/// The installed programs where they know the source: newer ones write what an older target refuses.
pub(super) fn clients_for(from: u32) -> PathBuf {
    match from > HOME {
        true => programs_of(NEWEST),
        false => Programs::find(None).unwrap().client_dir().to_owned(),
    }
}

fn database(dbs: &Databases, conninfo: String) -> Database {
    Database::new(dbs.clients().clone(), conninfo, Stop::default())
}

fn rows_are_the_sources(dbs: &Databases) {
    let [source, target] =
        [dbs.source_conninfo(), dbs.target_conninfo()].map(|conninfo| database(dbs, conninfo));
    let mut found = compare::differences(&source, &target).unwrap();
    found.retain(|difference| difference.object.starts_with("table "));
    assert!(found.is_empty(), "rows differ: {found:?}");
}

fn rest_is_as_restored(dbs: &Databases, clients: &Path) {
    let name = format!("restored_{}", dbs.name());
    dbs.target().create_database(&name).unwrap();
    let restored = dbs.target().conninfo(&name);
    let script = r#""$1/pg_dump" -Fc -Z0 -d "$2" | "$1/pg_restore" -d "$3""#;
    let status = Command::new("bash")
        .args(["-o", "pipefail", "-c", script, "copy"])
        .arg(clients)
        .args([dbs.source_conninfo(), restored.clone()])
        .status()
        .unwrap();
    assert!(status.success());
    let [ours, theirs] = [dbs.target_conninfo(), restored].map(|c| database(dbs, c));
    let found = compare::differences(&theirs, &ours).unwrap();
    assert!(found.is_empty(), "pg_restore does otherwise: {found:?}");
    // 12 does not know WITH (FORCE).
    let drop = format!("DROP DATABASE {name}");
    dbs.target().psql("postgres", &drop).unwrap();
}

pub(super) fn there(major: u32, server: Option<&'static Cluster>) -> &'static Cluster {
    server.unwrap_or_else(|| panic!("no PostgreSQL {major}: scripts/servers {major}"))
}

#[test]
#[ignore = "needs a server of every version: make test-versions"]
fn each_source_into_the_newest() {
    for from in OLDEST..=NEWEST {
        arrives(from, NEWEST, "shapes", SHAPES);
        arrives(from, NEWEST, "splits", SPLITS);
    }
}

#[test]
#[ignore = "needs a server of every version: make test-versions"]
fn one_source_into_each_target() {
    for to in HOME..=NEWEST {
        arrives(HOME, to, "nasty", NASTY);
    }
    for to in HOME..NEWEST {
        arrives(HOME, to, "shapes", SHAPES);
    }
}

/// By the installed programs: there are none of those versions.
#[test]
#[ignore = "needs a server of every version: make test-versions"]
fn older_targets() {
    for (from, to) in [
        (10, 12),
        (12, 12),
        (11, 13),
        (13, 13),
        (12, 14),
        (13, 14),
        (14, 14),
    ] {
        arrives(from, to, "shapes", SHAPES);
        arrives(from, to, "splits", SPLITS);
    }
}
