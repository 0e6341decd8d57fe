//! What must be refused, and by which name.

use proptest::prelude::*;
use twox_hash::XxHash3_64;

use super::*;

proptest! {
    #[test]
    fn any_bytes_are_refused_or_checked(
        bytes in prop::collection::vec(any::<u8>(), HEADER_LEN..300),
        compressed in any::<bool>(),
    ) {
        let params = if compressed { ChunkParams::default() } else { ChunkParams::UNCOMPRESSED };
        prop_assert!(decode_block(&mut started(params), &bytes).is_err());
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for params in EITHER {
        let blocks = encode_chunk(&mut ChunkEncoder::new(params).unwrap(), &sample());
        for (number, block) in blocks.iter().enumerate() {
            for bit in 0..block.len() * 8 {
                let mut broken = blocks.clone();
                broken[number][bit / 8] ^= 1 << (bit % 8);
                let (accepted, error) = decode_chunk(params, &broken);
                assert_flip_is_harmless(number, bit, &accepted, error);
            }
        }
    }
}

/// A flip is refused, at the latest at the end of the frame, and no wrong byte is given out before.
fn assert_flip_is_harmless(
    number: usize,
    bit: usize,
    accepted: &[Vec<u8>],
    error: Option<DecodeError>,
) {
    let raws: Vec<_> = sample()
        .into_iter()
        .map(|r| r.0)
        .chain([Vec::new()])
        .collect();
    assert!(accepted.iter().zip(&raws).all(|(a, b)| a == b));
    if bit < HEADER_LEN * 8 {
        assert!(error.is_some(), "block {number} bit {bit}");
        assert_eq!(accepted.len(), number);
    }
}

#[test]
fn every_truncation_is_noticed() {
    for params in EITHER {
        let blocks = encode_chunk(&mut ChunkEncoder::new(params).unwrap(), &sample());
        let (header, payload) = blocks[0].split_first_chunk::<HEADER_LEN>().unwrap();
        let header = Header::parse(header).unwrap();
        for len in 0..payload.len() {
            let mut out = Vec::new();
            let error = started(params).decode(&header, &payload[..len], &mut out);
            assert_eq!(
                error.unwrap_err(),
                DecodeError::Truncated {
                    block: 0,
                    missing: (payload.len() - len) as u64
                }
            );
        }
        let longer = [payload, b"x"].concat();
        let error = started(params).decode(&header, &longer, &mut Vec::new());
        assert_eq!(
            error.unwrap_err(),
            DecodeError::TrailingBytes { block: 0, extra: 1 }
        );
    }
}

/// A header that states a payload cut short, with a fitting checksum of its own.
#[test]
fn a_payload_cut_short_by_a_consistent_header_is_refused() {
    let params = EITHER[0];
    let blocks = encode_chunk(&mut ChunkEncoder::new(params).unwrap(), &sample());
    let (header, payload) = blocks[0].split_first_chunk::<HEADER_LEN>().unwrap();
    for len in 0..payload.len() {
        let mut header = Header::parse(header).unwrap();
        header.encoded_len = len as u32;
        let mut out = Vec::new();
        assert!(
            started(params)
                .decode(&header, &payload[..len], &mut out)
                .is_err()
        );
        assert!(out.is_empty());
    }
}

fn stamped(mut bytes: [u8; HEADER_LEN], at: usize, value: &[u8]) -> Result<Header, DecodeError> {
    bytes[at..at + value.len()].copy_from_slice(value);
    let own = XxHash3_64::oneshot(&bytes[..40]);
    bytes[40..].copy_from_slice(&own.to_le_bytes());
    Header::parse(&bytes)
}

fn length_of(result: Result<Header, DecodeError>) -> LengthField {
    match result.unwrap_err() {
        DecodeError::Length { field, .. } => field,
        other => panic!("{other}"),
    }
}

#[test]
fn hostile_headers_are_refused_by_name() {
    let blocks = encode_chunk(&mut ChunkEncoder::new(EITHER[0]).unwrap(), &sample());
    let rows = *blocks[0].first_chunk::<HEADER_LEN>().unwrap();
    let end = *blocks[3].first_chunk::<HEADER_LEN>().unwrap();
    let word = |n: u32| n.to_le_bytes();

    assert_eq!(
        stamped(rows, 0, b"HTTP").unwrap_err(),
        DecodeError::Magic(*b"HTTP")
    );
    assert_eq!(stamped(rows, 4, &[4]).unwrap_err(), DecodeError::Version(4));
    assert_eq!(stamped(rows, 5, &[4]).unwrap_err(), DecodeError::Kind(4));
    assert_eq!(stamped(rows, 6, &[1]).unwrap_err(), DecodeError::Flags(1));
    assert_eq!(length_of(stamped(rows, 16, &word(0))), LengthField::Rows);
    assert_eq!(length_of(stamped(rows, 16, &word(99))), LengthField::Rows);
    assert_eq!(length_of(stamped(rows, 20, &word(0))), LengthField::RawLen);
    assert_eq!(
        length_of(stamped(rows, 20, &word(MAX_RAW_LEN + 1))),
        LengthField::RawLen
    );
    assert_eq!(
        length_of(stamped(rows, 24, &word(u32::MAX))),
        LengthField::InflatedLen
    );
    assert_eq!(
        length_of(stamped(rows, 28, &word(u32::MAX))),
        LengthField::EncodedLen
    );
    assert_eq!(length_of(stamped(end, 12, &word(1))), LengthField::Part);
    assert_eq!(length_of(stamped(end, 16, &word(1))), LengthField::Rows);
    assert_eq!(length_of(stamped(end, 20, &word(1))), LengthField::RawLen);
    let mut broken = rows;
    broken[9] ^= 1;
    assert_eq!(
        Header::parse(&broken).unwrap_err(),
        DecodeError::HeaderChecksum
    );
}

#[test]
fn blocks_come_in_order_and_nothing_after_the_end() {
    for params in EITHER {
        let blocks = encode_chunk(&mut ChunkEncoder::new(params).unwrap(), &sample());
        let mut decoder = started(params);
        let skipped = decode_block(&mut decoder, &blocks[1]).unwrap_err();
        assert_eq!(
            skipped,
            DecodeError::OutOfOrder {
                expected: 0,
                got: 1
            }
        );
        assert_eq!(
            decode_block(&mut decoder, &blocks[0]).unwrap_err(),
            DecodeError::Refused
        );

        let mut decoder = started(params);
        for block in &blocks {
            decode_block(&mut decoder, block).unwrap();
        }
        let late = decode_block(&mut decoder, &blocks[0]).unwrap_err();
        assert_eq!(late, DecodeError::AfterEnd { block: 0 });
    }
    let idle = &mut ChunkDecoder::new(MAX_WINDOW_LOG);
    let block = &encode_chunk(&mut ChunkEncoder::new(EITHER[0]).unwrap(), &[])[0];
    assert_eq!(
        decode_block(idle, block).unwrap_err(),
        DecodeError::NotStarted
    );
}

#[test]
fn a_frame_may_neither_end_early_nor_go_on_nor_be_another() {
    let params = EITHER[0];
    let raw = b"\0\0".repeat(50);
    let whole_frame = zstd::bulk::compress(&raw, 1).unwrap();
    let skippable = [
        &[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2][..],
        &whole_frame,
    ]
    .concat();
    for payload in [
        whole_frame.clone(),
        skippable,
        [&whole_frame[..], &whole_frame].concat(),
    ] {
        let header = Header {
            kind: Kind::Rows,
            number: 0,
            part: 0,
            rows: 50,
            raw_len: 100,
            inflated_len: 100,
            encoded_len: payload.len() as u32,
            checksum: XxHash3_64::oneshot(&raw),
        };
        let refused = started(params).decode(&header, &payload, &mut Vec::new());
        assert!(matches!(refused.unwrap_err(), DecodeError::Inflate { .. }));
    }
}

#[test]
fn a_frame_that_yields_more_than_it_states_is_stopped() {
    let params = EITHER[0];
    let bomb = vec![0u8; MAX_RAW_LEN as usize];
    let mut out = Vec::new();
    let mut encoder = ChunkEncoder::new(params).unwrap();
    let mut header = encoder
        .encode(0, &bomb, 1, Kind::Segment, &mut out)
        .unwrap();
    (header.raw_len, header.inflated_len) = (1000, 1000);
    let mut raw = Vec::new();
    let refused = started(params).decode(&header, &out[HEADER_LEN..], &mut raw);
    assert!(matches!(refused.unwrap_err(), DecodeError::Inflate { .. }));
    assert!(raw.capacity() < 2000);
}

#[test]
fn windows_above_the_decoders_limit_are_refused() {
    let wide = ChunkParams {
        level: Some(1),
        window_log: 20,
    };
    let refused = ChunkDecoder::new(19).start(wide).unwrap_err();
    assert_eq!(
        refused,
        DecodeError::Params(ParamsError::Window { log: 20, max: 19 })
    );

    // A frame that takes a larger window than its chunk's parameters state.
    let blocks = encode_chunk(&mut ChunkEncoder::new(wide).unwrap(), &sample());
    let narrow = ChunkParams {
        window_log: 12,
        ..wide
    };
    let (accepted, error) = decode_chunk(narrow, &blocks);
    assert!(accepted.is_empty() && matches!(error, Some(DecodeError::Inflate { .. })));
}

#[test]
fn misuse_of_the_encoder_is_an_error() {
    let mut out = Vec::new();
    let mut encoder = ChunkEncoder::new(EITHER[0]).unwrap();
    let mut encode = |part, raw: &[u8], rows, kind| encoder.encode(part, raw, rows, kind, &mut out);
    assert!(matches!(
        encode(0, b"", 0, Kind::Segment),
        Err(EncodeError::Length { .. })
    ));
    assert!(matches!(
        encode(0, b"x", 0, Kind::End),
        Err(EncodeError::KindByHand { .. })
    ));
    assert!(matches!(
        encode(0, b"xx", 2, Kind::Rows),
        Err(EncodeError::Rows { .. })
    ));
    encode(5, b"xx", 1, Kind::Rows).unwrap();
    assert!(matches!(
        encode(4, b"xx", 1, Kind::Rows),
        Err(EncodeError::PartBackwards { .. })
    ));
    encoder.finish(&mut out).unwrap();
    assert_eq!(
        encoder.finish(&mut out).unwrap_err(),
        EncodeError::Ended { block: 1 }
    );
    let wrong = ChunkParams {
        level: Some(99),
        ..EITHER[0]
    };
    assert!(ChunkEncoder::new(wrong).is_err());
}

/// Decodes the blocks before, then the last one with this header.
fn decode_last(
    params: ChunkParams,
    before: &[Vec<u8>],
    header: &Header,
    payload: &[u8],
) -> Result<Vec<u8>, DecodeError> {
    let (mut decoder, mut out) = (started(params), Vec::new());
    for block in before {
        decode_block(&mut decoder, block).unwrap();
    }
    decoder.decode(header, payload, &mut out).map(|()| out)
}

/// The first block has all in the frame, the third has values beside it.
#[test]
fn every_truncation_and_flipped_bit_of_columns_is_noticed() {
    let (params, rows) = columns::every_encoding();
    let blocks = columns::encode_rows(params, &rows);
    assert!(!has_beside(&blocks[0]) && has_beside(&blocks[2]));
    for (number, step) in [(0, 1), (2, 37)] {
        assert_faults_are_noticed(params, &blocks[..=number], &rows[number], step);
    }
}

/// What is left of a block whose values all came before: ids, and where they were not predicted.
#[test]
fn every_truncation_and_flipped_bit_of_dictionaries_is_noticed() {
    let (params, rows) = dictionaries::every_context();
    let blocks = columns::encode_rows(params, &rows);
    let last = rows.len() - 1;
    assert_faults_are_noticed(params, &blocks[..=last], &rows[last], 1);
}

fn has_beside(block: &[u8]) -> bool {
    block[HEADER_LEN..].first_chunk() != Some(&[0; 4])
}

/// Cuts and changes the last of `blocks`, which holds `rows`; one bit in `step`.
fn assert_faults_are_noticed(
    params: ChunkParams,
    blocks: &[Vec<u8>],
    rows: &columns::Rows,
    step: usize,
) {
    let (block, before) = blocks.split_last().unwrap();
    let (header, payload) = block.split_first_chunk::<HEADER_LEN>().unwrap();
    let header = Header::parse(header).unwrap();
    for len in (0..payload.len()).step_by(step.div_ceil(5)) {
        let mut cut = header;
        cut.encoded_len = len as u32;
        let decoded = decode_last(params, before, &cut, &payload[..len]);
        assert!(decoded.is_err(), "{len}");
    }
    let mut payload = payload.to_vec();
    for bit in (0..payload.len() * 8).step_by(step) {
        payload[bit / 8] ^= 1 << (bit % 8);
        if let Ok(out) = decode_last(params, before, &header, &payload) {
            assert!(out == rows.raw, "bit {bit}");
        }
        payload[bit / 8] ^= 1 << (bit % 8);
    }
    for bit in 0..HEADER_LEN * 8 {
        let mut broken = block.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let parsed = Header::parse(broken.first_chunk().unwrap());
        assert!(parsed.is_err(), "bit {bit}");
    }
}
