//! What one look at the meter reads like, in words and as JSON.

use serde::Serialize;

use super::rate::Smoothed;
use crate::report::meter::Snapshot;
use crate::report::{printable, units};

/// The phase whose progress is bytes; others show what they count.
pub const DATA_PHASE: &str = "data";

/// One line of `--progress json`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    phase: Option<&'a str>,
    rows: u64,
    raw_bytes: u64,
    wire_bytes: u64,
    bytes_done: u64,
    bytes_total: u64,
    rate: u64,
    eta_seconds: Option<u64>,
    index_done: u64,
    index_total: u64,
    waiting_for: Option<&'a str>,
}

pub(super) fn json(now: &Snapshot, rate: &Smoothed) -> String {
    let line = Line {
        phase: now.phase.as_deref(),
        rows: now.rows,
        raw_bytes: now.raw_bytes,
        wire_bytes: now.wire_bytes,
        bytes_done: now.bytes_done,
        bytes_total: now.bytes_total,
        rate: rate.bytes_per_second().unwrap_or(0.0).round() as u64,
        eta_seconds: rate.eta_seconds(left(now)),
        index_done: now.index_done,
        index_total: now.index_total,
        waiting_for: now.waiting_for.as_deref(),
    };
    serde_json::to_string(&line).expect("plain fields serialise")
}

/// A plain line: `data: 41% (2.10 GB of 5.10 GB), 120 MB/s, 25 s left, 12,345,678 rows`.
pub(super) fn plain(now: &Snapshot, rate: &Smoothed) -> String {
    let mut parts = Vec::new();
    if is_data(now) {
        let done = units::size(now.bytes_done);
        let total = units::size(now.bytes_total);
        parts.push(format!("{}% ({done} of {total})", permille(now) / 10));
        parts.extend(pace(now, rate));
        parts.push(format!("{} rows", units::count(now.rows)));
    }
    parts.extend(indexes(now));
    parts.extend(waiting(now));
    joined(&phase(now), &parts)
}

/// Beside the bar there is less room, and what stands at the end is cut off first.
pub(super) fn beside_bar(now: &Snapshot, rate: &Smoothed) -> String {
    let mut parts = Vec::new();
    if is_data(now) {
        parts.push(format!("{}%", permille(now) / 10));
    }
    parts.extend(waiting(now));
    if is_data(now) {
        parts.extend(pace(now, rate));
        let total = units::size(now.bytes_total);
        parts.push(format!("{} of {total}", units::size(now.bytes_done)));
    }
    parts.extend(indexes(now));
    if is_data(now) {
        parts.push(format!("{} rows", units::count(now.rows)));
    }
    joined(&phase(now), &parts)
}

/// What is done of the current phase, in thousandths.
pub(super) fn permille(now: &Snapshot) -> u64 {
    if is_data(now) {
        share(now.bytes_done, now.bytes_total)
    } else {
        share(now.index_done, now.index_total)
    }
}

fn phase(now: &Snapshot) -> String {
    match &now.phase {
        Some(name) => printable(name),
        None if now.phases_begun == 0 => "starting".to_owned(),
        None => "ended".to_owned(),
    }
}

/// The rate and the time left, as far as they are known.
fn pace(now: &Snapshot, rate: &Smoothed) -> Vec<String> {
    let pace = rate.bytes_per_second().map(units::rate);
    let eta = rate.eta_seconds(left(now)).filter(|eta| *eta > 0);
    let eta = eta.map(|eta| format!("{} left", units::seconds(eta as f64)));
    pace.into_iter().chain(eta).collect()
}

/// What it waits for is a noun: `recv at b:5000`.
fn waiting(now: &Snapshot) -> Option<String> {
    let what = now.waiting_for.as_deref().map(printable)?;
    Some(format!("waiting for {what}"))
}

/// Before the first phase there is nothing to tell, unless somebody is waited for: the first line
/// is the migration's own.
pub(super) fn tells_something(now: &Snapshot) -> bool {
    now.phases_begun > 0 || now.phase.is_some() || now.waiting_for.is_some()
}

fn indexes(now: &Snapshot) -> Option<String> {
    (now.index_total > 0).then(|| format!("indexes {} of {}", now.index_done, now.index_total))
}

fn joined(phase: &str, parts: &[String]) -> String {
    if parts.is_empty() {
        return phase.to_owned();
    }
    format!("{phase}: {}", parts.join(", "))
}

pub(super) fn is_data(now: &Snapshot) -> bool {
    now.phase.as_deref() == Some(DATA_PHASE)
}

pub(super) fn left(now: &Snapshot) -> u64 {
    now.bytes_total.saturating_sub(now.bytes_done)
}

fn share(done: u64, total: u64) -> u64 {
    if total == 0 {
        return 0;
    }
    (u128::from(done.min(total)) * 1000 / u128::from(total)) as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn state() -> (Snapshot, Smoothed) {
        let now = Snapshot {
            phase: Some("data".to_owned()),
            rows: 12_345_678,
            bytes_done: 2_100_000_000,
            bytes_total: 5_100_000_000,
            ..Snapshot::default()
        };
        let mut rate = Smoothed::default();
        rate.sample(Duration::ZERO, 0);
        rate.sample(Duration::from_secs(10), 1_200_000_000);
        (now, rate)
    }

    #[test]
    fn a_line_tells_share_rate_rows_and_time_left() {
        let (mut now, rate) = state();
        let expected = "data: 41% (2.10 GB of 5.10 GB), 120 MB/s, 25 s left, 12,345,678 rows";
        assert_eq!(plain(&now, &rate), expected);
        now.waiting_for = Some("recv at b:5000".to_owned());
        assert!(plain(&now, &rate).ends_with("rows, waiting for recv at b:5000"));
        let bar = beside_bar(&now, &rate);
        assert!(
            bar.starts_with("data: 41%, waiting for recv at b:5000, 120 MB/s"),
            "{bar}"
        );
    }

    #[test]
    fn other_phases_show_their_own_counts() {
        let (mut now, rate) = state();
        now.phase = Some("indexes and keys".to_owned());
        (now.index_done, now.index_total) = (12, 136);
        assert_eq!(plain(&now, &rate), "indexes and keys: indexes 12 of 136");
        assert_eq!(permille(&now), 88);
        now.phase = Some("finish".to_owned());
        now.index_total = 0;
        assert_eq!(plain(&now, &rate), "finish");
        (now.phase, now.phases_begun) = (None, 3);
        assert_eq!(plain(&now, &rate), "ended");
    }

    #[test]
    fn json_has_the_promised_fields() {
        let (now, rate) = state();
        let line: serde_json::Value = serde_json::from_str(&json(&now, &rate)).unwrap();
        assert_eq!(line["phase"], "data");
        assert_eq!(line["rate"], 120_000_000);
        assert_eq!(line["eta_seconds"], 25);
        assert!(line["waiting_for"].is_null());
    }

    #[test]
    fn nothing_known_is_zero_percent_and_not_worth_a_line() {
        assert!(!tells_something(&Snapshot::default()));
        assert_eq!(permille(&Snapshot::default()), 0);
        assert_eq!(
            plain(&Snapshot::default(), &Smoothed::default()),
            "starting"
        );
    }
}
