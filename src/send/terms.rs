//! What send's command line says of a migration for good: its first start decides, later ones go on
//! with that.

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::schema::roles::RoleMap;
use crate::selection::{Content, RowFilter};
use crate::wire::message::Omit;

/// How tables are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
pub enum Formats {
    /// In binary where every column's type is safe in it.
    #[default]
    Auto,
    /// All as text: larger and slower, for when binary is under suspicion.
    Text,
}

/// See the module. A selection is kept apart from these, as pg_dump takes it too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    pub content: Content,
    /// Every partition is written through its root.
    pub through_roots: bool,
    /// Of which tables only some rows are moved.
    pub filters: Vec<RowFilter>,
    /// Roles that have another name on the target.
    pub role_map: RoleMap,
    /// What is in the way on the target is to be dropped.
    pub clean: bool,
    pub formats: Formats,
    pub omit: Omit,
    /// Recv makes the roles that its server lacks.
    pub make_roles: bool,
}

impl Terms {
    /// Whether a later start that gave these may go on with what the first one gave: the same, or
    /// nothing.
    pub(super) fn go_on_with(&self, first: &Self) -> bool {
        let content = self.content == Content::default() || self.content == first.content;
        let roles = self.role_map.is_empty() || self.role_map == first.role_map;
        let filters =
            self.filters.is_empty() || in_order(&self.filters) == in_order(&first.filters);
        let formats = self.formats == Formats::default() || self.formats == first.formats;
        let mut switches = self.switches().zip(first.switches());
        content
            && roles
            && filters
            && formats
            && switches.all(|((_, ours), (_, firsts))| ours <= firsts)
    }

    /// Those that are given or not.
    fn switches(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let switches = [
            ("--load-via-partition-root", self.through_roots),
            ("--clean", self.clean),
            ("--no-owner", self.omit.owner),
            ("--no-privileges", self.omit.privileges),
            ("--no-tablespaces", self.omit.tablespaces),
            ("--roles", self.make_roles),
        ];
        switches.into_iter()
    }
}

fn in_order(filters: &[RowFilter]) -> BTreeSet<&RowFilter> {
    filters.iter().collect()
}

/// As on a command line, for people.
impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = (self.formats == Formats::Text).then_some("--format text");
        let given = self.switches().filter(|(_, is_given)| *is_given);
        let words = self.content.option().into_iter().chain(text);
        let words = words.chain(given.map(|(option, _)| option));
        let mut words: Vec<_> = words.map(str::to_owned).collect();
        words.extend(
            self.filters
                .iter()
                .map(|filter| format!("--where {filter}")),
        );
        let renames = self.role_map.renames();
        words.extend(renames.map(|rename| format!("--map-role {rename}")));
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
        let mapped = Terms {
            role_map: RoleMap::new(&["a=\"B\"".parse().unwrap()]).unwrap(),
            ..schema_only.clone()
        };
        assert!(!mapped.go_on_with(&schema_only) && schema_only.go_on_with(&mapped));
        let clean = Terms {
            clean: true,
            ..schema_only.clone()
        };
        assert!(!clean.go_on_with(&schema_only) && schema_only.go_on_with(&clean));
        assert_eq!(clean.to_string(), "--schema-only --clean");
        let filtered = |filters: &[&str]| Terms {
            filters: filters.iter().map(|f| f.parse().unwrap()).collect(),
            ..Terms::default()
        };
        let (one, two) = (filtered(&["t=a > 1"]), filtered(&["t=a > 1", "u=true"]));
        assert!(filtered(&["u=true", "t= a > 1 "]).go_on_with(&two));
        assert!(Terms::default().go_on_with(&two) && !one.go_on_with(&two));
        assert_eq!(two.to_string(), "--where t=a > 1 --where u=true");
        assert_eq!(mapped.to_string(), "--schema-only --map-role a=\"B\"");
        let ownerless = Terms {
            omit: Omit {
                owner: true,
                ..Omit::default()
            },
            formats: Formats::Text,
            ..Terms::default()
        };
        assert!(
            !ownerless.go_on_with(&Terms::default()) && Terms::default().go_on_with(&ownerless)
        );
        assert_eq!(ownerless.to_string(), "--format text --no-owner");
    }
}
