//! Finds PostgreSQL's own programs, pg_dump and pg_restore, in the version that fits.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

mod places;

/// The programs that pgpipe runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Program {
    PgDump,
    PgRestore,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PgDump => "pg_dump",
            Self::PgRestore => "pg_restore",
        })
    }
}

/// A program that was found, and that said its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    pub path: PathBuf,
    pub major: u32,
    /// As it says, `15.18`.
    pub version: String,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.path.display())
    }
}

/// Why there is no program to run, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    #[error(
        "{program} not found in {}: install the PostgreSQL {needed} client programs \
         (package postgresql-client-{needed} or postgresql{needed}) or name their directory with --pg-bin",
        list(.looked_in)
    )]
    Missing {
        program: Program,
        needed: u32,
        looked_in: Vec<PathBuf>,
    },
    #[error(
        "pg_dump is too old: found {}, the server is {}: install pg_dump {} or newer \
         (package postgresql-client-{} or postgresql{}) or name its directory with --pg-bin",
        list(.found), version(*.server_version), major(*.server_version),
        major(*.server_version), major(*.server_version)
    )]
    DumpTooOld {
        found: Vec<Tool>,
        server_version: u32,
    },
    #[error(
        "pg_restore is too old: found {}, the archive was written by pg_dump {pg_dump_major}: install \
         pg_restore {pg_dump_major} or newer (package postgresql-client-{pg_dump_major} or \
         postgresql{pg_dump_major}) or name its directory with --pg-bin",
        list(.found)
    )]
    RestoreTooOld {
        found: Vec<Tool>,
        pg_dump_major: u32,
    },
}

/// All candidates on this host.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    looked_in: Vec<PathBuf>,
    dumps: Vec<Tool>,
    restores: Vec<Tool>,
}

impl Tools {
    /// Looks in `pg_bin` alone where it is given, else in PATH and where packages put the programs.
    /// Runs each candidate once, with `--version`.
    pub fn find(pg_bin: Option<&Path>) -> Self {
        match pg_bin {
            Some(dir) => Self::find_in(vec![dir.to_owned()]),
            None => Self::find_in(places::usual()),
        }
    }

    fn find_in(looked_in: Vec<PathBuf>) -> Self {
        Self {
            dumps: candidates(Program::PgDump, &looked_in),
            restores: candidates(Program::PgRestore, &looked_in),
            looked_in,
        }
    }

    /// The oldest pg_dump that dumps from a server of `server_version_num`: none older than the
    /// server does, and a newer one writes archives that fewer pg_restores read.
    pub fn pick_dump(&self, server_version_num: u32) -> Result<&Tool, ToolError> {
        let needed = major(server_version_num);
        self.require(Program::PgDump, &self.dumps, needed)?;
        let fitting = self.dumps.iter().filter(|t| t.major >= needed);
        fitting
            .min_by_key(|t| t.major)
            .ok_or_else(|| ToolError::DumpTooOld {
                found: self.dumps.clone(),
                server_version: server_version_num,
            })
    }

    /// The pg_restore of the target's major version if it reads the archive, else the oldest that
    /// does: a newer one sets parameters that an older server refuses.
    pub fn pick_restore(&self, pg_dump_major: u32, target_major: u32) -> Result<&Tool, ToolError> {
        let needed = pg_dump_major.max(target_major);
        self.require(Program::PgRestore, &self.restores, needed)?;
        let reading = self.restores.iter().filter(|t| t.major >= pg_dump_major);
        reading
            .min_by_key(|t| (t.major != target_major, t.major))
            .ok_or_else(|| ToolError::RestoreTooOld {
                found: self.restores.clone(),
                pg_dump_major,
            })
    }

    fn require(&self, program: Program, found: &[Tool], needed: u32) -> Result<(), ToolError> {
        if !found.is_empty() {
            return Ok(());
        }
        Err(ToolError::Missing {
            program,
            needed,
            looked_in: self.looked_in.clone(),
        })
    }
}

/// The major version in `server_version_num`: 15 of 150018.
pub fn major(server_version_num: u32) -> u32 {
    server_version_num / 10_000
}

/// As people write it: 15.18 of 150018.
pub fn version(server_version_num: u32) -> String {
    format!(
        "{}.{}",
        major(server_version_num),
        server_version_num % 10_000
    )
}

