//! How fast the scanner finds and digests rows: `cargo bench --bench scan`.

mod shapes;

use std::hint::black_box;
use std::time::Instant;

use pgpipe::copy::Scanner;
use pgpipe::schema::Format;

const BYTES: usize = 64 << 20;
const BLOCK: usize = 1 << 20;
const REPEATS: u32 = 9;

fn main() {
    for shapes::Shape { name, make, .. } in shapes::SHAPES {
        let data = make(BYTES);
        let blocks = shapes::blocks(&data, BLOCK);
        let rows: u32 = blocks.iter().map(|b| b.1).sum();
        let whole = best_of(|| scan(blocks.iter().map(|b| b.0)));
        let cut = best_of(|| scan(data.chunks(8192)));
        let rate = |seconds: f64| data.len() as f64 / seconds / 1e9;
        println!(
            "scan {name:12} {:4} bytes/row  blocks of tuples {:5.2} GB/s  cut every 8 KiB {:5.2} GB/s",
            data.len() / rows as usize,
            rate(whole),
            rate(cut),
        );
    }
}

fn scan<'a>(pieces: impl Iterator<Item = &'a [u8]>) {
    let mut scanner = Scanner::for_payload(Format::Binary);
    for piece in pieces {
        scanner.scan(piece).expect("the data is well-formed");
    }
    black_box(scanner.finish().expect("the data is whole"));
}

/// Seconds of the fastest run: what disturbs a run only makes it slower.
fn best_of(mut run: impl FnMut()) -> f64 {
    let timed = (0..REPEATS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    timed.fold(f64::MAX, f64::min)
}
