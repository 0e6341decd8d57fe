//! Whether the source was written to since the snapshot: the target is the snapshot, and is to
//! say so where the two differ.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::entry::Entry;
use super::{catalog, tail};
use crate::pg::{Client, PgError, Row};
use crate::schema::{Oid, QualifiedName, SequenceValue, quote_literal};
use crate::selection::Content;

const WRITES: &str = include_str!("changes/writes.sql");
const XIDS: &str = include_str!("changes/xids.sql");
const OPEN: &str = include_str!("changes/open.sql");
const UNTOLD: &str = include_str!("changes/untold.sql");
const IDLE: &str = include_str!("changes/idle.sql");
/// From this version on a session that is idle tells what it wrote.
const TELLS_WHEN_IDLE: u32 = 150_000;
/// And within this time (`pgstat.c`: 10 s).
const TOLD_WITHIN: Duration = Duration::from_secs(11);
/// Signs that are told.
const TOLD: usize = 20;
/// A standby replays all databases of its primary and counts no rows.
const REPLAYED: &str = "transactions that the standby has replayed";

/// Rows written, by table: counters of the server's own, in no transaction.
pub type Writes = BTreeMap<String, u64>;

/// How the source stood at the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    xids: Xids,
    writes: Writes,
    /// The file node of each table, in the snapshot: TRUNCATE and rewrites change it.
    tables: BTreeMap<String, Oid>,
    /// (last_value, is_called), by sequence.
    sequences: BTreeMap<String, (i64, bool)>,
}

/// A snapshot's transaction ids. They belong to the server, not to one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Xids {
    oldest: u64,
    next: u64,
}

impl Xids {
    /// Whether any transaction that writes can have ended between the two.
    fn moved(self, now: Self) -> bool {
        self.oldest < self.next || self.next != now.next
    }
}

/// The counters before the snapshot is taken, for [`baseline`].
pub fn writes(client: &mut Client) -> Result<Writes, PgError> {
    let rows = client.query(WRITES)?;
    let count = |row: &Row| Ok((name(row.text(0)?, row.text(1)?), row.parse(2)?));
    rows.iter().map(count).collect()
}

/// Reads how the source stood at a snapshot. `early` are the counters from before it: they count where
/// somebody may have written since, because those of now have that in them. Within the snapshot's own
/// transaction that cannot be seen.
pub fn baseline(
    client: &mut Client,
    entry: &Entry,
    early: Writes,
    choice: &Choice,
    content: Content,
) -> Result<Baseline, PgError> {
    entry.enter(client)?;
    let (xids, _) = read_xids(client)?;
    let tables = read_tables(client, choice)?;
    entry.leave(client)?;
    // Where no rows are moved, values are not looked at, and perhaps may not be.
    let sequences = match content.has_rows() {
        true => by_name(&tail::sequences(client, choice)?),
        false => BTreeMap::new(),
    };
    let late = writes(client)?;
    let (now, _) = read_xids(client)?;
    Ok(Baseline {
        xids,
        // What a session reports late of its writes before the snapshot is no change.
        writes: match *entry == Entry::Within || xids.moved(now) {
            true => early,
            false => late,
        },
        tables,
        sequences,
    })
}

/// Names the signs of writes since the snapshot, the first few. `sequences` are their values now, `instant`
/// is the snapshot's.
///
/// A session that stays open may tell the counters late what it wrote. Where a transaction id was used
/// since and nothing shows for what, this is waited for (15 and later), or a session is named whose last
/// statement was to write.
pub fn changed(
    client: &mut Client,
    before: &Baseline,
    instant: &str,
    sequences: &[SequenceValue],
    choice: &Choice,
) -> Result<Vec<String>, PgError> {
    let (mut signs, moved) = signs(client, before, sequences, choice)?;
    if signs.is_empty() && moved {
        signs = match client.server_version() >= TELLS_WHEN_IDLE {
            true => signs_once_told(client, before, sequences, choice)?,
            false => idle_writers(client, instant)?,
        };
    }
    signs.truncate(TOLD);
    Ok(signs)
}

fn signs_once_told(
    client: &mut Client,
    before: &Baseline,
    sequences: &[SequenceValue],
    choice: &Choice,
) -> Result<Vec<String>, PgError> {
    let rows = client.query(UNTOLD)?;
    let left_ms: i64 = rows[0].parse(0)?;
    let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
    if left.is_zero() {
        return Ok(Vec::new());
    }
    sleep(left.min(TOLD_WITHIN));
    Ok(signs(client, before, sequences, choice)?.0)
}

fn idle_writers(client: &mut Client, instant: &str) -> Result<Vec<String>, PgError> {
    let instant = quote_literal(instant);
    let since = format!("WITH since (instant) AS (SELECT {instant}::timestamptz)");
    let rows = client.query(&format!("{since} {IDLE}"))?;
    let named = rows.iter().map(|row| Ok(row.text(0)?.to_owned()));
    named.collect()
}

