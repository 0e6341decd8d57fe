//! How fast and how small the encoder is: `cargo bench --bench encode`, with `-- --sweep` for the
//! table behind `ChunkParams::default`.

mod shapes;

use std::time::Instant;

use pgpipe::codec::{ChunkEncoder, ChunkParams};
use pgpipe::copy::Tuples;

const BYTES: usize = 64 << 20;
const BLOCK: usize = 1 << 20;
const REPEATS: u32 = 5;

const LEVELS: [i32; 5] = [-3, -1, 1, 2, 3];
const WINDOW_LOGS: [u8; 5] = [19, 21, 22, 23, 24];

fn main() {
    let sweep = std::env::args().any(|a| a == "--sweep");
    for shapes::Shape { name, make, .. } in shapes::SHAPES {
        let data = make(BYTES);
        let blocks = shapes::blocks(&data, BLOCK);
        for params in settings(sweep) {
            print_figures(name, params, &blocks);
        }
    }
}

fn settings(sweep: bool) -> Vec<ChunkParams> {
    if !sweep {
        return vec![ChunkParams::default(), ChunkParams::UNCOMPRESSED];
    }
    let at = |level| {
        WINDOW_LOGS.map(|window_log| ChunkParams {
            level: Some(level),
            window_log,
        })
    };
    LEVELS.into_iter().flat_map(at).collect()
}

fn print_figures(name: &str, params: ChunkParams, blocks: &[(&[u8], u32)]) {
    let raw: usize = blocks.iter().map(|b| b.0.len()).sum();
    let mut encoder = ChunkEncoder::new(params).expect("the parameters are ours");
    let (mut best, mut encoded, mut out) = (f64::MAX, 0, Vec::new());
    for _ in 0..REPEATS {
        let start = Instant::now();
        encoder.start(params).expect("the parameters are ours");
        encoded = encode(&mut encoder, blocks, &mut out);
        best = best.min(start.elapsed().as_secs_f64());
    }
    let level = params
        .level
        .map_or_else(|| "none".to_owned(), |l| l.to_string());
    println!(
        "encode {name:12} level {level:>4} window 2^{}  {:6.0} MB/s  ratio {:6.2}  context {:5.1} MiB",
        params.window_log,
        raw as f64 / best / 1e6,
        raw as f64 / encoded as f64,
        encoder.context_bytes() as f64 / f64::from(1 << 20),
    );
}

/// Encodes a chunk and returns its size.
fn encode(encoder: &mut ChunkEncoder, blocks: &[(&[u8], u32)], out: &mut Vec<u8>) -> usize {
    let (mut encoded, mut tuples) = (0, Tuples::default());
    for (raw, rows) in blocks {
        let found = tuples.find(raw);
        assert_eq!(found, Ok(raw.len()), "{rows} rows are well-formed");
        let block = encoder.encode_tuples(0, raw, &tuples, out);
        block.expect("the rows make a block");
        encoded += out.len();
    }
    encoder.finish(out).expect("the chunk is open");
    encoded + out.len()
}
