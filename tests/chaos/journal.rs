//! The journal on the target at one moment, and what of it may be done a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use pgpipe::chunk::{ChunkId, Plan, TableIndex};
use pgpipe::demo::cluster::Cluster;
use pgpipe::schema::Persistence;

/// When each part of a chunk was committed, and each step done.
type Rows = BTreeMap<String, String>;

const ROWS: &str = include_str!("journal.sql");
const SNAPSHOT: &str = "snapshot";
/// All rows are durable.
pub(crate) const DATA: &str = "step data";
/// The last of all that is written before the report.
pub(crate) const ANALYZE: &str = "step analyze";

#[derive(Debug, Clone)]
pub(crate) struct Journal {
    /// The instant of the source that the target will equal.
    pub(crate) snapshot: SystemTime,
    rows: Rows,
}

impl Journal {
    /// `None` where the server is down, or has no journal yet.
    pub(crate) fn read(target: &Cluster, database: &str) -> Option<Self> {
        let answer = target.psql(database, ROWS).ok()?;
        Self::of(answer.lines().filter_map(|line| line.split_once('|')))
    }

    fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let pairs = pairs.map(|(row, done)| (row.to_owned(), done.to_owned()));
        let mut rows: Rows = pairs.collect();
        let seconds = rows.remove(SNAPSHOT)?.parse().unwrap();
        Some(Self {
            snapshot: SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds),
            rows,
        })
    }

    pub(crate) fn has(&self, row: &str) -> bool {
        self.rows.contains_key(row)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Leaves what outlives a crash of the target: commits of chunks and entries are asynchronous,
    /// that of `data` is not, and makes all chunks before it durable.
    pub(crate) fn keep_durable(&mut self) {
        let is_durable = self.has(DATA);
        let stays = |row: &str| row == DATA || row.starts_with("chunk ");
        self.rows.retain(|row, _| is_durable && stays(row));
    }

    /// What is not in a later one by the same transaction.
    pub(crate) fn gone_from<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = &'a str> {
        let gone = |(row, done): &(&String, &String)| later.rows.get(*row) != Some(*done);
        self.rows.iter().filter(gone).map(|(row, _)| row.as_str())
    }
}

/// The chunk of a row, where it is one.
pub(crate) fn chunk_of(row: &str) -> Option<ChunkId> {
    let (kind, part) = row.split_once(' ')?;
    let is_chunk = matches!(kind, "chunk" | "unlogged");
    let (chunk, _) = part.split_once('.').filter(|_| is_chunk)?;
    chunk.parse().ok().map(ChunkId)
}

/// The chunks that may come again where unlogged tables have become others. The plan is recv's:
/// its chunks are the same in every snapshot.
pub(crate) fn chunks_of_unlogged(plan: &Path) -> BTreeSet<ChunkId> {
    let plan: Plan = postcard::from_bytes(&std::fs::read(plan).unwrap()).unwrap();
    let tables = (0..).map(TableIndex).zip(&plan.tables);
    let unlogged = tables.filter(|(_, table)| table.persistence == Persistence::Unlogged);
    let again = plan.begin_again(&unlogged.map(|(index, _)| index).collect());
    let chunks = plan.chunks.iter();
    let chunks = chunks.filter(|c| c.parts.iter().any(|part| again.contains(&part.table)));
    chunks.map(|chunk| chunk.id).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A journal of the snapshot at this second.
    pub(crate) fn journal(second: u64, rows: &[(&str, &str)]) -> Journal {
        let second = second.to_string();
        let snapshot = [(SNAPSHOT, second.as_str())];
        Journal::of(snapshot.into_iter().chain(rows.iter().copied())).unwrap()
    }

    #[test]
    fn only_what_precedes_a_synchronous_commit_outlives_a_crash() {
        let rows = [
            ("chunk 1.0", "a"),
            ("unlogged 2.0", "b"),
            ("step entry 7", "c"),
        ];
        let mut before = journal(1, &rows);
        before.keep_durable();
        assert!(before.is_empty());
        let mut durable = journal(1, &[&rows[..], &[(DATA, "d")]].concat());
        durable.keep_durable();
        let nothing = journal(1, &[]);
        assert_eq!(
            Vec::from_iter(durable.gone_from(&nothing)),
            ["chunk 1.0", DATA]
        );
    }

    #[test]
    fn chunks_are_told_from_steps() {
        assert_eq!(chunk_of("unlogged 12.3"), Some(ChunkId(12)));
        assert_eq!(chunk_of("step objects 1.2"), None);
    }
}
