//! What is read last: sequence values, which are not transactional, and whether the source was
//! written to since the snapshot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::pg::{Client, PgError};
use crate::report::ObjectError;
use crate::schema::{QualifiedName, SequenceValue, quote_ident_always, quote_literal};

const SEQUENCES: &str = include_str!("catalog/sequences.sql");
/// Sequences per statement: each is a relation to open.
const BATCH: usize = 200;
/// Names of changed relations that are told.
const NAMES: usize = 20;

/// How the source stood right after the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The next transaction id: as long as it stays, no row was written.
    next_xid: u64,
    /// Rows inserted, updated and deleted, by table.
    writes: BTreeMap<String, u64>,
    /// (last_value, is_called), by sequence.
    sequences: BTreeMap<String, (i64, bool)>,
}

/// Reads every sequence's value.
pub fn sequences(client: &mut Client) -> Result<Vec<SequenceValue>, PgError> {
    let names: Vec<_> = client
        .query(SEQUENCES)?
        .iter()
        .map(|row| Ok(QualifiedName::new(row.text(0)?, row.text(1)?)))
        .collect::<Result<_, PgError>>()?;
    let mut values = Vec::with_capacity(names.len());
    for batch in names.chunks(BATCH) {
        values.extend(read_values(client, batch)?);
    }
    Ok(values)
}

fn read_values(
    client: &mut Client,
    names: &[QualifiedName],
) -> Result<Vec<SequenceValue>, PgError> {
    let selects: Vec<_> = names
        .iter()
        .map(|name| {
            format!(
                "SELECT {}, {}, last_value, is_called FROM {}.{}",
                quote_literal(&name.schema),
                quote_literal(&name.name),
                quote_ident_always(&name.schema),
                quote_ident_always(&name.name)
            )
        })
        .collect();
    client
        .query(&selects.join(" UNION ALL "))?
        .iter()
        .map(|row| {
            Ok(SequenceValue {
                name: QualifiedName::new(row.text(0)?, row.text(1)?),
                last_value: row.parse(2)?,
                is_called: row.bool(3)?,
            })
        })
        .collect()
}

/// Reads how the source stands now. Not inside the snapshot: the counters are the server's own.
pub fn baseline(client: &mut Client) -> Result<Baseline, PgError> {
    let writes = client
        .query(
            "SELECT format('%I.%I', schemaname, relname), n_tup_ins + n_tup_upd + n_tup_del \
             FROM pg_stat_user_tables",
        )?
        .iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.parse(1)?)))
        .collect::<Result<_, PgError>>()?;
    let sequences = sequences(client)?
        .into_iter()
        .map(|s| (s.name.to_string(), (s.last_value, s.is_called)))
        .collect();
    let xid = client.query("SELECT txid_snapshot_xmax(txid_current_snapshot())")?;
    Ok(Baseline {
        next_xid: xid[0].parse(0)?,
        writes,
        sequences,
    })
}

/// What the source has and the target will lack: told, so that nobody takes it for moved.
pub fn left_behind(client: &mut Client) -> Result<Vec<ObjectError>, PgError> {
    let rows = client.query("SELECT count(*) FROM pg_largeobject_metadata")?;
    let large: u64 = rows[0].parse(0)?;
    let told = (large > 0).then(|| ObjectError {
        object: "LARGE OBJECTS".to_owned(),
        message: format!("{large} in the source; this version does not move large objects"),
        ..ObjectError::default()
    });
    Ok(told.into_iter().collect())
}

/// Names what was written to between two readings, the first few.
///
/// Counters alone would blame writes from before the snapshot that a session reported late, so
/// they count only if a transaction id was used since; a sequence can move without one.
pub fn changed(before: &Baseline, now: &Baseline) -> Vec<String> {
    let written = now.next_xid != before.next_xid;
    let tables = now
        .writes
        .iter()
        .filter(|&(name, n)| written && before.writes.get(name).copied().unwrap_or(0) != *n);
    let sequences = now
        .sequences
        .iter()
        .filter(|&(name, v)| before.sequences.get(name) != Some(v));
    let mut names: Vec<_> = tables
        .map(|(n, _)| n)
        .chain(sequences.map(|(n, _)| n))
        .cloned()
        .collect();
    names.truncate(NAMES);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next_xid: u64, rows: u64, value: i64) -> Baseline {
        Baseline {
            next_xid,
            writes: BTreeMap::from([("public.t".into(), rows)]),
            sequences: BTreeMap::from([("public.s".into(), (value, true))]),
        }
    }

    #[test]
    fn late_counters_of_a_quiet_server_are_no_change() {
        assert!(changed(&at(100, 5, 1), &at(100, 9, 1)).is_empty());
    }

    #[test]
    fn writes_and_sequences_are_named() {
        assert_eq!(changed(&at(100, 5, 1), &at(101, 9, 1)), ["public.t"]);
        assert_eq!(changed(&at(100, 5, 1), &at(100, 5, 2)), ["public.s"]);
    }
}
