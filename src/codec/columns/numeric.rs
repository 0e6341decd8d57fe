//! `numeric` as scaled integers, where the value's bytes follow from integer and display scale alone.
//!
//! `numeric_send` (PostgreSQL, `src/backend/utils/adt/numeric.c`) writes, big-endian:
//!
//! ```text
//! digits i16 | weight i16 | sign u16 | display scale u16 | digits × u16, base 10000
//! ```
//!
//! The first digit is worth 10000^weight. A stored value has neither leading nor trailing zero digits.

/// Bytes before the digits.
const FIXED: usize = 8;

const NEGATIVE: u16 = 0x4000;
const BASE: u64 = 10_000;

/// Digits that fit into 64 bits whatever their value.
const FAST_DIGITS: usize = 4;

/// Digits of the largest scaled integer, one more for the part of a digit that the scale leaves out.
const MAX_DIGITS: usize = 6;

/// Longest value made from an integer.
pub(super) const MAX_LEN: usize = FIXED + 2 * MAX_DIGITS;

/// Largest display scale that is kept as an integer: more digits than this do not fit.
pub(super) const MAX_SCALE: u16 = 18;

/// How integers of one display scale relate to base-10000 digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    digits: u16,
    /// Base-10000 digits after the decimal point.
    fraction: usize,
    /// What the last of them counts too much: 10^(4 × fraction - scale).
    pad: u64,
}

impl Scale {
    /// None for a scale above [`MAX_SCALE`].
    pub(super) fn new(digits: u16) -> Option<Self> {
        let fraction = usize::from(digits).div_ceil(4);
        let pad = 10u64.pow((4 * fraction - usize::from(digits)) as u32);
        (digits <= MAX_SCALE).then_some(Self {
            digits,
            fraction,
            pad,
        })
    }

    /// The display scale of a value's bytes.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        let fixed = value.first_chunk::<FIXED>()?;
        Self::new(u16::from_be_bytes([fixed[6], fixed[7]]))
    }

    pub(super) fn digits(self) -> u8 {
        self.digits as u8
    }

    /// The value times 10^scale; none where [`Self::write`] would not give the same bytes.
    #[inline]
    pub(super) fn parse(self, value: &[u8]) -> Option<i64> {
        let (fixed, digits) = value.split_first_chunk::<FIXED>()?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let (count, weight, sign) = (usize::from(word(0)), word(2) as i16, word(4));
        if digits.len() != 2 * count || word(6) != self.digits || sign & !NEGATIVE != 0 {
            return None;
        }
        if count == 0 {
            return (weight == 0 && sign == 0).then_some(0);
        }
        // Digits up to the last one that the scale allows.
        let width = i32::from(weight) + 1 + self.fraction as i32;
        if width < count as i32 || width > MAX_DIGITS as i32 {
            return None;
        }
        let missing = width as usize - count;
        let scaled = if width as usize <= FAST_DIGITS {
            self.narrow(digits, missing)?
        } else {
            self.wide(digits, missing)?
        };
        Some(if sign == 0 { scaled } else { -scaled })
    }

    #[inline]
    fn narrow(self, digits: &[u8], missing: usize) -> Option<i64> {
        let (mut value, mut last) = (0u64, 0);
        for digit in digits.chunks_exact(2) {
            last = u64::from(u16::from_be_bytes([digit[0], digit[1]]));
            if last >= BASE || value == 0 && last == 0 {
                return None;
            }
            value = value * BASE + last;
        }
        for _ in 0..missing {
            value *= BASE;
        }
        let scaled = self.unpad(value)?;
        (last != 0).then_some(scaled as i64)
    }

    /// Divides by the pad; by a constant, which is quicker.
    #[inline]
    fn unpad(self, value: u64) -> Option<u64> {
        let (scaled, rest) = match self.pad {
            1 => (value, 0),
            10 => (value / 10, value % 10),
            100 => (value / 100, value % 100),
            _ => (value / 1000, value % 1000),
        };
        (rest == 0).then_some(scaled)
    }

    fn wide(self, digits: &[u8], missing: usize) -> Option<i64> {
        let (base, mut value, mut last) = (u128::from(BASE), 0u128, 0);
        for digit in digits.chunks_exact(2) {
            last = u128::from(u16::from_be_bytes([digit[0], digit[1]]));
            if last >= base || value == 0 && last == 0 {
                return None;
            }
            value = value * base + last;
        }
        value *= base.pow(missing as u32);
        let pad = u128::from(self.pad);
        let scaled = i64::try_from(value / pad).ok()?;
        (last != 0 && value.is_multiple_of(pad)).then_some(scaled)
    }

    /// Writes the value of a scaled integer and returns its length, at most [`MAX_LEN`].
    #[inline]
    pub(super) fn write(self, scaled: i64, out: &mut [u8; MAX_LEN]) -> usize {
        let magnitude = scaled.unsigned_abs();
        let mut digits = [0u16; MAX_DIGITS];
        let product = magnitude.checked_mul(self.pad);
        match product.filter(|p| *p < BASE.pow(FAST_DIGITS as u32)) {
            Some(value) => four_digits(value, &mut digits),
            None => six_digits(u128::from(magnitude) * u128::from(self.pad), &mut digits),
        }
        let first = digits.iter().position(|d| *d != 0).unwrap_or(MAX_DIGITS);
        let end = digits
            .iter()
            .rposition(|d| *d != 0)
            .map_or(first, |last| last + 1);
        let count = end - first;
        // The digit at place p is worth 10000^(MAX_DIGITS - 1 - fraction - p).
        let weight = match count {
            0 => 0,
            _ => (MAX_DIGITS - 1 - first) as i16 - self.fraction as i16,
        };
        let sign = if scaled < 0 { NEGATIVE } else { 0 };
        out[0..2].copy_from_slice(&(count as u16).to_be_bytes());
        out[2..4].copy_from_slice(&weight.to_be_bytes());
        out[4..6].copy_from_slice(&sign.to_be_bytes());
        out[6..8].copy_from_slice(&self.digits.to_be_bytes());
        for (place, digit) in out[FIXED..].chunks_exact_mut(2).zip(&digits[first..end]) {
            place.copy_from_slice(&digit.to_be_bytes());
        }
        FIXED + 2 * count
    }
}

