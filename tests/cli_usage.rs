//! The command line as a user meets it: help, errors in one line, exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn pgpipe(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgpipe"))
        .args(args)
        .env_remove("PGPIPE_PAIR")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Holds an error against its contract: exit code 2, one line, then where to read on.
fn refused(args: &[&str], says: &str) {
    let output = pgpipe(args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{args:?}: {text}");
    assert!(lines[0].starts_with("pgpipe: "), "{args:?}: {text}");
    assert!(lines[0].contains(says), "{args:?}: {text}");
    assert!(lines[1].ends_with("--help'"), "{args:?}: {text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn version_is_one_line() {
    let output = pgpipe(&["--version"]);
    assert_eq!(stdout(&output), "pgpipe 0.1.0\n");
    assert!(output.status.success());
}

#[test]
fn every_command_has_help() {
    let options = [
        (
            "recv",
            "--target --listen --connect --pair-file --pair-expires --state --migration --memory --progress --log --report --pg-bin --create-db --clean --append --allow-downgrade --index-jobs --journal-schema --keep-free --keep-journal --stay --give-up",
        ),
        (
            "send",
            "--source --listen --connect --pair-file --state --migration --memory --progress --log --report --pg-bin --jobs --chunk-size --compress --rate --no-owner --no-privileges --no-tablespaces --clean --where --schema-only --data-only --load-via-partition-root --map-role --keep-snapshot --on-lost-snapshot --allow-changes --give-up",
        ),
        (
            "clone",
            "--source --target --clean --jobs --index-jobs --report --memory",
        ),
        ("status", "--state --migration --watch --json"),
        ("stop", "--state --migration"),
        ("abort", "--state --migration"),
        ("reset", "--state --target --journal-schema --pg-bin --yes"),
        ("cleanup", "--state --target --journal-schema --force --yes"),
        (
            "demo",
            "--rows --pg-bin --report --progress --jobs --no-baseline",
        ),
        ("abort", "--state --migration"),
    ];
    for (command, expected) in options {
        let output = pgpipe(&[command, "--help"]);
        assert!(output.status.success(), "{command}");
        let help = stdout(&output);
        for option in expected.split(' ') {
            assert!(help.contains(option), "{command} lacks {option}: {help}");
        }
    }
    let help = stdout(&pgpipe(&["clone", "--help"]));
    assert!(!help.contains("--listen") && !help.contains("--pair-file"));
}

#[test]
fn the_keeper_is_not_advertised() {
    let help = stdout(&pgpipe(&["--help"]));
    assert!(help.contains("recv") && help.contains("demo"), "{help}");
    assert!(!help.contains("\n  keeper"), "{help}");
}

#[test]
fn no_command_shows_the_help_and_is_an_error() {
    let output = pgpipe(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("Usage: pgpipe"));
}

#[test]
fn a_link_is_needed_and_only_one() {
    refused(&["send"], "--listen <ADDR:PORT>");
    refused(&["recv"], "--connect <HOST:PORT>");
    let both = ["send", "--listen", "0.0.0.0:1", "--connect", "h:1"];
    refused(&both, "cannot be used with");
}

#[test]
fn rows_are_not_emptied_and_appended_to() {
    let recv = ["recv", "--connect", "h:1", "--clean", "--append"];
    refused(&recv, "cannot be used with");
    let clone = ["clone", "--data-only", "--clean", "--append"];
    refused(&clone, "cannot be used with");
}

#[test]
fn no_rows_are_chosen_where_none_are_moved() {
    let send = [
        "send",
        "--connect",
        "h:1",
        "--schema-only",
        "--where",
        "t=true",
    ];
    refused(&send, "cannot be used with");
}

#[test]
fn bad_values_say_what_is_taken() {
    let send = |option: &'static str, value: &'static str, says: &str| {
        refused(&["send", "--connect", "h:1", option, value], says);
    };
    send("--memory", "256", "256MiB");
    send("--memory", "1MiB", "64MiB");
    send("--rate", "500", "500Mbit");
    send("--keep-snapshot", "24", "24h");
    send("--give-up", "soon", "90s");
    send("--compress", "22", "1 to 19");
    send("--jobs", "0", "1..=64");
    send("--migration", "../x", "A-Z a-z 0-9");
    send("--report", "r.txt", ".json or .html");
    send("--progress", "loud", "plain");
    send("--where", "app.events", "TABLE=PREDICATE, as in");
    send("--where", "a.b.c=true", "one dot at most");
    send("--where", "t= -- true", "there is no predicate");
    send("--where", "t=true) OR (true", "closed that is not open");
    send("--where", "t=(true", "a parenthesis is not closed");
    send("--where", "t=s = 'a", "a string is not closed");
    send("--where", "t=s = $a$b", "a string in dollars is not closed");
    send("--where", "t=true /* \n", "a comment is not closed");
    send("--where", "t=true; DROP TABLE t", "a semicolon");
    refused(&["recv", "--listen", "5433"], "0.0.0.0:5433");
    refused(&["demo", "--rows", "many"], "500k");
}

#[test]
fn unknown_options_and_commands_are_refused() {
    refused(&["send", "--soruce", "x"], "--soruce");
    refused(&["sned"], "sned");
    refused(&["keeper"], "--state-dir");
}
