//! What a selection chooses in this database: exactly what pg_dump chooses by the same patterns
//! (`expand_schema_name_patterns`, `selectDumpableTable`, `getOwnedSeqs` in pg_dump.c).

pub mod filters;
pub mod gaps;
mod rules;

use std::collections::HashSet;

use rules::{Matched, Relation, Rules};

use crate::pg::{Client, PgError, Row};
use crate::schema::{Oid, QualifiedName, quote_literal};
use crate::selection::{Pattern, Regexes, Selection};

const RELATIONS: &str = include_str!("relations.sql");
const SCHEMAS: &str = "SELECT n.oid FROM pg_catalog.pg_namespace n WHERE true";
const TABLES: &str = "SELECT c.oid FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p')";

/// Why a selection chooses nothing that can be moved.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    #[error("{option} {pattern} matches nothing in the source database")]
    Nothing {
        option: &'static str,
        pattern: String,
    },
    #[error(
        "the selection takes in {relation}, which belongs to the system; name the schema in the pattern, as in public.*"
    )]
    System { relation: QualifiedName },
    #[error(transparent)]
    Postgres(#[from] PgError),
}

/// The schemas and relations that are chosen.
#[derive(Debug, Clone)]
pub struct Choice(Option<Chosen>);

#[derive(Debug, Clone)]
struct Chosen {
    /// What belongs to no schema too, extensions among it.
    includes_everything: bool,
    /// With everything in them but what is in `relations` or not.
    schemas: HashSet<Oid>,
    relations: HashSet<Oid>,
}

impl Choice {
    /// Everything.
    pub fn all() -> Self {
        Self(None)
    }

    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Also what belongs to no schema, large objects among it.
    pub fn includes_everything(&self) -> bool {
        let chosen = self.0.as_ref();
        chosen.is_none_or(|chosen| chosen.includes_everything)
    }

    /// Whether a relation is chosen; of an extension's own tables, whether their rows are.
    pub fn has(&self, relation: Oid) -> bool {
        let chosen = self.0.as_ref();
        chosen.is_none_or(|chosen| chosen.relations.contains(&relation))
    }

    /// The same as a condition on a column of OIDs.
    pub fn sql(&self, column: &str) -> String {
        match &self.0 {
            None => "true".to_owned(),
            Some(chosen) => format!("{column} = ANY ({}::oid[])", array(&chosen.relations)),
        }
    }
}

/// Reads what a selection chooses now, or in the snapshot of this transaction.
pub fn choose(client: &mut Client, selection: &Selection) -> Result<Choice, PgError> {
    if selection.is_all() {
        return Ok(Choice::all());
    }
    let matched = Matched::read(client, selection)?;
    let (schemas, relations) = (read_schemas(client)?, read_relations(client)?);
    let rules = Rules {
        selection,
        matched: &matched,
        schemas: &schemas,
        relations: &relations,
    };
    Ok(Choice(Some(rules.chosen())))
}

/// Refuses a pattern without a match, and one that takes in what belongs to the system: pg_dump
/// would dump that like a user's own.
pub fn require(client: &mut Client, selection: &Selection) -> Result<(), ChoiceError> {
    if selection.is_all() {
        return Ok(());
    }
    let matched = Matched::read(client, selection)?;
    for ((option, pattern), found) in selection.options().zip(matched.each()) {
        if found.is_empty() {
            let pattern = pattern.to_string();
            return Err(ChoiceError::Nothing { option, pattern });
        }
    }
    let choice = choose(client, selection)?;
    let relations = read_relations(client)?;
    let system = relations
        .iter()
        .find(|r| choice.has(r.oid) && r.is_system());
    match system {
        Some(relation) => Err(ChoiceError::System {
            relation: relation.name.clone(),
        }),
        None => Ok(()),
    }
}

impl Matched {
    fn read(client: &mut Client, selection: &Selection) -> Result<Self, PgError> {
        Ok(Self {
            schemas: each(client, &selection.schemas, schemas)?,
            exclude_schemas: each(client, &selection.exclude_schemas, schemas)?,
            tables: each(client, &selection.tables, tables)?,
            exclude_tables: each(client, &selection.exclude_tables, tables)?,
        })
    }
}

fn each(
    client: &mut Client,
    patterns: &[Pattern],
    matching: fn(&mut Client, &Pattern) -> Result<HashSet<Oid>, PgError>,
) -> Result<Vec<HashSet<Oid>>, PgError> {
    patterns.iter().map(|p| matching(client, p)).collect()
}

fn schemas(client: &mut Client, pattern: &Pattern) -> Result<HashSet<Oid>, PgError> {
    let name = matches("n.nspname", &pattern.regexes().name);
    oids(client, &format!("{SCHEMAS}{name}"))
}

/// Relations that a table's pattern matches. A name without a schema is looked for along the
/// search path that the role and the database have, as pg_dump does.
fn tables(client: &mut Client, pattern: &Pattern) -> Result<HashSet<Oid>, PgError> {
    client.execute("RESET search_path")?;
    let found = oids(client, &tables_sql(&pattern.regexes()));
    // Of a transaction that has failed the server takes the RESET back by itself.
    let restored = client.execute("SET search_path = ''");
    let found = found?;
    restored.map(|_| found)
}

fn oids(client: &mut Client, sql: &str) -> Result<HashSet<Oid>, PgError> {
    let rows = client.query(sql)?;
    rows.iter().map(|row| row.parse(0).map(Oid)).collect()
}

fn tables_sql(regexes: &Regexes) -> String {
    let schema = match &regexes.schema {
        Some(schema) => matches("n.nspname", schema),
        None => " AND pg_catalog.pg_table_is_visible(c.oid)".to_owned(),
    };
    format!("{TABLES}{}{schema}", matches("c.relname", &regexes.name))
}

/// In the database's collation, which decides what a letter is; names have another one.
fn matches(column: &str, regex: &str) -> String {
    let regex = quote_literal(regex);
    format!(" AND {column} OPERATOR(pg_catalog.~) {regex} COLLATE pg_catalog.\"default\"")
}

fn array<'a>(oids: impl IntoIterator<Item = &'a Oid>) -> String {
    let oids: Vec<_> = oids.into_iter().map(ToString::to_string).collect();
    format!("'{{{}}}'", oids.join(","))
}

fn read_schemas(client: &mut Client) -> Result<Vec<(Oid, String)>, PgError> {
    let rows = client.query("SELECT oid, nspname FROM pg_namespace")?;
    let schema = |row: &Row| Ok((Oid(row.parse(0)?), row.text(1)?.to_owned()));
    rows.iter().map(schema).collect()
}

fn read_relations(client: &mut Client) -> Result<Vec<Relation>, PgError> {
    let rows = client.query(RELATIONS)?;
    let relation = |row: &Row| {
        Ok(Relation {
            oid: Oid(row.parse(0)?),
            schema: Oid(row.parse(1)?),
            name: QualifiedName::new(row.text(2)?, row.text(3)?),
            extension: Oid(row.parse(4)?),
            is_configuration: row.bool(5)?,
            owner: Oid(row.parse(6)?),
            is_identity: row.bool(7)?,
        })
    };
    rows.iter().map(relation).collect()
}
