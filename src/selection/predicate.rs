//! SQL predicates as a user writes them. One stands in parentheses within the readers' query and must
//! not end there early: as much of PostgreSQL's lexer (scan.l, standard_conforming_strings on) as it
//! takes to tell that. Whatever else may be wrong the source's server says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is no predicate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredicateError {
    #[error("there is no predicate")]
    Empty,
    #[error("a parenthesis is closed that is not open")]
    NotOpen,
    #[error("a parenthesis is not closed")]
    NotClosed,
    #[error("a semicolon would end the query: it is one predicate")]
    Semicolon,
    #[error("{0} is not closed")]
    Unclosed(&'static str),
}

/// An expression that can stand in parentheses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Predicate(String);

impl Predicate {
    pub fn new(text: &str) -> Result<Self, PredicateError> {
        let (mut rest, mut depth, mut is_empty) = (text.as_bytes(), 0u64, true);
        while !rest.is_empty() {
            let (token, length) = token(rest)?;
            rest = rest.get(length..).unwrap_or_default();
            match token {
                Token::Blank => continue,
                Token::Open => depth += 1,
                Token::Close => depth = depth.checked_sub(1).ok_or(PredicateError::NotOpen)?,
                Token::Other => {}
            }
            is_empty = false;
        }
        match (depth, is_empty) {
            (_, true) => Err(PredicateError::Empty),
            (0, _) => Ok(Self(text.trim_ascii().to_owned())),
            _ => Err(PredicateError::NotClosed),
        }
    }

    /// For SQL, in parentheses of its own; a comment at its end ends with the line.
    pub fn sql(&self) -> String {
        format!("({}\n)", self.0)
    }
}

/// In one line, for people.
impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace(['\n', '\r'], " "))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// White space, or a comment.
    Blank,
    Open,
    Close,
    Other,
}

