//! The end of a run in at most 80 columns, for whoever reads it at 2 a.m.

use super::contract::{Report, TableReport, Verified};
use super::{DATA_PHASE, printable, units};

const WIDTH: usize = 80;
/// The largest tables are shown, the others summed up.
const TABLES_SHOWN: usize = 10;
const NAME_WIDTH: usize = 38;
/// More than these are in the report; a screen should not scroll away.
const ERRORS_SHOWN: usize = 20;
const LABEL_WIDTH: usize = 11;

/// Renders the whole summary, ending with a line feed.
pub fn summary(report: &Report) -> String {
    let mut lines = Vec::new();
    tables(&mut lines, report);
    lines.push(String::new());
    phases(&mut lines, report);
    rates(&mut lines, report);
    costs(&mut lines, report);
    truth(&mut lines, report);
    problems(&mut lines, report);
    lines.push(String::new());
    lines.join("\n")
}

fn tables(lines: &mut Vec<String>, report: &Report) {
    let mut tables: Vec<_> = report.tables.iter().collect();
    tables.sort_by(|a, b| b.raw_bytes.cmp(&a.raw_bytes).then(a.name.cmp(&b.name)));
    let (shown, rest) = tables.split_at(tables.len().min(TABLES_SHOWN));
    lines.push(columns("table", "rows", "raw", "wire", "ratio"));
    for table in shown {
        lines.push(table_line(&printable(&table.name), table));
    }
    if !rest.is_empty() {
        lines.push(table_line(&format!("… {} more", rest.len()), &sum(rest)));
    }
    if tables.len() > 1 {
        let all = format!("all {} tables", tables.len());
        lines.push(table_line(&all, &sum(&tables)));
    }
}

fn table_line(name: &str, table: &TableReport) -> String {
    columns(
        &shorten(name, NAME_WIDTH),
        &units::count(table.rows),
        &units::size(table.raw_bytes),
        &units::size(table.wire_bytes),
        &ratio(table.raw_bytes, table.wire_bytes),
    )
}

fn columns(name: &str, rows: &str, raw: &str, wire: &str, ratio: &str) -> String {
    format!("{name:<NAME_WIDTH$} {rows:>14} {raw:>8} {wire:>8} {ratio:>6}")
}

fn sum(tables: &[&TableReport]) -> TableReport {
    let mut sum = TableReport::default();
    for table in tables {
        sum.rows += table.rows;
        sum.raw_bytes += table.raw_bytes;
        sum.wire_bytes += table.wire_bytes;
    }
    sum
}

fn ratio(raw: u64, wire: u64) -> String {
    if wire == 0 {
        return "-".to_owned();
    }
    format!("{:.1}", raw as f64 / wire as f64)
}

fn phases(lines: &mut Vec<String>, report: &Report) {
    let phases = report.phases.iter();
    let mut parts: Vec<_> = phases
        .map(|p| format!("{} {}", printable(&p.name), units::seconds(p.seconds)))
        .collect();
    parts.push(format!("in all {}", units::seconds(report.totals.seconds)));
    fact(lines, "time", &parts.join(", "));
}

fn rates(lines: &mut Vec<String>, report: &Report) {
    let totals = &report.totals;
    let data = report.phases.iter().find(|p| p.name == DATA_PHASE);
    let seconds = data.map_or(totals.seconds, |p| p.seconds);
    if seconds <= 0.0 || totals.raw_bytes == 0 {
        return;
    }
    let raw = units::rate(totals.raw_bytes as f64 / seconds);
    let wire = units::rate(totals.wire_bytes as f64 / seconds);
    let mut text = format!("{raw} of rows, {wire} on the wire");
    if totals.udp_bytes > 0 {
        text.push_str(&format!(
            ", {} of UDP in all",
            units::size(totals.udp_bytes)
        ));
    }
    fact(lines, "rate", &text);
}

fn costs(lines: &mut Vec<String>, report: &Report) {
    let totals = &report.totals;
    let (send, recv) = (totals.cpu_seconds_send, totals.cpu_seconds_recv);
    let mut text = format!("send {send:.1} s, recv {recv:.1} s");
    if totals.raw_bytes > 0 {
        let per_gb = (send + recv) / (totals.raw_bytes as f64 / 1e9);
        text.push_str(&format!("; {per_gb:.1} core-seconds per GB of rows"));
    }
    fact(lines, "CPU", &text);
    let send = units::size(totals.peak_rss_send);
    let recv = units::size(totals.peak_rss_recv);
    fact(
        lines,
        "memory",
        &format!("send {send}, recv {recv} at most"),
    );
}

