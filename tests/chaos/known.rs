//! What is known of a migration from between its faults, and what of that may still change.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use pgpipe::chunk::ChunkId;
use pgpipe::demo::cluster::Cluster;

use crate::journal::{ANALYZE, DATA, Journal, chunk_of, chunks_of_unlogged};

/// What must not be done a second time, and what crashes have taken away.
#[derive(Default)]
pub(crate) struct Known {
    journal: Option<Journal>,
    /// Of the source; the first has emptied its unlogged tables, as nobody writes into them again.
    first_crash: Option<SystemTime>,
    /// Since when its counters of rows are others.
    last_crash: Option<SystemTime>,
    /// The target has emptied unlogged tables whose rows cannot come again.
    pub(crate) lost: bool,
    /// And the report is to list them.
    pub(crate) must_list: bool,
}

impl Known {
    /// Remembers what is there. False where the server is down, or has no journal yet.
    pub(crate) fn look(&mut self, target: &Cluster, database: &str, plan: &Path) -> bool {
        let Some(now) = Journal::read(target, database) else {
            return false;
        };
        let learnt = self.learn(now, || chunks_of_unlogged(plan));
        learnt.unwrap_or_else(|rows| panic!("gone from the journal, or done again: {rows:?}"));
        true
    }

    /// Whatever was there is there by the same transaction; else those rows. But a new snapshot
    /// shows other rows of `unlogged` chunks than one from before the source emptied their tables.
    fn learn(
        &mut self,
        now: Journal,
        unlogged: impl FnOnce() -> BTreeSet<ChunkId>,
    ) -> Result<(), Vec<String>> {
        let Some(before) = self.journal.replace(now.clone()) else {
            return Ok(());
        };
        let emptied = |at: SystemTime| before.snapshot < at && at < now.snapshot;
        let again = match self.first_crash.is_some_and(emptied) {
            true => unlogged(),
            false => BTreeSet::new(),
        };
        let may = |row: &str| chunk_of(row).is_some_and(|chunk| again.contains(&chunk));
        let wrong = before.gone_from(&now).filter(|row| !may(row));
        let wrong: Vec<_> = wrong.map(str::to_owned).collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong),
        }
    }

    pub(crate) fn source_crashed(&mut self, at: SystemTime) {
        self.first_crash.get_or_insert(at);
        self.last_crash = Some(at);
    }

    /// The target has crashed and is back, and nobody has gone on yet.
    pub(crate) fn target_crashed(&mut self, target: &Cluster, database: &str, plan: &Path) {
        if let Some(journal) = &mut self.journal {
            journal.keep_durable();
        }
        self.look(target, database, plan);
        // The snapshot may be gone: unlogged rows do not come again.
        if self.has(DATA) {
            self.lost = true;
            self.must_list |= !self.has(ANALYZE);
        }
    }

    fn has(&self, row: &str) -> bool {
        let journal = self.journal.as_ref();
        journal.is_some_and(|journal| journal.has(row))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.journal.as_ref().is_none_or(Journal::is_empty)
    }

    /// Whether the source may look as if it had been written to since the snapshot.
    pub(crate) fn may_seem_changed(&self) -> bool {
        self.is_since_snapshot(self.last_crash)
    }

    /// Whether the target's unlogged tables are empty.
    pub(crate) fn has_emptied_unlogged(&self) -> bool {
        let of_source = self.first_crash.is_some() && !self.is_since_snapshot(self.first_crash);
        self.lost || of_source
    }

    fn is_since_snapshot(&self, crash: Option<SystemTime>) -> bool {
        let snapshot = self.journal.as_ref().map(|journal| journal.snapshot);
        crash
            .zip(snapshot)
            .is_some_and(|(crash, snapshot)| snapshot < crash)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::journal::tests::journal;

    fn second(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    /// Whether the second journal may follow the first, where chunk 2 is of an unlogged table and
    /// the source has crashed at these seconds.
    fn may_follow(crashes: &[u64], before: Journal, now: Journal) -> bool {
        let mut known = Known::default();
        crashes
            .iter()
            .for_each(|&at| known.source_crashed(second(at)));
        known.learn(before, BTreeSet::new).unwrap();
        known.learn(now, || BTreeSet::from([ChunkId(2)])).is_ok()
    }

    #[test]
    fn what_was_there_stays() {
        let before = || journal(1, &[("chunk 1.0", "a"), ("step entry 7", "b")]);
        assert!(may_follow(&[], before(), before()));
        assert!(!may_follow(
            &[],
            before(),
            journal(1, &[("chunk 1.0", "a")])
        ));
        let again = journal(1, &[("chunk 1.0", "c"), ("step entry 7", "b")]);
        assert!(!may_follow(&[], before(), again));
    }

    #[test]
    fn only_unlogged_chunks_begin_again_and_only_where_they_were_emptied() {
        let before = || journal(10, &[("chunk 1.0", "a"), ("unlogged 2.0", "b")]);
        let now = |at| journal(at, &[("chunk 1.0", "a"), ("unlogged 2.0", "c")]);
        assert!(may_follow(&[15], before(), now(20)));
        assert!(
            !may_follow(&[], before(), now(20)),
            "the keeper alone was lost"
        );
        assert!(!may_follow(&[15], before(), now(10)), "the same snapshot");
        assert!(!may_follow(&[5, 15], before(), now(20)), "empty before");
        let logged = journal(20, &[("chunk 1.0", "c"), ("unlogged 2.0", "c")]);
        assert!(!may_follow(&[15], before(), logged));
    }

    #[test]
    fn counters_are_others_only_if_the_last_crash_is_later_than_the_snapshot() {
        let mut known = Known::default();
        known.source_crashed(second(5));
        known.learn(journal(10, &[]), BTreeSet::new).unwrap();
        assert!(!known.may_seem_changed() && known.has_emptied_unlogged());
        known.source_crashed(second(15));
        assert!(known.may_seem_changed() && known.has_emptied_unlogged());
    }
}
