//! What is restored: the archive and the SQL of its entries.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::phase::{DumpId, Entry, Toc};
use crate::runtime::lock;
use crate::sink::archive::{Archive, ArchiveError};

/// Entries whose SQL is fetched at a time: pg_restore takes as long for one as for thousands, 0.15 s of
/// an archive of 40,000.
const FETCHED: usize = 5_000;

/// The archive's two readings: with the owners as on the source, and without.
#[derive(Debug)]
pub struct Schema {
    pub toc: Toc,
    /// Where in it each entry stands.
    places: HashMap<DumpId, usize>,
    /// The privileges upon each entry that has some.
    privileges: HashMap<DumpId, Vec<DumpId>>,
    whole: Reading,
    /// For entries whose owner does not exist here: the object is worth more than its owner.
    bare: Reading,
}

impl Schema {
    pub fn new(archive: Archive, bare: Archive) -> Result<Self, ArchiveError> {
        let toc = archive.toc()?;
        Ok(Self::of(toc, archive, bare))
    }

    /// For a target whose objects are its own: nothing of the archive is restored.
    pub fn without_entries(archive: Archive, bare: Archive) -> Self {
        Self::of(Toc::default(), archive, bare)
    }

    fn of(toc: Toc, archive: Archive, bare: Archive) -> Self {
        let mut privileges: HashMap<_, Vec<_>> = HashMap::new();
        for entry in toc.entries.iter().filter(|e| e.is_acl()) {
            for dep in &entry.deps {
                privileges.entry(*dep).or_default().push(entry.id);
            }
        }
        Self {
            places: (0..).zip(&toc.entries).map(|(at, e)| (e.id, at)).collect(),
            privileges,
            whole: Reading::new(archive),
            bare: Reading::new(bare),
            toc,
        }
    }

    /// The SQL of each of these entries.
    pub fn statements(&self, ids: &[DumpId]) -> Result<Vec<String>, ArchiveError> {
        match ids {
            [] => Ok(Vec::new()),
            _ => self.whole.archive.sql_each(ids),
        }
    }

    /// What a session must have set for all of it.
    pub fn session_sql(&self) -> Result<String, ArchiveError> {
        self.whole.archive.session_sql()
    }

    /// The entries whose SQL holds bytes that are not UTF-8, for people.
    pub fn stray_entries(&self) -> Result<Vec<String>, ArchiveError> {
        self.whole.archive.stray_entries()
    }

    /// What drops the objects, as pg_restore has it.
    pub fn drop_statements(&self) -> Result<Vec<String>, ArchiveError> {
        let ids: Vec<_> = self.toc.entries.iter().map(|entry| entry.id).collect();
        match ids.is_empty() {
            true => Ok(Vec::new()),
            false => self.whole.archive.drop_statements(&ids),
        }
    }

    pub(super) fn entry(&self, id: DumpId) -> Option<&Entry> {
        self.places.get(&id).map(|&at| &self.toc.entries[at])
    }

    pub(super) fn sql(&self, ids: &[DumpId]) -> Result<String, ArchiveError> {
        match ids {
            [id] => self.whole.single(*id, self.like(*id)),
            _ => self.whole.archive.sql(ids),
        }
    }

    /// The SQL that leaves the entry to the user who restores it.
    pub(super) fn bare_sql(&self, id: DumpId) -> Result<String, ArchiveError> {
        self.bare.single(id, self.like(id))
    }

    pub(super) fn privileges_of(&self, id: DumpId) -> &[DumpId] {
        self.privileges.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The entries of the same kind that follow this one.
    fn like(&self, id: DumpId) -> impl Iterator<Item = DumpId> {
        let place = self.places.get(&id).copied();
        let rest = place.map_or(&[][..], |at| &self.toc.entries[at..]);
        let (first, others) = (rest.first(), rest.iter().skip(1));
        let same = others.filter(move |e| first.is_some_and(|first| first.desc == e.desc));
        same.map(|e| e.id)
    }
}

/// One reading, and the SQL of its entries that are restored one by one.
#[derive(Debug)]
struct Reading {
    archive: Archive,
    singles: Mutex<Singles>,
}

#[derive(Debug)]
struct Singles {
    sql: HashMap<DumpId, String>,
    /// How many are fetched next.
    ahead: usize,
}

impl Reading {
    fn new(archive: Archive) -> Self {
        let singles = Singles {
            sql: HashMap::new(),
            ahead: FETCHED,
        };
        Self {
            archive,
            singles: Mutex::new(singles),
        }
    }

    /// The SQL of one entry; fetched with some of those that follow, if it was not.
    fn single(
        &self,
        id: DumpId,
        following: impl Iterator<Item = DumpId>,
    ) -> Result<String, ArchiveError> {
        let mut singles = lock(&self.singles);
        if let Some(sql) = singles.sql.get(&id) {
            return Ok(sql.clone());
        }
        let new = following.filter(|next| !singles.sql.contains_key(next));
        let mut ids = vec![id];
        ids.extend(new.take(singles.ahead - 1));
        match self.archive.pieces(&ids)? {
            Some(pieces) => singles.sql.extend(ids.into_iter().zip(pieces)),
            // One of them has a name that looks like the head of another.
            None => {
                singles.ahead = (singles.ahead / 2).max(1);
                let sql = self.archive.sql(&[id])?;
                singles.sql.insert(id, sql);
            }
        }
        Ok(singles.sql[&id].clone())
    }
}
