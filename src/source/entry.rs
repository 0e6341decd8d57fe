//! How a session comes into the snapshot, and out of it again.

use crate::pg::{Client, PgError};
use crate::schema::quote_literal;

const QUERY_CANCELED: &str = "57014";
/// Cancel requests are far between, and this takes no time.
const LEAVES: u32 = 3;

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
        // A cancel request that comes late meets this instead of the statement that it was for.
        for _ in 1..LEAVES {
            match client.execute(sql) {
                Err(error) if error.sqlstate() == Some(QUERY_CANCELED) => {}
                left => return left.map(drop),
            }
        }
        client.execute(sql).map(drop)
    }

    /// Whether an error of [`Self::enter`] means that there is no such snapshot: its transaction has
    /// ended, or this is another server.
    pub fn is_missing(&self, error: &PgError) -> bool {
        let imports = matches!(self, Self::Import(_));
        imports && matches!(error.sqlstate(), Some("22023" | "42704" | "55000"))
    }
}
