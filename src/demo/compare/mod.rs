//! Whether two databases are equal, told by PostgreSQL itself: `psql` and `pg_dump`, none of pgpipe's code.

use std::collections::BTreeMap;
use std::fmt;
use std::thread;

use super::programs::{self, ProgramError, Programs};
use super::stop::Stop;

/// What pgpipe keeps in a target while it works there is not part of what is compared.
const JOURNAL_SCHEMA: &str = "pgpipe";

/// Why two databases could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// psql or pg_dump failed.
    #[error("cannot read what is to be compared")]
    Program(#[from] ProgramError),
    /// psql printed something that the comparison did not ask for.
    #[error("psql answered with a line that is no fact: {line}")]
    Answer {
        /// The line, shortened.
        line: String,
        /// Why it is none.
        source: serde_json::Error,
    },
}

/// One thing in which two databases differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is: a table, an index, a constraint, a sequence, or a line of the schema.
    pub object: String,
    /// Its value in the source; `None` where it is missing there.
    pub source: Option<String>,
    /// Its value in the target.
    pub target: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |side: &Option<String>| side.clone().unwrap_or_else(|| "missing".to_owned());
        write!(
            f,
            "{}: source {}; target {}",
            self.object,
            value(&self.source),
            value(&self.target)
        )
    }
}

/// A database, and the programs to look into it with.
#[derive(Debug, Clone)]
pub struct Database {
    programs: Programs,
    conninfo: String,
    stop: Stop,
}

/// What is compared: an object's description and its value.
type Facts = BTreeMap<String, String>;

impl Database {
    /// `conninfo` is what `psql -d` takes; `stop` ends a program that runs.
    pub fn new(programs: Programs, conninfo: String, stop: Stop) -> Self {
        Self {
            programs,
            conninfo,
            stop,
        }
    }

    /// Runs a script; returns what it selects, unaligned and without headings.
    pub fn psql(&self, sql: &str) -> Result<String, ProgramError> {
        let mut psql = self.programs.command("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d"])
            .arg(&self.conninfo);
        programs::run(psql, sql, &self.stop)
    }

    fn facts(&self) -> Result<Facts, CompareError> {
        let answer = self.psql(include_str!("facts.sql"))?;
        answer
            .lines()
            .filter(|line| !line.is_empty())
            .map(parse_fact)
            .collect()
    }

    /// The DDL, without the lines that differ from call to call.
    fn schema(&self) -> Result<Vec<String>, CompareError> {
        let mut dump = self.programs.command("pg_dump");
        dump.args(["--schema-only", "--encoding=UTF8"])
            .args(["--exclude-schema", JOURNAL_SCHEMA, "-d"])
            .arg(&self.conninfo);
        let text = programs::run(dump, "", &self.stop)?;
        Ok(text
            .lines()
            .filter(|line| tells_something(line))
            // What follows may be a line that is left out.
            .map(|line| line.trim_end_matches(',').to_owned())
            .collect())
    }
}

/// Compares rows (count and checksum per table), indexes, constraints, sequence values and the DDL
/// that `pg_dump` writes. Empty: the databases are equal. Both sides are read at the same time.
pub fn differences(source: &Database, target: &Database) -> Result<Vec<Difference>, CompareError> {
    let mut found = differing_contents(source, target)?;
    let (ours, theirs) = both(source, target, Database::schema);
    found.extend(differing_line(&ours?, &theirs?));
    Ok(found)
}

/// The same without the DDL: what SQL alone shows, whoever owns it.
pub fn differing_contents(
    source: &Database,
    target: &Database,
) -> Result<Vec<Difference>, CompareError> {
    let (ours, theirs) = both(source, target, Database::facts);
    Ok(differing_facts(ours?, theirs?))
}

fn both<T: Send>(
    source: &Database,
    target: &Database,
    read: impl Fn(&Database) -> Result<T, CompareError> + Sync,
) -> (Result<T, CompareError>, Result<T, CompareError>) {
    thread::scope(|scope| {
        let there = scope.spawn(|| read(target));
        let here = read(source);
        match there.join() {
            Ok(there) => (here, there),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn parse_fact(line: &str) -> Result<(String, String), CompareError> {
    serde_json::from_str(line).map_err(|source| CompareError::Answer {
        line: line.chars().take(200).collect(),
        source,
    })
}

/// Comments name the server's version; `\restrict` carries a random key (since the releases of August 2025);
/// servers before 12 have heaps without a name for them, those before 14 no multiranges.
fn tells_something(line: &str) -> bool {
    let noise = [
        "-- Dumped from",
        "-- Dumped by",
        "\\restrict ",
        "\\unrestrict ",
        "SET default_table_access_method = heap;",
        "    multirange_type_name = ",
    ];
    !line.is_empty() && !noise.iter().any(|start| line.starts_with(start))
}

fn differing_facts(source: Facts, mut target: Facts) -> Vec<Difference> {
    let mut found = Vec::new();
    for (object, ours) in source {
        let theirs = target.remove(&object);
        if theirs.as_ref() != Some(&ours) {
            found.push(Difference {
                object,
                source: Some(ours),
                target: theirs,
            });
        }
    }
    let extra = target.into_iter().map(|(object, theirs)| Difference {
        object,
        source: None,
        target: Some(theirs),
    });
    found.extend(extra);
    found
}

/// The first line that differs: what follows it is mostly the same lines, shifted.
fn differing_line(source: &[String], target: &[String]) -> Option<Difference> {
    let equal = source
        .iter()
        .zip(target)
        .take_while(|(ours, theirs)| ours == theirs)
        .count();
    let (ours, theirs) = (source.get(equal), target.get(equal));
    if ours.is_none() && theirs.is_none() {
        return None;
    }
    let place = equal + 1;
    Some(Difference {
        object: format!("schema, line {place}"),
        source: ours.cloned(),
        target: theirs.cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> Facts {
        pairs
            .iter()
            .map(|(object, value)| ((*object).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn changed_missing_and_extra_objects_are_told() {
        let source = facts(&[("table a", "1"), ("table b", "2"), ("table c", "3")]);
        let target = facts(&[("table a", "1"), ("table b", "9"), ("table d", "4")]);
        let told: Vec<String> = differing_facts(source, target)
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = [
            "table b: source 2; target 9",
            "table c: source 3; target missing",
            "table d: source missing; target 4",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_first_differing_line_is_told_even_past_the_end() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(differing_line(&lines("a\nb"), &lines("a\nb")), None);
        let difference = differing_line(&lines("a"), &lines("a\nb")).unwrap();
        assert_eq!(
            difference.to_string(),
            "schema, line 2: source missing; target b"
        );
    }

    #[test]
    fn noise_of_pg_dump_is_left_out() {
        assert!(!tells_something("\\restrict q8Zz"));
        assert!(!tells_something("-- Dumped by pg_dump version 15.14"));
        assert!(tells_something("CREATE TABLE x ("));
    }
}
