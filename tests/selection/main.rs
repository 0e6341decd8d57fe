//! What a selection moves, and what it leaves: judged by pg_dump with the same options.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod patterns;
mod refused;
mod rows;
mod schema_only;
mod whole;

use std::process::Command;

use pgpipe::demo::cluster::Cluster;

/// What `pg_dump` of a server's database prints, without what differs from run to run; or what it
/// complains of.
fn pg_dump(server: &Cluster, database: &str, args: &[&str]) -> Result<String, String> {
    let program = server.programs().bin_dir().join("pg_dump");
    let mut command = Command::new(program);
    command
        .arg(format!("--dbname={}", server.conninfo(database)))
        .args(args);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        return Err(text(&output.stderr));
    }
    let noise = ["\\restrict ", "\\unrestrict ", "-- Dumped "];
    let lines = text(&output.stdout);
    let lines = lines
        .lines()
        .filter(|l| !noise.iter().any(|n| l.starts_with(n)));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}
