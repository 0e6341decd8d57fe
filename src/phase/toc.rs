//! The table of contents of a `pg_dump -Fc --schema-only` archive, from `pg_restore -l -v`.
//!
//! ```text
//! 3316; 1259 16418 INDEX app i1 postgres
//! ;⇥depends on: 218
//! ```
//!
//! Identity is `dumpId`, `tableoid` and `oid`, never the name: names may contain spaces, and line
//! ends in them are printed as spaces (`sanitize_line` in pg_backup_archiver.c).

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::descriptor;
use crate::schema::Oid;

/// `pg_class`: tables, indexes, sequences, views.
pub const PG_CLASS: Oid = Oid(1259);

/// An entry's number within its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DumpId(pub u32);

impl fmt::Display for DumpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which part of a restore an entry belongs to. A schema-only archive has no data section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Section {
    PreData,
    PostData,
}

/// One entry that restoring would print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: DumpId,
    /// The catalog that holds the object, 0 for entries without an object of their own.
    pub tableoid: Oid,
    /// The object's OID on the source, 0 likewise.
    pub oid: Oid,
    /// What it is: `INDEX`, `FK CONSTRAINT`, …
    pub desc: String,
    /// Schema, name and owner as listed, for people only.
    pub name: String,
    pub section: Section,
    /// May name entries that are not in the table of contents.
    pub deps: Vec<DumpId>,
}

impl Entry {
    /// Whether it is this schema, or lies in it. Names are not quoted there: one that begins with this
    /// name and a space counts too.
    pub fn is_within(&self, schema: &str) -> bool {
        let rest = match self.desc.as_str() {
            "SCHEMA" => self.name.strip_prefix("- "),
            _ => Some(&*self.name),
        };
        let rest = rest.and_then(|name| name.strip_prefix(schema));
        rest.is_some_and(|rest| rest.starts_with(' '))
    }

    /// Descriptor, schema and name for messages: `INDEX app i1`.
    pub fn label(&self) -> String {
        // The owner is the last word (or nothing, with a space before it).
        let name = self
            .name
            .rsplit_once(' ')
            .map_or(&*self.name, |(name, _)| name);
        format!("{} {name}", self.desc)
    }

    /// Whether this creates an ordinary or partitioned table.
    pub fn is_table(&self) -> bool {
        self.tableoid == PG_CLASS && self.desc == "TABLE"
    }

    /// Whether this grants, revokes, or sets default privileges.
    pub fn is_acl(&self) -> bool {
        matches!(&*self.desc, "ACL" | "ACL LANGUAGE" | "DEFAULT ACL")
    }
}

/// Every entry that a restore prints, in the archive's order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Toc {
    pub entries: Vec<Entry>,
    /// The version of the pg_dump that wrote the archive, as `15.18`.
    pub pg_dump_version: Option<String>,
}

/// The listing does not look as pg_restore 12 to 18 print it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TocError {
    #[error("line {line} of the archive's listing is not an entry: {text:?}")]
    NotAnEntry { line: usize, text: String },
    #[error("line {line} of the archive's listing is not a list of dependencies: {text:?}")]
    NotDependencies { line: usize, text: String },
    #[error("entry {0} stands twice in the archive's listing")]
    Twice(DumpId),
}

impl Toc {
    /// Parses three listings of one archive: `-l -v` (everything, with dependencies), and `-l` of
    /// `--section=pre-data` and of `--section=post-data`, which alone tell the sections.
    pub fn parse(verbose: &str, pre_data: &str, post_data: &str) -> Result<Self, TocError> {
        let pre_data = ids(pre_data)?;
        let post_data = ids(post_data)?;
        let section = |id| {
            let pre = pre_data.contains(&id).then_some(Section::PreData);
            pre.or_else(|| post_data.contains(&id).then_some(Section::PostData))
        };
        let mut toc = Self::default();
        let mut seen = HashSet::new();
        let mut listed = false;
        for (number, text) in lines(verbose) {
            if let Some(comment) = text.strip_prefix(';') {
                toc.comment(number, comment, listed)?;
                continue;
            }
            let line = parse_entry(number, text)?;
            if !seen.insert(line.id) {
                return Err(TocError::Twice(line.id));
            }
            listed = false;
            if let Some(section) = section(line.id) {
                toc.entries.push(line.into_entry(section));
                listed = true;
            }
        }
        Ok(toc)
    }

