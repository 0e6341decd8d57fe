//! Round trips, and everything that must be refused: what both kinds of test share.

mod columns;
mod dictionaries;
mod example;
mod hostile;
mod round_trip;

use super::*;

/// Raw bytes of a block, its part, rows and kind.
type Raw = (Vec<u8>, u32, u32, Kind);

fn encode_chunk(encoder: &mut ChunkEncoder, blocks: &[Raw]) -> Vec<Vec<u8>> {
    let mut encoded = Vec::new();
    let mut out = Vec::new();
    for (raw, part, rows, kind) in blocks {
        encoder.encode(*part, raw, *rows, *kind, &mut out).unwrap();
        encoded.push(out.clone());
    }
    encoder.finish(&mut out).unwrap();
    encoded.push(out);
    encoded
}

fn decode_block(
    decoder: &mut ChunkDecoder,
    block: &[u8],
) -> Result<(Header, Vec<u8>), DecodeError> {
    let (header, payload) = block.split_first_chunk::<HEADER_LEN>().unwrap();
    let header = Header::parse(header)?;
    let mut out = vec![0xaa; 10];
    let decoded = decoder.decode(&header, payload, &mut out);
    assert!(decoded.is_ok() || out.is_empty());
    decoded.map(|()| (header, out))
}

fn started(params: ChunkParams) -> ChunkDecoder {
    let mut decoder = ChunkDecoder::new(MAX_WINDOW_LOG);
    decoder.start(params).unwrap();
    decoder
}

fn sample() -> Vec<Raw> {
    vec![
        (b"\0\x01\0\0\0\x05hello".repeat(9), 0, 9, Kind::Rows),
        (b"\0\x01\0\0\0\x05hello".repeat(7), 1, 7, Kind::Rows),
        (b"a line\nand a half".to_vec(), 2, 1, Kind::Segment),
    ]
}

const EITHER: [ChunkParams; 2] = [
    ChunkParams {
        level: Some(1),
        window_log: 18,
    },
    ChunkParams::UNCOMPRESSED,
];

/// Decodes a chunk's blocks in order; the raw bytes of those that were accepted, and the error.
fn decode_chunk(params: ChunkParams, blocks: &[Vec<u8>]) -> (Vec<Vec<u8>>, Option<DecodeError>) {
    let mut decoder = started(params);
    let mut accepted = Vec::new();
    for block in blocks {
        match decode_block(&mut decoder, block) {
            Ok((_, out)) => accepted.push(out),
            Err(error) => return (accepted, Some(error)),
        }
    }
    (accepted, None)
}
