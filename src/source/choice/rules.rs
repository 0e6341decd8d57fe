//! pg_dump's rules, applied to what the patterns match. Pure.

use std::collections::{HashMap, HashSet};

use super::Chosen;
use crate::schema::{Oid, QualifiedName};
use crate::selection::Selection;

const NONE: Oid = Oid(0);

/// What each pattern matches, in the order of [`Selection::options`].
#[derive(Debug, Default)]
pub(super) struct Matched {
    pub(super) schemas: Vec<HashSet<Oid>>,
    pub(super) exclude_schemas: Vec<HashSet<Oid>>,
    pub(super) tables: Vec<HashSet<Oid>>,
    pub(super) exclude_tables: Vec<HashSet<Oid>>,
}

impl Matched {
    pub(super) fn each(&self) -> impl Iterator<Item = &HashSet<Oid>> {
        let (schemas, tables) = (&self.schemas, &self.tables);
        let (no_schemas, no_tables) = (&self.exclude_schemas, &self.exclude_tables);
        let all = [schemas, no_schemas, tables, no_tables];
        all.into_iter().flatten()
    }
}

/// A row of `relations.sql`; zero OIDs mean none.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) oid: Oid,
    pub(super) schema: Oid,
    pub(super) name: QualifiedName,
    pub(super) extension: Oid,
    pub(super) is_configuration: bool,
    pub(super) owner: Oid,
    pub(super) is_identity: bool,
}

impl Relation {
    pub(super) fn is_system(&self) -> bool {
        is_system(&self.name.schema)
    }
}

fn is_system(schema: &str) -> bool {
    schema.starts_with("pg_") || schema == "information_schema"
}

/// A database, its schemas by name, and what was matched in it.
pub(super) struct Rules<'a> {
    pub(super) selection: &'a Selection,
    pub(super) matched: &'a Matched,
    pub(super) schemas: &'a [(Oid, String)],
    pub(super) relations: &'a [Relation],
}

impl Rules<'_> {
    pub(super) fn chosen(&self) -> Chosen {
        let by_oid: HashMap<Oid, &Relation> = self.relations.iter().map(|r| (r.oid, r)).collect();
        let schemas = self.schemas.iter().filter(|(oid, n)| self.schema(*oid, n));
        let relations = self.relations.iter();
        let relations = relations.filter(|r| self.with_owner(r, by_oid.get(&r.owner).copied()));
        Chosen {
            includes_everything: self.selection.includes_everything(),
            schemas: schemas.map(|(oid, _)| *oid).collect(),
            relations: relations.map(|r| r.oid).collect(),
        }
    }

    /// Whether a schema is chosen with all that it contains.
    fn schema(&self, oid: Oid, name: &str) -> bool {
        let by_pattern = match self.selection.schemas.is_empty() {
            true => !is_system(name),
            false => any(&self.matched.schemas, oid),
        };
        self.selection.tables.is_empty() && by_pattern && !self.is_schema_excluded(oid)
    }

    fn is_schema_excluded(&self, oid: Oid) -> bool {
        any(&self.matched.exclude_schemas, oid)
    }

    /// A sequence goes with the table that owns it, whatever the patterns say of it.
    fn with_owner(&self, relation: &Relation, owner: Option<&Relation>) -> bool {
        let owner = owner.map(|owner| self.relation(owner));
        match owner {
            Some(false) if relation.is_identity => false,
            owner => self.relation(relation) || owner == Some(true),
        }
    }

    fn relation(&self, relation: &Relation) -> bool {
        let excluded = any(&self.matched.exclude_tables, relation.oid);
        match relation.extension {
            NONE => self.by_pattern(relation) && !excluded,
            _ => self.as_configuration(relation) && !excluded,
        }
    }

    fn by_pattern(&self, relation: &Relation) -> bool {
        match self.selection.tables.is_empty() {
            true => self.schema(relation.schema, &relation.name.schema),
            false => any(&self.matched.tables, relation.oid),
        }
    }

    /// The rows of a table that configures an extension come with that, or by name.
    fn as_configuration(&self, relation: &Relation) -> bool {
        let with = self.selection.includes_everything() || self.by_pattern(relation);
        relation.is_configuration && with && !self.is_schema_excluded(relation.schema)
    }
}

fn any(sets: &[HashSet<Oid>], oid: Oid) -> bool {
    sets.iter().any(|set| set.contains(&oid))
}
