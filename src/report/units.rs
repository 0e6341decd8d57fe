//! Sizes, rates, durations and counts as people write them: parsed exactly, shown in short.

use std::time::Duration;

use thiserror::Error;

const SIZE_UNITS: &[(&str, u64)] = &[
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];
const BIT_UNITS: &[(&str, u64)] = &[
    ("bit", 1),
    ("kbit", 1_000),
    ("mbit", 1_000_000),
    ("gbit", 1_000_000_000),
];
const COUNT_UNITS: &[(&str, u64)] = &[("", 1), ("k", 1_000), ("m", 1_000_000)];
/// From long to short, which is the order they must stand in; in nanoseconds.
const DURATION_UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

/// What was wrong with a quantity, and which units are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnitError {
    #[error("a size needs a unit: B, kB, MB, GB, TB or KiB, MiB, GiB, TiB, as in 256MiB")]
    Size,
    #[error("a rate needs a unit: kbit, Mbit, Gbit or kB, MB, GB, KiB, MiB, GiB, as in 500Mbit")]
    Rate,
    #[error("a duration needs units: d, h, m, s or ms, as in 24h, 90s or 1h30m")]
    Duration,
    #[error("a count is a number, or one with k or M, as in 500k or 6M")]
    Count,
    #[error("too large")]
    TooLarge,
}

/// A rate on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub bytes_per_second: u64,
}

/// Bytes: `256MiB`, `1.5GB`; letters in any case.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    parse_single(text, SIZE_UNITS, UnitError::Size)
}

/// Bits or bytes per second: `500Mbit`, `20MB/s`.
pub fn parse_rate(text: &str) -> Result<Rate, UnitError> {
    let text = text.strip_suffix("/s").unwrap_or(text);
    let bits = parse_single(text, BIT_UNITS, UnitError::Rate).map(|bits| bits / 8);
    let bytes_per_second = match bits {
        Err(UnitError::Rate) => parse_single(text, SIZE_UNITS, UnitError::Rate)?,
        other => other?,
    };
    Ok(Rate { bytes_per_second })
}

/// A plain number, or one in thousands (`500k`) or millions (`6M`).
pub fn parse_count(text: &str) -> Result<u64, UnitError> {
    parse_single(text, COUNT_UNITS, UnitError::Count)
}

/// One or more numbers with units, the longer first: `24h`, `90s`, `1h30m`.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text.trim();
    let mut units = DURATION_UNITS;
    let mut nanos = 0u64;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, char::is_alphabetic);
        let at = position(units, unit).ok_or(UnitError::Duration)?;
        let part = scale(number, units[at].1, UnitError::Duration)?;
        nanos = nanos.checked_add(part).ok_or(UnitError::TooLarge)?;
        units = &units[at + 1..];
        rest = after;
    }
    if units.len() == DURATION_UNITS.len() {
        return Err(UnitError::Duration);
    }
    Ok(Duration::from_nanos(nanos))
}

fn parse_single(text: &str, units: &[(&str, u64)], error: UnitError) -> Result<u64, UnitError> {
    let (number, unit) = split(text.trim(), |c| c.is_ascii_digit() || c == '.');
    let at = position(units, unit.trim_start()).ok_or(error)?;
    scale(number, units[at].1, error)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn position(units: &[(&str, u64)], unit: &str) -> Option<usize> {
    units.iter().position(|(u, _)| u.eq_ignore_ascii_case(unit))
}

/// `number` × `unit` in integers, since 0.1 TB must not depend on a float's last digit.
fn scale(number: &str, unit: u64, error: UnitError) -> Result<u64, UnitError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return Err(error);
    }
    let parse = |s: &str| s.parse::<u64>().map_err(|_| UnitError::TooLarge);
    let parts = u128::from(parse(fraction)?) * u128::from(unit);
    let total =
        u128::from(parse(whole)?) * u128::from(unit) + parts / 10u128.pow(fraction.len() as u32);
    u64::try_from(total).map_err(|_| UnitError::TooLarge)
}

/// Bytes in three digits and a decimal unit: `4.91 GB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.5 would be shown as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if value < 9.995 {
        2
    } else {
        usize::from(value < 99.95)
    };
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// Bytes per second: `123 MB/s`.
pub fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", size(bytes_per_second.max(0.0) as u64))
}

/// A number with its thousands separated: `61,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Seconds in the two units that matter: `0.8 s`, `41 s`, `3 min 20 s`, `2 h 5 min`, `3 d 1 h`.
pub fn seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        ..10 => format!("{:.1} s", seconds.max(0.0)),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_decimal_and_binary_units() {
        assert_eq!(parse_size("256MiB"), Ok(256 << 20));
        assert_eq!(parse_size("1.5GB"), Ok(1_500_000_000));
        assert_eq!(parse_size("0.1 tb"), Ok(100_000_000_000));
        assert_eq!(parse_size("7B"), Ok(7));
    }

    #[test]
    fn bare_numbers_and_nonsense_are_refused() {
        for text in [
            "", "256", "M", "256M", "-1MB", "1.MB", ".5MB", "1e3MB", "1 2MB",
        ] {
            assert_eq!(parse_size(text), Err(UnitError::Size), "{text:?}");
        }
        assert_eq!(parse_size("99999999TB"), Err(UnitError::TooLarge));
        assert!(UnitError::Size.to_string().contains("256MiB"));
    }

    #[test]
    fn rates_are_bits_or_bytes() {
        let rate = |text| parse_rate(text).map(|r| r.bytes_per_second);
        assert_eq!(rate("500Mbit"), Ok(62_500_000));
        assert_eq!(rate("1gbit/s"), Ok(125_000_000));
        assert_eq!(rate("20MB/s"), Ok(20_000_000));
        assert_eq!(rate("500"), Err(UnitError::Rate));
    }

    #[test]
    fn durations_take_several_units_in_order() {
        assert_eq!(parse_duration("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
        for text in ["", "90", "h", "30m1h", "1h1h", "1 h x"] {
            assert_eq!(parse_duration(text), Err(UnitError::Duration), "{text:?}");
        }
    }

    #[test]
    fn counts_take_thousands_and_millions() {
        assert_eq!(parse_count("1000000"), Ok(1_000_000));
        assert_eq!(parse_count("6M"), Ok(6_000_000));
        assert_eq!(parse_count("500k"), Ok(500_000));
        assert_eq!(parse_count("6G"), Err(UnitError::Count));
    }

    #[test]
    fn numbers_are_shown_in_three_digits() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(4_912_000_000), "4.91 GB");
        assert_eq!(size(999_999), "1.00 MB");
        assert_eq!(size(123_456_789), "123 MB");
        assert_eq!(count(61_234_567), "61,234,567");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn seconds_are_shown_in_two_units() {
        assert_eq!(seconds(0.84), "0.8 s");
        assert_eq!(seconds(59.6), "1 min 0 s");
        assert_eq!(seconds(7_500.0), "2 h 5 min");
        assert_eq!(seconds(90_000.0), "1 d 1 h");
    }
}
