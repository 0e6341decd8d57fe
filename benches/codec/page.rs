//! The figures as markdown.

use std::fmt::{self, Write};
use std::process::Command;

use crate::contenders::{PGPIPE, ZSTD_1, ZSTD_3};
use crate::race::Figures;
use crate::shapes::Family;

/// One shape and what all contenders made of it.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    pub(crate) rows: usize,
    /// Bytes per row; of history only.
    pub(crate) entropy: Option<f64>,
    pub(crate) figures: Vec<Figures>,
    /// Of pgpipe with all encodings, and without one kind after another; empty if not asked for.
    pub(crate) without_one: Vec<Figures>,
}

impl Measured {
    fn of(&self, name: &str) -> &Figures {
        let found = self.figures.iter().find(|f| f.name == name);
        found.expect("every shape has figures of every contender")
    }

    fn per_row(&self, bytes: usize) -> f64 {
        bytes as f64 / self.rows as f64
    }
}

/// All tables.
pub(crate) fn page(shapes: &[Measured], runs: usize) -> String {
    let mut page = String::new();
    let parts = heading(&mut page, shapes, runs)
        .and_then(|()| by_shape(&mut page, shapes))
        .and_then(|()| together(&mut page, shapes))
        .and_then(|()| without_one(&mut page, shapes))
        .and_then(|()| entropy(&mut page, shapes));
    parts.expect("a string takes all that is written");
    page
}

fn heading(page: &mut String, shapes: &[Measured], runs: usize) -> fmt::Result {
    let raw_bytes = shapes.iter().map(|s| s.of(PGPIPE).raw_bytes).max();
    writeln!(page, "{}", machine())?;
    writeln!(
        page,
        "pgpipe {}. {} MiB of each shape in blocks of 1 MiB, one core; medians of {runs} runs, taken in turn.\n\
         Speeds are raw MB per second of processor time.\n",
        commit(),
        raw_bytes.unwrap_or_default() >> 20,
    )
}

/// Processor, cores, memory, kernel and day, worded as `scripts/bench.py` does.
fn machine() -> String {
    let cpus = proc_fields("/proc/cpuinfo", "model name");
    let memory = proc_fields("/proc/meminfo", "MemTotal");
    let memory_kib = memory
        .first()
        .and_then(|text| text.split(' ').next()?.parse().ok());
    format!(
        "Machine: {}, {} cores, {:.0} GiB of memory, Linux {}, {}.\n",
        cpus.first().map_or("unknown", String::as_str),
        cpus.len(),
        memory_kib.unwrap_or(0.0) / f64::from(1 << 20),
        rustix::system::uname().release().to_string_lossy(),
        jiff::Zoned::now().date(),
    )
}

fn proc_fields(file: &str, field: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with(field));
    let values = lines.filter_map(|line| Some(line.split_once(':')?.1.trim().to_owned()));
    values.collect()
}

fn commit() -> String {
    let run = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output();
    let name = run.map(|run| String::from_utf8_lossy(&run.stdout).trim().to_owned());
    name.unwrap_or_else(|_| "of an unknown commit".into())
}

fn by_shape(page: &mut String, shapes: &[Measured]) -> fmt::Result {
    let names = shapes.first().map_or(&[][..], |s| &s.figures);
    write!(
        page,
        "| ratio, MB/s to encode, MB/s to decode | bytes/row |"
    )?;
    for figures in names {
        write!(page, " {} |", figures.name)?;
    }
    writeln!(page, "\n|---|---|{}", "---|".repeat(names.len()))?;
    for shape in shapes {
        let raw = shape.per_row(shape.of(PGPIPE).raw_bytes);
        write!(page, "| {} | {raw:.1} |", shape.name)?;
        for f in &shape.figures {
            let (encode, decode) = (f.encode_mb_s(), f.decode_mb_s());
            write!(page, " {:.2}, {encode:.0}, {decode:.0} |", f.ratio())?;
        }
        writeln!(page)?;
    }
    writeln!(page)
}

