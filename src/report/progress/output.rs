//! Where progress goes: a bar, lines, JSON or nothing, and when the next is due.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::rate::Smoothed;
use super::{Mode, view};
use crate::report::meter::Snapshot;

const PLAIN_EVERY: Duration = Duration::from_secs(10);
const JSON_EVERY: Duration = Duration::from_secs(1);
const BAR: &str = "[{bar:14}] {wide_msg}";

/// The one writer of standard error while a run lasts.
pub(super) struct Output {
    mode: Mode,
    to: Box<dyn Write + Send>,
    bar: ProgressBar,
    phases_seen: usize,
    last: Option<Instant>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Output {
    pub(super) fn new(mode: Mode, to: Box<dyn Write + Send>) -> Self {
        let bar = match mode {
            Mode::Bar => bar(),
            _ => ProgressBar::hidden(),
        };
        Self {
            mode,
            to,
            bar,
            phases_seen: 0,
            last: None,
        }
    }

    pub(super) fn line(&mut self, text: &str) {
        match self.mode {
            Mode::Bar => self.bar.println(clean(text)),
            Mode::Json => self.write(&serde_json::json!({ "message": text }).to_string()),
            _ => self.write(&clean(text)),
        }
    }

    /// Shows `now` if it is due: by time, because a phase began, or because the run ended.
    pub(super) fn show(&mut self, now: &Snapshot, rate: &Smoothed, at: Instant, ended: bool) {
        match self.mode {
            Mode::Bar => self.redraw(now, rate, ended),
            Mode::Plain => {
                if view::tells_something(now) && self.due(now, at, ended, PLAIN_EVERY) {
                    self.write(&view::plain(now, rate));
                }
            }
            Mode::Json => {
                if self.due(now, at, ended, JSON_EVERY) {
                    self.write(&view::json(now, rate));
                }
            }
            Mode::Auto | Mode::None => {}
        }
    }

    fn due(&mut self, now: &Snapshot, at: Instant, ended: bool, every: Duration) -> bool {
        let phase_began = now.phases_begun != self.phases_seen;
        let waited = self
            .last
            .is_none_or(|last| at.duration_since(last) >= every);
        let due = ended || phase_began || waited;
        if due {
            self.phases_seen = now.phases_begun;
            self.last = Some(at);
        }
        due
    }

    fn redraw(&mut self, now: &Snapshot, rate: &Smoothed, ended: bool) {
        if ended {
            // The summary follows; a frozen bar above it would say the same less well.
            self.bar.finish_and_clear();
            return;
        }
        self.bar.set_position(view::permille(now));
        self.bar.set_message(view::beside_bar(now, rate));
    }

    fn write(&mut self, line: &str) {
        // Nobody reads standard error any more: the migration goes on all the same.
        let _ = writeln!(self.to, "{line}").and_then(|()| self.to.flush());
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(BAR).expect("the template is a valid constant");
    let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// Line feeds stay, since a caller may print several lines; other control characters do not.
fn clean(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(crate::report::printable).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_come_by_time_by_phase_and_at_the_end() {
        let mut output = Output::new(Mode::Plain, Box::new(Vec::new()));
        let mut now = Snapshot::default();
        let start = Instant::now();
        let mut due = |now: &Snapshot, seconds, ended| {
            let at = start + Duration::from_secs(seconds);
            output.due(now, at, ended, PLAIN_EVERY)
        };
        assert!(due(&now, 0, false));
        assert!(!due(&now, 9, false));
        assert!(due(&now, 10, false));
        now.phases_begun = 1;
        assert!(due(&now, 11, false));
        assert!(!due(&now, 12, false));
        assert!(due(&now, 13, true));
    }

    #[test]
    fn lines_cannot_command_the_terminal() {
        assert_eq!(clean("a\nb\u{1b}[2J"), "a\nb\\u{1b}[2J");
    }
}
