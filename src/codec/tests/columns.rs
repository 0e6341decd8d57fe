//! Tuples as columns: whatever the values are and however they change, the same bytes come back.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::copy::{Scanner, Tuples};
use crate::schema::Format;

/// SplitMix64: a column's values follow from a seed and the row.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Constant(usize),
    Sequence(usize),
    Noise(usize),
    Steps,
    NullableInts(usize),
    Uuids(u64),
    /// So many entities, always in the same order.
    Cycle(u64),
    /// One of so many; in a row the same for all of these, a text of the family.
    Pick(u64, u64),
    /// The same as an integer.
    PickedInt(u64),
    NullablePick(u64),
    NullablePickedInt(u64),
    /// One in ten is another than in the same row of the others.
    NoisyPick(u64),
    /// So many entities in order, one in twenty left out.
    NoisyCycle(u64),
    Numerics,
    OddNumerics,
    Words(u64),
    Null,
    Bytes(u64),
    Fixed(usize),
}

impl Shape {
    pub(super) fn value(self, row: u64, random: &mut Random) -> Option<Vec<u8>> {
        let int = |value: u64, width: usize| Some(value.to_be_bytes()[8 - width..].to_vec());
        match self {
            Self::Constant(width) => int(0x8000_1234_5678_9abc, width),
            Self::Sequence(width) => int(row.wrapping_sub(100), width),
            Self::Noise(width) => int(random.next(), width),
            Self::Steps => int(row * 60_000_000 + random.below(1000), 8),
            Self::NullableInts(width) => match random.below(3) {
                0 => None,
                _ => int(random.below(500).wrapping_sub(250), width),
            },
            Self::Uuids(many) => {
                let mut of = Random(random.below(many));
                Some([of.next().to_be_bytes(), of.next().to_be_bytes()].concat())
            }
            Self::Cycle(many) => Some(entity(row % many, 0)),
            Self::Pick(many, family) => Some(entity(Random(row).below(many), family)),
            Self::PickedInt(many) => int(70_000 + 3 * Random(row).below(many), 4),
            Self::NullablePick(many) => {
                let picked = Random(row).below(many);
                (random.below(4) > 0).then(|| entity(picked, 9))
            }
            Self::NullablePickedInt(many) => {
                let picked = Random(row).below(many);
                (random.below(4) > 0).then(|| int(70_000 + 3 * picked, 4))?
            }
            Self::NoisyPick(many) => {
                let picked = Random(row).below(many) + u64::from(random.below(10) == 0);
                Some(entity(picked, 8))
            }
            Self::NoisyCycle(many) => {
                Some(entity((row + u64::from(random.below(20) == 0)) % many, 7))
            }
            Self::Numerics => Some(numeric(2, random.below(1_000_000) as i64 - 300_000)),
            Self::OddNumerics => odd_numeric(random),
            Self::Words(many) => {
                let mut of = Random(random.below(many));
                let len = of.below(20) as usize;
                Some(of.bytes(len))
            }
            Self::Null => None,
            Self::Bytes(longest) => {
                let len = random.below(longest + 1) as usize;
                Some(random.bytes(len))
            }
            Self::Fixed(width) => Some(random.bytes(width)),
        }
    }
}

/// What a family of columns calls an entity: 16 to 30 bytes.
fn entity(number: u64, family: u64) -> Vec<u8> {
    let mut of = Random(family << 32 | number);
    let len = 16 + of.below(15) as usize;
    of.bytes(len)
}

/// `numeric_send` of `scaled` × 10^-scale, for scales up to 4.
pub(super) fn numeric(scale: u16, scaled: i64) -> Vec<u8> {
    let pad = 10u64.pow(u32::from(4 - scale));
    let mut rest = scaled.unsigned_abs() * pad;
    let mut digits = Vec::new();
    while rest > 0 {
        digits.insert(0, (rest % 10_000) as u16);
        rest /= 10_000;
    }
    let weight = digits.len() as i16 - 2;
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let weight = if digits.is_empty() { 0 } else { weight };
    let sign = if scaled < 0 { 0x4000 } else { 0 };
    let words = [digits.len() as u16, weight as u16, sign, scale];
    let words = words.iter().chain(&digits);
    words.flat_map(|word| word.to_be_bytes()).collect()
}

