//! Whether two databases are the same to those who know nothing of pgpipe: pg_dump's text, object
//! by object and of the database itself, and SQL over all rows.

use std::process::Command;

use pgpipe::demo::cluster::Cluster;
use pgpipe::demo::compare;

use super::support::Databases;

/// pg_dump draws one at random for each dump unless it is told (since the releases of August 2025).
const RESTRICT_KEY: &str = "--restrict-key=fidelity";
/// Lines shown before the first that differs.
const CONTEXT: usize = 6;

/// Panics with what differs.
#[track_caller]
pub(crate) fn assert_same(dbs: &Databases, case: &str) {
    assert_same_text(dbs, case, &["--create"]);
    let (source, target) = ends(dbs);
    let found = compare::differences(&source, &target).unwrap();
    assert_none(dbs, case, &found);
}

/// The same, but for who owns what and may do what, and for the database itself.
#[track_caller]
pub(crate) fn assert_same_but_owners(dbs: &Databases, case: &str) {
    assert_same_text(dbs, case, &["--no-owner", "--no-privileges"]);
    let (source, target) = ends(dbs);
    let mut found = compare::differing_contents(&source, &target).unwrap();
    found.retain(|difference| !difference.object.starts_with("owner and privileges of "));
    assert_none(dbs, case, &found);
}

fn ends(dbs: &Databases) -> (compare::Database, compare::Database) {
    let end = |server: &Cluster| server.database(dbs.name());
    (end(dbs.source()), end(dbs.target()))
}

#[track_caller]
fn assert_none(dbs: &Databases, case: &str, found: &[compare::Difference]) {
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    let (name, told) = (dbs.name(), told.join("\n"));
    assert!(found.is_empty(), "{name}, {case}:\n{told}");
}

#[track_caller]
fn assert_same_text(dbs: &Databases, case: &str, args: &[&str]) {
    let name = dbs.name();
    let ours = schema(dbs.source(), name, args);
    let theirs = schema(dbs.target(), name, args);
    let Some(place) = first_difference(&ours, &theirs) else {
        return;
    };
    let show = |text: &str| {
        let lines = text.lines().skip(place.saturating_sub(CONTEXT));
        lines.take(2 * CONTEXT).collect::<Vec<_>>().join("\n")
    };
    let (ours, theirs) = (show(&ours), show(&theirs));
    panic!("{name}, {case}: pg_dump differs at line {place}\nsource:\n{ours}\ntarget:\n{theirs}");
}

fn first_difference(ours: &str, theirs: &str) -> Option<usize> {
    if ours == theirs {
        return None;
    }
    let pairs = ours.lines().zip(theirs.lines());
    Some(pairs.take_while(|(a, b)| a == b).count())
}

/// Everything that pg_dump tells of a database but its rows: not a line is left out.
fn schema(server: &Cluster, name: &str, args: &[&str]) -> String {
    let mut dump = Command::new(server.programs().bin_dir().join("pg_dump"));
    dump.args(["--schema-only", "--encoding=UTF8"]).args(args);
    if knows_restrict_key(&dump) {
        dump.arg(RESTRICT_KEY);
    }
    let dumped = dump.arg("-d").arg(server.conninfo(name)).output().unwrap();
    let stderr = String::from_utf8_lossy(&dumped.stderr);
    assert!(dumped.status.success(), "pg_dump: {stderr}");
    String::from_utf8(dumped.stdout).unwrap()
}

fn knows_restrict_key(dump: &Command) -> bool {
    let help = Command::new(dump.get_program()).arg("--help").output();
    String::from_utf8_lossy(&help.unwrap().stdout).contains("--restrict-key")
}
