//! The snapshot that a preparation takes, and how what is read in it comes to see it: each session
//! imports it from a keeper, or there is one session alone.

use std::path::Path;

use super::SendError;
use super::prepare::Preparation;
use crate::pg::{Client, PgError};
use crate::report::one_line;
use crate::source::dump::{Dump, DumpError, DumpOptions, dump_through};
use crate::source::entry::Entry;
use crate::source::keeper::{Here, Keeper, KeeperError, Kept, Spec, keep_here, take_here};
use crate::wire::message::Snapshot;

/// A snapshot, and who holds it until it is handed over.
pub(super) enum Taken {
    Exported(Keeper),
    /// In the preparation's own session.
    Here(Here),
}

impl Taken {
    fn kept(&self) -> &Kept {
        match self {
            Self::Exported(keeper) => keeper.kept(),
            Self::Here(here) => here.kept(),
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.kept().snapshot
    }

    pub(super) fn entry(&self) -> Entry {
        match self {
            Self::Exported(_) => Entry::Import(self.snapshot().name.clone()),
            Self::Here(_) => Entry::Within,
        }
    }

    /// Nothing is held any more; what was taken here ends with its session.
    pub(super) fn let_go(self) {
        if let Self::Exported(keeper) = self
            && let Err(error) = keeper.release()
        {
            tracing::warn!(error = one_line(&error), "the keeper was not released");
        }
    }

    /// Who holds it from now on; `client` is the preparation's session.
    pub(super) fn keep(self, dir: &Path, client: Client) -> Result<Keeper, KeeperError> {
        match self {
            Self::Exported(keeper) => Ok(keeper),
            Self::Here(here) => keep_here(dir, here, client),
        }
    }
}

impl Preparation {
    /// A session that ends with the preparation.
    pub(super) fn connect(&self) -> Result<Client, SendError> {
        let client = self.options.open_session(&self.info)?;
        let closer = client.closer()?;
        self.brake.add(move || closer.close());
        Ok(client)
    }

    /// Takes a snapshot; `client` is in it only where it is not exported.
    pub(super) fn take(&self, dir: &Path, client: &mut Client) -> Result<Taken, KeeperError> {
        let taken = match self.options.snapshot.is_single() {
            true => {
                let waiting = &mut |what| self.meter.waiting_for(Some(what));
                take_here(client, &self.options.selection, waiting).map(Taken::Here)
            }
            false => self.start_keeper(dir).map(Taken::Exported),
        };
        self.meter.waiting_for(None);
        taken
    }

    fn start_keeper(&self, dir: &Path) -> Result<Keeper, KeeperError> {
        let spec = Spec {
            source: self.options.source.clone(),
            migration: self.options.migration.clone(),
            selection: self.options.selection.clone(),
            keep_seconds: self.options.keep_snapshot.as_secs(),
        };
        Keeper::start(dir, &spec, &mut |what| {
            self.meter.waiting_for(Some(what.to_owned()));
            !self.brake.is_pulled()
        })
    }

    /// Into the state directory, beside the socket that pg_dump may have to come to.
    pub(super) fn dump(
        &self,
        client: &mut Client,
        entry: &Entry,
        dir: &Path,
        file: &str,
    ) -> Result<(), SendError> {
        let path = dir.join(file);
        // The pg_dump of a send that was killed may still write to the old file.
        let _ = std::fs::remove_file(&path);
        let options = DumpOptions {
            selection: self.options.selection.clone(),
            as_bytes: self.source.has_no_encoding(),
        };
        let (info, tool) = (&self.info, &self.pg_dump);
        match entry {
            Entry::Import(name) => {
                let dump = Dump::start(tool, &info.tool_env(), Some(name), &options, &path)?;
                let aborter = dump.aborter();
                self.brake.add(move || aborter.abort());
                dump.wait().map_err(|error| self.cause(error))?;
            }
            Entry::Within => {
                dump_through(client, info, tool, &options, dir, &path, |aborter| {
                    self.brake.add(move || aborter.abort());
                })?;
            }
        }
        Ok(())
    }

    /// pg_dump tells no SQLSTATE, and its server may speak any language: whether that takes sessions
    /// shows one of ours.
    fn cause(&self, error: DumpError) -> SendError {
        if !matches!(error, DumpError::Failed { passes: false, .. }) {
            return error.into();
        }
        match self.options.open_session(&self.info) {
            Err(refused) if refused.is_passing() => refused.into(),
            _ => error.into(),
        }
    }
}

/// Into the snapshot.
pub(super) fn enter(client: &mut Client, entry: &Entry) -> Result<(), SendError> {
    entry.enter(client).map_err(|error| elsewhere(entry, error))
}

/// What it means that a snapshot is not found while its keeper lives.
pub(super) fn elsewhere(entry: &Entry, error: PgError) -> SendError {
    match entry.is_missing(&error) {
        true => SendError::Elsewhere(error),
        false => error.into(),
    }
}
