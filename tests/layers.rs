//! Each module uses only what stands above it: the layers of ARCHITECTURE.md, held against every
//! path in `src`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, from plain data down to what the user touches. A module may use those of earlier
/// layers; of its own layer only what [`SIBLINGS`] says.
const LAYERS: &[&[&str]] = &[
    &["schema", "chunk", "lsn"],
    &[
        "copy",
        "codec",
        "wire",
        "planner",
        "ledger",
        "phase",
        "selection",
    ],
    &["transport", "pg", "runtime", "state", "report", "control"],
    &["source", "sink"],
    &["send", "recv", "clone"],
    &["cli", "demo", "main"],
];

/// `(who, whom)` within one layer. Add a line only if it draws no circle.
const SIBLINGS: &[(&str, &str)] = &[
    ("chunk", "schema"),
    ("codec", "copy"),
    ("wire", "codec"),
    ("state", "runtime"),
    ("transport", "state"),
    ("control", "report"),
    ("control", "runtime"),
    ("clone", "send"),
    ("clone", "recv"),
    ("cli", "demo"),
    ("main", "cli"),
];

/// The two ends of the data speak raw bytes and chunk ids: they know no network.
const OFF_LIMITS: &[(&str, &str)] = &[("source", "transport"), ("sink", "transport")];

/// Layers up to this one are pure.
const PURE: usize = 2;

/// What a pure module may not name: the clock, sockets, an executor. Time comes in as an argument.
const IMPURE: &[&str] = &[
    "tokio",
    "std::net",
    "std::os::unix::net",
    "std::time::Instant::now",
    "Instant::now",
    "std::time::SystemTime::now",
    "SystemTime::now",
];

/// Crates, and the only modules that may name them.
const CONFINED: &[(&str, &[&str])] = &[
    ("quinn", &["transport"]),
    ("quinn_proto", &["transport"]),
    ("rustls", &["transport", "pg"]),
];

#[test]
fn every_module_uses_only_what_stands_above_it() {
    let sources = sources();
    assert!(sources.len() > 20, "is src/ here? found {sources:?}");
    let wrong: Vec<_> = sources.iter().flat_map(complaints).collect();
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} uses across the layers (see the tables in tests/layers.rs):\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_library_declares_exactly_the_modules_of_the_table() {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let mut declared: Vec<_> = lib
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .chain(["main"])
        .collect();
    let mut listed = LAYERS.concat();
    declared.sort_unstable();
    listed.sort_unstable();
    assert_eq!(declared, listed);
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// One source file: its path under `src`, and the module path that this makes it.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    module: Vec<String>,
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut dirs = vec![src()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.extend(source(path.strip_prefix(src()).unwrap()));
            }
        }
    }
    found
}

/// `None` for lib.rs, and for files of tests, which may reach anywhere.
fn source(path: &Path) -> Option<Source> {
    let stem = path.with_extension("");
    let words = stem.iter().map(|word| word.to_str().unwrap().to_owned());
    let mut module: Vec<_> = words.collect();
    module.pop_if(|last| last == "mod");
    let is_test = module.last().is_some_and(|last| last == "tests");
    (!is_test && module != ["lib"]).then(|| Source {
        path: path.to_owned(),
        module,
    })
}

fn complaints(file: &Source) -> Vec<String> {
    let text = fs::read_to_string(src().join(&file.path)).unwrap();
    let own = file.module[0].as_str();
    let mut paths = paths(&code(&text));
    paths.sort_unstable();
    paths.dedup();
    let complain = |path: &Vec<String>| {
        let shown = path.join("::");
        let reason = match target(path, file.module.len()) {
            Some(module) => not_above(own, module),
            None => not_here(own, &shown),
        };
        reason.map(|reason| format!("src/{}: {shown}: {reason}", file.path.display()))
    };
    paths.iter().filter_map(complain).collect()
}

fn layer(module: &str) -> Option<usize> {
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found.map(|index| index + 1)
}

/// The top module that a path leads to: after `crate::`, or after as many `super::` as lead there.
fn target(path: &[String], depth: usize) -> Option<&str> {
    let supers = path.iter().take_while(|word| *word == "super").count();
    let module = match path[0].as_str() {
        "crate" | "pgpipe" => path.get(1),
        "super" if supers >= depth => path.get(supers),
        _ => None,
    };
    module
        .map(String::as_str)
        .filter(|module| layer(module).is_some())
}

fn not_above(own: &str, used: &str) -> Option<String> {
    let (own_layer, used_layer) = (layer(own)?, layer(used)?);
    let pair = (own, used);
    if own == used {
        None
    } else if OFF_LIMITS.contains(&pair) {
        Some(format!(
            "`{own}` must not know the network; let the layer below join them"
        ))
    } else if used_layer < own_layer || SIBLINGS.contains(&pair) {
        None
    } else if used_layer == own_layer {
        Some(format!(
            "`{own}` and `{used}` are siblings in layer {own_layer}; move what both need above them, \
             or join them in the layer below"
        ))
    } else {
        Some(format!(
            "`{own}` (layer {own_layer}) must not use `{used}` (layer {used_layer}), which stands below it"
        ))
    }
}

