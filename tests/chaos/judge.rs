//! Whether a migration that went through all that is complete, and has left nothing behind.

use pgpipe::demo::compare;

use crate::campaign::{Campaign, UNLOGGED};
use crate::scene::Scene;
use crate::support::{assert_no_keeper, left_when_quiet, traces};

/// An enum hashes its OID, so that each server spreads the rows over these leaves otherwise.
const OWN_WAYS: &str = "table public.moods_";
/// Tables that either server may have emptied.
const FLEETING: &str = "table public.fleeting";
const FLEETING_TABLES: [&str; 3] = ["fleeting", "fleeting_details", "fleeting_samples"];

/// Rows, contents, indexes, constraints, sequences and DDL, by psql and pg_dump.
pub(crate) fn judge(campaign: &mut Campaign<'_>) {
    assert!(campaign.look_at_journal(), "the journal is kept");
    let (scene, database) = (&*campaign.scene, campaign.name.as_str());
    assert_equal(scene, database);
    assert_rows_twice(scene, database);
    assert_unlogged(campaign);
    assert_outcomes(campaign);
    for (end, server) in [("source", &scene.source), ("target", &scene.target)] {
        let left = left_when_quiet(|| traces(server, database));
        assert_eq!(left, "", "left on the {end}");
    }
    assert_no_keeper(campaign.path());
}

fn assert_equal(scene: &Scene, database: &str) {
    let [source, target] = [&scene.source, &scene.target].map(|server| server.database(database));
    let found = compare::differences(&source, &target).unwrap();
    let judged_apart = |object: &str| [OWN_WAYS, FLEETING].iter().any(|o| object.starts_with(o));
    let found = found.iter().filter(|found| !judged_apart(&found.object));
    let told: Vec<_> = found.map(ToString::to_string).collect();
    assert!(
        told.is_empty(),
        "the databases differ:\n{}",
        told.join("\n")
    );
}

/// The comparison would not see what both databases lack: the tables have the rows that they were
/// filled with. What the hashed leaves hold is compared here, together.
fn assert_rows_twice(scene: &Scene, database: &str) {
    let counts = include_str!("counts.sql");
    let filled = scene.source.psql(database, counts).unwrap();
    assert!(
        filled.starts_with("20000|3000|60|2000|2000|500|1000|1000|300|0|5120000|42|"),
        "{filled}"
    );
    assert_eq!(scene.target.psql(database, counts).unwrap(), filled);
}

/// They hold what the snapshot showed: all rows, or none since a crash of the source. A crash of
/// the target when the snapshot was gone has emptied them.
fn assert_unlogged(campaign: &Campaign<'_>) {
    let held = campaign.scene.target.psql(&campaign.name, UNLOGGED);
    let emptied = FLEETING_TABLES
        .map(|table| format!("{table}|0|\n"))
        .concat();
    let expected = match campaign.known.has_emptied_unlogged() {
        true => &emptied,
        false => &campaign.unlogged,
    };
    assert_eq!(&held.unwrap(), expected, "unlogged tables");
}

/// Exit code 4 is for unlogged tables that are lost, each of which is listed.
fn assert_outcomes(campaign: &Campaign<'_>) {
    for (code, missing) in [campaign.send.outcome(), campaign.recv.outcome()] {
        assert!(*code == 4 || !campaign.known.must_list, "ended with {code}");
        let lost = match code {
            4 => FLEETING_TABLES
                .map(|table| format!("TABLE public.{table}"))
                .to_vec(),
            _ => Vec::new(),
        };
        let mut missing = missing.clone();
        missing.sort_unstable();
        assert_eq!(missing, lost, "missing as the report has it");
    }
}
