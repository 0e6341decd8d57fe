//! What fails now and may go well later, as the system and PostgreSQL's programs tell of it. A
//! server's own errors: `pg::PgError::is_passing`.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::io::Errno;

/// SIGHUP, SIGINT, SIGKILL (also of a system without memory) and SIGTERM: somebody has ended the
/// program. Other signals are its own faults.
const ENDED_BY_OTHERS: [i32; 4] = [1, 2, 9, 15];

/// How libpq, the system and a server tell what passes, in English: programs run with LC_ALL=C, but a
/// server speaks the language of its lc_messages. Wherever SQLSTATE can be seen that is looked at.
const WORDS: [&str; 30] = [
    // libpq, and class 08
    "Is the server running",
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "No route to host",
    "Network is unreachable",
    "could not translate host name",
    "timeout expired",
    "server closed the connection unexpectedly",
    "SSL connection has been closed unexpectedly",
    "could not receive data from server",
    "could not send data to server",
    "no connection to the server",
    // class 57P
    "the database system is ",
    "terminating connection ",
    // 40001, 40P01, 55P03, 57014
    "could not serialize access",
    "deadlock detected",
    "could not obtain lock on",
    "canceling statement due to",
    // 53300
    "too many clients already",
    "remaining connection slots",
    "too many connections for",
    // 53100, 53200 and 58030, of the server or of this system
    "No space left on device",
    "Disk quota exceeded",
    "out of memory",
    "out of shared memory",
    "Cannot allocate memory",
    "Too many open files",
    "Resource temporarily unavailable",
    "Input/output error",
];

/// Whether a disk is full, or a quota of it.
pub fn is_full(error: &io::Error) -> bool {
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    full.contains(&error.kind())
}

/// Whether the system has no room, memory, process or file to give now.
pub fn is_passing(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE];
    let kinds = [
        io::ErrorKind::OutOfMemory,
        // A process that cannot be started now.
        io::ErrorKind::WouldBlock,
    ];
    is_full(error)
        || kinds.contains(&error.kind())
        || Errno::from_io_error(error).is_some_and(|errno| short.contains(&errno))
}

/// How a program ended, to be put behind what it could not do, and what to do where that passes.
pub fn told(status: ExitStatus, stderr: &str, passes: bool) -> String {
    match (passes, stderr) {
        (true, "") => format!(" now ({status}); start both again when that has passed"),
        (true, said) => format!(" now ({status}): {said}; start both again when that has passed"),
        (false, said) => format!(" ({status}): {said}"),
    }
}

/// Whether a program that ended so, with these last words, may do better later.
pub fn has_passing_cause(status: ExitStatus, stderr: &str) -> bool {
    let is_ended = status
        .signal()
        .is_some_and(|signal| ENDED_BY_OTHERS.contains(&signal));
    is_ended || WORDS.iter().any(|word| stderr.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_room_passes_and_a_missing_file_does_not() {
        for errno in [
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::NOMEM,
            Errno::AGAIN,
            Errno::MFILE,
        ] {
            assert!(is_passing(&errno.into()), "{errno}");
        }
        // As tempfile tells it: with the path around it.
        let wrapped = io::Error::new(io::ErrorKind::StorageFull, "no room at /x");
        assert!(is_passing(&wrapped));
        for errno in [Errno::NOENT, Errno::ACCESS, Errno::ROFS] {
            assert!(!is_passing(&errno.into()), "{errno}");
        }
    }

    #[test]
    fn programs_tell_what_passes() {
        let failed = ExitStatus::from_raw(1 << 8);
        let crowd = "pg_dump: error: connection to server on socket \"/x\" failed: FATAL:  sorry, \
            too many clients already";
        let lock = "pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout";
        for words in [crowd, lock] {
            assert!(has_passing_cause(failed, words), "{words}");
        }
        let wrong = "pg_dump: error: no matching schemas were found for pattern \"x\"";
        assert!(!has_passing_cause(failed, wrong));
        assert!(has_passing_cause(ExitStatus::from_raw(9), ""));
        assert!(!has_passing_cause(ExitStatus::from_raw(11), ""));
    }
}