fn not_here(own: &str, path: &str) -> Option<String> {
    let names = |name: &str| {
        let rest = path.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if layer(own)? <= PURE && IMPURE.iter().any(|name| names(name)) {
        return Some(format!("`{own}` is pure: no clock, no sockets, no tokio"));
    }
    let (name, homes) = CONFINED.iter().find(|(name, _)| names(name))?;
    let allowed = homes.contains(&own);
    (!allowed).then(|| format!("only {} may use {name}", homes.join(" and ")))
}

/// The text without comments, literals, and the tests at its end.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let mut code = String::with_capacity(end);
    let mut rest = &text[..end];
    while let Some(first) = rest.chars().next() {
        let skipped = skipped_len(rest);
        if skipped > 0 {
            code.push(' ');
            rest = &rest[skipped..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// The length of the comment or literal that `text` begins with, or 0.
fn skipped_len(text: &str) -> usize {
    let until = |end: &str, from: usize| {
        let found = text[from..].find(end);
        found.map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        until("\n", 2)
    } else if text.starts_with("/*") {
        until("*/", 2)
    } else if text.starts_with("r#\"") {
        until("\"#", 3)
    } else if text.starts_with("'\"'") {
        3
    } else if text.starts_with("'\\") {
        until("'", 3)
    } else if text.starts_with('"') {
        string_len(text)
    } else {
        0
    }
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Every path of the code, `use` trees unfolded.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut tokens = Tokens(code);
    let mut found = Vec::new();
    while let Some(token) = tokens.next() {
        if is_word(token) {
            tokens.path(vec![token.to_owned()], &mut found);
        }
    }
    found.retain(|path: &Vec<String>| path.len() > 1);
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Words, `::`, and single characters.
struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.0 = self.0.trim_start();
        let first = self.0.chars().next()?;
        let other = |c: char| !c.is_alphanumeric() && c != '_';
        let len = if is_word(self.0) {
            self.0.find(other).unwrap_or(self.0.len())
        } else if self.0.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(token)
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let before = self.0;
        let found = self.next() == Some(wanted);
        if !found {
            self.0 = before;
        }
        found
    }

    fn word(&mut self) -> Option<&'a str> {
        let before = self.0;
        let word = self.next().filter(|token| is_word(token));
        if word.is_none() {
            self.0 = before;
        }
        word
    }

    /// What follows `path`: `::word`, `::{trees}`, or its end.
    fn path(&mut self, mut path: Vec<String>, found: &mut Vec<Vec<String>>) {
        while self.eat("::") {
            if self.eat("{") {
                while !self.eat("}") {
                    let Some(word) = self.word() else {
                        if self.next().is_none() {
                            return;
                        }
                        continue;
                    };
                    let mut tree = path.clone();
                    tree.push(word.to_owned());
                    self.path(tree, found);
                }
                return;
            }
            match self.word() {
                Some(word) => path.push(word.to_owned()),
                None => break,
            }
        }
        if self.eat("as") {
            self.word();
        }
        found.push(path);
    }
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text = r#"
        use crate::{chunk::{Chunk, Plan}, pg::Client as C, lsn};
        // crate::comment::x
        fn f(x: &crate::wire::Role<'_>) -> [u8; 2] { "crate::text::x"; super::super::sink::go(x) }
        use std::{fmt, net::TcpStream};
        #[cfg(test)]
"#;
    let found: Vec<_> = paths(&code(text)).iter().map(|p| p.join("::")).collect();
    assert_eq!(
        found,
        [
            "crate::chunk::Chunk",
            "crate::chunk::Plan",
            "crate::pg::Client",
            "crate::lsn",
            "crate::wire::Role",
            "super::super::sink::go",
            "std::fmt",
            "std::net::TcpStream",
        ]
    );
}

#[test]
fn wrong_uses_are_told_apart() {
    assert_eq!(not_above("sink", "phase"), None);
    assert_eq!(not_above("chunk", "schema"), None);
    assert!(not_above("schema", "chunk").unwrap().contains("siblings"));
    assert!(not_above("sink", "source").unwrap().contains("siblings"));
    assert!(not_above("codec", "pg").unwrap().contains("below"));
    assert!(
        not_above("source", "transport")
            .unwrap()
            .contains("network")
    );
    assert!(not_here("phase", "std::net::TcpStream").is_some());
    assert!(not_here("phase", "Instant::now").is_some());
    assert!(not_here("phase", "std::time::Duration").is_none());
    assert!(not_here("sink", "quinn::Endpoint").is_some());
    assert!(not_here("pg", "rustls::ClientConfig").is_none());
    let path = ["super", "super", "sink"].map(String::from);
    assert_eq!(target(&path, 2), Some("sink"));
    assert_eq!(target(&path, 3), None);
}
