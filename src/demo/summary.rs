//! What the demo tells at its end, out of send's JSON report.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// Why a report tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// No such file, or not readable.
    #[error("cannot read the report {path}")]
    Read {
        /// Where send should have put it.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Not JSON.
    #[error("the report {path} is not JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// JSON of another shape.
    #[error("the report {path} has no number at {pointer}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The JSON pointer that leads nowhere.
        pointer: &'static str,
    },
}

/// The figures that the demo prints.
#[derive(Debug, PartialEq)]
pub(super) struct Summary {
    wall: Duration,
    tables: usize,
    rows: f64,
    raw_bytes: f64,
    wire_bytes: f64,
    udp_bytes: f64,
    peak_rss: [f64; 2],
    cpu_seconds: [f64; 2],
    phases: Vec<(String, f64)>,
    errors: Vec<String>,
}

impl Summary {
    /// Reads a report; `wall` is the demo's own measure, from start to end of both processes.
    pub(super) fn read(path: &Path, wall: Duration) -> Result<Self, SummaryError> {
        let text = fs::read(path).map_err(|source| SummaryError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        let report: Value = serde_json::from_slice(&text).map_err(|source| SummaryError::Json {
            path: path.to_path_buf(),
            source,
        })?;
        Self::of(&report, wall).map_err(|pointer| SummaryError::Shape {
            path: path.to_path_buf(),
            pointer,
        })
    }

    fn of(report: &Value, wall: Duration) -> Result<Self, &'static str> {
        let number = |pointer| {
            report
                .pointer(pointer)
                .and_then(Value::as_f64)
                .ok_or(pointer)
        };
        Ok(Self {
            wall,
            tables: entries(report, "tables").len(),
            rows: number("/totals/rows")?,
            raw_bytes: number("/totals/raw_bytes")?,
            wire_bytes: number("/totals/wire_bytes")?,
            udp_bytes: number("/totals/udp_bytes")?,
            peak_rss: [
                number("/totals/peak_rss_send")?,
                number("/totals/peak_rss_recv")?,
            ],
            cpu_seconds: [
                number("/totals/cpu_seconds_send")?,
                number("/totals/cpu_seconds_recv")?,
            ],
            phases: entries(report, "phases").iter().filter_map(phase).collect(),
            errors: entries(report, "errors").iter().map(failure).collect(),
        })
    }

    /// From the start of both processes to their end.
    pub(super) fn wall(&self) -> Duration {
        self.wall
    }

    pub(super) fn print(&self) {
        for line in self.lines() {
            println!("{line}");
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "what moved   {} tables, {} rows, {}",
                self.tables,
                count(self.rows),
                bytes(self.raw_bytes as u64)
            ),
            format!(
                "on the wire  {}, {:.1} times smaller; {} over UDP, encryption and all",
                bytes(self.wire_bytes as u64),
                self.raw_bytes / self.wire_bytes.max(1.0),
                bytes(self.udp_bytes as u64)
            ),
            format!("time         {}", self.phase_line()),
            format!(
                "cost         send {:.1} s of CPU and {}; recv {:.1} s and {}",
                self.cpu_seconds[0],
                bytes(self.peak_rss[0] as u64),
                self.cpu_seconds[1],
                bytes(self.peak_rss[1] as u64)
            ),
        ];
        lines.extend(
            self.errors
                .iter()
                .map(|error| format!("not restored {error}")),
        );
        lines
    }

    fn phase_line(&self) -> String {
        let parts: Vec<String> = self
            .phases
            .iter()
            .map(|(name, took)| format!("{name} {took:.1} s"))
            .collect();
        format!("{} in all: {}", seconds(self.wall), parts.join(", "))
    }
}

/// How pgpipe did against the other way.
pub(super) fn print_ratio(ours: Duration, theirs: Duration) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64().max(0.001);
    println!(
        "compared     pg_dump and pg_restore took {}, pgpipe {ratio:.2} times as long",
        seconds(theirs)
    );
}

fn entries<'a>(report: &'a Value, name: &str) -> &'a [Value] {
    report
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn phase(entry: &Value) -> Option<(String, f64)> {
    Some((
        entry.get("name")?.as_str()?.to_owned(),
        entry.get("seconds")?.as_f64()?,
    ))
}

fn failure(entry: &Value) -> String {
    let text = |name: &str| {
        entry
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    format!("{}: {}", text("object"), text("message"))
}

/// `1234567.0` is "1,234,567".
fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub(super) fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / 1_048_576.0;
    if mib >= 1024.0 {
        format!("{:.2} GiB", mib / 1024.0)
    } else {
        format!("{mib:.1} MiB")
    }
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Value {
        json!({
            "tables": [{"name": "a"}, {"name": "b"}],
            "totals": {"rows": 1_234_567, "raw_bytes": 20_971_520, "wire_bytes": 2_097_152, "udp_bytes": 2_202_009,
                "cpu_seconds_send": 1.5, "cpu_seconds_recv": 2.0,
                "peak_rss_send": 104_857_600, "peak_rss_recv": 104_857_600},
            "phases": [{"name": "schema", "seconds": 0.5}, {"name": "data", "seconds": 3.0}],
            "errors": [{"object": "VIEW v", "message": "no such function"}]
        })
    }

    #[test]
    fn figures_come_out_of_the_report() {
        let lines = Summary::of(&report(), Duration::from_secs(4))
            .unwrap()
            .lines();
        let expected = [
            "what moved   2 tables, 1,234,567 rows, 20.0 MiB",
            "on the wire  2.0 MiB, 10.0 times smaller; 2.1 MiB over UDP, encryption and all",
            "time         4.0 s in all: schema 0.5 s, data 3.0 s",
            "cost         send 1.5 s of CPU and 100.0 MiB; recv 2.0 s and 100.0 MiB",
            "not restored VIEW v: no such function",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_missing_figure_is_named() {
        let mut report = report();
        report["totals"]["udp_bytes"] = Value::Null;
        assert_eq!(
            Summary::of(&report, Duration::ZERO),
            Err("/totals/udp_bytes")
        );
    }
}