/// The signs that the server shows, and whether a transaction id was used since.
fn signs(
    client: &mut Client,
    before: &Baseline,
    sequences: &[SequenceValue],
    choice: &Choice,
) -> Result<(Vec<String>, bool), PgError> {
    let (xids, is_standby) = read_xids(client)?;
    let mut now = Baseline {
        xids,
        writes: writes(client)?,
        tables: read_tables(client, choice)?,
        sequences: by_name(sequences),
    };
    if !choice.is_all() {
        let has_objects = choice.includes_everything();
        now.writes.retain(|name, _| {
            now.tables.contains_key(name) || has_objects && name.starts_with("pg_catalog.")
        });
    }
    let mut signs = differences(before, &now);
    let moved = before.xids.moved(xids);
    if is_standby && moved {
        signs.push(REPLAYED.to_owned());
    }
    for row in client.query(OPEN)? {
        signs.push(row.text(0)?.to_owned());
    }
    Ok((signs, moved))
}

/// Names tables that are new or gone since the snapshot, the first few: where no rows are moved, that
/// alone makes the target another than the source.
pub fn new_or_gone(
    client: &mut Client,
    before: &Baseline,
    choice: &Choice,
) -> Result<Vec<String>, PgError> {
    let (now, before) = (read_tables(client, choice)?, &before.tables);
    let is_one = |name: &&String| now.contains_key(*name) != before.contains_key(*name);
    let names: BTreeSet<_> = now.keys().chain(before.keys()).filter(is_one).collect();
    Ok(names.into_iter().take(TOLD).cloned().collect())
}

/// Tables and sequences that are not as they were. Counters alone would blame writes from before
/// the snapshot that a session reported late, so they count only if a transaction id was used
/// since; a sequence can move without one.
fn differences(before: &Baseline, now: &Baseline) -> Vec<String> {
    let mut names = BTreeSet::new();
    if before.xids.moved(now.xids) {
        let count = |name| before.writes.get(name).copied().unwrap_or(0);
        names.extend(
            now.writes
                .iter()
                .filter(|(name, n)| count(*name) != **n)
                .map(|(name, _)| name),
        );
    }
    names.extend(unlike(&before.tables, &now.tables));
    names.extend(unlike(&before.sequences, &now.sequences));
    names.into_iter().cloned().collect()
}

/// What is new, gone, or another.
fn unlike<'a, T: PartialEq>(
    before: &'a BTreeMap<String, T>,
    now: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = &'a String> {
    let all = before.keys().chain(now.keys());
    all.filter(|name| before.get(*name) != now.get(*name))
}

fn read_xids(client: &mut Client) -> Result<(Xids, bool), PgError> {
    let rows = client.query(XIDS)?;
    let xids = Xids {
        oldest: rows[0].parse(0)?,
        next: rows[0].parse(1)?,
    };
    Ok((xids, rows[0].bool(2)?))
}

fn read_tables(client: &mut Client, choice: &Choice) -> Result<BTreeMap<String, Oid>, PgError> {
    let listed = catalog::list(client, choice)?.into_iter();
    Ok(listed.map(|t| (t.name.to_string(), t.filenode)).collect())
}

fn by_name(sequences: &[SequenceValue]) -> BTreeMap<String, (i64, bool)> {
    let value = |s: &SequenceValue| (s.name.to_string(), (s.last_value, s.is_called));
    sequences.iter().map(value).collect()
}

fn name(schema: &str, name: &str) -> String {
    QualifiedName::new(schema, name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next: u64, rows: u64, value: i64) -> Baseline {
        Baseline {
            xids: Xids { oldest: next, next },
            writes: BTreeMap::from([("public.t".into(), rows)]),
            tables: BTreeMap::from([("public.t".into(), Oid(7))]),
            sequences: BTreeMap::from([("public.s".into(), (value, true))]),
        }
    }

    #[test]
    fn late_counters_of_a_quiet_server_are_no_change() {
        assert!(differences(&at(100, 5, 1), &at(100, 9, 1)).is_empty());
    }

    #[test]
    fn writes_and_sequences_are_named() {
        assert_eq!(differences(&at(100, 5, 1), &at(101, 9, 1)), ["public.t"]);
        assert_eq!(differences(&at(100, 5, 1), &at(100, 5, 2)), ["public.s"]);
    }

    /// Its id is older than the snapshot's newest, so that no new one shows it.
    #[test]
    fn a_transaction_that_was_open_at_the_snapshot_counts() {
        let mut before = at(100, 5, 1);
        before.xids.oldest = 90;
        assert_eq!(differences(&before, &at(100, 9, 1)), ["public.t"]);
    }

    #[test]
    fn tables_that_were_rewritten_dropped_or_made_are_named() {
        let mut now = at(100, 5, 1);
        now.tables.insert("public.t".into(), Oid(8));
        now.tables.insert("public.new".into(), Oid(9));
        assert_eq!(
            differences(&at(100, 5, 1), &now),
            ["public.new", "public.t"]
        );
        now.tables.clear();
        assert_eq!(differences(&at(100, 5, 1), &now), ["public.t"]);
    }
}
