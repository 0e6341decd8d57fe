//! Everything about the source that can be wrong before the network is touched.

use super::{Options, SendError};
use crate::pg::{Client, ConnInfo, session};
use crate::report::ObjectError;
use crate::runtime::blocking;
use crate::runtime::tools::{Tool, Tools};
use crate::selection::{Content, RowFilter};
use crate::source::choice::{Choice, filters};
use crate::source::{catalog, choice, pooling, privileges, server};
use crate::wire::message::SourceInfo;

/// The source, before the network is touched.
pub(super) struct Inspected {
    pub(super) info: ConnInfo,
    pub(super) source: SourceInfo,
    pub(super) pg_dump: Tool,
    /// What this role cannot see all of.
    pub(super) hidden: Vec<ObjectError>,
}

/// Looks at the source; at what is selected there too, unless that is prepared.
pub(super) async fn inspect(
    options: &Options,
    is_unprepared: bool,
) -> Result<Inspected, SendError> {
    let options = options.clone();
    blocking(move || {
        let info = ConnInfo::resolve(&options.source, &|name| std::env::var(name).ok())?;
        let mut client = open(&options, &info)?;
        let found = client.server_version();
        if found < server::OLDEST {
            return Err(SendError::TooOld {
                found,
                needed: server::OLDEST,
            });
        }
        let source = server::describe(&mut client, &info)?;
        if is_unprepared {
            require_names(&mut client, &source)?;
            choice::require(&mut client, &options.selection)?;
            let choice = choice::choose(&mut client, &options.selection)?;
            require_whole_families(&mut client, &choice, options.terms.content)?;
            require_predicates(&mut client, &choice, &options.terms.filters)?;
        }
        let pg_dump = Tools::find(options.pg_bin.as_deref())
            .pick_dump(found)?
            .clone();
        let hidden = privileges::hidden(&mut client, &options.selection, options.terms.content)?;
        client.end();
        Ok(Inspected {
            info,
            source,
            pg_dump,
            hidden,
        })
    })
    .await
}

/// The first session; where there are to be more, they must be ones of the server's.
fn open(options: &Options, info: &ConnInfo) -> Result<Client, SendError> {
    if options.snapshot.is_single() {
        return Ok(options.open_session(info)?);
    }
    let name = options.application_name();
    let mut client = session::connect(info, &name)?;
    pooling::require_sessions(&mut client, || session::connect(info, &name))?;
    session::set(&mut client, "UTF8")?;
    Ok(client)
}

/// Names travel as text, in UTF-8.
fn require_names(client: &mut Client, source: &SourceInfo) -> Result<(), SendError> {
    let stray = match source.has_no_encoding() {
        true => server::stray_names(client)?,
        false => return Ok(()),
    };
    match stray.is_empty() {
        true => Ok(()),
        false => Err(SendError::StrayNames { names: stray }),
    }
}

/// Without all its partitions such a table could not take some of its rows on the target. Where that
/// has its own tables, those decide which partitions there are.
pub(super) fn require_whole_families(
    client: &mut Client,
    choice: &Choice,
    content: Content,
) -> Result<(), SendError> {
    if content != Content::Whole {
        return Ok(());
    }
    match catalog::broken_family(client, choice)? {
        None => Ok(()),
        Some(orphaned) if orphaned.is_foreign => Err(SendError::ForeignPartition {
            partition: orphaned.partition,
            ancestor: orphaned.ancestor,
        }),
        Some(orphaned) => Err(SendError::BrokenFamily {
            partition: orphaned.partition,
            ancestor: orphaned.ancestor,
        }),
    }
}

/// Each is asked again in the snapshot.
fn require_predicates(
    client: &mut Client,
    choice: &Choice,
    row_filters: &[RowFilter],
) -> Result<(), SendError> {
    if row_filters.is_empty() {
        return Ok(());
    }
    // The one session that there is has a transaction already.
    let begins = !client.in_transaction();
    if begins {
        client.execute("BEGIN READ ONLY")?;
    }
    let listed = catalog::list(client, choice)?.into_iter();
    let moved: Vec<_> = listed.map(|table| (table.oid, table.name)).collect();
    filters::filtered(client, row_filters, &moved)?;
    if begins {
        client.execute("ROLLBACK")?;
    }
    Ok(())
}
