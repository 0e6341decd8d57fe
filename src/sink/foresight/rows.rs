//! Values that the target's server will not take, as far as server and encoding tell.

use super::ForesightError;
use crate::chunk::Plan;
use crate::pg::Client;
use crate::runtime::tools;
use crate::schema::Table;
use crate::sink::database;
use crate::sink::ddl::Schema;
use crate::wire::message::SourceInfo;

/// Since then numeric has infinities.
const INFINITE_NUMERIC: u32 = 140_000;
/// Where a type is named that a column may have.
const TYPED: [&str; 3] = ["TABLE", "DOMAIN", "TYPE"];

/// What may end the run when the first such row comes: lines for the user.
pub fn of_rows(
    client: &Client,
    schema: &Schema,
    plan: &Plan,
    source: &SourceInfo,
) -> Result<Vec<String>, ForesightError> {
    if plan.chunks.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = Vec::from_iter(of_encoding(source, database::encoding(client)));
    let target = client.server_version();
    if target < INFINITE_NUMERIC
        && source.server_version >= INFINITE_NUMERIC
        && (plan.tables.iter().any(has_numeric) || makes_numeric(schema)?)
    {
        lines.push(format!(
            "infinite values of type numeric (14 and later) cannot be held by the target, PostgreSQL {}: a row with one ends the run",
            tools::version(target)
        ));
    }
    Ok(lines)
}

fn of_encoding(source: &SourceInfo, target: &str) -> Option<String> {
    source.is_unchecked_for(target).then(|| {
        format!(
            "the source's encoding is SQL_ASCII: the bytes of its rows go as they are, and the target, {target}, refuses what is not valid there (docs/fidelity.md, \"Encodings\")"
        )
    })
}

/// Of tables that the target has, whose types are known. One with a modifier has no infinities.
fn has_numeric(table: &Table) -> bool {
    let types = table.likeness.iter().flat_map(|likeness| &likeness.types);
    let mut numeric = types.filter(|t| matches!(&*t.form, "numeric" | "_numeric"));
    numeric.any(|t| !t.name.contains('('))
}

/// Of those that the archive makes.
fn makes_numeric(schema: &Schema) -> Result<bool, ForesightError> {
    let entries = &schema.toc.entries;
    let typed = entries.iter().filter(|e| TYPED.contains(&&*e.desc));
    let ids: Vec<_> = typed.map(|entry| entry.id).collect();
    let statements = schema.statements(&ids)?;
    Ok(statements.iter().any(|sql| names_numeric(sql)))
}

/// By how pg_dump writes it: a type stands behind a space, a cast's does not.
fn names_numeric(sql: &str) -> bool {
    let is_longer = |c: char| matches!(c, '(' | '_' | '"') || c.is_alphanumeric();
    let names = |line: &str| {
        let mut found = line.match_indices(" numeric");
        found.any(|(at, word)| !line[at + word.len()..].starts_with(is_longer))
    };
    sql.lines()
        .any(|line| !line.starts_with("--") && names(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_without_a_modifier_is_found() {
        for (sql, found) in [
            (
                "CREATE TABLE a.t (\n    i integer,\n    n numeric NOT NULL\n);",
                true,
            ),
            ("CREATE TABLE a.t (\n    n numeric[]\n);", true),
            ("CREATE DOMAIN a.d AS numeric;", true),
            ("CREATE TYPE a.c AS (\n\tn numeric\n);", true),
            (
                "CREATE TABLE a.t (\n    n numeric(9,2) DEFAULT 0::numeric\n);",
                false,
            ),
            (
                "--\n-- Name: numeric; Type: TABLE; Schema: a; Owner: o\n--\n\nCREATE TABLE a.numeric (\n    numeric_id integer\n);",
                false,
            ),
        ] {
            assert_eq!(names_numeric(sql), found, "{sql}");
        }
    }
}