/// Mixed scales, zero, NaN, the infinities, digits that no server sends, and none.
fn odd_numeric(random: &mut Random) -> Option<Vec<u8>> {
    let words = |words: &[u16]| Some(words.iter().flat_map(|w| w.to_be_bytes()).collect());
    match random.below(12) {
        0 => words(&[0, 0, 0xc000, 0]),
        1 => words(&[0, 0, 0xd000, 0]),
        2 => words(&[0, 0, 0xf000, 0]),
        3 => words(&[0, 0, 0, 2]),
        4 => words(&[2, 0, 0, 2, 0, 1000]),
        5 => words(&[1, 0, 0x4000, 2, 10_000]),
        6 => words(&[1, 0xffff, 0, 2, 1234]),
        7 => words(&[5, 4, 0, 0, 922, 3372, 368, 5477, 5808]),
        8 => words(&[5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5807]),
        9 => None,
        _ => Some(numeric(random.below(5) as u16, random.next() as i32 as i64)),
    }
}

pub(super) fn tuple(fields: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = (fields.len() as i16).to_be_bytes().to_vec();
    for field in fields {
        let len = field.as_ref().map_or(-1, |value| value.len() as i32);
        bytes.extend(len.to_be_bytes());
        bytes.extend(field.iter().flatten());
    }
    bytes
}

/// A block's tuples, with the end of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) part: u32,
    pub(super) raw: Vec<u8>,
    pub(super) ends: Vec<u32>,
}

impl Rows {
    pub(super) fn of(part: u32, shapes: &[Shape], rows: Range<u64>, random: &mut Random) -> Self {
        let mut block = Self {
            part,
            ..Self::default()
        };
        for row in rows {
            let fields = shapes.iter().map(|shape| shape.value(row, random));
            block.push(&tuple(&fields.collect::<Vec<_>>()));
        }
        block
    }

    pub(super) fn push(&mut self, tuple: &[u8]) {
        self.raw.extend_from_slice(tuple);
        self.ends.push(self.raw.len() as u32);
    }
}

/// Encodes and decodes a chunk; what kinds its blocks were, and how many bytes they took.
pub(super) fn there_and_back(params: ChunkParams, blocks: &[Rows]) -> Vec<(Kind, usize)> {
    there_and_back_with(params, Encodings::ALL, blocks)
}

pub(super) fn there_and_back_with(
    params: ChunkParams,
    encodings: Encodings,
    blocks: &[Rows],
) -> Vec<(Kind, usize)> {
    let mut encoder = ChunkEncoder::new(params).unwrap();
    encoder.restrict(encodings);
    let mut decoder = started(params);
    let mut taken = Vec::new();
    let mut out = Vec::new();
    for block in blocks {
        let mut tuples = Tuples::default();
        assert_eq!(tuples.find(&block.raw).unwrap(), block.raw.len());
        assert_eq!(tuples.rows(), block.ends.len());
        let header = encoder.encode_tuples(block.part, &block.raw, &tuples, &mut out);
        let header = header.unwrap();
        assert_eq!(header.rows() as usize, block.ends.len());
        let (decoded, raw) = decode_block(&mut decoder, &out).unwrap();
        assert_eq!(decoded, header);
        assert!(raw == block.raw, "block {}", header.number());
        if header.kind() == Kind::Columns {
            assert_rows_are_known(&decoder, block);
        }
        taken.push((header.kind(), out.len()));
    }
    encoder.finish(&mut out).unwrap();
    decode_block(&mut decoder, &out).unwrap();
    assert!(decoder.has_ended());
    taken
}

fn assert_rows_are_known(decoder: &ChunkDecoder, block: &Rows) {
    let (ends, columns) = decoder.built_rows();
    assert_eq!(ends, block.ends);
    let mut built = Scanner::for_payload(Format::Binary);
    built.add_built(&block.raw, ends, columns).unwrap();
    let mut scanner = Scanner::for_payload(Format::Binary);
    scanner.scan(&block.raw).unwrap();
    assert_eq!(built.finish().unwrap(), scanner.finish().unwrap());
}

