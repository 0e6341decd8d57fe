//! `pgpipe status`: what is at work on this host, and what its state directories know.

mod picture;
mod words;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use picture::Picture;
use words::words;

use super::place::{Place, root};
use super::{Exit, StatusOptions, fail};

/// Between two looks of `--watch`.
const EVERY: Duration = Duration::from_secs(1);
/// Cursor home, and everything below it away.
const REDRAW: &str = "\x1b[H\x1b[J";

/// Shows once, or until nothing is at work any more.
pub(super) fn status(options: &StatusOptions) -> Exit {
    if options.watch && !ends_at_interrupt() {
        return fail("cannot handle signals");
    }
    let root = root(options.state.as_deref());
    let redraws = options.watch && !options.json && io::stdout().is_terminal();
    loop {
        let picture = match look(&root, options.migration.as_deref()) {
            Ok(picture) => picture,
            Err(line) => return fail(&line),
        };
        let text = match options.json {
            true => serde_json::to_string(&picture).expect("plain fields serialise"),
            false => words(&picture),
        };
        let redraw = if redraws { REDRAW } else { "" };
        // A reader that has gone away wants no more.
        if writeln!(io::stdout(), "{redraw}{text}").is_err() || !options.watch {
            return Exit::Done;
        }
        if !picture.is_live() {
            return Exit::Done;
        }
        thread::sleep(EVERY);
    }
}

fn look(root: &Path, name: Option<&str>) -> Result<Picture, String> {
    let places = match name {
        Some(name) => vec![Place::find(root, name)?],
        None => Place::all(root)?,
    };
    Ok(Picture::look(&places))
}

/// Ctrl-C is how a watch ends well.
fn ends_at_interrupt() -> bool {
    let waiting = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = waiting else { return false };
    let (ready, installed) = std::sync::mpsc::channel();
    thread::spawn(move || {
        runtime.block_on(async {
            let signals = super::signals::signals();
            let _ = ready.send(signals.is_ok());
            if let Ok(mut signals) = signals {
                signals.next().await;
                std::process::exit(Exit::Done.code().into());
            }
        });
    });
    installed.recv().unwrap_or(false)
}
