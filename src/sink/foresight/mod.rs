//! What the target's server will refuse of a schema, said before anything is made there: as far as
//! the archive's table of contents, the server and the role let it be known. What is refused in
//! the end is recorded as it happens.

mod extensions;
mod facts;
mod labels;
mod order;
mod roles;
mod rows;

use std::collections::HashMap;

use facts::Facts;
pub use rows::of_rows;

use crate::pg::{Client, PgError};
use crate::phase::{DumpId, Entry};
use crate::schema::database::DatabaseProperties;
use crate::sink::archive::ArchiveError;
use crate::sink::ddl::Schema;
use crate::wire::message::{Offer, SourceInfo};

/// How a line begins that tells of something that will not be there.
pub const SKIPPED: &str = "will be skipped: ";
/// The same of what will be other than on the source.
pub const DIFFERS: &str = "differs: ";
/// Lines at most; the others are counted.
const TOLD: usize = 40;
/// What only a superuser may make, whatever it looks like.
const SUPERUSERS: [&str; 10] = [
    "ACCESS METHOD",
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PUBLICATION TABLES IN SCHEMA",
    "SHELL TYPE",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
];
/// What only a superuser may make if its statement says so.
const IT_DEPENDS: [&str; 6] = [
    "AGGREGATE",
    "CAST",
    "FUNCTION",
    "PROCEDURE",
    "PUBLICATION",
    "TYPE",
];
/// From 16 on a role may have been let to make them.
const SUBSCRIPTION: &str = "SUBSCRIPTION";
const NEEDS_SUPERUSER: &str = "only a superuser can make it";

/// Why it could not be told.
#[derive(Debug, thiserror::Error)]
pub enum ForesightError {
    #[error("cannot see what the target's server allows")]
    Postgres(#[from] PgError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// What will be missing or other than on the source: lines for the user.
pub fn lines(
    client: &mut Client,
    schema: &Schema,
    offer: &Offer,
    source: &SourceInfo,
) -> Result<Vec<String>, ForesightError> {
    let facts = Facts::read(client)?;
    let mut lines = roles::lines(&facts, offer);
    if !facts.is_superuser {
        let unsure = |entry: &&Entry| IT_DEPENDS.contains(&&*entry.desc);
        let ids: Vec<_> = schema
            .toc
            .entries
            .iter()
            .filter(unsure)
            .map(|e| e.id)
            .collect();
        let statements = schema.statements(&ids)?;
        let statements: HashMap<_, _> = ids.iter().copied().zip(statements).collect();
        let sql = |id| statements.get(&id).map(String::as_str);
        let version = client.server_version();
        lines.extend(about_entries(&schema.toc.entries, version, &sql));
        if let Some(database) = &offer.database {
            lines.extend(roles::about_owner(&facts, database, offer.omit));
            lines.extend(about_settings(&facts, database));
        }
    }
    let skipped = lines.iter().map(|line| format!("{SKIPPED}{line}"));
    let mut lines: Vec<_> = order::line(client, source)?
        .into_iter()
        .chain(skipped)
        .collect();
    let entries = &schema.toc.entries;
    lines.extend(extensions::lines(&facts, entries, &offer.extensions));
    lines.extend(labels::lines(client, schema, offer)?);
    Ok(shortened(lines))
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(TOLD);
    lines.truncate(TOLD);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn about_entries<'a>(
    entries: &[Entry],
    version: u32,
    sql: &dyn Fn(DumpId) -> Option<&'a str>,
) -> Vec<String> {
    let is_refused = |entry: &&Entry| {
        let desc = &*entry.desc;
        SUPERUSERS.contains(&desc)
            || (desc == SUBSCRIPTION && version < 160_000)
            || sql(entry.id).is_some_and(needs_superuser)
    };
    let refused = entries.iter().filter(is_refused);
    refused
        .map(|entry| format!("{}: {NEEDS_SUPERUSER}", entry.label()))
        .collect()
}

/// By how pg_dump writes it: clauses begin lines of four spaces, before any body.
fn needs_superuser(sql: &str) -> bool {
    let Some(at) = sql.find("\nCREATE ") else {
        return false;
    };
    let statement = &sql[at + 1..];
    let first = statement.lines().next().unwrap_or_default();
    let language = statement
        .lines()
        .find(|line| line.starts_with("    LANGUAGE "));
    let words = |line: &str| {
        line.split([' ', ';'])
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let is_low = language.is_some_and(|line| {
        let words = words(line);
        words
            .iter()
            .any(|word| matches!(word.as_str(), "c" | "internal" | "LEAKPROOF"))
    });
    is_low
        || first.starts_with("CREATE CAST ") && first.contains(" WITHOUT FUNCTION")
        || first.starts_with("CREATE PUBLICATION ") && first.contains(" FOR ALL TABLES")
        || first.starts_with("CREATE TYPE ") && statement.contains("\n    INPUT = ")
        || first.starts_with("CREATE AGGREGATE ") && statement.contains("\n    STYPE = internal")
}

fn about_settings(facts: &Facts, database: &DatabaseProperties) -> Vec<String> {
    let guarded = database
        .settings
        .iter()
        .filter(|s| facts.guarded.contains(&s.name));
    guarded
        .map(|s| {
            format!(
                "setting {} of the database: only a superuser can change it",
                s.name
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_tell_what_kinds_do_not() {
        let head = "--\n-- Name: x; Type: y\n--\n\n";
        for (sql, refused) in [
            (
                "CREATE FUNCTION a.f() RETURNS int\n    LANGUAGE c STRICT\n    AS 'x', 'y';",
                true,
            ),
            (
                "CREATE FUNCTION a.f() RETURNS int\n    LANGUAGE sql\n    AS $$\n    LANGUAGE c\n$$;",
                false,
            ),
            (
                "CREATE FUNCTION a.f() RETURNS int\n    LANGUAGE sql LEAKPROOF\n    AS '';",
                true,
            ),
            ("CREATE CAST (a AS b) WITHOUT FUNCTION;", true),
            ("CREATE CAST (a AS b) WITH FUNCTION a.f();", false),
            (
                "CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert');",
                true,
            ),
            ("CREATE PUBLICATION p WITH (publish = 'insert');", false),
            (
                "CREATE TYPE a.t (\n    INTERNALLENGTH = 4,\n    INPUT = a.i,\n    OUTPUT = a.o\n);",
                true,
            ),
            ("CREATE TYPE a.t AS ENUM (\n    'x'\n);", false),
        ] {
            assert_eq!(needs_superuser(&format!("{head}{sql}\n")), refused, "{sql}");
        }
    }
}