fn shape() -> impl Strategy<Value = Shape> {
    let width = || prop::sample::select(vec![2usize, 4, 8]);
    prop_oneof![
        width().prop_map(Shape::Constant),
        width().prop_map(Shape::Sequence),
        width().prop_map(Shape::Noise),
        Just(Shape::Steps),
        width().prop_map(Shape::NullableInts),
        prop::sample::select(vec![1u64, 10, 300, 1 << 40]).prop_map(Shape::Uuids),
        prop::sample::select(vec![2u64, 20, 200]).prop_map(Shape::Cycle),
        (prop::sample::select(vec![2u64, 20, 200]), 0u64..3)
            .prop_map(|(many, family)| Shape::Pick(many, family)),
        Just(Shape::PickedInt(20)),
        prop::sample::select(vec![2u64, 20, 200]).prop_map(Shape::NullablePick),
        prop::sample::select(vec![2u64, 20, 200]).prop_map(Shape::NullablePickedInt),
        prop::sample::select(vec![2u64, 20, 200]).prop_map(Shape::NoisyPick),
        prop::sample::select(vec![2u64, 20, 200]).prop_map(Shape::NoisyCycle),
        Just(Shape::Numerics),
        Just(Shape::OddNumerics),
        prop::sample::select(vec![1u64, 5, 100, 1 << 40]).prop_map(Shape::Words),
        Just(Shape::Null),
        Just(Shape::Bytes(300)),
        prop::sample::select(vec![0usize, 1, 3, 12, 17, 33, 64, 65, 200]).prop_map(Shape::Fixed),
    ]
}

