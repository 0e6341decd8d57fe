//! What a catalog holds, as plain data: tables, columns, sequences, in one snapshot.
//!
//! Everything here is serialisable, because the plan travels to the target and rests in its journal.

pub mod database;
mod likeness;
mod listing;
pub mod roles;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use likeness::{Ancestor, ColumnType, Likeness};
pub use listing::first_few;

/// An object identifier of the source server (`pg_class.oid` and friends).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Oid(pub u32);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A schema-qualified name; `Display` gives it ready for SQL, both parts quoted where needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QualifiedName {
    pub schema: String,
    pub name: String,
}

impl QualifiedName {
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}",
            quote_ident(&self.schema),
            quote_ident(&self.name)
        )
    }
}

/// Quotes an identifier where it is not a plain lower-case word (like `quote_ident`, but reserved
/// words are quoted only when they stand in the short list that can follow a dot badly: none can,
/// since every name here is used qualified or in a column list, where we always quote).
///
/// Plain words stay bare so that messages read well; SQL that needs certainty uses
/// [`quote_ident_always`].
pub fn quote_ident(ident: &str) -> String {
    let plain = ident
        .bytes()
        .enumerate()
        .all(|(i, b)| b.is_ascii_lowercase() || b == b'_' || (i > 0 && b.is_ascii_digit()));
    if plain && !ident.is_empty() {
        ident.to_owned()
    } else {
        quote_ident_always(ident)
    }
}

/// Quotes an identifier unconditionally: double quotes around, inner ones doubled.
pub fn quote_ident_always(ident: &str) -> String {
    format!("\"{}\"", ident.replace('"', "\"\""))
}

/// Quotes a string literal for SQL, independent of `standard_conforming_strings`.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// `pg_class.relpersistence`, without temporary tables: those never leave their session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Persistence {
    Permanent,
    Unlogged,
}

/// The COPY format a table travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    Binary,
    Text,
}

impl Format {
    /// The word that COPY's FORMAT option takes.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
        }
    }
}

/// One table whose rows are to be moved: an ordinary table or a leaf partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// `pg_class.oid` on the source.
    pub oid: Oid,
    pub name: QualifiedName,
    pub persistence: Persistence,
    /// The partitioned table to write through, where a row's partition is not the same one on
    /// another server.
    pub through: Option<QualifiedName>,
    /// Columns to copy, in attribute order: neither dropped nor generated.
    pub columns: Vec<String>,
    pub format: Format,
    /// Why the table travels as text: the first column that binary would not be safe for.
    pub text_because: Option<String>,
    /// `pg_class.relfilenode` in the snapshot; another one later means the table was rewritten.
    pub filenode: Oid,
    /// Heap pages, from the size of the main fork.
    pub pages: u32,
    /// Heap plus TOAST, in bytes.
    pub bytes: u64,
    /// Of an extension's table whose rows are the user's: what follows the table in
    /// `SELECT … FROM`, as the extension has it (`pg_extension.extcondition`), or empty for all rows.
    pub condition: Option<String>,
    /// What is true of the rows that are moved, as SQL; none where all are. Only the source's server
    /// is ever asked.
    pub filter: Option<String>,
    /// Of a table that is not made on the target from the source's schema: an extension's, and each
    /// where no object is made.
    pub likeness: Option<Likeness>,
}

/// Where the server keeps the pages of large objects.
const LARGE_OBJECTS: (&str, &str) = ("pg_catalog", "pg_largeobject");

impl Table {
    /// Large objects, which travel as if they were rows of one table: for each object a row of what
    /// it is, and rows of its bytes.
    pub fn large_objects(oid: Oid, bytes: u64) -> Self {
        let columns = ["loid", "at", "data", "owner", "acl", "comment", "labels"];
        Self {
            oid,
            name: QualifiedName::new(LARGE_OBJECTS.0, LARGE_OBJECTS.1),
            persistence: Persistence::Permanent,
            through: None,
            columns: columns.map(str::to_owned).to_vec(),
            format: Format::Binary,
            text_because: None,
            filenode: Oid(0),
            pages: 0,
            bytes,
            condition: None,
            filter: None,
            likeness: None,
        }
    }

    pub fn is_large_objects(&self) -> bool {
        (self.name.schema.as_str(), self.name.name.as_str()) == LARGE_OBJECTS
    }

    /// The parenthesised column list for COPY, or nothing for a table without columns to copy.
    pub fn column_list(&self) -> String {
        if self.columns.is_empty() {
            return String::new();
        }
        let quoted: Vec<_> = self.columns.iter().map(|c| quote_ident_always(c)).collect();
        format!(" ({})", quoted.join(", "))
    }

    /// Lets it travel as text whatever its types are.
    pub fn copy_as_text(&mut self, because: &str) {
        self.format = Format::Text;
        self.text_because.get_or_insert_with(|| because.to_owned());
    }

    /// The qualified name with both parts quoted, whatever they are: for SQL.
    pub fn sql_name(&self) -> String {
        sql_name(&self.name)
    }

    /// The condition with a space before it; nothing where there is none.
    pub fn condition_clause(&self) -> String {
        match self.condition.as_deref() {
            None | Some("") => String::new(),
            Some(condition) => format!(" {condition}"),
        }
    }

    /// Removes the rows that a migration moves.
    pub fn delete_sql(&self) -> String {
        format!(
            "DELETE FROM ONLY {}{}",
            self.sql_name(),
            self.condition_clause()
        )
    }

    /// What rows are written to: mostly the table itself.
    pub fn target(&self) -> &QualifiedName {
        self.through.as_ref().unwrap_or(&self.name)
    }

    /// The same for SQL.
    pub fn sql_target(&self) -> String {
        sql_name(self.target())
    }

    /// The same without what inherits from it; an ancestor that rows are written through with all
    /// its partitions.
    pub fn sql_alone(&self) -> String {
        match &self.through {
            Some(_) => self.sql_target(),
            None => format!("ONLY {}", self.sql_name()),
        }
    }
}

/// OIDs of large objects that are told in one message.
const OBJECTS_TOLD: usize = 100;

/// Large objects as a report names them, the first few by OID.
pub fn objects_named(oids: &[Oid]) -> String {
    let noun = if oids.len() == 1 { "OBJECT" } else { "OBJECTS" };
    format!("LARGE {noun} {}", first_few(oids, OBJECTS_TOLD, ", "))
}

/// A name with both parts quoted, whatever they are.
pub fn sql_name(name: &QualifiedName) -> String {
    format!(
        "{}.{}",
        quote_ident_always(&name.schema),
        quote_ident_always(&name.name)
    )
}

/// A sequence's state, which is not transactional and so is read last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceValue {
    pub name: QualifiedName,
    pub last_value: i64,
    pub is_called: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_needed() {
        assert_eq!(QualifiedName::new("public", "t1").to_string(), "public.t1");
        assert_eq!(
            QualifiedName::new("My.Schema", "a\"b").to_string(),
            "\"My.Schema\".\"a\"\"b\""
        );
        assert_eq!(quote_ident(""), "\"\"");
        assert_eq!(quote_ident("1a"), "\"1a\"");
    }

    #[test]
    fn literals_survive_quotes_and_backslashes() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\b"), "E'a\\\\b'");
    }
}
