//! Ranges of a key: what large tables are split by on servers that have no Tid Range Scan.

use serde::{Deserialize, Serialize};

use crate::schema::quote_ident_always;

/// Rows whose key is in `from..to`, and those that have none if `nulls`. A side without a bound is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    pub column: String,
    pub kind: KeyKind,
    pub from: Option<i64>,
    pub to: Option<i64>,
    pub nulls: bool,
}

impl KeyRange {
    /// The condition of a WHERE clause.
    pub fn condition(&self) -> String {
        let column = quote_ident_always(&self.column);
        let from = self.from.map(|v| (">=", v));
        let bounds = from.into_iter().chain(self.to.map(|v| ("<", v)));
        let bounds: Vec<_> = bounds
            .map(|(operator, v)| format!("{column} {operator} {}", self.kind.literal(v)))
            .collect();
        match (bounds.is_empty(), self.nulls) {
            (true, true) => "true".to_owned(),
            (true, false) => format!("{column} IS NOT NULL"),
            (false, true) => format!("(({}) OR {column} IS NULL)", bounds.join(" AND ")),
            (false, false) => bounds.join(" AND "),
        }
    }
}

/// The types that keys may have. Each value is an integer: of itself, of days since 2000-01-01, or
/// of microseconds since then (in UTC); so it is in the server too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    Int2,
    Int4,
    Int8,
    Date,
    Timestamp,
    Timestamptz,
}

const DAY_US: i64 = 86_400_000_000;
/// From 0000-03-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 730_425;

impl KeyKind {
    /// By `pg_type.typname`.
    pub fn of_type(name: &str) -> Option<Self> {
        let kinds = [
            Self::Int2,
            Self::Int4,
            Self::Int8,
            Self::Date,
            Self::Timestamp,
            Self::Timestamptz,
        ];
        kinds.into_iter().find(|kind| kind.type_name() == name)
    }

    pub fn type_name(self) -> &'static str {
        match self {
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
        }
    }

    /// The first and the last value, infinity apart (datatype/timestamp.h).
    fn limits(self) -> (i64, i64) {
        match self {
            Self::Int2 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int4 => (i32::MIN.into(), i32::MAX.into()),
            Self::Int8 => (i64::MIN, i64::MAX),
            Self::Date => (-2_451_545, 2_145_031_948),
            Self::Timestamp | Self::Timestamptz => {
                (-211_813_488_000_000_000, 9_223_371_331_199_999_999)
            }
        }
    }

    /// A value as a literal with its type; beyond the type's limits it is the nearest one.
    pub fn literal(self, value: i64) -> String {
        let (first, last) = self.limits();
        let value = value.clamp(first, last);
        let text = match self {
            Self::Int2 | Self::Int4 | Self::Int8 => value.to_string(),
            Self::Date => day(value, ""),
            Self::Timestamp => moment(value, ""),
            Self::Timestamptz => moment(value, "+00"),
        };
        format!("'{text}'::{}", self.type_name())
    }
}

fn moment(value_us: i64, zone: &str) -> String {
    let (us, seconds) = (
        value_us.rem_euclid(DAY_US),
        value_us.rem_euclid(DAY_US) / 1_000_000,
    );
    let time = format!(
        " {:02}:{:02}:{:02}.{:06}{zone}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        us % 1_000_000
    );
    day(value_us.div_euclid(DAY_US), &time)
}

/// The Gregorian date of a day, by eras of 400 years that begin in March, with `time` behind it.
fn day(days: i64, time: &str) -> String {
    let days = days + EPOCH_DAYS;
    let (era, in_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    match year {
        1.. => format!("{year:04}-{month:02}-{day:02}{time}"),
        _ => format!("{:04}-{month:02}-{day:02}{time} BC", 1 - year),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_the_servers_own() {
        let cases = [
            (KeyKind::Int2, i64::MAX, "'32767'::int2"),
            (KeyKind::Int8, i64::MIN, "'-9223372036854775808'::int8"),
            (KeyKind::Date, 0, "'2000-01-01'::date"),
            (KeyKind::Date, 59, "'2000-02-29'::date"),
            (KeyKind::Date, 9069, "'2024-10-30'::date"),
            (KeyKind::Date, i64::MIN, "'4714-11-24 BC'::date"),
            (KeyKind::Date, i64::MAX, "'5874897-12-31'::date"),
            (
                KeyKind::Timestamp,
                -1,
                "'1999-12-31 23:59:59.999999'::timestamp",
            ),
            (
                KeyKind::Timestamptz,
                i64::MAX,
                "'294276-12-31 23:59:59.999999+00'::timestamptz",
            ),
            (
                KeyKind::Timestamptz,
                i64::MIN,
                "'4714-11-24 00:00:00.000000+00 BC'::timestamptz",
            ),
        ];
        for (kind, value, literal) in cases {
            assert_eq!(kind.literal(value), literal);
        }
    }

    #[test]
    fn conditions_are_half_open_and_take_nulls_once() {
        let range = |from, to, nulls| {
            let (column, kind) = ("a\"b".into(), KeyKind::Int4);
            let range = KeyRange {
                column,
                kind,
                from,
                to,
                nulls,
            };
            range.condition()
        };
        assert_eq!(
            range(None, Some(5), true),
            r#"(("a""b" < '5'::int4) OR "a""b" IS NULL)"#
        );
        assert_eq!(
            range(Some(-5), Some(5), false),
            r#""a""b" >= '-5'::int4 AND "a""b" < '5'::int4"#
        );
        assert_eq!(range(Some(5), None, false), r#""a""b" >= '5'::int4"#);
    }
}
