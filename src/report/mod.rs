//! What a run tells: progress while it lasts, the report and its summary at the end, the log.

mod contract;
mod display;
mod ending;
mod html;
mod latency;
pub mod log;
mod meter;
mod progress;
mod side;
mod summary;
pub mod units;
mod wish;
mod write;

pub use contract::{
    ObjectError, PhaseTime, REPORT_VERSION, Report, Skipped, SnapshotPoint, TableReport, Totals,
    Verified,
};
pub use display::{Display, Outcome};
pub use ending::Ending;
pub use latency::{Latencies, Quantiles, Stage};
pub use meter::{Counted, Meter, Snapshot};
pub use progress::{DATA_PHASE, Mode, Pace, Progress};
pub use side::{SideReport, SideStats};
pub use summary::summary;
pub use wish::Wish;
pub use write::{ReportFormat, WriteError};

/// An error with all its causes in one line, each once.
pub fn one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = next.source();
    }
    printable(&line)
}

/// Text from a server or a peer made safe for a terminal: control characters are escaped, so that
/// a table's name can neither move the cursor nor break a line.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
