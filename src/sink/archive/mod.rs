//! The schema archive: its table of contents, and the SQL of any of its entries, by pg_restore.
//!
//! pg_restore never connects to a server here. It prints, and the caller runs what it printed in
//! its own transaction with its own journal row.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::phase::{DumpId, Toc, TocError};
use crate::runtime::passing;
use crate::schema::roles::RoleMap;

mod keys;
mod labels;
mod lexer;
mod pieces;
mod rewrite;
mod roles;
mod script;
mod stray;

pub use keys::{KeyNames, key_names};
pub use labels::label_providers;
pub use rewrite::{
    LoginTrigger, TwoStep, builds_b_tree, login_trigger, owner_statements, rewrite_constraint,
    split_index, two_steps,
};
pub use script::ScriptError;
pub use stray::{legible, sql_bytes};

/// What is left out when the archive is restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    pub no_owner: bool,
    pub no_privileges: bool,
    pub no_tablespaces: bool,
}

impl RestoreOptions {
    fn arguments(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.no_owner, "--no-owner"),
            (self.no_privileges, "--no-privileges"),
            (self.no_tablespaces, "--no-tablespaces"),
        ];
        all.into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| name)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot read the schema archive {}", .path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot hand {} a list of entries", .program.display())]
    List { program: PathBuf, source: io::Error },
    #[error("cannot run {}", .program.display())]
    Run { program: PathBuf, source: io::Error },
    #[error("{} could not read {}{}", .program.display(), .file.display(),
        passing::told(*.status, .stderr, passing::has_passing_cause(*.status, .stderr)))]
    Failed {
        program: PathBuf,
        file: PathBuf,
        status: ExitStatus,
        stderr: String,
    },
    #[error("the listing of the schema archive {} was not understood", .file.display())]
    Toc { file: PathBuf, source: TocError },
    #[error("what {} printed was not understood", .program.display())]
    Script {
        program: PathBuf,
        source: ScriptError,
    },
}

impl ArchiveError {
    /// Whether the same may go well later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::List { source, .. } | Self::Run { source, .. } => {
                passing::is_passing(source)
            }
            Self::Failed { status, stderr, .. } => passing::has_passing_cause(*status, stderr),
            _ => false,
        }
    }
}

/// SQL is text, as every server but one without an encoding converts it; where that is the target, and so
/// the source, its bytes are ([`sql_bytes`]).
const CLIENT_ENCODING: &str = "SELECT pg_catalog.set_config('client_encoding', \
    CASE pg_catalog.current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, false);\n";
/// How an entry begins in what pg_restore prints.
const ENTRY: &str = "-- Name: ";

/// An archive that `pg_dump -Fc --schema-only` wrote, in UTF-8 unless the source has no encoding, and the
/// pg_restore to read it.
#[derive(Debug, Clone)]
pub struct Archive {
    pg_restore: PathBuf,
    file: PathBuf,
    options: RestoreOptions,
    roles: RoleMap,
}

impl Archive {
    /// Checks that the file can be read, no more.
    pub fn open(
        pg_restore: &Path,
        file: &Path,
        options: RestoreOptions,
    ) -> Result<Self, ArchiveError> {
        File::open(file).map_err(|source| ArchiveError::Open {
            path: file.to_owned(),
            source,
        })?;
        Ok(Self {
            pg_restore: pg_restore.to_owned(),
            file: file.to_owned(),
            options,
            roles: RoleMap::default(),
        })
    }

    /// All SQL but [`Self::whole_sql`] names roles as the target does.
    #[must_use]
    pub fn with_roles(mut self, roles: RoleMap) -> Self {
        self.roles = roles;
        self
    }

    /// The entries that a restore with these options prints.
    pub fn toc(&self) -> Result<Toc, ArchiveError> {
        let list = |arguments: &[&str]| -> Result<String, ArchiveError> {
            let listing = self.run(self.command().arg("--list").args(arguments))?;
            // Only names can be anything but ASCII, and they are for people.
            Ok(String::from_utf8_lossy(&listing).into_owned())
        };
        let verbose = list(&["--verbose"])?;
        let pre_data = list(&["--section=pre-data"])?;
        let post_data = list(&["--section=post-data"])?;
        Toc::parse(&verbose, &pre_data, &post_data).map_err(|source| ArchiveError::Toc {
            file: self.file.clone(),
            source,
        })
    }

    /// What a session must have set, outside of a transaction, before it runs [`Self::sql`].
    pub fn session_sql(&self) -> Result<String, ArchiveError> {
        let text = self.print(&[], &[])?;
        Ok(CLIENT_ENCODING.to_owned() + &self.script(&text)?.session.concat())
    }

    /// The SQL of these entries, in this order; of one entry where `ids` is one. Privileges and
    /// event triggers come after the others, as pg_restore has it.
    ///
    /// Without psql's meta-commands and without the settings of the preamble, which are those of
    /// pg_restore's version; the SETs that belong to entries are kept, repeated in each call.
    pub fn sql(&self, ids: &[DumpId]) -> Result<String, ArchiveError> {
        let text = self.print(ids, &[])?;
        Ok(self.script(&text)?.body.to_owned())
    }

    /// The SQL of each of these entries, as [`Self::sql`] gives it of one, by one call of
    /// pg_restore: a process for each of 10,000 indexes would take longer than many of the indexes.
    pub fn sql_each(&self, ids: &[DumpId]) -> Result<Vec<String>, ArchiveError> {
        match self.pieces(ids)? {
            Some(pieces) => Ok(pieces),
            None => ids.iter().map(|&id| self.sql(&[id])).collect(),
        }
    }

