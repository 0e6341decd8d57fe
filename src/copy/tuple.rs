//! The hot loop: tuples that lie whole in the buffer.
//!
//! ```text
//! tuple: i16 field count, then per field: i32 length (-1 = null), that many bytes    (big-endian)
//! ```

use twox_hash::XxHash3_128;

use super::error::{Flaw, FlawAt};
use super::{MAX_FIELD_LEN, MAX_FIELDS};
use crate::chunk::Digest;

/// Adds the whole tuples at the beginning of `bytes` to `digest` and returns how many bytes they take.
///
/// Stops at a tuple that is cut short and at a first byte of 0xff, which only a trailer may have.
pub(super) fn whole_tuples(
    bytes: &[u8],
    columns: &mut Option<u16>,
    digest: &mut Digest,
) -> Result<usize, FlawAt> {
    let mut pos = 0;
    while let Some(len) = tuple_len(&bytes[pos..], columns).map_err(|f| f.moved(pos))? {
        let tuple = &bytes[pos..pos + len];
        digest.add_row(XxHash3_128::oneshot(tuple), len as u64);
        pos += len;
    }
    Ok(pos)
}

/// The length of the tuple at the beginning of `bytes`; none if it is cut short or a trailer.
#[inline]
fn tuple_len(bytes: &[u8], columns: &mut Option<u16>) -> Result<Option<usize>, FlawAt> {
    let Some((&count, mut rest)) = bytes.split_first_chunk::<2>() else {
        return Ok(None);
    };
    if count[0] == 0xff {
        return Ok(None);
    }
    let count = check_count(count, columns).map_err(|flaw| FlawAt::new(0, flaw))?;
    for _ in 0..count {
        let Some((&word, after)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let Some(len) = field_len(word) else {
            let at = bytes.len() - rest.len();
            return Err(FlawAt::new(at, Flaw::FieldLength(i32::from_be_bytes(word))));
        };
        let Some(next) = after.get(len as usize..) else {
            return Ok(None);
        };
        rest = next;
    }
    Ok(Some(bytes.len() - rest.len()))
}

/// Checks a field count against the limit and against the first tuple's, which it remembers.
#[inline]
pub(super) fn check_count(count: [u8; 2], columns: &mut Option<u16>) -> Result<u16, Flaw> {
    let found = u16::from_be_bytes(count);
    match *columns {
        Some(expected) if found == expected => Ok(found),
        _ if found > MAX_FIELDS => Err(Flaw::FieldCount(found as i16)),
        Some(expected) => Err(Flaw::FieldCountChanged { expected, found }),
        None => {
            *columns = Some(found);
            Ok(found)
        }
    }
}

/// How many bytes of value follow a length: none for -1 (null).
#[inline]
pub(super) fn field_len(word: [u8; 4]) -> Option<u32> {
    // One more than the length: null becomes 0, so that one comparison refuses all else below 0.
    let next = u32::from_be_bytes(word).wrapping_add(1);
    (next <= MAX_FIELD_LEN + 1).then(|| next.saturating_sub(1))
}
