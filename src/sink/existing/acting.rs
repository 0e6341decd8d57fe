//! What of the target's own acts on rows as they come: triggers, and the checks of keys.

use crate::pg::{Client, PgError};
use crate::schema::{QualifiedName, quote_literal, sql_name};

const ACTING: &str = include_str!("acting.sql");
/// Triggers, but those that are made for it, and foreign keys do not act in such a session.
pub const AS_REPLICA: &str = "SET session_replication_role = replica";
/// The same until the transaction ends.
pub(super) const LOCALLY_REPLICA: &str = "SET LOCAL session_replication_role = replica; ";

/// How rows are to be written.
#[derive(Debug, Default)]
pub struct Acting {
    /// The role may keep triggers from acting.
    pub as_replica: bool,
    /// What acts nevertheless, or does not: lines for the user.
    pub notes: Vec<String>,
    /// Foreign keys that would be checked, between rows that come side by side, in any order.
    pub problems: Vec<String>,
}

/// Looks at everything that rows are written to.
pub fn acting<'a>(
    client: &mut Client,
    targets: impl Iterator<Item = &'a QualifiedName>,
) -> Result<Acting, PgError> {
    let as_replica = may_be_replica(client)?;
    let names: Vec<_> = targets.map(|name| quote_literal(&sql_name(name))).collect();
    let enabled = if as_replica { "'{A,R}'" } else { "'{O,A}'" };
    let sql = ACTING
        .replace(":enabled", enabled)
        // Last: a name may hold the other's word.
        .replace(":targets", &format!("ARRAY[{}]::text[]", names.join(", ")));
    let mut acting = Acting {
        as_replica,
        ..Acting::default()
    };
    for row in client.query(&sql)? {
        let line = row.text(1)?.to_owned();
        match (row.text(0)?, as_replica) {
            ("trigger", _) | ("deferrable", true) => acting.notes.push(line),
            ("key", false) => acting
                .notes
                .push(format!("{line} is checked for each row")),
            ("key between", false) => acting.problems.push(format!(
                "{line} leads to a table whose rows come beside its own: let recv's role keep it from acting \
                 (GRANT SET ON PARAMETER session_replication_role, or a superuser), or drop it and add it afterwards"
            )),
            _ => {}
        }
    }
    Ok(acting)
}

/// Keeps triggers from acting in this session, where the role may.
pub fn keep_triggers(client: &mut Client) -> Result<(), PgError> {
    if may_be_replica(client)? {
        client.execute(AS_REPLICA)?;
    }
    Ok(())
}

/// What keeps triggers and foreign keys from acting until the transaction ends, if the role may do that:
/// a statement to put before others, or nothing.
pub fn hush(may: bool) -> &'static str {
    match may {
        true => LOCALLY_REPLICA,
        false => "",
    }
}

/// Whether the role may keep triggers and foreign keys from acting. Not within a transaction.
pub fn may_be_replica(client: &mut Client) -> Result<bool, PgError> {
    let set = client.execute(&format!("BEGIN; {AS_REPLICA}"));
    client.execute("ROLLBACK")?;
    match set {
        Err(error) if error.sqlstate() == Some(super::INSUFFICIENT_PRIVILEGE) => Ok(false),
        set => set.map(|_| true),
    }
}
