//! Which rows of a table are moved: `TABLE=PREDICATE`, as `--where` takes it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Pattern, PatternError, Predicate, PredicateError};

/// Of the tables that the pattern matches only rows for which the predicate is true.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowFilter {
    pub tables: Pattern,
    pub predicate: Predicate,
}

/// Why a text is no [`RowFilter`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFilterError {
    #[error("it is TABLE=PREDICATE, as in app.events=at >= '2026-01-01'")]
    Form,
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error(transparent)]
    Predicate(#[from] PredicateError),
}

impl FromStr for RowFilter {
    type Err = RowFilterError;

    fn from_str(text: &str) -> Result<Self, RowFilterError> {
        let mut quoted = false;
        let first = text.find(|c| {
            quoted ^= c == '"';
            c == '=' && !quoted
        });
        let (tables, predicate) = text.split_at(first.ok_or(RowFilterError::Form)?);
        Ok(Self {
            tables: Pattern::table(tables.trim_ascii())?,
            predicate: Predicate::new(&predicate[1..])?,
        })
    }
}

impl fmt::Display for RowFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.tables, self.predicate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, RowFilterError> {
        text.parse().map(|filter: RowFilter| filter.to_string())
    }

    #[test]
    fn a_filter_is_a_pattern_and_a_predicate() {
        let filter: RowFilter = "app.\"a=b\" = c=d".parse().unwrap();
        assert_eq!(filter.tables.as_str(), "app.\"a=b\"");
        assert_eq!(filter.predicate.sql(), "(c=d\n)");
        assert_eq!(parsed("t=\na\n> 1").unwrap(), "t=a > 1");
        assert_eq!(parsed("app.t"), Err(RowFilterError::Form));
        assert_eq!(parsed("\"t=1"), Err(RowFilterError::Form));
        assert_eq!(parsed("=1"), Err(PatternError::Empty.into()));
        assert_eq!(parsed("a.b.c=1"), Err(PatternError::TooManyDots.into()));
        assert_eq!(parsed("t="), Err(PredicateError::Empty.into()));
    }
}
