//! Whether a migration that went through all that is complete, and has left nothing behind.

use std::path::Path;

use pgpipe::demo::compare;

use crate::journal::Known;
use crate::scene::Scene;
use crate::support::{assert_no_keeper, left_when_quiet, traces};

/// An enum hashes its OID, so that each server spreads the rows over these leaves otherwise.
const OWN_WAYS: &str = "table public.moods_";

/// Rows, contents, indexes, constraints, sequences and DDL, by psql and pg_dump.
pub(crate) fn judge(scene: &Scene, database: &str, dir: &Path, known: &Known) {
    let (source, target) = (
        scene.source.database(database),
        scene.target.database(database),
    );
    let found = compare::differences(&source, &target).unwrap();
    let found = found
        .iter()
        .filter(|found| !found.object.starts_with(OWN_WAYS));
    let told: Vec<_> = found.map(ToString::to_string).collect();
    assert!(
        told.is_empty(),
        "the databases differ:\n{}",
        told.join("\n")
    );
    assert_rows_twice(scene, database);
    known.assert_kept(&scene.target, database);
    for (end, server) in [("source", &scene.source), ("target", &scene.target)] {
        let left = left_when_quiet(|| traces(server, database));
        assert_eq!(left, "", "left on the {end}");
    }
    assert_no_keeper(dir);
}

/// The comparison would not see what both databases lack: the tables have the rows that they were
/// filled with. What the hashed leaves hold is compared here, together.
fn assert_rows_twice(scene: &Scene, database: &str) {
    let counts = include_str!("counts.sql");
    let filled = scene.source.psql(database, counts).unwrap();
    assert!(
        filled.starts_with("20000|3000|60|2000|2000|500|1000|1000|300|0|"),
        "{filled}"
    );
    assert_eq!(scene.target.psql(database, counts).unwrap(), filled);
}