/// The first token of a text that is not empty, and its length in bytes.
fn token(text: &[u8]) -> Result<(Token, usize), PredicateError> {
    Ok(match text {
        [b'(', ..] => (Token::Open, 1),
        [b')', ..] => (Token::Close, 1),
        [b';', ..] => return Err(PredicateError::Semicolon),
        [b'\'', ..] => (Token::Other, quoted(text, b'\'', "a string")?),
        [b'"', ..] => (Token::Other, quoted(text, b'"', "a name in double quotes")?),
        [b'$', ..] => (Token::Other, dollar(text)?),
        [b'-', b'-', ..] => (Token::Blank, line_comment(text)),
        [b'/', b'*', ..] => (Token::Blank, block_comment(text)?),
        [first, ..] if first.is_ascii_whitespace() => (Token::Blank, 1),
        [b'e' | b'E', b'\'', ..] => (Token::Other, 1 + escaped(&text[1..])?),
        [first, ..] if starts_name(*first) => (Token::Other, word(text)),
        _ => (Token::Other, 1),
    })
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// A keyword or a name. A dollar within is part of it.
fn word(text: &[u8]) -> usize {
    let goes_on = |byte: &u8| starts_name(*byte) || byte.is_ascii_digit() || *byte == b'$';
    text.iter().take_while(|byte| goes_on(byte)).count()
}

/// From one quote to the next that is not doubled.
fn quoted(text: &[u8], quote: u8, what: &'static str) -> Result<usize, PredicateError> {
    let mut at = 1;
    loop {
        match text.get(at..).unwrap_or_default() {
            [] => return Err(PredicateError::Unclosed(what)),
            [first, second, ..] if (*first, *second) == (quote, quote) => at += 2,
            [first, ..] if *first == quote => return Ok(at + 1),
            _ => at += 1,
        }
    }
}

/// A string with backslashes, `E'…'` after its E, which goes on in its kind on a later line.
fn escaped(text: &[u8]) -> Result<usize, PredicateError> {
    let mut at = 1;
    loop {
        match text.get(at..).unwrap_or_default() {
            [] => return Err(PredicateError::Unclosed("a string")),
            [b'\\', ..] | [b'\'', b'\'', ..] => at += 2,
            [b'\'', rest @ ..] => match continuation(rest) {
                Some(gap) => at += 1 + gap + 1,
                None => return Ok(at + 1),
            },
            _ => at += 1,
        }
    }
}

/// How far behind a string its next piece begins: there is a line's end between them, and nothing but
/// white space and comments of a line.
fn continuation(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match &text[at..] {
            [b'\'', ..] => return text[..at].iter().any(|b| is_line_end(*b)).then_some(at),
            [b'-', b'-', ..] => at += line_comment(&text[at..]),
            [first, ..] if first.is_ascii_whitespace() => at += 1,
            _ => return None,
        }
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn line_comment(text: &[u8]) -> usize {
    text.iter().take_while(|byte| !is_line_end(**byte)).count()
}

/// These nest.
fn block_comment(text: &[u8]) -> Result<usize, PredicateError> {
    let (mut at, mut depth) = (0, 0u64);
    loop {
        match &text[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] if depth == 1 => return Ok(at + 2),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            [] => return Err(PredicateError::Unclosed("a comment")),
            _ => at += 1,
        }
    }
}

/// A string in `$…$`, or the dollar of a parameter.
fn dollar(text: &[u8]) -> Result<usize, PredicateError> {
    let name = text[1..]
        .iter()
        .take_while(|b| starts_name(**b) || b.is_ascii_digit());
    let end = 1 + name.count();
    let is_delimiter = text.get(end) == Some(&b'$') && !text[1].is_ascii_digit();
    if !is_delimiter {
        return Ok(1);
    }
    let (delimiter, body) = text.split_at(end + 1);
    let mut places = body.windows(delimiter.len());
    match places.position(|place| place == delimiter) {
        Some(at) => Ok(delimiter.len() + at + delimiter.len()),
        None => Err(PredicateError::Unclosed("a string in dollars")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> PredicateError {
        Predicate::new(text).expect_err(text)
    }

    #[test]
    fn what_stays_in_its_parentheses_is_taken() {
        for text in [
            "i > 1",
            "(i) = ANY ('{1,2}')",
            "name = 'a;)'",
            "name = 'it''s ('",
            "name = '\\' OR true",
            "name = E'\\') ;' OR true",
            "name = e'a'\n -- )\n 'b\\') ;' OR true",
            "name = E'a' 'b\\' OR true",
            "\"a\"\") ;\" IS NULL",
            "name = $$ ) ; $$",
            "name = $x$ ) $$ ; $x$",
            "name = $x$ $x $x$",
            "a$b$c = 1",
            "U&\"d!0061t\" UESCAPE '!' = U&'\\0061'",
            "i = $1 OR x = $1$ ",
            "true -- ) ;",
            "true /* ) /* ; */ ) */",
            "i */**/ 2 > 1",
            "größe > 1",
        ] {
            assert!(Predicate::new(text).is_ok(), "{text}");
        }
        assert_eq!(Predicate::new(" a\nb ").unwrap().to_string(), "a b");
        assert_eq!(Predicate::new("a -- b").unwrap().sql(), "(a -- b\n)");
    }

    #[test]
    fn what_would_leave_them_is_refused() {
        use PredicateError::{Empty, NotClosed, NotOpen, Semicolon, Unclosed};
        for text in ["", "  ", "-- i > 1", "/* i > 1 */"] {
            assert_eq!(refusal(text), Empty, "{text}");
        }
        for text in [
            "true) OR (true",
            "'(' = ')')",
            "true /* ( */ )",
            "a$$) = $$(",
        ] {
            assert_eq!(refusal(text), NotOpen, "{text}");
        }
        for text in ["(true", "(true -- )", "($$)$$", "E'\\'' = ('"] {
            let refused = refusal(text);
            assert!(matches!(refused, NotClosed | Unclosed(_)), "{text}");
        }
        for text in ["true;", "true; DROP TABLE t", "'\\'; --'", "$1$; $1$"] {
            assert_eq!(refusal(text), Semicolon, "{text}");
        }
        assert_eq!(refusal("'a' = 'b"), Unclosed("a string"));
        assert_eq!(refusal("a = E'b\\'"), Unclosed("a string"));
        assert_eq!(refusal("\"a = 1"), Unclosed("a name in double quotes"));
        assert_eq!(refusal("a = $x$ $X$"), Unclosed("a string in dollars"));
        assert_eq!(refusal("true /* /* */"), Unclosed("a comment"));
    }

    /// Something that is whole, whatever it holds.
    fn piece() -> impl Strategy<Value = String> {
        let held = "[ ();'\"$\\\\/*a-]{0,8}";
        prop_oneof![
            held.prop_map(|s| format!("'{}'", s.replace('\'', "''"))),
            held.prop_map(|s| format!(" E'{}'", s.replace('\\', "\\\\").replace('\'', "\\'"))),
            held.prop_map(|s| format!("\"{}\"", s.replace('"', "\"\""))),
            held.prop_map(|s| format!(" $q${s} $q$ ")),
            held.prop_map(|s| format!(" /*{} */", s.replace(['/', '*'], "."))),
            held.prop_map(|s| format!("--{s}\n")),
            "[ a-z0-9=<>+,.]{0,5}",
        ]
    }

    proptest! {
        /// Only what stands outside of quotes and comments counts.
        #[test]
        fn parentheses_are_counted_outside_of_quotes(
            pieces in prop::collection::vec(piece(), 1..8),
            place in 0usize..8,
            what in 0usize..4,
        ) {
            let pieces: Vec<_> = pieces.iter().map(|piece| format!(" ({piece} \n)")).collect();
            prop_assert!(Predicate::new(&pieces.concat()).is_ok(), "{:?}", pieces);
            let mut broken = pieces;
            let place = place.min(broken.len());
            broken.insert(place, ["(", ")", ";", " '"][what].to_owned());
            prop_assert!(Predicate::new(&broken.concat()).is_err() || what == 3, "{:?}", broken);
        }

        #[test]
        fn any_text_is_judged(text in ".*", odd in "[ ();'\"$\\\\/*eE1a\n-]*") {
            let _ = Predicate::new(&text);
            if let Ok(taken) = Predicate::new(&odd) {
                prop_assert!(Predicate::new(&taken.sql()).is_ok());
                prop_assert_eq!(refusal(&format!("{})", taken.sql())), PredicateError::NotOpen);
            }
        }
    }
}