#[inline]
fn four_digits(value: u64, digits: &mut [u16; MAX_DIGITS]) {
    let (high, low) = ((value / 100_000_000) as u32, (value % 100_000_000) as u32);
    digits[2] = (high / 10_000) as u16;
    digits[3] = (high % 10_000) as u16;
    digits[4] = (low / 10_000) as u16;
    digits[5] = (low % 10_000) as u16;
}

fn six_digits(mut value: u128, digits: &mut [u16; MAX_DIGITS]) {
    for digit in digits.iter_mut().rev() {
        *digit = (value % u128::from(BASE)) as u16;
        value /= u128::from(BASE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(digits: &[u16], weight: i16, sign: u16, scale: u16) -> Vec<u8> {
        let words = [digits.len() as u16, weight as u16, sign, scale];
        let all = words.iter().chain(digits);
        all.flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn known_values_are_read_and_written() {
        // As `SELECT numeric_send(…)` of PostgreSQL 15 gives them.
        let known = [
            (value(&[], 0, 0, 0), 0),
            (value(&[], 0, 0, 9), 0),
            (value(&[1], 0, 0, 0), 1),
            (value(&[1], 1, 0, 0), 10_000),
            (value(&[12, 3400], 0, 0, 2), 1234),
            (value(&[12, 3400], 0, NEGATIVE, 2), -1234),
            (value(&[1000], -3, 0, 9), 1),
            (value(&[9, 9999, 9999, 9000], 0, 0, 9), 9_999_999_999),
            (value(&[922, 3372, 368, 5477, 5807], 4, 0, 0), i64::MAX),
        ];
        for (bytes, scaled) in known {
            let scale = Scale::of(&bytes).unwrap();
            assert_eq!(scale.parse(&bytes), Some(scaled), "{bytes:?}");
            let mut out = [0; MAX_LEN];
            let len = scale.write(scaled, &mut out);
            assert_eq!(&out[..len], bytes);
        }
    }

    #[test]
    fn what_would_not_come_back_is_refused() {
        let refused = [
            value(&[0, 1], 1, 0, 0),
            value(&[1, 0], 1, 0, 0),
            value(&[10_000], 0, 0, 0),
            value(&[1], 0, 0xc000, 0),
            value(&[], 0, NEGATIVE, 0),
            value(&[], 1, 0, 0),
            value(&[1234], -1, 0, 2),
            value(&[1], -1, 0, 0),
            value(&[922, 3372, 368, 5477, 5808], 4, 0, 0),
            value(&[1], 6, 0, 0),
            value(&[1, 2], 0, 0, 0),
        ];
        for bytes in refused {
            let scale = Scale::of(&bytes).unwrap();
            assert_eq!(scale.parse(&bytes), None, "{bytes:?}");
        }
        assert!(Scale::of(&value(&[1], 0, 0, 19)).is_none());
        assert!(Scale::of(&[0; 7]).is_none());
    }
}
