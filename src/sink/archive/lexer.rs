//! Where one SQL statement ends and the next begins, as far as index and key entries need it:
//! comments, quoted identifiers, strings and dollar quotes are skipped over; bodies of SQL functions
//! (`BEGIN ATOMIC … END`) are not known.

/// The statements of a script, each with its semicolon, without the comments between them.
/// `None` where the text ends inside of one.
pub(super) fn statements(sql: &str) -> Option<Vec<&str>> {
    let mut statements = Vec::new();
    let mut rest = skip_blank(sql)?;
    while !rest.is_empty() {
        let (statement, after) = rest.split_at(statement_len(rest)?);
        statements.push(statement);
        rest = skip_blank(after)?;
    }
    Some(statements)
}

/// A word, name, string or sign of a script, by its place there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.start..self.end]
    }
}

/// The first token from a place on, comments left out, and none behind the last one. `None` where
/// the text ends inside of one.
pub(super) fn token(sql: &str, at: usize) -> Option<Option<Token>> {
    let rest = skip_blank(&sql[at..])?;
    let start = sql.len() - rest.len();
    let Some(first) = rest.chars().next() else {
        return Some(None);
    };
    let len = match first {
        '"' => quoted_len(rest, '"', false)?,
        '\'' => quoted_len(rest, '\'', sql[..start].ends_with(['E', 'e']))?,
        '$' => dollar_quoted_len(rest)?,
        c if is_in_word(c) => rest.find(|c| !is_in_word(c)).unwrap_or(rest.len()),
        other => other.len_utf8(),
    };
    let end = start + len;
    Some(Some(Token { start, end }))
}

pub(super) fn is_in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

fn skip_blank(mut sql: &str) -> Option<&str> {
    loop {
        sql = sql.trim_start();
        if !sql.starts_with("--") {
            return Some(sql);
        }
        sql = &sql[sql.find('\n')?..];
    }
}

/// The length of the first statement with its semicolon.
fn statement_len(sql: &str) -> Option<usize> {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let escapes = at > 0 && matches!(bytes[at - 1], b'E' | b'e');
        at += match bytes[at] {
            b';' => return Some(at + 1),
            b'"' => quoted_len(&sql[at..], '"', false)?,
            b'\'' => quoted_len(&sql[at..], '\'', escapes)?,
            b'-' if sql[at..].starts_with("--") => sql[at..].find('\n')?,
            b'$' if !follows_word(bytes, at) => dollar_quoted_len(&sql[at..])?,
            _ => 1,
        };
    }
    None
}

/// `text` begins with `quote`; two of them stand for one.
pub(super) fn quoted_len(text: &str, quote: char, backslash_escapes: bool) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslash_escapes {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + c.len_utf8());
        }
    }
    None
}

/// A `$` inside a word belongs to it.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0
        && (bytes[at - 1].is_ascii_alphanumeric() || matches!(bytes[at - 1], b'_' | b'$' | 0x80..))
}

/// `$tag$ … $tag$`, or one byte where that is only a `$` (a parameter).
fn dollar_quoted_len(text: &str) -> Option<usize> {
    let tag = text[1..].find(|c: char| !c.is_alphanumeric() && c != '_');
    let end = tag
        .map(|end| end + 1)
        .filter(|&end| text[end..].starts_with('$'));
    let Some(end) = end.filter(|_| !text[1..].starts_with(|c: char| c.is_ascii_digit())) else {
        return Some(1);
    };
    let (delimiter, body) = text.split_at(end + 1);
    Some(delimiter.len() + body.find(delimiter)? + delimiter.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_inside_of_things_do_not_count() {
        let sql = "--\n-- Name: a;b \"'\n--\n\nSET x = '';\nCREATE INDEX \"a;\"\"\n--;\" ON t (('a'';' || E'\\';' || $q$;$q$ || a$1)); \n--c\nALTER b;\n";
        assert_eq!(
            statements(sql).unwrap(),
            [
                "SET x = '';",
                "CREATE INDEX \"a;\"\"\n--;\" ON t (('a'';' || E'\\';' || $q$;$q$ || a$1));",
                "ALTER b;"
            ]
        );
    }

    #[test]
    fn unfinished_text_is_no_statement() {
        for sql in ["CREATE", "x 'y;", "x \"y;", "x $a$;", "-- y"] {
            assert_eq!(statements(sql), None, "{sql}");
        }
        assert_eq!(statements("\n-- y\n").unwrap(), Vec::<&str>::new());
    }
}
