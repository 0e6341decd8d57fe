//! The committed seed corpora: small inputs that reach every branch worth mutating from.

use pgpipe::codec::{ChunkEncoder, ChunkParams, Kind};
use pgpipe::copy::{BINARY_HEADER, BINARY_TRAILER};

/// A file of `fuzz/corpus`: target, name, content.
pub(crate) type Seed = (&'static str, &'static str, Vec<u8>);

pub(crate) fn seeds() -> Vec<Seed> {
    let rows = rows();
    let copy_out = [&BINARY_HEADER[..], &rows, &BINARY_TRAILER].concat();
    let scan = |options: u8, step: u8, stream: &[u8]| [&[options, step], stream].concat();
    let chunk = |options: u8, params| [&[options][..], &chunk(params)].concat();
    let plain = ChunkParams::UNCOMPRESSED;
    vec![
        ("scan_tuples", "payload", scan(0, 3, &rows)),
        ("scan_tuples", "copy-out", scan(2, 0, &copy_out)),
        (
            "scan_tuples",
            "no-rows",
            scan(2, 5, &[&BINARY_HEADER[..], &BINARY_TRAILER].concat()),
        ),
        ("scan_tuples", "no-columns", scan(0, 1, &[0; 6])),
        (
            "scan_tuples",
            "text",
            scan(3, 2, b"1\tone\n2\t\\N\n3\ta\\nb\n"),
        ),
        ("decode_block", "zstd", chunk(0, ChunkParams::default())),
        (
            "decode_block",
            "zstd-stamped",
            chunk(2, ChunkParams::default()),
        ),
        ("decode_block", "plain", chunk(1, plain)),
        ("decode_block", "plain-stamped", chunk(3, plain)),
    ]
}

/// Three tuples of an int4, a text and a null.
fn rows() -> Vec<u8> {
    let row = |n: i32| {
        let text = "x".repeat(n as usize);
        let mut row = 3i16.to_be_bytes().to_vec();
        row.extend(4i32.to_be_bytes());
        row.extend(n.to_be_bytes());
        row.extend(n.to_be_bytes());
        row.extend(text.as_bytes());
        row.extend((-1i32).to_be_bytes());
        row
    };
    [row(0), row(3), row(20)].concat()
}

/// Two blocks of rows, a segment and the end.
fn chunk(params: ChunkParams) -> Vec<u8> {
    let mut encoder = ChunkEncoder::new(params).expect("the parameters are ours");
    let (mut out, mut chunk) = (Vec::new(), Vec::new());
    let blocks = [
        (0, 3, Kind::Rows),
        (0, 3, Kind::Rows),
        (1, 2, Kind::Segment),
    ];
    for (part, ended, kind) in blocks {
        encoder
            .encode(part, &rows(), ended, kind, &mut out)
            .expect("three rows make a block");
        chunk.extend_from_slice(&out);
    }
    encoder.finish(&mut out).expect("the chunk is open");
    chunk.extend_from_slice(&out);
    chunk
}
