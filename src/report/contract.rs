//! The JSON report that others script against: the same fields from both sides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::latency::{Quantiles, Stage};

/// Raised when a field changes its meaning or goes away; new fields do not raise it.
pub const REPORT_VERSION: u32 = 1;

/// Everything a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub version: u32,
    /// The migration's name.
    pub migration: String,
    /// The source database as connected to, without its password.
    pub source: String,
    pub target: String,
    pub snapshot: SnapshotPoint,
    pub tables: Vec<TableReport>,
    pub totals: Totals,
    pub phases: Vec<PhaseTime>,
    pub latency: BTreeMap<Stage, Quantiles>,
    pub skipped: Vec<Skipped>,
    pub errors: Vec<ObjectError>,
    pub verified: Verified,
    /// The source was written to after the snapshot.
    pub source_changed: bool,
}

/// The instant the target now shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SnapshotPoint {
    /// RFC 3339, UTC.
    pub time: String,
    /// As PostgreSQL writes it: `16/B374D848`.
    pub lsn: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TableReport {
    /// Schema-qualified, quoted where needed.
    pub name: String,
    pub rows: u64,
    /// COPY payload without file header and trailer.
    pub raw_bytes: u64,
    /// Encoded blocks with their headers.
    pub wire_bytes: u64,
    pub chunks: u64,
    /// `binary` or `text`.
    pub format: String,
    /// The sum of the rows' hashes, 32 hexadecimal digits.
    pub digest: String,
    /// From the first chunk's beginning to the last one's commit.
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    pub rows: u64,
    pub raw_bytes: u64,
    pub wire_bytes: u64,
    /// What the sender's socket sent, repeats included.
    pub udp_bytes: u64,
    pub seconds: f64,
    pub cpu_seconds_send: f64,
    pub cpu_seconds_recv: f64,
    /// Bytes.
    pub peak_rss_send: u64,
    /// Bytes.
    pub peak_rss_recv: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PhaseTime {
    pub name: String,
    pub seconds: f64,
}

/// Something that was left out on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Skipped {
    pub object: String,
    pub reason: String,
}

/// An object that could not be restored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObjectError {
    pub object: String,
    pub statement: Option<String>,
    /// The server's own words; where rows contradict a key, also which one and what to do.
    pub message: String,
    pub sqlstate: Option<String>,
}

/// How the rows on the target were proven equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verified {
    /// Digests before encoding and after decoding agree, and the server counted the same rows.
    Stream,
    /// The target was read again.
    Reread,
    #[default]
    No,
}

impl Verified {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Reread => "reread",
            Self::No => "no",
        }
    }
}

impl Report {
    /// An empty report of a migration; sides are added by [`Self::absorb`].
    pub fn new(
        migration: impl Into<String>,
        source: impl Into<String>,
        target: impl Into<String>,
        snapshot: SnapshotPoint,
    ) -> Self {
        Self {
            version: REPORT_VERSION,
            migration: migration.into(),
            source: source.into(),
            target: target.into(),
            snapshot,
            tables: Vec::new(),
            totals: Totals::default(),
            phases: Vec::new(),
            latency: BTreeMap::new(),
            skipped: Vec::new(),
            errors: Vec::new(),
            verified: Verified::No,
            source_changed: false,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn sample() -> Report {
        let snapshot = SnapshotPoint {
            time: "2026-03-01T02:00:00Z".to_owned(),
            lsn: "16/B374D848".to_owned(),
        };
        let mut report = Report::new("main", "dbname=a", "dbname=b", snapshot);
        report.tables.push(TableReport {
            name: "public.vm_samples_history".to_owned(),
            rows: 23_456_789,
            raw_bytes: 4_900_000_000,
            wire_bytes: 230_000_000,
            chunks: 37,
            format: "binary".to_owned(),
            digest: "0123456789abcdef0123456789abcdef".to_owned(),
            seconds: 41.0,
        });
        report.errors.push(ObjectError {
            object: "INDEX public i".to_owned(),
            statement: None,
            message: "could not create unique index".to_owned(),
            sqlstate: Some("23505".to_owned()),
        });
        report.latency.insert(Stage::Read, Quantiles::default());
        report.verified = Verified::Stream;
        report
    }

    fn keys(value: &serde_json::Value) -> Vec<&str> {
        let object = value.as_object().unwrap();
        object.keys().map(String::as_str).collect()
    }

    fn sorted(names: &str) -> Vec<&str> {
        let mut names: Vec<_> = names.split(' ').collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_fields_are_those_of_the_contract() {
        let mut report = sample();
        report.phases.push(PhaseTime::default());
        let json = serde_json::to_value(report).unwrap();
        let top = "version migration source target snapshot tables totals phases latency skipped \
                   errors verified source_changed";
        assert_eq!(keys(&json), sorted(top));
        assert_eq!(keys(&json["snapshot"]), ["lsn", "time"]);
        let table = "name rows raw_bytes wire_bytes chunks format digest seconds";
        assert_eq!(keys(&json["tables"][0]), sorted(table));
        let totals = "rows raw_bytes wire_bytes udp_bytes seconds cpu_seconds_send \
                      cpu_seconds_recv peak_rss_send peak_rss_recv";
        assert_eq!(keys(&json["totals"]), sorted(totals));
        assert_eq!(keys(&json["phases"][0]), ["name", "seconds"]);
        assert_eq!(keys(&json["latency"]["read"]), ["max", "p50", "p99"]);
        let error = "object statement message sqlstate";
        assert_eq!(keys(&json["errors"][0]), sorted(error));
        assert_eq!(json["verified"], "stream");
        assert_eq!(json["version"], 1);
    }
}
