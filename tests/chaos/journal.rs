//! What the journal on the target said between the faults, against what it says in the end.

use std::collections::BTreeMap;

use pgpipe::demo::cluster::Cluster;

/// When each part of a chunk was committed, and each step done.
type Rows = BTreeMap<String, String>;

const ROWS: &str = "SELECT 'chunk ' || chunk || '.' || part, committed::text FROM pgpipe.chunk
    UNION ALL SELECT step, done::text FROM pgpipe.step";

/// What must not be done a second time.
#[derive(Default)]
pub(crate) struct Known {
    rows: Rows,
    /// The snapshot was renewed: tables may have begun again.
    renewed: bool,
}

impl Known {
    /// Remembers what is there. A server that is down, or no journal yet, says nothing.
    pub(crate) fn look(&mut self, target: &Cluster, database: &str) {
        let now = read(target, database).unwrap_or_default();
        self.assert_within(&now);
        self.rows.extend(now);
    }

    /// The target has crashed: commits are asynchronous, the last ones may be gone.
    pub(crate) fn forget(&mut self) {
        self.rows.clear();
    }

    pub(crate) fn renew(&mut self) {
        self.renewed = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every chunk and step that was there is there by the same transaction.
    #[track_caller]
    pub(crate) fn assert_kept(&self, target: &Cluster, database: &str) {
        let last = read(target, database).expect("the journal is kept");
        let missing = self.rows.keys().find(|row| !last.contains_key(*row));
        assert!(
            missing.is_none() || self.renewed,
            "{missing:?} is not in the journal any more"
        );
        self.assert_within(&last);
    }

    #[track_caller]
    fn assert_within(&self, now: &Rows) {
        let again = self
            .rows
            .iter()
            .find(|(row, done)| now.get(*row).is_some_and(|later| later != *done));
        assert!(again.is_none() || self.renewed, "{again:?} was done again");
    }
}

fn read(target: &Cluster, database: &str) -> Option<Rows> {
    let answer = target.psql(database, ROWS).ok()?;
    let pairs = answer.lines().filter_map(|line| line.split_once('|'));
    Some(
        pairs
            .map(|(row, done)| (row.to_owned(), done.to_owned()))
            .collect(),
    )
}
