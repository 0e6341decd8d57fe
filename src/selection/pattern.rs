//! Patterns for names as psql and pg_dump read them (`processSQLNamePattern`, string_utils.c): `*`
//! and `?` stand for any characters and for one, letters outside of double quotes fold to lower
//! case, whatever else is special in a regular expression stays so outside of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Special in a regular expression, and escaped within quotes.
const SPECIAL: &str = "|*+?()[]{}.^\\";

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a pattern without a character matches nothing")]
    Empty,
    #[error("a double quote is not closed")]
    Unclosed,
    #[error("a schema's pattern has no dot; put a name that holds one in double quotes")]
    SchemaWithDot,
    #[error(
        "a table's pattern has one dot at most, as in schema.table; put a name that holds one in double quotes"
    )]
    TooManyDots,
}

/// What names must match: PostgreSQL's regular expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regexes {
    /// Without one, the search path decides which schemas count.
    pub schema: Option<String>,
    pub name: String,
}

/// A pattern as it was given, known to be one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern for schemas.
    pub fn schema(text: &str) -> Result<Self, PatternError> {
        match parts(text)?.as_slice() {
            [_] => Ok(Self(text.to_owned())),
            _ => Err(PatternError::SchemaWithDot),
        }
    }

    /// A pattern for tables, with their schema or without.
    pub fn table(text: &str) -> Result<Self, PatternError> {
        match parts(text)?.len() {
            1 | 2 => Ok(Self(text.to_owned())),
            _ => Err(PatternError::TooManyDots),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn regexes(&self) -> Regexes {
        let mut parts = parts(&self.0).unwrap_or_default();
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        Regexes { schema, name }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The regular expression of each part between dots that are not quoted.
fn parts(text: &str) -> Result<Vec<String>, PatternError> {
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match c {
            '"' if quoted && next == Some('"') => {
                chars.next().into_iter().for_each(|q| add(&mut parts, q))
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => piece(c, next, quoted)
                .chars()
                .for_each(|c| add(&mut parts, c)),
        }
    }
    if quoted {
        return Err(PatternError::Unclosed);
    }
    Ok(parts
        .into_iter()
        .map(|part| format!("^({part})$"))
        .collect())
}

fn add(parts: &mut [String], c: char) {
    if let Some(last) = parts.last_mut() {
        last.push(c);
    }
}

/// What one character of a pattern becomes.
fn piece(c: char, next: Option<char>, quoted: bool) -> String {
    match c {
        // The end of a line would never match, so a dollar is always one.
        '$' => "\\$".to_owned(),
        c if quoted && SPECIAL.contains(c) => format!("\\{c}"),
        c if quoted => c.to_string(),
        '*' => ".*".to_owned(),
        '?' => ".".to_owned(),
        // More often an array type's name than an empty bracket expression.
        '[' if next == Some(']') => "\\[".to_owned(),
        c => c.to_ascii_lowercase().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> (Option<String>, String) {
        let Regexes { schema, name } = Pattern::table(text).unwrap().regexes();
        (schema, name)
    }

    #[test]
    fn patterns_become_what_psql_makes_of_them() {
        let bare = |regex: &str| (None, regex.to_owned());
        assert_eq!(table("*"), bare("^(.*)$"));
        assert_eq!(table("Vm_?istory"), bare("^(vm_.istory)$"));
        assert_eq!(table("\"Vm_?\"*"), bare("^(Vm_\\?.*)$"));
        assert_eq!(table("\"a\"\"b.c$\""), bare("^(a\"b\\.c\\$)$"));
        assert_eq!(table("a[0-9]|b[]$"), bare("^(a[0-9]|b\\[]\\$)$"));
        assert_eq!(table("ÄX"), bare("^(Äx)$"));
        let qualified = (Some("^(App)$".to_owned()), "^(x.*)$".to_owned());
        assert_eq!(table("\"App\".X*"), qualified);
        assert_eq!(table(".t"), (Some("^()$".to_owned()), "^(t)$".to_owned()));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Pattern::table(""), Err(PatternError::Empty));
        assert_eq!(Pattern::table("\"a"), Err(PatternError::Unclosed));
        assert_eq!(Pattern::table("d.s.t"), Err(PatternError::TooManyDots));
        assert_eq!(Pattern::schema("s.t"), Err(PatternError::SchemaWithDot));
        assert!(Pattern::schema("\"s.t\"").is_ok());
    }
}