    fn comment(&mut self, line: usize, comment: &str, listed: bool) -> Result<(), TocError> {
        if let Some(version) = comment.trim().strip_prefix("Dumped by pg_dump version: ") {
            self.pg_dump_version = version.split(' ').next().map(str::to_owned);
        }
        let Some(deps) = comment.strip_prefix("\tdepends on:") else {
            return Ok(());
        };
        if let (true, Some(entry)) = (listed, self.entries.last_mut()) {
            entry.deps = parse_deps(deps).ok_or_else(|| TocError::NotDependencies {
                line,
                text: comment.to_owned(),
            })?;
        }
        Ok(())
    }

    pub fn entry(&self, id: DumpId) -> Option<&Entry> {
        self.entries.iter().find(|e| e.id == id)
    }
}

struct Line<'a> {
    id: DumpId,
    tableoid: u32,
    oid: u32,
    rest: &'a str,
}

impl Line<'_> {
    fn into_entry(self, section: Section) -> Entry {
        let (desc, name) = descriptor::split(self.tableoid, self.rest);
        Entry {
            id: self.id,
            tableoid: Oid(self.tableoid),
            oid: Oid(self.oid),
            desc: desc.to_owned(),
            name: name.to_owned(),
            section,
            deps: Vec::new(),
        }
    }
}

/// Lines that say something, counted from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.split('\n').enumerate();
    lines
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.is_empty())
}

fn ids(listing: &str) -> Result<HashSet<DumpId>, TocError> {
    lines(listing)
        .filter(|(_, text)| !text.starts_with(';'))
        .map(|(number, text)| Ok(parse_entry(number, text)?.id))
        .collect()
}

fn parse_entry(line: usize, text: &str) -> Result<Line<'_>, TocError> {
    let parse = || {
        let (id, rest) = text.split_once("; ")?;
        let (tableoid, rest) = rest.split_once(' ')?;
        let (oid, rest) = rest.split_once(' ')?;
        Some(Line {
            id: DumpId(id.parse().ok()?),
            tableoid: tableoid.parse().ok()?,
            oid: oid.parse().ok()?,
            rest,
        })
    };
    parse().ok_or_else(|| TocError::NotAnEntry {
        line,
        text: text.to_owned(),
    })
}

fn parse_deps(text: &str) -> Option<Vec<DumpId>> {
    let mut deps: Vec<_> = text
        .split_ascii_whitespace()
        .map(|word| word.parse().ok().map(DumpId))
        .collect::<Option<_>>()?;
    deps.sort_unstable();
    deps.dedup();
    Some(deps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBOSE: &str = ";\n; Archive created at 2026-11-22 01:54:35 UTC\n\
        ;     Dumped by pg_dump version: 15.18 (Debian 15.18-0+deb12u1)\n;\n\
        3500; 0 0 ENCODING - ENCODING \n\
        7; 2615 16385 SCHEMA - app postgres\n\
        219; 1259 16431 TABLE Odd.Schema \"q\" 100% T new \"(line); postgres\n;\tdepends on: 7\n\
        3316; 1259 16418 INDEX app i1 bob\n;\tdepends on: 219 7 219\n\
        3504; 0 0 DATABASE PROPERTIES - d1 postgres\n;\tdepends on: 1\n";
    const PRE: &str = ";\n7; 2615 16385 SCHEMA - app postgres\n\
        219; 1259 16431 TABLE Odd.Schema \"q\" 100% T new \"(line); postgres\n";
    const POST: &str = "3316; 1259 16418 INDEX app i1 bob\n";

    #[test]
    fn a_listing_is_parsed() {
        let toc = Toc::parse(VERBOSE, PRE, POST).unwrap();
        assert_eq!(toc.pg_dump_version.as_deref(), Some("15.18"));
        let ids: Vec<_> = toc.entries.iter().map(|e| e.id.0).collect();
        assert_eq!(ids, [7, 219, 3316], "no ENCODING, no DATABASE PROPERTIES");
        let index = toc.entry(DumpId(3316)).unwrap();
        assert_eq!(index.section, Section::PostData);
        assert_eq!(index.deps, [DumpId(7), DumpId(219)]);
        assert_eq!(index.label(), "INDEX app i1");
        assert!(toc.entry(DumpId(219)).unwrap().is_table());
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        let error = Toc::parse("pg_restore: hello\n", "", "").unwrap_err();
        assert!(matches!(error, TocError::NotAnEntry { line: 1, .. }));
        let twice = format!("{POST}{POST}");
        assert_eq!(
            Toc::parse(&twice, "", POST).unwrap_err(),
            TocError::Twice(DumpId(3316))
        );
        let bad = format!("{POST};\tdepends on: x\n");
        let error = Toc::parse(&bad, "", POST).unwrap_err();
        assert!(matches!(error, TocError::NotDependencies { line: 2, .. }));
    }
}