/// Blocks of parts in order; in a part the columns are the same, but some become of another shape.
fn chunk() -> impl Strategy<Value = Vec<Rows>> {
    let block = (
        1u64..600,
        prop::collection::vec((any::<prop::sample::Index>(), shape()), 0..3),
    );
    let part = (
        prop::collection::vec(shape(), 0..=12),
        prop::collection::vec(block, 1..7),
    );
    (prop::collection::vec(part, 1..4), any::<u64>()).prop_map(|(parts, seed)| {
        let (mut random, mut chunk) = (Random(seed), Vec::new());
        for (part, (mut shapes, blocks)) in parts.into_iter().enumerate() {
            let mut first = 0;
            for (rows, changes) in blocks {
                chunk.push(Rows::of(
                    part as u32,
                    &shapes,
                    first..first + rows,
                    &mut random,
                ));
                first += rows;
                for (at, shape) in changes {
                    if !shapes.is_empty() {
                        let at = at.index(shapes.len());
                        shapes[at] = shape;
                    }
                }
            }
        }
        chunk
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tuples_come_back(
        chunk in chunk(),
        level in prop::sample::select(vec![Some(-3), Some(1), Some(3), None]),
        window_log in 10u8..20,
    ) {
        there_and_back(ChunkParams { level, window_log }, &chunk);
    }
}

const ALL_SHAPES: [Shape; 16] = [
    Shape::Constant(4),
    Shape::Sequence(8),
    Shape::Noise(2),
    Shape::Steps,
    Shape::NullableInts(4),
    Shape::Uuids(20),
    Shape::Uuids(1 << 40),
    Shape::Numerics,
    Shape::OddNumerics,
    Shape::Words(30),
    Shape::Words(1 << 40),
    Shape::Null,
    Shape::Bytes(300),
    Shape::Fixed(1),
    Shape::Fixed(0),
    Shape::Fixed(65),
];

fn kinds(shapes: &[Shape], rows: u64) -> Vec<(Kind, usize)> {
    let block = Rows::of(0, shapes, 0..rows, &mut Random(5));
    there_and_back(ChunkParams::default(), &[block.clone(), block])
}

#[test]
fn ordinary_rows_become_columns_and_much_smaller() {
    let shapes = [
        Shape::Sequence(8),
        Shape::Steps,
        Shape::Numerics,
        Shape::Words(30),
        Shape::Uuids(20),
    ];
    let block = Rows::of(0, &shapes, 0..5000, &mut Random(1));
    let (kind, taken) = there_and_back(ChunkParams::default(), std::slice::from_ref(&block))[0];
    assert_eq!(kind, Kind::Columns);
    assert!(
        taken * 5 < block.raw.len(),
        "{taken} of {}",
        block.raw.len()
    );
}

#[test]
fn any_number_of_rows_and_columns() {
    for rows in [1, 2, 7, 8, 9, 255, 256, 257, 4097] {
        kinds(&ALL_SHAPES, rows);
    }
    for rows in [1, 2, 3, 40] {
        kinds(&ALL_SHAPES.repeat(100), rows);
        kinds(&[Shape::Null; 1600], rows);
        kinds(&[Shape::Sequence(4); 1600], rows);
    }
    for rows in [1, 2, 3, 300, 100_000] {
        kinds(&[], rows);
        kinds(&[Shape::Null], rows);
        kinds(&[Shape::Null; 9], rows);
        kinds(&[Shape::Fixed(0)], rows);
    }
}

/// Many columns of noise are as many flushes, for which the payload's limit has to leave room.
#[test]
fn flushes_of_many_columns_stay_within_the_limit() {
    for width in [200, 342, 513, 600, 1025, 1100] {
        for rows in [1, 2, 3, 5] {
            kinds(&[Shape::Fixed(width); 600], rows);
        }
    }
    for rows in [130, 257, 580] {
        kinds(&[Shape::Noise(8); 600], rows);
    }
}

#[test]
fn blocks_of_the_longest_kind() {
    let mut random = Random(9);
    let mut block = Rows::default();
    for row in 0.. {
        let fields: Vec<_> = ALL_SHAPES
            .iter()
            .map(|s| s.value(row, &mut random))
            .collect();
        let tuple = tuple(&fields);
        if block.raw.len() + tuple.len() > MAX_RAW_LEN as usize {
            break;
        }
        block.push(&tuple);
    }
    there_and_back(ChunkParams::default(), &[block]);
    let mut lone = Rows::default();
    lone.push(&tuple(&[Some(random.bytes(MAX_RAW_LEN as usize - 6))]));
    there_and_back(ChunkParams::default(), &[lone.clone(), lone]);
    there_and_back(
        ChunkParams::default(),
        &[Rows::of(0, &[], 0..2 << 20, &mut random)],
    );
}

/// After a window of noise the column leaves the frame; it is tried again, and back where that pays.
#[test]
fn noise_goes_beside_the_frame_and_returns() {
    let params = ChunkParams {
        level: Some(1),
        window_log: 10,
    };
    let mut random = Random(3);
    let blocks: Vec<_> = (0..80)
        .map(|number| {
            let shape = if number < 40 {
                Shape::Uuids(1 << 40)
            } else {
                Shape::Uuids(1)
            };
            Rows::of(0, &[shape, Shape::Sequence(4)], 0..600, &mut random)
        })
        .collect();
    let taken = there_and_back(params, &blocks);
    assert!(taken.iter().all(|(kind, _)| *kind == Kind::Columns));
    assert!(beside_of(params, &blocks[..3]) > 9000);
    assert!(taken[79].1 < taken[2].1 / 4, "{taken:?}");
}

/// Bytes of the last block's values beside the frame.
fn beside_of(params: ChunkParams, blocks: &[Rows]) -> u32 {
    let (mut encoder, mut out) = (ChunkEncoder::new(params).unwrap(), Vec::new());
    for block in blocks {
        let mut tuples = Tuples::default();
        tuples.find(&block.raw).unwrap();
        encoder
            .encode_tuples(0, &block.raw, &tuples, &mut out)
            .unwrap();
    }
    u32::from_le_bytes(*out[HEADER_LEN..].first_chunk().unwrap())
}

/// Blocks of every encoding but a dictionary that predicts; the last one has values beside the frame.
pub(super) fn every_encoding() -> (ChunkParams, Vec<Rows>) {
    let params = ChunkParams {
        level: Some(1),
        window_log: 10,
    };
    let mut random = Random(11);
    let shapes = [
        Shape::Uuids(1 << 40),
        Shape::Constant(4),
        Shape::Sequence(8),
        Shape::Noise(2),
        Shape::NullableInts(4),
        Shape::Uuids(5),
        Shape::Numerics,
        Shape::Words(9),
        Shape::Words(1 << 40),
        Shape::Null,
    ];
    // The first one is small enough for a trial of each of its bits.
    let blocks = [0..40, 40..340, 340..640].map(|rows| Rows::of(0, &shapes, rows, &mut random));
    (params, blocks.into())
}

pub(super) fn encode_rows(params: ChunkParams, blocks: &[Rows]) -> Vec<Vec<u8>> {
    let (mut encoder, mut out) = (ChunkEncoder::new(params).unwrap(), Vec::new());
    let mut encoded = Vec::new();
    for block in blocks {
        let mut tuples = Tuples::default();
        tuples.find(&block.raw).unwrap();
        let header = encoder.encode_tuples(block.part, &block.raw, &tuples, &mut out);
        header.unwrap();
        encoded.push(out.clone());
    }
    encoder.finish(&mut out).unwrap();
    encoded.push(out);
    encoded
}
