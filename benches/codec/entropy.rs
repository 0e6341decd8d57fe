//! What a coder of single values would need: a yardstick for the history shapes.

use std::collections::HashMap;
use std::hash::Hash;

use crate::shapes::table::{fields, tuples};

/// Bytes per row when each column's values, or their deltas to the row before where that is less,
/// are coded by how often each occurs in the whole data.
///
/// No bound: it knows nothing of values that repeat in a pattern, and where most values occur once it
/// counts only which of them it is, not what they are.
pub(crate) fn bytes_per_row(data: &[u8]) -> f64 {
    columns(data).iter().map(Column::bits).sum::<f64>() / 8.0
}

/// Bits per row of one column.
pub(crate) struct Column {
    pub(crate) values: f64,
    /// Only where all values are integers by their length.
    pub(crate) deltas: Option<f64>,
}

impl Column {
    pub(crate) fn bits(&self) -> f64 {
        self.deltas.unwrap_or(f64::MAX).min(self.values)
    }
}

/// One column at a time: all counts at once would take gigabytes.
pub(crate) fn columns(data: &[u8]) -> Vec<Column> {
    let first = tuples(data).next();
    let count = first.map_or(0, |tuple| fields(tuple).count());
    (0..count).map(|nth| column(data, nth)).collect()
}

fn column(data: &[u8], nth: usize) -> Column {
    let values = || tuples(data).map(move |tuple| fields(tuple).nth(nth).flatten());
    Column {
        values: bits(values()),
        deltas: deltas(values()).map(|deltas| bits(deltas.into_iter())),
    }
}

/// Differences to the last value that was not null.
fn deltas<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Option<Vec<Option<i64>>> {
    let mut last = 0;
    let delta = |value: Option<&[u8]>| {
        let Some(value) = value else {
            return Some(None);
        };
        let value = integer(value)?;
        let delta = value.wrapping_sub(last);
        last = value;
        Some(Some(delta))
    };
    values.map(delta).collect()
}

fn integer(value: &[u8]) -> Option<i64> {
    match *value {
        [a, b] => Some(i16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        _ => value.try_into().ok().map(i64::from_be_bytes),
    }
}

/// Shannon's entropy of the symbols, in bits for each.
fn bits<T: Eq + Hash>(symbols: impl Iterator<Item = T>) -> f64 {
    let mut counts = HashMap::new();
    for symbol in symbols {
        *counts.entry(symbol).or_insert(0u64) += 1;
    }
    let total: u64 = counts.values().sum();
    let share = |&count: &u64| count as f64 / total as f64;
    counts.values().map(share).map(|p| -p * p.log2()).sum()
}
