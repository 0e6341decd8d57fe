//! Which part of a database a migration moves: what the command line of send selects, by the rules
//! of pg_dump.

mod filter;
mod pattern;
mod predicate;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use filter::{RowFilter, RowFilterError};
pub use pattern::{Pattern, PatternError, Regexes};
pub use predicate::{Predicate, PredicateError};

/// Everything, unless there is a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    pub schemas: Vec<Pattern>,
    pub exclude_schemas: Vec<Pattern>,
    pub tables: Vec<Pattern>,
    pub exclude_tables: Vec<Pattern>,
}

/// What is moved of that part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    #[default]
    Whole,
    /// All objects: no rows, sequence values or large objects.
    SchemaOnly,
    /// Rows, sequence values and large objects, into tables that the target has.
    DataOnly,
}

impl Content {
    /// What gives it on a command line.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::SchemaOnly => Some("--schema-only"),
            Self::DataOnly => Some("--data-only"),
        }
    }

    pub fn has_rows(self) -> bool {
        self != Self::SchemaOnly
    }

    pub fn has_objects(self) -> bool {
        self != Self::DataOnly
    }
}

impl Selection {
    /// Whether nothing is left out.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what belongs to no schema is moved too (extensions, event triggers, publications,
    /// large objects): all but what is excluded, as pg_dump has it.
    pub fn includes_everything(&self) -> bool {
        self.schemas.is_empty() && self.tables.is_empty()
    }

    /// Whether a later start that gave this may go on with what the first one gave: the same, in
    /// any order, or nothing.
    pub fn goes_on_with(&self, first: &Self) -> bool {
        self.is_all() || self.in_order() == first.in_order()
    }

    fn in_order(&self) -> Self {
        let mut ordered = self.clone();
        ordered.schemas.sort();
        ordered.exclude_schemas.sort();
        ordered.tables.sort();
        ordered.exclude_tables.sort();
        ordered
    }

    /// As options of pg_dump, and of send: each option with its pattern.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, &Pattern)> {
        let all = [
            ("--schema", &self.schemas),
            ("--exclude-schema", &self.exclude_schemas),
            ("--table", &self.tables),
            ("--exclude-table", &self.exclude_tables),
        ];
        all.into_iter()
            .flat_map(|(option, patterns)| patterns.iter().map(move |p| (option, p)))
    }
}

/// As on a command line, for people.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.options().map(|(option, p)| format!("{option} {p}"));
        f.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_shown_as_it_was_given() {
        let all = Selection::default();
        assert!(all.is_all() && all.includes_everything());
        let some = Selection {
            exclude_schemas: vec![Pattern::schema("x*").unwrap()],
            tables: vec![Pattern::table("a.\"B\"").unwrap()],
            ..all
        };
        assert_eq!(some.to_string(), "--exclude-schema x* --table a.\"B\"");
        assert!(!some.is_all() && !some.includes_everything());
        assert!(some.goes_on_with(&some) && Selection::default().goes_on_with(&some));
        assert!(!some.goes_on_with(&Selection::default()));
    }
}
