//! What send's command line says of a migration for good: its first start decides, later ones go on
//! with that.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::selection::Content;

/// See the module. A selection is kept apart from these, as pg_dump takes it too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    pub content: Content,
    /// Every partition is written through its root.
    pub through_roots: bool,
}

impl Terms {
    /// Whether a later start that gave these may go on with what the first one gave: the same, or
    /// nothing.
    pub(super) fn go_on_with(&self, first: &Self) -> bool {
        let content = self.content == Content::default() || self.content == first.content;
        content && self.through_roots <= first.through_roots
    }
}

/// As on a command line, for people.
impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let through_roots = self.through_roots.then_some("--load-via-partition-root");
        let words: Vec<_> = self
            .content
            .option()
            .into_iter()
            .chain(through_roots)
            .collect();
        match words.is_empty() {
            true => f.write_str("none of these options"),
            false => f.write_str(&words.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_start_goes_on_with_the_first_ones() {
        let schema_only = Terms {
            content: Content::SchemaOnly,
            ..Terms::default()
        };
        assert!(schema_only.go_on_with(&schema_only));
        assert!(Terms::default().go_on_with(&schema_only));
        assert!(!schema_only.go_on_with(&Terms::default()));
        assert_eq!(schema_only.to_string(), "--schema-only");
    }
}
