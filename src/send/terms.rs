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
}

impl Terms {
    /// Whether a later start that gave these may go on with what the first one gave: the same, or
    /// nothing.
    pub(super) fn go_on_with(&self, first: &Self) -> bool {
        self.content == Content::default() || self.content == first.content
    }
}

/// As on a command line, for people.
impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.content.option().unwrap_or("none of these options"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_start_goes_on_with_the_first_ones() {
        let schema_only = Terms {
            content: Content::SchemaOnly,
        };
        assert!(schema_only.go_on_with(&schema_only));
        assert!(Terms::default().go_on_with(&schema_only));
        assert!(!schema_only.go_on_with(&Terms::default()));
        assert_eq!(schema_only.to_string(), "--schema-only");
    }
}