fn truth(lines: &mut Vec<String>, report: &Report) {
    let snapshot = &report.snapshot;
    let instant = format!("{} at LSN {}", snapshot.time, snapshot.lsn);
    fact(lines, "snapshot", &printable(&instant));
    let verified = match report.verified {
        Verified::Stream => "yes: every row's digest is the same before and after the network",
        Verified::Reread => "yes: the target was read again and gave the same digests",
        Verified::No => "no",
    };
    fact(lines, "verified", verified);
    if report.source_changed {
        let text = "the source was written to after the snapshot: those writes are NOT on the \
                    target";
        fact(lines, "changed", text);
    }
}

fn problems(lines: &mut Vec<String>, report: &Report) {
    if !report.skipped.is_empty() {
        lines.push(String::new());
        lines.push(format!("{}:", objects(report.skipped.len(), "skipped")));
        for skipped in report.skipped.iter().take(ERRORS_SHOWN) {
            item(lines, &format!("{}: {}", skipped.object, skipped.reason));
        }
        more(lines, report.skipped.len());
    }
    if !report.errors.is_empty() {
        lines.push(String::new());
        let what = objects(report.errors.len(), "could not be restored");
        lines.push(format!("{what}:"));
        for error in report.errors.iter().take(ERRORS_SHOWN) {
            let sqlstate = error.sqlstate.as_deref();
            let code = sqlstate.map_or_else(String::new, |s| format!(" ({s})"));
            item(lines, &format!("{}: {}{code}", error.object, error.message));
        }
        more(lines, report.errors.len());
    }
}

fn objects(count: usize, what: &str) -> String {
    let noun = if count == 1 { "object" } else { "objects" };
    format!("{count} {noun} {what}")
}

fn more(lines: &mut Vec<String>, count: usize) {
    if count > ERRORS_SHOWN {
        lines.push(format!("  … {} more in the report", count - ERRORS_SHOWN));
    }
}

fn fact(lines: &mut Vec<String>, label: &str, text: &str) {
    wrap(lines, &format!("{label:<LABEL_WIDTH$}"), text);
}

fn item(lines: &mut Vec<String>, text: &str) {
    wrap(lines, "  ", &printable(text));
}

/// Breaks `text` at spaces; the first line begins with `head`, the others with as many spaces.
fn wrap(lines: &mut Vec<String>, head: &str, text: &str) {
    let indent = head.chars().count();
    let mut line = head.to_owned();
    let mut used = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > indent && used + 1 + length > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            used = indent;
        }
        if used > indent {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    lines.push(line);
}

/// Keeps the end of a name, which is what tells tables apart.
fn shorten(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let tail: String = name.chars().skip(length - width + 1).collect();
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::contract::PhaseTime;
    use crate::report::contract::tests::sample;
    use crate::report::{ObjectError, Skipped};

    fn large() -> Report {
        let mut report = sample();
        let table = report.tables[0].clone();
        for i in 0..30 {
            let mut table = table.clone();
            table.name = format!("public.a_table_with_a_rather_long_name_number_{i}");
            table.raw_bytes = 1_000_000 * (i + 1);
            report.tables.push(table);
        }
        report.phases = ["schema", "data", "indexes and keys", "the rest", "finish"]
            .map(|name| PhaseTime {
                name: name.to_owned(),
                seconds: 12_345.0,
            })
            .to_vec();
        report.totals.raw_bytes = 5_000_000_000;
        report.totals.seconds = 61_725.0;
        report.source_changed = true;
        report.skipped.push(Skipped {
            object: "SUBSCRIPTION s".to_owned(),
            reason: "it names another server ".repeat(8),
        });
        report
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let text = summary(&large());
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(text.contains("… 21 more"), "{text}");
        assert!(text.contains("all 31 tables"), "{text}");
        assert!(text.contains("those writes are NOT"), "{text}");
    }

    #[test]
    fn errors_are_listed_with_object_and_message() {
        let text = summary(&sample());
        assert!(text.contains("1 object could not be restored:"), "{text}");
        let line = "  INDEX public i: could not create unique index (23505)";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        let mut report = sample();
        report.tables[0].name = "public.\"a\u{1b}[2J\n\"".to_owned();
        report.errors.push(ObjectError {
            object: "x\r\n".to_owned(),
            ..ObjectError::default()
        });
        let text = summary(&report);
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(text.contains("\\n"));
    }

    #[test]
    fn an_empty_database_has_a_summary_too() {
        let report = Report::new("main", "", "", crate::report::SnapshotPoint::default());
        assert!(summary(&report).contains("verified   no"));
    }
}
