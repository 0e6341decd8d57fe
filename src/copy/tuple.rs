//! One tuple's parts, checked.
//!
//! ```text
//! tuple: i16 field count, then per field: i32 length (-1 = null), that many bytes    (big-endian)
//! ```

use super::error::{Flaw, FlawAt};
use super::{MAX_FIELD_LEN, MAX_FIELDS};

/// Bytes of a tuple's field count.
pub const COUNT_LEN: usize = 2;

/// Bytes of a field's length.
pub const LENGTH_LEN: usize = 4;

/// A length that is the mark of a null.
pub const NULL: u32 = u32::MAX;

/// Walks the tuple at the beginning of `bytes`: `field` is given each field's number and length, which
/// is [`NULL`] for a null. Returns where the tuple ends; none if it is cut short or a trailer.
#[inline]
pub(super) fn walk_tuple(
    bytes: &[u8],
    columns: &mut Option<u16>,
    mut field: impl FnMut(usize, u32),
) -> Result<Option<usize>, FlawAt> {
    let Some((&count, mut rest)) = bytes.split_first_chunk::<COUNT_LEN>() else {
        return Ok(None);
    };
    if count[0] == 0xff {
        return Ok(None);
    }
    let count = check_count(count, columns).map_err(|flaw| FlawAt::new(0, flaw))?;
    for number in 0..usize::from(count) {
        let Some((&word, after)) = rest.split_first_chunk::<LENGTH_LEN>() else {
            return Ok(None);
        };
        let Some(len) = field_len(word) else {
            let at = bytes.len() - rest.len();
            return Err(FlawAt::new(at, Flaw::FieldLength(i32::from_be_bytes(word))));
        };
        let Some(next) = after.get(len as usize..) else {
            return Ok(None);
        };
        field(number, u32::from_be_bytes(word));
        rest = next;
    }
    Ok(Some(bytes.len() - rest.len()))
}

/// Checks a field count against the limit and against the first tuple's, which it remembers.
#[inline]
pub(super) fn check_count(count: [u8; COUNT_LEN], columns: &mut Option<u16>) -> Result<u16, Flaw> {
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
pub(super) fn field_len(word: [u8; LENGTH_LEN]) -> Option<u32> {
    // One more than the length: null becomes 0, so that one comparison refuses all else below 0.
    let next = u32::from_be_bytes(word).wrapping_add(1);
    (next <= MAX_FIELD_LEN + 1).then(|| next.saturating_sub(1))
}