fn list<T: Listed>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(Listed::text).collect();
    items.join(", ")
}

trait Listed {
    fn text(&self) -> String;
}

impl Listed for PathBuf {
    fn text(&self) -> String {
        self.display().to_string()
    }
}

impl Listed for Tool {
    fn text(&self) -> String {
        self.to_string()
    }
}

/// In the order of `dirs`, so that of equal versions the first in PATH is taken.
fn candidates(program: Program, dirs: &[PathBuf]) -> Vec<Tool> {
    let mut seen = Vec::new();
    let mut tools = Vec::new();
    for dir in dirs {
        let path = dir.join(program.to_string());
        let Ok(real) = path.canonicalize() else {
            continue;
        };
        // Debian's wrapper picks a version by cluster and port, so what it says here may not be
        // what runs later; the programs that it chooses from are found in their own directories.
        if seen.contains(&real) || real.ends_with("pg_wrapper") {
            continue;
        }
        tools.extend(ask_version(path));
        seen.push(real);
    }
    tools
}

fn ask_version(path: PathBuf) -> Option<Tool> {
    let output = Command::new(&path).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (version, major) = parse_version(&text)?;
    Some(Tool {
        path,
        major,
        version: version.to_owned(),
    })
}

/// `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`: 15.18 and 15. Also `17beta1`, `19devel`.
fn parse_version(text: &str) -> Option<(&str, u32)> {
    let (_, rest) = text.split_once(") ")?;
    let version = rest.split_ascii_whitespace().next()?;
    let digits = version.find(|c: char| !c.is_ascii_digit());
    let major = version[..digits.unwrap_or(version.len())].parse().ok()?;
    Some((version, major))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(major: u32) -> Tool {
        Tool {
            path: format!("/usr/lib/postgresql/{major}/bin/x").into(),
            major,
            version: format!("{major}.1"),
        }
    }

    fn tools(majors: &[u32]) -> Tools {
        Tools {
            looked_in: vec!["/a".into(), "/b".into()],
            dumps: majors.iter().copied().map(tool).collect(),
            restores: majors.iter().copied().map(tool).collect(),
        }
    }

    #[test]
    fn versions_are_parsed() {
        let text = "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parse_version(text), Some(("15.18", 15)));
        let text = "pg_restore (PostgreSQL) 19devel\n";
        assert_eq!(parse_version(text), Some(("19devel", 19)));
        assert_eq!(parse_version("hello\n"), None);
    }

    #[test]
    fn the_oldest_pg_dump_that_knows_the_server_is_taken() {
        let tools = tools(&[18, 12, 15, 16]);
        assert_eq!(tools.pick_dump(150_018).unwrap().major, 15);
        assert_eq!(tools.pick_dump(130_002).unwrap().major, 15);
        assert_eq!(tools.pick_dump(170_001).unwrap().major, 18);
    }

    #[test]
    fn pg_restore_is_the_targets_or_the_oldest_that_reads() {
        let tools = tools(&[18, 12, 15, 16]);
        assert_eq!(tools.pick_restore(12, 16).unwrap().major, 16);
        assert_eq!(tools.pick_restore(13, 14).unwrap().major, 15);
        assert_eq!(tools.pick_restore(16, 15).unwrap().major, 16);
        let error = tools.pick_restore(19, 19).unwrap_err();
        assert!(matches!(error, ToolError::RestoreTooOld { .. }));
    }

    #[test]
    fn errors_say_what_was_found_and_what_helps() {
        let old = tools(&[15]).pick_dump(180_001).unwrap_err().to_string();
        assert!(
            old.starts_with(
                "pg_dump is too old: found 15.1 (/usr/lib/postgresql/15/bin/x), the server is 18.1"
            ),
            "{old}"
        );
        let none = tools(&[]).pick_dump(180_001).unwrap_err().to_string();
        assert!(none.starts_with("pg_dump not found in /a, /b: "), "{none}");
        assert!(none.contains("postgresql-client-18"), "{none}");
        assert!(none.contains("--pg-bin"), "{none}");
    }

    #[test]
    fn an_empty_directory_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let tools = Tools::find(Some(dir.path()));
        assert!(tools.dumps.is_empty() && tools.restores.is_empty());
        assert_eq!(tools.looked_in, [dir.path()]);
    }
}
