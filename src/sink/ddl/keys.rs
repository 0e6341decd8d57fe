//! Keys that are there twice: what the report says of a unique index or an exclusion constraint that the server refuses
//! for its rows. The source has it, so the rows contradict it on the target alone, as text compares otherwise there, or
//! its index is broken, as after another version of a collation.

use super::{DdlError, Restorer};
use crate::pg::{Client, PgError, Row, ServerError};
use crate::phase::DumpId;
use crate::report::{one_line, printable};
use crate::schema::{QualifiedName, quote_literal, sql_name};
use crate::sink::archive::key_names;
use crate::sink::finish::text_array;

const COLLATIONS: &str = include_str!("collations.sql");
const UNIQUE_VIOLATION: &str = "23505";
const EXCLUSION_VIOLATION: &str = "23P01";
/// Of the server's detail in a report; a key may be long.
const DETAIL_CHARS: usize = 300;

impl Restorer {
    /// What a report adds to the server's message where rows contradict a key: which one, by which
    /// collations it compares, and what to do. Nothing of any other refusal: a row's values belong into no
    /// report, but for those of a key that the user must look for.
    pub(super) fn about_key(
        &mut self,
        id: DumpId,
        sql: &str,
        error: &PgError,
    ) -> Result<String, DdlError> {
        let entry = self.schema.entry(id);
        let has_key = entry.is_some_and(|e| matches!(&*e.desc, "INDEX" | "CONSTRAINT"));
        let refused = error.server().filter(|e| has_key && is_of_key(e));
        let Some(refused) = refused else {
            return Ok(String::new());
        };
        match collations(&mut self.client, refused, sql) {
            Err(source) if source.is_passing() => Err(DdlError::Postgres {
                what: self.label(id),
                source,
            }),
            // The key is worth telling without them.
            Err(source) => {
                tracing::warn!(error = one_line(&source), "collations are not told");
                Ok(told(refused, &[]))
            }
            Ok(found) => Ok(told(refused, &found)),
        }
    }
}

fn is_of_key(error: &ServerError) -> bool {
    [UNIQUE_VIOLATION, EXCLUSION_VIOLATION].contains(&&*error.sqlstate)
}

/// In one line, which follows the message.
fn told(refused: &ServerError, collations: &[String]) -> String {
    let detail = refused.detail.as_deref().unwrap_or_default();
    let mut text = match detail.is_empty() {
        true => String::new(),
        false => format!("; {}", shortened(detail)),
    };
    let compare = match collations.is_empty() {
        true => "",
        false => {
            let list = collations.join(", ");
            text += &format!("; text compares on the target by {list}");
            "compare the collations' versions on both servers, "
        }
    };
    text + &format!(
        "; {compare}look whether the source has it twice too (SET enable_indexscan, enable_indexonlyscan and enable_bitmapscan = off), correct the rows, then run the statement that the report has"
    )
}

fn shortened(detail: &str) -> String {
    let mut chars = detail.trim_end_matches('.').chars();
    let start: String = chars.by_ref().take(DETAIL_CHARS).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    printable(&start) + rest
}

/// Those by which the key compares, each with its columns, for people.
fn collations(
    client: &mut Client,
    refused: &ServerError,
    sql: &str,
) -> Result<Vec<String>, PgError> {
    let (Some(schema), Some(table)) = (&refused.schema, &refused.table) else {
        return Ok(Vec::new());
    };
    let names = key_names(sql);
    let given = format!(
        "to_regclass({}), {}, {}",
        quote_literal(&sql_name(&QualifiedName::new(schema, table))),
        text_array(names.words.into_iter()),
        text_array(names.collations.into_iter())
    );
    let look = query(client.server_version()).replace(":given", &given);
    client.query(&look)?.iter().map(collation).collect()
}

/// The query as a server of this version understands it.
fn query(version: u32) -> String {
    let (database, collation) = match version {
        170_000.. => ("d.datlocale", "c.colllocale"),
        150_000.. => ("d.daticulocale", "c.colliculocale"),
        _ => ("NULL", "NULL"),
    };
    // Before 15 a database has libc's, whose collations have one version.
    let (provider, database_version) = match version {
        150_000.. => (
            "d.datlocprovider",
            "pg_database_collation_actual_version(d.oid)",
        ),
        _ => (
            "'c'",
            "(SELECT max(pg_collation_actual_version(oid)) FROM pg_collation \
             WHERE collprovider = 'c' AND d.datcollate NOT IN ('C', 'POSIX'))",
        ),
    };
    COLLATIONS
        .replace(":database_provider", provider)
        .replace(":database_locale", database)
        .replace(":database_version", database_version)
        .replace(":locale", collation)
}

/// As `public.german of a, b (icu de, version 153.120)`.
fn collation(row: &Row) -> Result<String, PgError> {
    let name = row.get(0).unwrap_or("the database's default");
    let of = row.get(1).map_or_else(String::new, |c| format!(" of {c}"));
    let provider = match row.text(2)? {
        "i" => "icu",
        "b" => "builtin",
        _ => "libc",
    };
    let locale = row.text(3)?;
    let kind = match row.bool(4)? {
        true => "",
        false => ", not deterministic",
    };
    let version = row.get(5);
    let version = version.map_or_else(|| "no version".to_owned(), |v| format!("version {v}"));
    let text = format!("{name}{of} ({provider} {locale}{kind}, {version})");
    Ok(printable(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(detail: &str) -> ServerError {
        ServerError {
            detail: Some(detail.to_owned()),
            ..ServerError::default()
        }
    }

    #[test]
    fn a_key_is_told_in_one_short_line() {
        let next = "look whether the source has it twice too (SET enable_indexscan, enable_indexonlyscan and enable_bitmapscan = off), correct the rows, then run the statement that the report has";
        let line = told(&refused("Key (a)=(x\ny) is duplicated."), &[]);
        assert_eq!(line, format!("; Key (a)=(x\\ny) is duplicated; {next}"));
        let line = told(&refused(&"ß".repeat(5000)), &["a".into(), "b".into()]);
        assert!(line.starts_with(&format!("; {}…; text", "ß".repeat(DETAIL_CHARS))));
        assert!(line.contains("by a, b; compare "), "{line}");
        assert_eq!(told(&ServerError::default(), &[]), format!("; {next}"));
    }

    /// The detail of others stays out, as of all errors of these classes.
    #[test]
    fn only_keys_are_told() {
        for (sqlstate, is_key) in [
            ("23505", true),
            ("23P01", true),
            ("23503", false),
            ("22P02", false),
        ] {
            let error = ServerError {
                sqlstate: sqlstate.into(),
                ..ServerError::default()
            };
            assert_eq!(is_of_key(&error), is_key, "{sqlstate}");
        }
    }
}
