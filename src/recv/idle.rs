//! Recv's state directory while no recv is at work: what it knows, and how it is given up, reset
//! or cleaned up. All of it blocks.

use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;

use super::record::{ARCHIVE, FILE, PLAN, RENEWED_PLAN, Record, TARGET, Target as Noted};
use super::{OLDEST_DUMP, RecvError};
use crate::chunk::Plan;
use crate::pg::{Client, ConnInfo};
use crate::runtime::tools::{self, Tools};
use crate::schema::roles::RoleMap;
use crate::sink::archive::{Archive, RestoreOptions};
use crate::sink::database::{self, DatabaseError};
use crate::sink::existing::{self, Emptying};
use crate::sink::journal::{Journal, JournalError};
use crate::sink::undo::{Undo, Undone};
use crate::state::{ABORTED, Aborted, PlanFigures, Standing, StateDir, StateError, glance};
use crate::transport::auth::PIN_FILE;

/// The target, as recv's own options name it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Connection string; empty for the `PG*` environment.
    pub conninfo: String,
    pub journal_schema: String,
    pub pg_bin: Option<PathBuf>,
}

/// What became of the target.
#[derive(Debug)]
pub enum Reset {
    /// There was no journal of this migration: nothing was touched.
    NoJournal,
    /// All that was ours is gone, the journal too.
    Removed {
        target: String,
        objects: u64,
        /// Tables that were there before, and are empty as they were.
        emptied: usize,
        /// Those whose rows cannot be told from others'.
        mixed: Vec<String>,
    },
    /// These stay, with the journal and the record, since something of the user's depends on them.
    Kept { removed: u64, left: Vec<String> },
}

/// What the directory knows; another process may hold it.
pub fn standing(dir: &Path) -> Result<Standing, StateError> {
    if let Some(aborted) = glance::<Aborted>(dir, ABORTED)? {
        return Ok(Standing::Aborted(aborted));
    }
    let record = glance::<Record>(dir, FILE)?.unwrap_or_default();
    Ok(match (record.finished, record.id) {
        (Some(finished), _) => Standing::Finished(finished.exit),
        (None, Some(_)) => Standing::Begun(PlanFigures::read(&dir.join(PLAN))),
        (None, None) if dir.join(PIN_FILE).exists() => Standing::Paired,
        (None, None) => Standing::Unpaired,
    })
}

/// Notes that a migration is given up that no recv works on.
pub fn abort(state: &StateDir, by: &str) -> Result<(), RecvError> {
    if let Some(aborted) = standing(state.path())?.aborted(by) {
        aborted.save(state)?;
    }
    Ok(())
}

/// Removes from the target what its journal says this migration made, then the journal, then what
/// the directory knows of the migration; whom it is paired with stays. May be run again after a
/// crash at any point.
pub fn reset(state: &StateDir, migration: &str, target: &Target) -> Result<Reset, RecvError> {
    let record = Record::load(state)?;
    let reset = match record.id {
        Some(id) => {
            let journal = Journal::new(&target.journal_schema, id);
            clear_target(state, migration, target, &journal)?
        }
        None => Reset::NoJournal,
    };
    if !matches!(reset, Reset::Kept { .. }) {
        for file in [FILE, PLAN, RENEWED_PLAN, ARCHIVE, TARGET, ABORTED] {
            state.remove(file)?;
        }
    }
    Ok(reset)
}

fn clear_target(
    state: &StateDir,
    migration: &str,
    target: &Target,
    journal: &Journal,
) -> Result<Reset, RecvError> {
    let noted: Option<Noted> = state.read(TARGET)?;
    let info = ConnInfo::resolve(&target.conninfo, &|name| std::env::var(name).ok())?;
    let Some(mut client) = connect(&info, migration, noted.as_ref())? else {
        return Ok(Reset::NoJournal);
    };
    let mut role_map = RoleMap::default();
    if let Some(noted) = noted {
        noted.must_be(&mut client, journal.schema())?;
        role_map = noted.role_map;
    }
    if !journal.exists(&mut client)? {
        return Ok(Reset::NoJournal);
    }
    let archive = archive_of(state, &mut client, journal, target.pg_bin.as_deref())?;
    let archive = archive.with_roles(role_map);
    let Undone { removed, left } = Undo::new(&mut client, journal, &archive).run()?;
    if !left.is_empty() {
        return Ok(Reset::Kept { removed, left });
    }
    let emptying = take_back(state, &mut client, journal)?;
    journal.drop(&mut client)?;
    Ok(Reset::Removed {
        target: info.to_string(),
        objects: removed,
        emptied: emptying.count(),
        mixed: emptying.mixed.iter().map(ToString::to_string).collect(),
    })
}

/// Connects to the target; nothing where its database has been dropped since, so that nothing of ours
/// can be there.
fn connect(
    info: &ConnInfo,
    migration: &str,
    noted: Option<&Noted>,
) -> Result<Option<Client>, RecvError> {
    let name = format!("pgpipe reset {migration}");
    match database::connect(info, &name) {
        Err(DatabaseError::Missing { .. }) if noted.is_none_or(|n| n.database == info.dbname()) => {
            if let Some(noted) = noted {
                let mut server = database::connect_to_server(info, &name)?;
                noted.must_be_on(&mut server, migration)?;
            }
            Ok(None)
        }
        connected => Ok(Some(connected?)),
    }
}

/// The archive that the journal is of.
fn archive_of(
    state: &StateDir,
    client: &mut Client,
    journal: &Journal,
    pg_bin: Option<&Path>,
) -> Result<Archive, RecvError> {
    let path = state.path().join(ARCHIVE);
    let bytes = state.read_bytes(ARCHIVE)?.unwrap_or_default();
    let digest = journal.begun(client)?.archive_digest;
    if digest != XxHash3_128::oneshot(&bytes) {
        return Err(RecvError::OtherArchive { path });
    }
    let found = Tools::find(pg_bin);
    let restore = found.pick_restore(OLDEST_DUMP, tools::major(client.server_version()))?;
    let options = RestoreOptions::default();
    Ok(Archive::open(&restore.path, &path, options)?)
}

/// Empties what was there before and empty, by the plan that the journal is of. Where that is lost
/// nobody can tell whose rows are where, and all stay.
fn take_back(
    state: &StateDir,
    client: &mut Client,
    journal: &Journal,
) -> Result<Emptying, RecvError> {
    let existing = journal.existing(client)?;
    if existing.is_empty() {
        return Ok(Emptying::default());
    }
    let wanted = journal.begun(client)?.plan_digest;
    for file in [PLAN, RENEWED_PLAN] {
        let bytes = state.read_bytes(file)?.unwrap_or_default();
        if XxHash3_128::oneshot(&bytes) == wanted {
            let plan = Plan::decode(&bytes).map_err(|_| JournalError::Plan)?;
            return Ok(existing::take_back(client, journal, &plan)?);
        }
    }
    Ok(Emptying::of_none(existing))
}

/// Drops a journal that was kept, or left; whether there was one of this migration.
pub fn drop_journal(state: &StateDir, migration: &str, target: &Target) -> Result<bool, RecvError> {
    let Some(id) = Record::load(state)?.id else {
        return Ok(false);
    };
    let info = ConnInfo::resolve(&target.conninfo, &|name| std::env::var(name).ok())?;
    let mut client = database::connect(&info, &format!("pgpipe cleanup {migration}"))?;
    let journal = Journal::new(&target.journal_schema, id);
    let there = journal.exists(&mut client)?;
    if there {
        journal.drop(&mut client)?;
    }
    Ok(there)
}
