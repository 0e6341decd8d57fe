//! Takes the script that pg_restore prints apart: preamble, entries, end.
//!
//! ```text
//! --
//! -- PostgreSQL database dump
//! --
//!
//! \restrict KEY                            from 13.22, 14.19, 15.14, 16.10, 17.6 and 18 on
//!
//! -- Dumped from database version 15.18
//! SET statement_timeout = 0;               ends before the first SET default_… or "-- Name: "
//! …
//! --
//! -- PostgreSQL database dump complete
//! --
//!
//! \unrestrict KEY
//! ```

/// Settings of the preamble that decide how the SQL is read; every server from 12 on knows them.
const SESSION: &[&str] = &[
    "SET standard_conforming_strings ",
    "SET escape_string_warning ",
    "SELECT pg_catalog.set_config('search_path', ",
    "SET check_function_bodies ",
    "SET xmloption ",
    "SET client_min_messages ",
    "SET row_security ",
];

const END: &str = "--\n-- PostgreSQL database dump complete\n--\n\n";

/// pg_restore printed something that versions 12 to 18 do not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    #[error("the script does not end as a complete dump does")]
    NoEnd,
    #[error("the script does not end with the \\unrestrict that its \\restrict asks for")]
    NoUnrestrict,
    #[error("unexpected line before the first entry: {0:?}")]
    Preamble(String),
    #[error("with --clean it is not the same script with DROP statements before it")]
    Drops,
    #[error("the script ends inside of a string or a name")]
    Unfinished,
}

#[derive(Debug)]
pub(super) struct Script<'a> {
    /// Lines of the preamble that the session needs, each with its line end.
    pub(super) session: Vec<&'a str>,
    pub(super) body: &'a str,
}

pub(super) fn parse(text: &str) -> Result<Script<'_>, ScriptError> {
    let mut session = Vec::new();
    let mut key = None;
    let mut rest = text;
    while !rest.is_empty() && !at_entry(rest) {
        let (line, after) = rest.split_at(rest.find('\n').map_or(rest.len(), |end| end + 1));
        if let Some(given) = line.strip_prefix("\\restrict ") {
            key = Some(given.trim_end());
        } else if SESSION.iter().any(|start| line.starts_with(start)) {
            session.push(line);
        } else if !is_preamble(line) {
            return Err(ScriptError::Preamble(line.to_owned()));
        }
        rest = after;
    }
    let body = before_end(rest, key)?;
    Ok(Script { session, body })
}

/// The end of the script stands here too when there is no entry.
fn at_entry(rest: &str) -> bool {
    ["--\n-- Name: ", "--\n-- TOC entry ", "SET default_", END]
        .iter()
        .any(|start| rest.starts_with(start))
}

fn is_preamble(line: &str) -> bool {
    let statement = line.ends_with(";\n");
    line == "\n" || line.starts_with("--") || (line.starts_with("SET ") && statement)
}

/// Strips exactly the end that pg_restore writes, with the key of its beginning.
fn before_end<'a>(rest: &'a str, key: Option<&str>) -> Result<&'a str, ScriptError> {
    let mut body = rest.trim_end();
    if let Some(key) = key {
        body = body
            .strip_suffix(key)
            .and_then(|body| body.strip_suffix("\n\\unrestrict "))
            .ok_or(ScriptError::NoUnrestrict)?;
        body = body.trim_end();
    }
    body.strip_suffix(END.trim_end()).ok_or(ScriptError::NoEnd)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict k3Y\n\n\
        -- Dumped from database version 15.18\n-- Dumped by pg_dump version 18.1\n\n\
        SET statement_timeout = 0;\nSET transaction_timeout = 0;\n\
        SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\
        SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n\n";
    const TAIL: &str = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict k3Y\n\n";

    #[test]
    fn preamble_and_end_are_taken_off() {
        let body = "SET default_tablespace = '';\n\n--\n-- Name: t; Type: TABLE\n--\n\n\
            CREATE TABLE t ();\n\n\\unrestrict other\n--\n-- PostgreSQL database dump complete\n--\n\n;\n\n";
        let text = format!("{HEAD}{body}{TAIL}");
        let script = parse(&text).unwrap();
        assert_eq!(script.body, body);
        assert_eq!(
            script.session.concat(),
            "SET standard_conforming_strings = on;\n\
             SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n"
        );
    }

    #[test]
    fn older_versions_have_no_key() {
        let head = HEAD.replace("\\restrict k3Y\n\n", "");
        let tail = TAIL.replace("\\unrestrict k3Y\n\n", "");
        let body = "--\n-- Name: app; Type: SCHEMA\n--\n\nCREATE SCHEMA app;\n\n\n";
        let text = format!("{head}{body}{tail}");
        assert_eq!(parse(&text).unwrap().body, body);
        assert_eq!(parse(&format!("{head}{tail}")).unwrap().body, "");
    }

    #[test]
    fn anything_else_is_refused() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused(""), ScriptError::NoEnd);
        assert_eq!(refused(HEAD), ScriptError::NoUnrestrict);
        assert_eq!(
            refused(&format!("{HEAD}{}", TAIL.replace("k3Y", "other"))),
            ScriptError::NoUnrestrict
        );
        assert_eq!(
            refused("\\connect x\n"),
            ScriptError::Preamble("\\connect x\n".into())
        );
    }
}
