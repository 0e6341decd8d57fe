//! The target's tables, as its catalog has them.

use std::collections::HashMap;

use crate::pg::catalog::{Types, ancestors};
use crate::pg::{Client, PgError, Row};
use crate::schema::{Ancestor, ColumnType, Oid, Persistence, QualifiedName};

const RELATIONS: &str = include_str!("relations.sql");
const COLUMNS: &str = include_str!("columns.sql");

/// Everything that bears a table's kind of name.
pub(super) struct There {
    pub(super) relations: HashMap<QualifiedName, Relation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) kind: Kind,
    /// None where the partitions of a partitioned table are not all alike.
    pub(super) persistence: Option<Persistence>,
    /// Row security applies to this role.
    pub(super) is_secured: bool,
    pub(super) of_extension: bool,
    pub(super) columns: Vec<Column>,
    /// Of a partition.
    pub(super) ancestors: Vec<Ancestor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Partitioned,
    ForeignTable,
    View,
}

impl Kind {
    fn of(relkind: &str) -> Self {
        match relkind {
            "r" => Self::Table,
            "p" => Self::Partitioned,
            "f" => Self::ForeignTable,
            _ => Self::View,
        }
    }

    /// Whether COPY puts rows into it.
    pub(super) fn takes_rows(self) -> bool {
        matches!(self, Self::Table | Self::Partitioned)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnType,
    pub(super) is_generated: bool,
    /// A row may come without it.
    pub(super) may_be_left_out: bool,
    /// This role may fill it.
    pub(super) is_writable: bool,
}

impl There {
    pub(super) fn read(client: &mut Client) -> Result<Self, PgError> {
        let mut columns = read_columns(client)?;
        let mut ancestors = ancestors(client)?;
        let mut relations = HashMap::new();
        for row in client.query(RELATIONS)? {
            let oid = Oid(row.parse(0)?);
            let name = QualifiedName::new(row.text(1)?, row.text(2)?);
            let relation = Relation {
                kind: Kind::of(row.text(3)?),
                persistence: persistence(row.text(4)?),
                is_secured: row.bool(5)?,
                of_extension: row.bool(6)?,
                columns: columns.remove(&oid).unwrap_or_default(),
                ancestors: ancestors.remove(&oid).unwrap_or_default(),
            };
            relations.insert(name, relation);
        }
        Ok(Self { relations })
    }

    pub(super) fn get(&self, name: &QualifiedName) -> Option<&Relation> {
        self.relations.get(name)
    }
}

/// One without partitions is like any.
fn persistence(letters: &str) -> Option<Persistence> {
    match letters {
        "u" => Some(Persistence::Unlogged),
        "p" | "" => Some(Persistence::Permanent),
        _ => None,
    }
}

fn read_columns(client: &mut Client) -> Result<HashMap<Oid, Vec<Column>>, PgError> {
    let types = Types::read(client)?;
    let mut columns: HashMap<Oid, Vec<Column>> = HashMap::new();
    for row in client.query(COLUMNS)? {
        let column = column(&row, &types)?;
        columns.entry(Oid(row.parse(0)?)).or_default().push(column);
    }
    Ok(columns)
}

fn column(row: &Row, types: &Types) -> Result<Column, PgError> {
    Ok(Column {
        name: row.text(1)?.to_owned(),
        kind: ColumnType {
            name: row.text(3)?.to_owned(),
            form: types.form(Oid(row.parse(2)?)),
        },
        is_generated: row.bool(4)?,
        may_be_left_out: row.bool(5)?,
        is_writable: row.bool(6)?,
    })
}
