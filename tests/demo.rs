//! `pgpipe demo` as a user tries it: it verifies, and it cleans up, interrupted or not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use support::{End, Run, poll};
use tempfile::TempDir;

/// For servers to start, and for processes to be gone once the demo is.
const LIMIT: Duration = Duration::from_secs(30);

/// A demo in a `TMPDIR` of its own; its servers are always in /tmp.
struct Demo {
    temp: TempDir,
    run: Run,
    servers: BTreeSet<String>,
}

impl Demo {
    /// Returns once both servers run.
    fn start(rows: &str) -> Self {
        let temp = tempfile::Builder::new()
            .prefix("pgpipe-test-")
            .tempdir()
            .unwrap();
        fs::create_dir(temp.path().join("tmp")).unwrap();
        let tmp = temp.path().join("tmp").display().to_string();
        let report = temp.path().join("demo.json").display().to_string();
        let args = ["--rows", rows, "--no-baseline", "--report", &report];
        let env = [("TMPDIR", tmp.as_str())];
        let run = Run::start(temp.path(), "demo", &args.map(str::to_owned), &env);
        let both = || Some(servers_of(run.pid())).filter(|found| found.len() == 2);
        let servers = poll(LIMIT, both).expect("the demo starts two servers");
        Self { temp, run, servers }
    }

    /// Waits for its end, and for nothing of it to be left.
    fn end(self) -> End {
        let end = self.run.wait();
        let tmp = self.temp.path().join("tmp");
        let of_demo = |line: &str| {
            let mut places = self.servers.iter().map(String::as_str);
            line.contains(tmp.to_str().unwrap()) || places.any(|dir| line.contains(dir))
        };
        let gone = || {
            let left = processes().any(|(_, line)| of_demo(&line));
            (!left).then_some(())
        };
        let left: Vec<_> = processes().filter(|(_, line)| of_demo(line)).collect();
        assert!(poll(LIMIT, gone).is_some(), "still there: {left:?}");
        let files: Vec<_> = fs::read_dir(&tmp).unwrap().collect();
        assert!(files.is_empty(), "{files:?}");
        for dir in &self.servers {
            assert!(!Path::new(dir).exists(), "{dir} is left");
        }
        end
    }
}

/// Every process: its directory in /proc and its command line.
fn processes() -> impl Iterator<Item = (std::path::PathBuf, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        Some((entry.path(), line))
    })
}

/// The directories of the servers that are children of a process.
fn servers_of(pid: u32) -> BTreeSet<String> {
    let is_child = |process: &Path| {
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{pid}"))
    };
    let servers =
        processes().filter(|(process, line)| line.contains("postgres -D") && is_child(process));
    let directory = |(_, line): (_, String)| {
        let data = line
            .split_whitespace()
            .find(|word| word.ends_with("/data"))?;
        Some(data.trim_end_matches("/data").to_owned())
    };
    servers.filter_map(directory).collect()
}

#[test]
fn the_demo_verifies_and_leaves_nothing() {
    let demo = Demo::start("20k");
    let report = demo.temp.path().join("demo.json");
    demo.run.wait_for("verified: the target equals the source");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert!(
        report["totals"]["rows"].as_u64().unwrap() >= 20_000,
        "{report}"
    );
    assert_eq!(report["errors"].as_array().unwrap().len(), 0);
    demo.end().must_end(0);
}

#[test]
fn an_interrupt_while_the_source_is_filled_leaves_nothing() {
    let demo = Demo::start("2M");
    demo.run.signal(Signal::INT);
    let end = demo.end();
    end.must_end(3);
    assert!(!end.stdout.contains("source filled"), "{}", end.stdout);
}

#[test]
fn an_interrupt_while_rows_move_leaves_nothing() {
    let demo = Demo::start("200k");
    demo.run
        .wait_for("pgpipe recv and pgpipe send, two processes");
    demo.run.wait_for("migration main: new");
    demo.run.signal(Signal::INT);
    let end = demo.end();
    end.must_end(3);
    assert!(!end.stdout.contains("verified"), "{}", end.stdout);
}