fn together(page: &mut String, shapes: &[Measured]) -> fmt::Result {
    writeln!(
        page,
        "| pgpipe over another, shapes together | bytes | encode speed | worst shape's bytes | slowest decode |"
    )?;
    writeln!(page, "|---|---|---|---|---|")?;
    for (title, family, other) in [
        ("history", Family::History, ZSTD_3),
        ("others", Family::Other, ZSTD_1),
    ] {
        let shapes: Vec<_> = shapes.iter().filter(|s| s.family == family).collect();
        if !shapes.is_empty() {
            write!(page, "| {title}, over {other} |")?;
            write_together(page, &shapes, other)?;
        }
    }
    writeln!(page)
}

fn write_together(page: &mut String, shapes: &[&Measured], other: &str) -> fmt::Result {
    let sum =
        |name: &str, of: fn(&Figures) -> f64| shapes.iter().map(|s| of(s.of(name))).sum::<f64>();
    let bytes = |f: &Figures| f.encoded_bytes as f64;
    let seconds = |f: &Figures| f.encode_s;
    let worse = |s: &&Measured| (bytes(s.of(PGPIPE)) / bytes(s.of(other)), s.name);
    let decode = |s: &&Measured| (-s.of(PGPIPE).decode_mb_s(), s.name);
    let (worst, worst_name) = largest(shapes.iter().map(worse));
    let (slowest, slowest_name) = largest(shapes.iter().map(decode));
    writeln!(
        page,
        " {:.3} | {:.2} | {worst:.3} ({worst_name}) | {:.0} MB/s ({slowest_name}) |",
        sum(PGPIPE, bytes) / sum(other, bytes),
        sum(other, seconds) / sum(PGPIPE, seconds),
        -slowest,
    )
}

fn largest(named: impl Iterator<Item = (f64, &'static str)>) -> (f64, &'static str) {
    named.fold((f64::MIN, ""), |a, b| if b.0 > a.0 { b } else { a })
}

/// What each kind of encoding gains and costs.
fn without_one(page: &mut String, shapes: &[Measured]) -> fmt::Result {
    let Some((_, others)) = shapes.first().and_then(|s| s.without_one.split_first()) else {
        return Ok(());
    };
    write!(page, "| without: bytes, encode speed, decode speed |")?;
    for figures in others {
        write!(page, " {} |", figures.name)?;
    }
    writeln!(page, "\n|---|{}", "---|".repeat(others.len()))?;
    for shape in shapes {
        write!(page, "| {} |", shape.name)?;
        if let Some((all, others)) = shape.without_one.split_first() {
            for f in others {
                let bytes = f.encoded_bytes as f64 / all.encoded_bytes as f64;
                let encode = f.encode_mb_s() / all.encode_mb_s();
                let decode = f.decode_mb_s() / all.decode_mb_s();
                write!(page, " {bytes:.2}, {encode:.2}, {decode:.2} |")?;
            }
        }
        writeln!(page)?;
    }
    writeln!(page, "\n{WITHOUT_NOTE}\n")
}

const WITHOUT_NOTE: &str = "\
Each column of figures is pgpipe without that kind of encoding over pgpipe with all, in one run: bytes above 1 are
what the kind saves, speeds above 1 what it costs.";

fn entropy(page: &mut String, shapes: &[Measured]) -> fmt::Result {
    writeln!(
        page,
        "| bytes/row | raw | {ZSTD_3} | {PGPIPE} | entropy of the columns |"
    )?;
    writeln!(page, "|---|---|---|---|---|")?;
    for shape in shapes {
        let Some(entropy) = shape.entropy else {
            continue;
        };
        let per_row = |name| shape.per_row(shape.of(name).encoded_bytes);
        writeln!(
            page,
            "| {} | {:.1} | {:.2} | {:.2} | {entropy:.2} |",
            shape.name,
            shape.per_row(shape.of(PGPIPE).raw_bytes),
            per_row(ZSTD_3),
            per_row(PGPIPE),
        )?;
    }
    writeln!(page, "\n{ENTROPY_NOTE}")
}

const ENTROPY_NOTE: &str = "\
Entropy: each column by itself, its values or their deltas to the row before, whichever is less, by how often
each occurs (order 0), summed over the columns. It is no bound: what follows from other rows or columns costs it
full price, and where most values occur once it counts too little.";
