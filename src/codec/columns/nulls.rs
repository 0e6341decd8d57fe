//! Null maps: a bit for each row, set where it has no value.

use std::ops::Range;

#[inline]
pub(super) fn is_null(nulls: &[u8], row: usize) -> bool {
    nulls[row / 8] >> (row % 8) & 1 == 1
}

/// How many of `rows` have a value.
pub(super) fn count_present(nulls: Option<&[u8]>, rows: Range<usize>) -> usize {
    match nulls {
        None => rows.len(),
        Some(nulls) => rows.filter(|row| !is_null(nulls, *row)).count(),
    }
}

/// Appends what belongs to each of `rows`: the next of `present`, one for each value, or `none`.
pub(super) fn spread<T: Copy>(
    mut present: impl Iterator<Item = T>,
    nulls: Option<&[u8]>,
    rows: Range<usize>,
    none: T,
    out: &mut Vec<T>,
) {
    match nulls {
        None => out.extend(present.take(rows.len())),
        Some(nulls) => out.extend(rows.map(|row| match is_null(nulls, row) {
            true => none,
            false => present.next().unwrap_or(none),
        })),
    }
}

/// Appends those of `rows`, one item for each, that have a value.
pub(super) fn keep_present<T>(
    rows: impl Iterator<Item = T>,
    nulls: Option<&[u8]>,
    out: &mut Vec<T>,
) {
    match nulls {
        None => out.extend(rows),
        Some(nulls) => {
            let present = rows.enumerate().filter(|(row, _)| !is_null(nulls, *row));
            out.extend(present.map(|(_, item)| item));
        }
    }
}
