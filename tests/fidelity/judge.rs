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
    let (source, target) = (dbs.source(), dbs.target());
    let name = dbs.name();
    let (ours, theirs) = (schema(source, name), schema(target, name));
    if let Some(place) = first_difference(&ours, &theirs) {
        let show = |text: &str| {
            let lines = text.lines().skip(place.saturating_sub(CONTEXT));
            lines.take(2 * CONTEXT).collect::<Vec<_>>().join("\n")
        };
        panic!(
            "{name}, {case}: pg_dump differs from line {place} on\nsource:\n{}\ntarget:\n{}",
            show(&ours),
            show(&theirs)
        );
    }
    let found = compare::differences(&source.database(name), &target.database(name)).unwrap();
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{name}, {case}:\n{}", told.join("\n"));
}

fn first_difference(ours: &str, theirs: &str) -> Option<usize> {
    if ours == theirs {
        return None;
    }
    let pairs = ours.lines().zip(theirs.lines());
    Some(pairs.take_while(|(a, b)| a == b).count())
}

/// Everything that pg_dump tells of a database but its rows: not a line is left out.
fn schema(server: &Cluster, name: &str) -> String {
    let mut dump = Command::new(server.programs().bin_dir().join("pg_dump"));
    dump.args(["--schema-only", "--create", "--encoding=UTF8"]);
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
