//! How fast the decoder gives back checked rows: `cargo bench --bench decode`.

mod shapes;

use std::time::Instant;

use pgpipe::codec::{ChunkDecoder, ChunkEncoder, ChunkParams, HEADER_LEN, Header, MAX_WINDOW_LOG};
use pgpipe::copy::Tuples;

const BYTES: usize = 64 << 20;
const BLOCK: usize = 1 << 20;
const REPEATS: u32 = 5;

fn main() {
    for shapes::Shape { name, make, .. } in shapes::SHAPES {
        let data = make(BYTES);
        for params in [ChunkParams::default(), ChunkParams::UNCOMPRESSED] {
            print_figures(name, params, &data);
        }
    }
}

fn print_figures(name: &str, params: ChunkParams, data: &[u8]) {
    let chunk = encode(params, data);
    let mut decoder = ChunkDecoder::new(MAX_WINDOW_LOG);
    let mut best = f64::MAX;
    for _ in 0..REPEATS {
        let start = Instant::now();
        decoder.start(params).expect("the parameters are ours");
        let decoded = decode(&mut decoder, &chunk);
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(decoded, data.len());
    }
    let level = params
        .level
        .map_or_else(|| "none".to_owned(), |l| l.to_string());
    println!(
        "decode {name:12} level {level:>4} window 2^{}  {:6.0} MB/s  context {:5.1} MiB",
        params.window_log,
        data.len() as f64 / best / 1e6,
        decoder.context_bytes() as f64 / f64::from(1 << 20),
    );
}

fn encode(params: ChunkParams, data: &[u8]) -> Vec<Vec<u8>> {
    let mut encoder = ChunkEncoder::new(params).expect("the parameters are ours");
    let mut chunk = Vec::new();
    let mut tuples = Tuples::default();
    for (raw, _) in shapes::blocks(data, BLOCK) {
        tuples.find(raw).expect("the rows are well-formed");
        let mut out = Vec::new();
        let block = encoder.encode_tuples(0, raw, &tuples, &mut out);
        block.expect("the rows make a block");
        chunk.push(out);
    }
    let mut out = Vec::new();
    encoder.finish(&mut out).expect("the chunk is open");
    chunk.push(out);
    chunk
}

/// Decodes a chunk and returns how many raw bytes it holds.
fn decode(decoder: &mut ChunkDecoder, chunk: &[Vec<u8>]) -> usize {
    let (mut raw, mut out) = (0, Vec::new());
    for block in chunk {
        let (header, payload) = block
            .split_first_chunk::<HEADER_LEN>()
            .expect("a block has a header");
        let header = Header::parse(header).expect("the header is ours");
        let decoded = decoder.decode(&header, payload, &mut out);
        decoded.expect("the block is ours");
        raw += out.len();
    }
    raw
}
