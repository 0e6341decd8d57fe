//! What each fuzz target does with its input: panics if a promise is broken.
//!
//! Shared by the fuzzer's binaries and by `tests/fuzz_smoke.rs`, which runs it on stable Rust.

use pgpipe::chunk::Digest;
use pgpipe::codec::{ChunkDecoder, ChunkEncoder, ChunkParams, HEADER_LEN, Header, MAX_WINDOW_LOG};
use pgpipe::copy::{Flaw, Scanner, Tuples};
use pgpipe::schema::Format;
use twox_hash::XxHash3_64;

/// Bits of an input's first byte.
const TEXT: u8 = 1;
const COPY_OUT: u8 = 2;
const PLAIN: u8 = 1;
const STAMP: u8 = 2;

/// However a stream is cut, the scanner finds the same rows or the same flaw.
///
/// Input: a byte of options, a byte from which the cuts follow, the stream.
pub(crate) fn scan_tuples(data: &[u8]) {
    let [options, step, stream @ ..] = data else {
        return;
    };
    let format = match options & TEXT {
        0 => Format::Binary,
        _ => Format::Text,
    };
    let scanner = match options & COPY_OUT {
        0 => Scanner::for_payload(format),
        _ => Scanner::for_copy_out(format),
    };
    let whole = scan(scanner.clone(), stream, usize::MAX);
    let cut = scan(scanner, stream, usize::from(*step) + 1);
    assert_eq!(whole, cut);
}

fn scan(mut scanner: Scanner, stream: &[u8], step: usize) -> Result<(Digest, u64), Flaw> {
    let (mut rows, mut payload) = (0, 0);
    for piece in stream.chunks(step) {
        let scanned = scanner.scan(piece).map_err(|e| e.flaw)?;
        assert!(scanned.payload.end <= piece.len());
        rows += u64::from(scanned.rows);
        payload += scanned.payload.len() as u64;
    }
    let digest = scanner.finish().map_err(|e| e.flaw)?;
    assert_eq!((digest.rows, digest.bytes), (rows, payload));
    Ok((digest, payload))
}

/// A decoder gives out exactly what a header states and its checksum confirms, or an error.
///
/// Input: a byte of options, then blocks. STAMP gives each header a fitting checksum of its own, so
/// that mutated fields are reached.
pub(crate) fn decode_block(data: &[u8]) {
    let Some((&options, mut rest)) = data.split_first() else {
        return;
    };
    let params = match options & PLAIN {
        0 => ChunkParams::default(),
        _ => ChunkParams::UNCOMPRESSED,
    };
    let mut decoder = ChunkDecoder::new(MAX_WINDOW_LOG);
    decoder.start(params).expect("the parameters are ours");
    let mut out = Vec::new();
    while let Some((&header, after)) = rest.split_first_chunk::<HEADER_LEN>() {
        let Ok(header) = Header::parse(&stamp(header, options)) else {
            return;
        };
        let len = after.len().min(header.encoded_len() as usize);
        let (payload, next) = after.split_at(len);
        let decoded = decoder.decode(&header, payload, &mut out);
        assert_eq!(
            decoded.is_ok(),
            decoded.is_ok_and(|()| is_as_stated(&header, &out))
        );
        assert!(decoded.is_ok() || out.is_empty());
        if decoded.is_err() {
            return;
        }
        rest = next;
    }
}

fn is_as_stated(header: &Header, out: &[u8]) -> bool {
    let checksum = header.to_bytes()[32..40].to_vec();
    out.len() == header.raw_len() as usize && checksum == XxHash3_64::oneshot(out).to_le_bytes()
}

fn stamp(mut header: [u8; HEADER_LEN], options: u8) -> [u8; HEADER_LEN] {
    if options & STAMP != 0 {
        let own = XxHash3_64::oneshot(&header[..40]);
        header[40..].copy_from_slice(&own.to_le_bytes());
    }
    header
}

/// Tuples come back as they were, whichever encoding each block gets.
///
/// Input: a byte of options, whose lower half is the number of columns, then either tuples or bytes to
/// cut into fields: a byte of length before each, from NULL_FROM on for a null.
pub(crate) fn round_trip(data: &[u8]) {
    let [options, rest @ ..] = data else { return };
    let raw = match Tuples::default().find(rest) {
        Ok(len) if len > 0 && len == rest.len() => rest.to_vec(),
        _ => tuples_of(usize::from(options & 15), rest),
    };
    if raw.is_empty() {
        return;
    }
    let params = ChunkParams {
        level: Some(1),
        window_log: (10 + (options >> 4)).min(MAX_WINDOW_LOG),
    };
    let mut tuples = Tuples::default();
    let mut encoder = ChunkEncoder::new(params).expect("the parameters are ours");
    let mut decoder = ChunkDecoder::new(MAX_WINDOW_LOG);
    decoder.start(params).expect("the parameters are ours");
    let (mut block, mut out) = (Vec::new(), Vec::new());
    for raw in blocks_of(&raw) {
        tuples.find(&raw).expect("the tuples are well-formed");
        let header = encoder.encode_tuples(0, &raw, &tuples, &mut block);
        let header = header.expect("tuples make a block");
        let decoded = decoder.decode(&header, &block[HEADER_LEN..], &mut out);
        decoded.expect("what was encoded can be decoded");
        assert!(out == raw, "other bytes came back");
    }
}

/// The tuples as they are, then so many of them that the encoder learns what follows what, then some
/// at a time.
fn blocks_of(raw: &[u8]) -> Vec<Vec<u8>> {
    let many = raw.repeat(REPEATS.min(MAX_BLOCK / raw.len()).max(1));
    let mut blocks = vec![raw.to_vec(), many.clone(), many, raw.to_vec()];
    let mut tuples = Tuples::default();
    tuples.find(raw).expect("the tuples are well-formed");
    let starts: Vec<_> = tuples.starts().step_by(PIECE_ROWS).collect();
    let ends = starts.iter().skip(1).copied().chain([raw.len()]);
    let pieces = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| raw[*start..end].to_vec());
    blocks.extend(pieces.take(MAX_PIECES));
    blocks
}

const NULL_FROM: u8 = 0xe0;

/// How often tuples come in a block of many, and how long it may be.
const REPEATS: usize = 16;
const MAX_BLOCK: usize = 1 << 20;

/// Rows of a small block, and how many of these there are.
const PIECE_ROWS: usize = 7;
const MAX_PIECES: usize = 40;

fn tuples_of(columns: usize, mut bytes: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    while !bytes.is_empty() {
        raw.extend((columns as u16).to_be_bytes());
        if columns == 0 {
            bytes = &bytes[1..];
        }
        for _ in 0..columns {
            let (&len, rest) = bytes.split_first().unwrap_or((&NULL_FROM, &[]));
            bytes = rest;
            if len >= NULL_FROM {
                raw.extend((-1i32).to_be_bytes());
                continue;
            }
            let (value, rest) = bytes.split_at(bytes.len().min(len.into()));
            raw.extend((value.len() as u32).to_be_bytes());
            raw.extend(value);
            bytes = rest;
        }
    }
    raw
}
