//! pg_dump through a session of ours, where it cannot have a connection of its own.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use super::{Dump, DumpAborter, DumpError, DumpInfo, DumpOptions};
use crate::pg::{Client, ConnInfo, Door, PgError};
use crate::runtime::tools::Tool;
use crate::schema::quote_ident_always;
use crate::source::entry::Entry;

/// What pg_dump has prepared outlives its transaction, and behind a pooler also our session.
const PREPARED: &str = "SELECT name FROM pg_catalog.pg_prepared_statements
    WHERE from_sql AND prepare_time >= pg_catalog.transaction_timestamp()";

/// What shows in the text that a server writes and pg_dump does not set: as in a session of its own, so
/// that archives of both kinds can be compared.
const PLAIN: &str = "SET LOCAL TimeZone = DEFAULT; SET LOCAL lc_monetary = DEFAULT;
    SET LOCAL bytea_output = DEFAULT; SET LOCAL xmloption = DEFAULT;
    SET LOCAL standard_conforming_strings = DEFAULT";

/// Dumps the schema into the file `out`, as the open transaction of `client` shows it. Locks, settings and
/// prepared statements of pg_dump's are gone when this returns; its door, in the directory `dir`, is too.
pub fn dump_through(
    client: &mut Client,
    info: &ConnInfo,
    tool: &Tool,
    options: &DumpOptions,
    dir: &Path,
    out: &Path,
    started: impl FnOnce(DumpAborter),
) -> Result<DumpInfo, DumpError> {
    let (door, latch) = Door::open(dir).map_err(DumpError::Door)?;
    Entry::Within.enter(client)?;
    client.execute(PLAIN)?;
    let dump = Dump::start(
        tool,
        &door.env(&info.user, &info.dbname),
        None,
        options,
        out,
    )?;
    started(dump.aborter());
    let (served, dumped) = thread::scope(|scope| {
        let serving = scope.spawn(|| door.serve(client));
        let dumped = dump.wait();
        drop(latch);
        let served = serving.join().unwrap_or_else(|panic| resume_unwind(panic));
        (served, dumped)
    });
    // Where the session has failed, pg_dump has only seen its connection close.
    served?;
    Entry::Within.leave(client)?;
    forget_prepared(client)?;
    dumped
}

/// In one batch that begins with something else: a pooler may answer DEALLOCATE itself (odyssey does), so
/// that the server never hears of it.
fn forget_prepared(client: &mut Client) -> Result<(), PgError> {
    let prepared = client.query(PREPARED)?;
    if prepared.is_empty() {
        return Ok(());
    }
    let mut batch = "SELECT".to_owned();
    for row in &prepared {
        batch += &format!("; DEALLOCATE {}", quote_ident_always(row.text(0)?));
    }
    client.execute(&batch)?;
    let left = client.query(PREPARED)?.len();
    if left > 0 {
        tracing::warn!(
            left,
            "prepared statements of pg_dump's stay in the source's session"
        );
    }
    Ok(())
}
