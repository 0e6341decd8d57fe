//! What goes in comes out, now and from files of old.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn assert_round_trip(params: ChunkParams, blocks: &[Raw]) {
    let mut encoder = ChunkEncoder::new(params).unwrap();
    let mut decoder = ChunkDecoder::new(MAX_WINDOW_LOG);
    // The second time shows that contexts are as good as new.
    for _ in 0..2 {
        encoder.start(params).unwrap();
        decoder.start(params).unwrap();
        let encoded = encode_chunk(&mut encoder, blocks);
        for (block, (raw, part, rows, kind)) in encoded.iter().zip(blocks) {
            let (header, out) = decode_block(&mut decoder, block).unwrap();
            assert_eq!(&out, raw);
            assert_eq!(
                (header.part(), header.rows(), header.kind()),
                (*part, *rows, *kind)
            );
        }
        assert!(!decoder.has_ended());
        let (end, out) = decode_block(&mut decoder, encoded.last().unwrap()).unwrap();
        assert!(end.is_end() && out.is_empty() && decoder.has_ended());
        assert_eq!(decoder.next_number() as usize, encoded.len());
    }
}

fn blocks_strategy() -> impl Strategy<Value = Vec<Raw>> {
    let word = prop_oneof![
        Just(b"0123456789abcdef".to_vec()),
        prop::collection::vec(any::<u8>(), 1..50)
    ];
    let raw = prop::collection::vec(word, 1..40).prop_map(|words| words.concat());
    let block = (raw, 0u32..2, any::<bool>()).prop_map(|(raw, part, whole)| {
        let kind = if whole && raw.len() > 1 {
            Kind::Rows
        } else {
            Kind::Segment
        };
        (raw, part, 1, kind)
    });
    prop::collection::vec(block, 0..6).prop_map(|mut blocks| {
        blocks.sort_by_key(|b| b.1);
        blocks
    })
}

fn params_strategy() -> impl Strategy<Value = ChunkParams> {
    (prop::option::of(-7i32..=6), 10u8..=17)
        .prop_map(|(level, window_log)| ChunkParams { level, window_log })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(params in params_strategy(), blocks in blocks_strategy()) {
        assert_round_trip(params, &blocks);
    }
}

#[test]
fn the_longest_blocks_fit_whether_they_compress_or_not() {
    let mut state = 1u64;
    let noise: Vec<u8> = (0..MAX_RAW_LEN)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    let zeros = vec![0; MAX_RAW_LEN as usize];
    let blocks = [(noise, 0, 0, Kind::Segment), (zeros, 0, 9, Kind::Segment)];
    for params in [
        ChunkParams::default(),
        ChunkParams::with_level(3),
        ChunkParams::UNCOMPRESSED,
    ] {
        assert_round_trip(params, &blocks);
    }
}

#[test]
fn incompressible_bytes_of_any_length_stay_within_the_limit() {
    let mut encoder = ChunkEncoder::new(ChunkParams::default()).unwrap();
    let (mut state, mut out) = (7u64, Vec::new());
    for len in [1, 2, 255, 1000, 65_536, 131_071, 131_072, 131_073, 1 << 20] {
        let raw: Vec<u8> = (0..len)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let header = encoder.encode(0, &raw, 0, Kind::Segment, &mut out).unwrap();
        assert_eq!(out.len(), HEADER_LEN + header.encoded_len() as usize);
        Header::parse(out.first_chunk().unwrap()).unwrap();
    }
}

/// Chunks as version 1 wrote them stay readable: header, payload and rules do not drift.
#[test]
fn golden_chunks_of_version_1_are_decoded_for_ever() {
    for (name, params) in [("v1-zstd.pgpb", EITHER[0]), ("v1-plain.pgpb", EITHER[1])] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name);
        let stored = fs::read(&path).unwrap();
        let (accepted, error) = decode_chunk(params, &split_blocks(&stored));
        assert_eq!(error, None, "{name}");
        let raws: Vec<_> = sample()
            .into_iter()
            .map(|r| r.0)
            .chain([Vec::new()])
            .collect();
        assert_eq!(accepted, raws, "{name}");
    }
}

#[test]
fn golden_columns_are_decoded_for_ever() {
    assert_golden("v2-columns.pgpb", columns::every_encoding());
    assert_golden("v3-dictionaries.pgpb", dictionaries::every_context());
}

/// Each was written once, with `PGPIPE_WRITE_GOLDEN=v3-dictionaries.pgpb`; the rows follow from a seed.
fn assert_golden(name: &str, (params, rows): (ChunkParams, Vec<columns::Rows>)) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("PGPIPE_WRITE_GOLDEN").is_some_and(|wanted| wanted == name) {
        fs::write(&path, columns::encode_rows(params, &rows).concat()).unwrap();
    }
    let (accepted, error) = decode_chunk(params, &split_blocks(&fs::read(&path).unwrap()));
    assert_eq!(error, None, "{name}");
    let raws = rows.into_iter().map(|rows| rows.raw);
    let raws: Vec<_> = raws.chain([Vec::new()]).collect();
    assert!(accepted == raws, "{name}");
}

/// Cuts a chunk's bytes at the lengths that its headers state.
fn split_blocks(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    while let Some(header) = bytes.first_chunk::<HEADER_LEN>() {
        let len = HEADER_LEN + Header::parse(header).unwrap().encoded_len() as usize;
        blocks.push(bytes[..len].to_vec());
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty());
    blocks
}
