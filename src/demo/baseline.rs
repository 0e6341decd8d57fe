//! What the user would do without pgpipe, on the same data and servers, timed.

use std::path::Path;
use std::time::{Duration, Instant};

use super::programs::{self, ProgramError, Programs};
use super::stop::Stop;

/// The database that `pg_restore` fills.
pub(super) const DATABASE: &str = "baseline";

/// Jobs of both programs where the user names no number.
pub(super) const JOBS: usize = 2;

/// `pg_dump -Fd` into a directory and `pg_restore` out of it, both parallel, uncompressed: the
/// fastest that the two do on one host.
pub(super) fn dump_and_restore(
    programs: &Programs,
    source: &str,
    target: &str,
    directory: &Path,
    jobs: usize,
    stop: &Stop,
) -> Result<Duration, ProgramError> {
    let begin = Instant::now();
    let jobs = format!("-j{jobs}");
    let mut dump = programs.command("pg_dump");
    dump.args(["-Fd", "-Z0", &jobs, "-d", source, "-f"])
        .arg(directory);
    programs::run(dump, "", stop)?;
    let mut restore = programs.command("pg_restore");
    restore.args([&jobs, "-d", target]).arg(directory);
    programs::run(restore, "", stop)?;
    Ok(begin.elapsed())
}
