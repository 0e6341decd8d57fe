//! Recv's files.

use std::fs;

use crate::flaws::flaws;
use crate::interrupted::Interrupted;

#[test]
fn a_damaged_file_of_recv_is_named() {
    let run = Interrupted::new("recv_files");
    for name in ["identity", "peer", "pairing", "migration"] {
        let content = fs::read(run.file("recv", name)).unwrap();
        let path = run.file("recv", name).display().to_string();
        for (flawed, says) in flaws(&content) {
            run.with("recv", name, &flawed, || {
                run.refuses("recv", &[&path, says])
            });
        }
    }
    run.completes();
}

#[test]
fn a_torn_plan_and_a_foreign_archive_are_fetched_again() {
    let run = Interrupted::new("recv_heals");
    let plan = fs::read(run.file("recv", "plan")).unwrap();
    fs::write(run.file("recv", "plan"), &plan[..plan.len() / 2]).unwrap();
    fs::write(run.file("recv", "schema.dump"), "# a note\n").unwrap();
    run.completes();
}

#[test]
fn an_empty_plan_and_a_missing_archive_are_fetched_again() {
    let run = Interrupted::new("recv_empty");
    fs::write(run.file("recv", "plan"), "").unwrap();
    fs::remove_file(run.file("recv", "schema.dump")).unwrap();
    run.completes();
}
