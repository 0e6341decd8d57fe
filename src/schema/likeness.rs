//! What a table that the target has already is held against.

use serde::{Deserialize, Serialize};

use super::QualifiedName;

/// What recv must know of a table beside its name and columns, where it does not make it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likeness {
    /// In the order of [`super::Table::columns`].
    pub types: Vec<ColumnType>,
    /// Of a partition: its parent, then that one's, and so on.
    pub ancestors: Vec<Ancestor>,
}

/// A column's type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnType {
    /// As SQL has it, with its modifier: `numeric(18,9)`.
    pub name: String,
    /// Equal on two servers where a value's binary form means the same.
    pub form: String,
}

/// A partitioned table that another one is below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    pub name: QualifiedName,
    /// `pg_get_partkeydef`.
    pub key: String,
    /// What of it the next lower one takes (`relpartbound`); the digest of that where it is long.
    pub bound: String,
}