    /// The same, or nothing where what pg_restore prints of them does not come apart.
    pub fn pieces(&self, ids: &[DumpId]) -> Result<Option<Vec<String>>, ArchiveError> {
        let text = self.print(ids, &["--verbose"])?;
        Ok(pieces::split(self.script(&text)?.body, ids))
    }

    /// The SQL of every entry, in the archive's order.
    pub fn whole_sql(&self) -> Result<String, ArchiveError> {
        let text = self.run(self.command().args(["--file", "-"]))?;
        Ok(self.script(&stray::text(text))?.body.to_owned())
    }

    /// The entries whose SQL holds bytes that are not UTF-8, for people: `COMMENT TABLE t`.
    pub fn stray_entries(&self) -> Result<Vec<String>, ArchiveError> {
        Ok(stray_entries(&self.whole_sql()?))
    }

    /// The statements that drop these entries, given in the archive's order: the last first, as
    /// pg_restore has it. Some entries have none, as they go with another.
    pub fn drop_statements(&self, ids: &[DumpId]) -> Result<Vec<String>, ArchiveError> {
        let both = self.print(ids, &["--clean", "--if-exists"])?;
        let plain = self.print(ids, &[])?;
        let odd = || ArchiveError::Script {
            program: self.pg_restore.clone(),
            source: ScriptError::Drops,
        };
        let body = self.script(&plain)?.body;
        let head = both.rfind(body).map(|at| &both[..at]).ok_or_else(odd)?;
        let statements = lexer::statements(head).ok_or_else(odd)?;
        let drops = statements.into_iter().filter(|s| !is_preamble(s));
        Ok(drops.map(str::to_owned).collect())
    }

    fn script<'a>(&self, text: &'a str) -> Result<script::Script<'a>, ArchiveError> {
        script::parse(text).map_err(|source| ArchiveError::Script {
            program: self.pg_restore.clone(),
            source,
        })
    }

    fn print(&self, ids: &[DumpId], arguments: &[&str]) -> Result<String, ArchiveError> {
        let list = self.list_file(ids).map_err(|source| ArchiveError::List {
            program: self.pg_restore.clone(),
            source,
        })?;
        let mut command = self.command();
        command.args(arguments);
        command.args(["--file", "-", "--use-list"]).arg(list.path());
        let text = stray::text(self.run(&mut command)?);
        match self.roles.is_empty() {
            true => Ok(text),
            false => roles::rename(&text, &self.roles).ok_or_else(|| ArchiveError::Script {
                program: self.pg_restore.clone(),
                source: ScriptError::Unfinished,
            }),
        }
    }

    fn list_file(&self, ids: &[DumpId]) -> io::Result<tempfile::NamedTempFile> {
        let mut list = tempfile::NamedTempFile::new()?;
        let lines: String = ids.iter().map(|id| format!("{id};\n")).collect();
        list.write_all(lines.as_bytes())?;
        Ok(list)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.pg_restore);
        command.args(self.options.arguments());
        // Its words tell what passes.
        command.stdin(Stdio::null()).env("LC_ALL", "C");
        command
    }

    fn run(&self, command: &mut Command) -> Result<Vec<u8>, ArchiveError> {
        let output = command.arg("--").arg(&self.file).output();
        let output = output.map_err(|source| ArchiveError::Run {
            program: self.pg_restore.clone(),
            source,
        })?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(ArchiveError::Failed {
                program: self.pg_restore.clone(),
                file: self.file.clone(),
                status: output.status,
                stderr: stderr.trim_end().to_owned(),
            });
        }
        Ok(output.stdout)
    }
}

/// By the comment above each.
fn stray_entries(sql: &str) -> Vec<String> {
    let mut entry = "";
    let mut entries = Vec::new();
    for line in sql.lines() {
        entry = line.strip_prefix(ENTRY).unwrap_or(entry);
        if stray::has_stray_bytes(line) {
            entries.push(entry_name(entry));
        }
    }
    entries.dedup();
    entries
}

/// `Name; Type: TYPE; Schema: SCHEMA; Owner: OWNER` as people say it.
fn entry_name(comment: &str) -> String {
    let mut fields = comment.split("; ");
    let name = fields.next().unwrap_or_default();
    let kind = fields.find_map(|field| field.strip_prefix("Type: "));
    legible(&format!("{} {name}", kind.unwrap_or("settings"))).into_owned()
}

/// What pg_restore prints before the DROP statements. `\restrict KEY`, which is no statement, comes
/// out together with the SET that follows it.
fn is_preamble(statement: &str) -> bool {
    let starts = ["SET ", "SELECT pg_catalog.set_config(", "\\restrict "];
    starts.iter().any(|start| statement.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_with_stray_bytes_are_named() {
        let sql = stray::text(
            b"--\n-- Name: t; Type: TABLE; Schema: public; Owner: o\n--\n\nCREATE TABLE t (\n a text DEFAULT '\xe9',\n b text DEFAULT '\xe8');\n\
            --\n-- Name: TABLE u; Type: COMMENT; Schema: public; Owner: o\n--\n\nCOMMENT ON TABLE u IS '\xc3\xa9';\n\
            --\n-- Name: f\xfc(); Type: FUNCTION; Schema: public; Owner: o\n--\n"
                .to_vec(),
        );
        assert_eq!(stray_entries(&sql), ["TABLE t", "FUNCTION f\u{FFFD}()"]);
    }
}
