//! Progress on standard error while a run lasts; standard output is for results.

mod output;
mod pace;
mod rate;
mod view;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::meter::Meter;
use output::Output;
pub use pace::Pace;
pub use view::DATA_PHASE;

/// How often the meter is looked at; below what an eye sees as a stutter in a bar.
const TICK: Duration = Duration::from_millis(250);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Mode {
    /// A bar on a terminal, else plain lines
    #[default]
    Auto,
    /// One line that redraws itself
    Bar,
    /// A line every 10 s and at each phase
    Plain,
    /// A JSON object per line, each second
    Json,
    /// Nothing but what must be said
    None,
}

impl Mode {
    /// The word that `--progress` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Bar => "bar",
            Self::Plain => "plain",
            Self::Json => "json",
            Self::None => "none",
        }
    }
}

impl Mode {
    /// What is really shown: a bar needs a terminal.
    fn resolve(self, terminal: bool) -> Self {
        match self {
            Self::Auto | Self::Bar if terminal => Self::Bar,
            Self::Auto | Self::Bar => Self::Plain,
            other => other,
        }
    }
}

/// Shows a meter from a thread of its own, which [`Self::finish`] or dropping it joins.
#[derive(Debug)]
pub struct Progress {
    output: Arc<Mutex<Output>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts showing `meter` on standard error.
    pub fn start(mode: Mode, meter: Arc<Meter>) -> io::Result<Self> {
        let terminal = io::stderr().is_terminal();
        Self::start_on(mode.resolve(terminal), meter, Box::new(io::stderr()))
    }

    fn start_on(mode: Mode, meter: Arc<Meter>, to: Box<dyn Write + Send>) -> io::Result<Self> {
        let output = Arc::new(Mutex::new(Output::new(mode, to)));
        let (stop, stopped) = bounded(1);
        let shown = Arc::clone(&output);
        let thread = thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || show(&meter, &shown, &stopped))?;
        Ok(Self {
            output,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Prints one or more lines above the bar, in every mode.
    pub fn line(&self, text: &str) {
        lock(&self.output).line(text);
    }

    /// Shows the last state, takes the bar away and ends the thread.
    pub fn finish(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // Were it to panic, the run itself would be none the worse.
            let _ = thread.join();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.join();
    }
}

/// Runs until the other end of `stopped` is dropped.
fn show(meter: &Meter, output: &Mutex<Output>, stopped: &Receiver<()>) {
    let mut pace = Pace::default();
    loop {
        let ended = stopped.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout);
        let now = meter.snapshot();
        pace.look(&now);
        let mut output = lock(output);
        output.show(&now, pace.smoothed(), Instant::now(), ended);
        if ended {
            return;
        }
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Counted;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(mode: Mode) -> String {
        let written = Written::default();
        let meter = Arc::new(Meter::new());
        meter.plan(1000, 1, 1);
        meter.phase("data");
        let to = Box::new(written.clone());
        let progress = Progress::start_on(mode, Arc::clone(&meter), to).unwrap();
        progress.line("new migration\nmain");
        meter.add(Counted {
            rows: 3,
            raw_bytes: 500,
            wire_bytes: 50,
        });
        progress.finish();
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn plain_shows_lines_and_the_end() {
        let text = run(Mode::Plain);
        assert!(text.starts_with("new migration\nmain\ndata: 50%"), "{text}");
    }

    #[test]
    fn json_is_one_object_per_line_even_for_messages() {
        let text = run(Mode::Json);
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines[0]["message"], "new migration\nmain");
        let last = lines.last().unwrap();
        assert_eq!(last["rows"], 3);
        assert_eq!(last["bytes_total"], 1000);
    }

    #[test]
    fn none_shows_only_lines() {
        assert_eq!(run(Mode::None), "new migration\nmain\n");
    }

    #[test]
    fn a_bar_needs_a_terminal() {
        assert_eq!(Mode::Auto.resolve(true), Mode::Bar);
        assert_eq!(Mode::Auto.resolve(false), Mode::Plain);
        assert_eq!(Mode::Bar.resolve(false), Mode::Plain);
        assert_eq!(Mode::Json.resolve(true), Mode::Json);
    }
}
