//! What is restored: the archive and the SQL of its entries.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::phase::{DumpId, MAX_BATCH, Toc};
use crate::sink::archive::{Archive, ArchiveError};

/// The archive's two readings: with the owners as on the source, and without.
#[derive(Debug)]
pub struct Schema {
    pub toc: Toc,
    archive: Archive,
    /// For entries whose owner does not exist here: the object is worth more than its owner.
    pub(super) bare: Archive,
    /// The SQL of entries that are restored one by one, fetched many at a time.
    singles: Mutex<HashMap<DumpId, String>>,
}

impl Schema {
    pub fn new(archive: Archive, bare: Archive) -> Result<Self, ArchiveError> {
        let toc = archive.toc()?;
        Ok(Self {
            toc,
            ..Self::without_entries(archive, bare)
        })
    }

    /// For a target whose objects are its own: nothing of the archive is restored.
    pub fn without_entries(archive: Archive, bare: Archive) -> Self {
        Self {
            toc: Toc::default(),
            archive,
            bare,
            singles: Mutex::default(),
        }
    }

    /// The SQL of each of these entries.
    pub fn statements(&self, ids: &[DumpId]) -> Result<Vec<String>, ArchiveError> {
        match ids {
            [] => Ok(Vec::new()),
            _ => self.archive.sql_each(ids),
        }
    }

    /// What a session must have set for all of it.
    pub fn session_sql(&self) -> Result<String, ArchiveError> {
        self.archive.session_sql()
    }

    /// What drops the objects, as pg_restore has it.
    pub fn drop_statements(&self) -> Result<Vec<String>, ArchiveError> {
        let ids: Vec<_> = self.toc.entries.iter().map(|entry| entry.id).collect();
        match ids.is_empty() {
            true => Ok(Vec::new()),
            false => self.archive.drop_statements(&ids),
        }
    }

    pub(super) fn sql(&self, ids: &[DumpId]) -> Result<String, ArchiveError> {
        match ids {
            [id] => self.single(*id),
            _ => self.archive.sql(ids),
        }
    }

    pub(super) fn privileges_of(&self, id: DumpId) -> Vec<DumpId> {
        let entries = self.toc.entries.iter();
        let acls = entries.filter(|e| e.is_acl() && e.deps.contains(&id));
        acls.map(|e| e.id).collect()
    }

    fn single(&self, id: DumpId) -> Result<String, ArchiveError> {
        let mut singles = self.singles.lock().unwrap_or_else(PoisonError::into_inner);
        if !singles.contains_key(&id) {
            let ids = self.like(id, &singles);
            let sql = self.archive.sql_each(&ids)?;
            singles.extend(ids.into_iter().zip(sql));
        }
        Ok(singles[&id].clone())
    }

    /// The entry and those of its kind that follow it and are not fetched yet.
    fn like(&self, id: DumpId, fetched: &HashMap<DumpId, String>) -> Vec<DumpId> {
        let desc = self.toc.entry(id).map(|entry| entry.desc.as_str());
        let same = self.toc.entries.iter().skip_while(|e| e.id != id);
        let mut ids: Vec<_> = same
            .filter(|e| Some(e.desc.as_str()) == desc && !fetched.contains_key(&e.id))
            .map(|e| e.id)
            .take(MAX_BATCH)
            .collect();
        if ids.is_empty() {
            ids.push(id);
        }
        ids
    }
}
