//! Who stands between us and a table.

use crate::pg::{Client, PgError};
use crate::schema::Oid;

/// Names the sessions that hold, or wait for, a lock against which ACCESS SHARE has to wait. One
/// that waits counts too: what comes after it queues behind it.
pub(super) fn blockers(client: &mut Client, table: Oid) -> Result<String, PgError> {
    let rows = client.query(&format!(
        "SELECT string_agg(DISTINCT format('pid %s (%s)', l.pid, coalesce(nullif(a.application_name, ''), a.backend_type)), ', ') \
         FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) \
         WHERE l.relation = {table} AND l.mode = 'AccessExclusiveLock'"
    ))?;
    let blockers = rows.first().and_then(|row| row.get(0));
    Ok(blockers
        .unwrap_or("a session that has just ended")
        .to_owned())
}
