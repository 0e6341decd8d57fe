//! The report as one self-contained page: no script, no reference to anything outside.

use std::fmt::Write;

use super::contract::Report;
use super::units;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;\
padding:0 1rem;color:#222}table{border-collapse:collapse;margin:1rem 0}\
th,td{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:left}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
code{font-size:.85em}.bad{color:#b00020}";

/// Renders the page; every text from a server or a user is escaped.
pub(super) fn render(report: &Report) -> String {
    let title = format!("pgpipe: {}", escape(&report.migration));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    );
    facts(&mut page, report);
    problems(&mut page, report);
    tables(&mut page, report);
    phases(&mut page, report);
    latency(&mut page, report);
    page.push_str("</body></html>\n");
    page
}

fn facts(page: &mut String, report: &Report) {
    let totals = &report.totals;
    let changed = if report.source_changed {
        "yes: the target is the snapshot, later writes are not in it"
    } else {
        "no"
    };
    let snapshot = format!("{} at {}", report.snapshot.time, report.snapshot.lsn);
    let cpu = format!(
        "send {:.1} s, recv {:.1} s",
        totals.cpu_seconds_send, totals.cpu_seconds_recv
    );
    let memory = format!(
        "send {}, recv {}",
        units::size(totals.peak_rss_send),
        units::size(totals.peak_rss_recv)
    );
    let rows = [
        ("source", report.source.clone()),
        ("target", report.target.clone()),
        ("snapshot", snapshot),
        ("rows", units::count(totals.rows)),
        ("raw", units::size(totals.raw_bytes)),
        ("on the wire", units::size(totals.wire_bytes)),
        ("UDP sent", units::size(totals.udp_bytes)),
        ("time", units::seconds(totals.seconds)),
        ("CPU", cpu),
        ("peak memory", memory),
        ("verified", report.verified.as_str().to_owned()),
        ("source changed", changed.to_owned()),
    ];
    page.push_str("<table>\n");
    for (name, value) in rows {
        row(page, &[name, &value], 2);
    }
    page.push_str("</table>\n");
}

fn problems(page: &mut String, report: &Report) {
    if !report.errors.is_empty() {
        page.push_str("<h2 class=\"bad\">Not restored</h2>\n");
        head(page, &["object", "message", "SQLSTATE", "statement"], 4);
        for error in &report.errors {
            let sqlstate = error.sqlstate.as_deref().unwrap_or("");
            let statement = error.statement.as_deref().unwrap_or("");
            row(
                page,
                &[&error.object, &error.message, sqlstate, statement],
                4,
            );
        }
        page.push_str("</table>\n");
    }
    if !report.skipped.is_empty() {
        page.push_str("<h2>Skipped</h2>\n");
        head(page, &["object", "reason"], 2);
        for skipped in &report.skipped {
            row(page, &[&skipped.object, &skipped.reason], 2);
        }
        page.push_str("</table>\n");
    }
}

fn tables(page: &mut String, report: &Report) {
    page.push_str("<h2>Tables</h2>\n");
    let names = [
        "table", "format", "digest", "rows", "raw", "wire", "chunks", "seconds",
    ];
    head(page, &names, 3);
    for table in &report.tables {
        let cells = [
            &table.name,
            &table.format,
            &table.digest,
            &units::count(table.rows),
            &units::size(table.raw_bytes),
            &units::size(table.wire_bytes),
            &units::count(table.chunks),
            &format!("{:.1}", table.seconds),
        ];
        row(page, &cells.map(String::as_str), 3);
    }
    page.push_str("</table>\n");
}

fn phases(page: &mut String, report: &Report) {
    page.push_str("<h2>Phases</h2>\n");
    head(page, &["phase", "seconds"], 1);
    for phase in &report.phases {
        row(page, &[&phase.name, &format!("{:.1}", phase.seconds)], 1);
    }
    page.push_str("</table>\n");
}

fn latency(page: &mut String, report: &Report) {
    page.push_str("<h2>Latency per block or commit, ms</h2>\n");
    head(page, &["stage", "p50", "p99", "max"], 1);
    for (stage, q) in &report.latency {
        let numbers = [q.p50, q.p99, q.max].map(|ms| format!("{ms:.2}"));
        row(
            page,
            &[stage.as_str(), &numbers[0], &numbers[1], &numbers[2]],
            1,
        );
    }
    page.push_str("</table>\n");
}

/// Opens a table; the cells from `numbers_from` on hold numbers.
fn head(page: &mut String, names: &[&str], numbers_from: usize) {
    page.push_str("<table>\n");
    cells(page, "th", names, numbers_from);
}

fn row(page: &mut String, values: &[&str], numbers_from: usize) {
    cells(page, "td", values, numbers_from);
}

fn cells(page: &mut String, tag: &str, values: &[&str], numbers_from: usize) {
    page.push_str("<tr>");
    for (i, value) in values.iter().enumerate() {
        let class = if i >= numbers_from {
            " class=\"n\""
        } else {
            ""
        };
        // Writing to a String does not fail.
        let _ = write!(page, "<{tag}{class}>{}</{tag}>", escape(value));
    }
    page.push_str("</tr>\n");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::contract::Skipped;
    use crate::report::contract::tests::sample;

    #[test]
    fn everything_is_escaped() {
        let evil = "<script>alert('\"&')</script>".to_owned();
        let mut report = sample();
        report.migration = evil.clone();
        report.source = evil.clone();
        report.tables[0].name = evil.clone();
        report.errors[0].object = evil.clone();
        report.errors[0].statement = Some(evil.clone());
        report.skipped.push(Skipped {
            object: evil.clone(),
            reason: evil,
        });
        let page = render(&report);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)"));
    }

    #[test]
    fn the_page_tells_what_the_json_tells() {
        let page = render(&sample());
        for text in ["23,456,789", "4.90 GB", "could not create", "16/B374D848"] {
            assert!(page.contains(text), "{text} missing from {page}");
        }
    }
}
