//! pgpipe's blocks against compressing the rows as they are: `make bench-codec`.
//!
//! Prints markdown. Options: `cargo bench --bench codec -- --help`.

mod contenders;
mod entropy;
mod page;
mod race;
#[path = "../shapes/mod.rs"]
mod shapes;

use clap::Parser;

use page::Measured;
use shapes::{Family, SHAPES, Shape};

const BLOCK: usize = 1 << 20;
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
const BEGIN: &str = "<!-- bench-codec begins -->";
const END: &str = "<!-- bench-codec ends -->";

/// Measures pgpipe's blocks against zstd and lz4 over rows.
#[derive(Parser)]
struct Options {
    /// Only this shape; may be repeated
    #[arg(long, value_name = "NAME", value_parser = SHAPES.map(|s| s.name), conflicts_with = "write")]
    shape: Vec<String>,
    /// Raw bytes of each shape
    #[arg(long, default_value_t = 128 << 20)]
    bytes: usize,
    /// Repeats, of which the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Show each column's entropy, too
    #[arg(long)]
    columns: bool,
    /// Measure pgpipe without each kind of encoding, too
    #[arg(long)]
    encodings: bool,
    /// Put the tables into docs/benchmarks.md, that of the encodings included
    #[arg(long)]
    write: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    race::pin().expect("a process may choose among its cores");
    let wanted =
        |shape: &&Shape| options.shape.is_empty() || options.shape.iter().any(|s| s == shape.name);
    let measured: Vec<_> = SHAPES
        .iter()
        .filter(wanted)
        .map(|shape| measure(shape, &options))
        .collect();
    let page = page::page(&measured, options.runs.into());
    println!("{page}");
    if options.write {
        write(&page);
    }
}

fn measure(shape: &Shape, options: &Options) -> Measured {
    eprintln!("{} …", shape.name);
    let data = (shape.make)(options.bytes);
    if options.columns {
        print_columns(&data);
    }
    let blocks = shapes::blocks(&data, BLOCK);
    // New for each shape: what one shape made a context grow to must not serve the next.
    let mut contenders = contenders::contenders();
    Measured {
        name: shape.name,
        family: shape.family,
        rows: blocks.iter().map(|b| b.1 as usize).sum(),
        entropy: (shape.family == Family::History).then(|| entropy::bytes_per_row(&data)),
        figures: race::race(&mut contenders, &data, &blocks, options.runs.into()),
        without_one: if options.encodings || options.write {
            let mut contenders = contenders::without_one();
            race::race(&mut contenders, &data, &blocks, options.runs.into())
        } else {
            Vec::new()
        },
    }
}

fn print_columns(data: &[u8]) {
    for (nth, column) in entropy::columns(data).iter().enumerate() {
        let deltas = column
            .deltas
            .map_or_else(|| "-".to_owned(), |bits| format!("{bits:.2}"));
        eprintln!(
            "  column {nth:2}: values {:6.2} bits, deltas {deltas:>6}",
            column.values
        );
    }
}

/// Replaces what stands between the two marks.
fn write(page: &str) {
    let old = std::fs::read_to_string(PAGE).expect("the tree has its page of benchmarks");
    let (before, rest) = old.split_once(BEGIN).expect("the page has the first mark");
    let (_, after) = rest.split_once(END).expect("the page has the second mark");
    let new = format!("{before}{BEGIN}\n{}\n{END}{after}", page.trim());
    std::fs::write(PAGE, new).expect("the page can be written");
}
