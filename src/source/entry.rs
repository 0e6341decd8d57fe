//! How a session comes into the snapshot, and out of it again.

use crate::pg::{Client, PgError};
use crate::schema::quote_literal;

const QUERY_CANCELED: &str = "57014";
/// Cancel requests that may still be on their way.
const LATE_CANCELS: usize = 5;

/// What a session does to see the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Begins a transaction that imports it, by `pg_export_snapshot()`'s name.
    Import(String),
    /// Nothing: its transaction is the snapshot. A savepoint stands for a transaction in it, so that
    /// locks, settings and errors end with that.
    Within,
}

impl Entry {
    pub fn enter(&self, client: &mut Client) -> Result<(), PgError> {
        let sql = match self {
            Self::Import(name) => format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
                quote_literal(name)
            ),
            Self::Within => "SAVEPOINT entry".to_owned(),
        };
        client.execute(&sql).map(drop)
    }

    /// Also after an error.
    pub fn leave(&self, client: &mut Client) -> Result<(), PgError> {
        let sql = match self {
            Self::Import(_) => "ROLLBACK",
            Self::Within => "ROLLBACK TO SAVEPOINT entry; RELEASE SAVEPOINT entry",
        };
        let mut left = client.execute(sql);
        for _ in 0..LATE_CANCELS {
            // Whoever cancels the statement before does so until this is done.
            match &left {
                Err(error) if error.sqlstate() == Some(QUERY_CANCELED) => {
                    left = client.execute(sql)
                }
                _ => break,
            }
        }
        left.map(drop)
    }
}
