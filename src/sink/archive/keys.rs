//! What the statement of an index or key names within its parentheses, as pg_dump writes it.

use std::collections::BTreeSet;

use super::lexer;

/// Names by which a key may compare.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyNames {
    /// Words that may be columns; functions, types and keywords are among them. A column whose collation
    /// is replaced is not.
    pub words: BTreeSet<String>,
    /// Collations behind COLLATE, without their schemas.
    pub collations: BTreeSet<String>,
}

/// The names from the first parenthesis on, as far as the text is understood.
pub fn key_names(sql: &str) -> KeyNames {
    let tokens = tokens(sql);
    let start = tokens.iter().position(|token| *token == "(");
    let mut rest = &tokens[start.unwrap_or(tokens.len())..];
    let mut names = KeyNames::default();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        if *token != "COLLATE" {
            let is_replaced = after.first() == Some(&"COLLATE");
            names.words.extend(name(token).filter(|_| !is_replaced));
        } else if let Some((collation, after)) = collation(after) {
            names.collations.extend(name(collation));
            rest = after;
        }
    }
    names
}

/// A name that may have a schema before it, and what follows.
fn collation<'a, 'b>(tokens: &'b [&'a str]) -> Option<(&'a str, &'b [&'a str])> {
    match tokens {
        [_, ".", name, rest @ ..] | [name, rest @ ..] => Some((*name, rest)),
        [] => None,
    }
}

fn tokens(sql: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(Some(token)) = lexer::token(sql, at) {
        tokens.push(token.text(sql));
        at = token.end;
    }
    tokens
}

/// A token as the catalog has it, where it is a name.
fn name(token: &str) -> Option<String> {
    let quoted = token.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    match quoted {
        Some(quoted) => Some(quoted.replace("\"\"", "\"")),
        None => token
            .starts_with(lexer::is_in_word)
            .then(|| token.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn columns_and_collations_are_told() {
        let sql = "--\n-- Name: u; (x)\n--\n\nCREATE UNIQUE INDEX u ON app.t USING btree \
            (a, \"B \"\"(\", lower(c) COLLATE \"C\", d COLLATE public.\"De, \"\"x\", ((e || ')''f'::text)));";
        let names = key_names(sql);
        let words = ["B \"(", "a", "c", "e", "lower", "text"];
        assert_eq!(names.words, set(&words));
        assert_eq!(names.collations, set(&["C", "De, \"x"]));
    }

    #[test]
    fn constraints_are_understood_too_and_the_unfinished_is_taken_as_far_as_it_goes() {
        let key = "ALTER TABLE ONLY app.t\n    ADD CONSTRAINT k PRIMARY KEY (a, b);\n";
        assert_eq!(key_names(key).words, set(&["a", "b"]));
        let key = "ALTER TABLE ONLY app.t\n    ADD CONSTRAINT k EXCLUDE USING gist (r WITH &&);\n";
        assert_eq!(key_names(key).words, set(&["WITH", "r"]));
        assert_eq!(key_names("CREATE x (a COLLATE").collations, set(&[]));
        assert_eq!(key_names("CREATE x (a, \"b").words, set(&["a"]));
        assert_eq!(key_names("CREATE"), KeyNames::default());
    }
}
