//! Dictionaries along a part: what came before is not sent again, and nothing is remembered on one side only.

use std::ops::Range;

use super::columns::{Random, Rows, Shape, there_and_back, there_and_back_with, tuple};
use super::*;

/// zstd does not find what came a block before.
const NO_WINDOW: ChunkParams = ChunkParams {
    level: Some(1),
    window_log: 10,
};

/// Blocks of one part, `size` rows each.
fn part(number: u32, shapes: &[Shape], blocks: u64, size: u64) -> Vec<Rows> {
    let mut random = Random(21);
    let block = |nth| Rows::of(number, shapes, nth * size..(nth + 1) * size, &mut random);
    (0..blocks).map(block).collect()
}

/// Bytes of the last block.
fn last(blocks: &[Rows]) -> usize {
    there_and_back(ChunkParams::default(), blocks)
        .pop()
        .unwrap()
        .1
}

/// Blocks in which ids come by all contexts, predictions fail, change and are forgotten, columns lose their
/// dictionary and get one again; a block of rows between them; two parts. The last one is short.
pub(super) fn every_context() -> (ChunkParams, Vec<Rows>) {
    use Shape::*;
    let shapes = [
        PickedInt(400),
        Pick(400, 1),
        NoisyCycle(40),
        NullablePick(400),
        Pick(400, 2),
        Uuids(60),
        NoisyPick(400),
        Words(1 << 20),
    ];
    let other = [
        NullablePickedInt(400),
        Pick(400, 3),
        NoisyCycle(100),
        NullablePick(400),
    ];
    // All of it null, other values in another order, and the same again.
    let (mut gone, mut turned) = (other, other);
    (gone[2], gone[1], turned[2], turned[1]) = (Null, PickedInt(400), Pick(100, 7), Words(9));
    let mut random = Random(23);
    let mut blocks = Vec::new();
    let mut add = |part, shapes: &[Shape], rows: Range<u64>| {
        blocks.push(Rows::of(part, shapes, rows, &mut random));
    };
    for nth in 0..9 {
        if nth == 7 {
            add(0, &[Fixed(3); 8], 0..1);
        }
        add(0, &shapes, nth * 300..nth * 300 + 300);
    }
    for (nth, shapes) in [
        other, other, other, gone, other, other, turned, turned, other, other,
    ]
    .iter()
    .enumerate()
    {
        let first = 300 * nth as u64;
        add(1, shapes, first..first + 300);
    }
    add(1, &other, 3000..3040);
    let params = ChunkParams {
        level: Some(1),
        window_log: 12,
    };
    (params, blocks)
}

#[test]
fn every_context_has_blocks_of_both_kinds() {
    let (params, blocks) = every_context();
    let taken = there_and_back(params, &blocks);
    let rows = taken.iter().filter(|(kind, _)| *kind == Kind::Rows);
    assert_eq!(rows.count(), 1);
}

#[test]
fn entities_in_order_cost_nothing() {
    let taken = last(&part(0, &[Shape::Cycle(700)], 10, 500));
    assert!(taken < HEADER_LEN + 60, "{taken}");
}

/// Which of 50 it is takes 5.6 bits a row, and the other two columns follow from it.
#[test]
fn what_follows_from_another_column_costs_nothing() {
    let shapes = [Shape::Pick(50, 0), Shape::Pick(50, 1), Shape::Pick(50, 2)];
    let taken = last(&part(0, &shapes, 10, 1000));
    assert!((600..900).contains(&taken), "{taken}");
    let shapes = [Shape::PickedInt(50), Shape::Pick(50, 1)];
    let taken = last(&part(0, &shapes, 10, 1000));
    assert!((600..900).contains(&taken), "{taken}");
}

/// Rows without a value change neither what follows from them nor what they follow from.
#[test]
fn nulls_do_not_lead_astray() {
    let shapes = [
        Shape::Pick(50, 0),
        Shape::NullablePick(50),
        Shape::Pick(50, 2),
    ];
    let taken = last(&part(0, &shapes, 10, 1000));
    assert!((600..1100).contains(&taken), "{taken}");
}

/// As after a change in the application: the order of the entities is another one.
#[test]
fn a_context_that_no_longer_holds_is_given_up() {
    let mut blocks = part(0, &[Shape::Cycle(200)], 8, 500);
    let mut random = Random(5);
    let shuffled = |nth: u64| {
        Rows::of(
            0,
            &[Shape::Pick(200, 0)],
            nth * 500..nth * 500 + 500,
            &mut random,
        )
    };
    blocks.extend((0..12).map(shuffled));
    let taken = last(&blocks);
    assert!((400..700).contains(&taken), "{taken}");
}

#[test]
fn another_part_begins_with_nothing() {
    let shapes = [Shape::Cycle(100), Shape::Pick(50, 1)];
    let mut blocks = part(0, &shapes, 3, 400);
    blocks.extend(part(1, &shapes, 3, 400));
    blocks.extend(part(7, &shapes[1..], 3, 400));
    let taken = there_and_back(NO_WINDOW, &blocks);
    // The entities come once in each part.
    assert!(taken[2].1 < 600 && taken[3].1 > 2000, "{taken:?}");
}

/// Blocks that are sent as rows, because columns would be longer, teach the other side nothing.
#[test]
fn rows_between_columns_are_not_remembered() {
    let mut shapes = vec![Shape::Noise(2); 8];
    shapes.extend([Shape::Cycle(100), Shape::Pick(50, 1)]);
    let mut blocks = Vec::new();
    for nth in 0..30 {
        let rows = if nth % 3 == 1 { 1 } else { 300 };
        let first = 300 * nth;
        blocks.push(Rows::of(0, &shapes, first..first + rows, &mut Random(nth)));
    }
    let kinds = there_and_back(ChunkParams::default(), &blocks);
    let rows = kinds.iter().filter(|(kind, _)| *kind == Kind::Rows);
    assert_eq!(rows.count(), 10);
}

/// More entities than a dictionary holds: it begins anew, and goes on being one.
#[test]
fn a_full_dictionary_begins_anew() {
    let blocks = part(
        0,
        &[Shape::Cycle(20_000), Shape::Pick(60_000, 1)],
        24,
        10_000,
    );
    let taken = there_and_back(ChunkParams::default(), &blocks);
    assert!(taken.iter().all(|(kind, _)| *kind == Kind::Columns));
}

/// Values that never come again fill a dictionary once; then the column does without.
#[test]
fn what_never_repeats_gets_no_dictionary() {
    let blocks = part(0, &[Shape::Words(1 << 40), Shape::Bytes(2000)], 12, 1000);
    let raw: usize = blocks.iter().map(|block| block.raw.len()).sum();
    assert!(raw > 8 << 20);
    let taken = there_and_back(ChunkParams::default(), &blocks);
    let all: usize = taken.iter().map(|(_, taken)| taken).sum();
    assert!(all < raw + raw / 100, "{all} of {raw}");
}

/// Columns that all could be predicted: what that takes must not crowd out what is predicted.
#[test]
fn predictions_do_not_crowd_out_entries() {
    for columns in [30, 90] {
        let shapes: Vec<_> = (0..columns)
            .map(|family| Shape::Pick(2000, family))
            .collect();
        let blocks = part(0, &shapes, 40, 300);
        let tail = |predictions| {
            let encodings = Encodings {
                predictions,
                ..Encodings::ALL
            };
            let taken = there_and_back_with(ChunkParams::default(), encodings, &blocks);
            taken[30..].iter().map(|(_, taken)| taken).sum::<usize>()
        };
        let (with, without) = (tail(true), tail(false));
        assert!(
            with < without + without / 10,
            "{columns} columns: {with}, {without}"
        );
    }
}

/// What a later column is about to empty still counts when an earlier one brings as much as it can.
#[test]
fn room_is_only_there_once_it_is_given_back() {
    let mut random = Random(31);
    let mut block = |long: usize| {
        let mut rows = Rows::default();
        for _ in 0..16 {
            let mut fields = [Some(b"abc".to_vec()), Some(b"def".to_vec())];
            fields[long] = Some(random.bytes(250_000));
            rows.push(&tuple(&fields));
        }
        rows
    };
    let blocks = [block(1), block(1), block(0), block(0), block(1)];
    there_and_back(ChunkParams::default(), &blocks);
}

/// Columns of which each would fill all there is: the dearest one gives way, whichever it is.
#[test]
fn many_large_dictionaries_share_the_limit() {
    let shapes = [
        Shape::Pick(3000, 0),
        Shape::Pick(3000, 1),
        Shape::Uuids(30_000),
    ]
    .repeat(12);
    let blocks = part(0, &shapes, 12, 1500);
    there_and_back(ChunkParams::default(), &blocks);
}

/// A dictionary that is not used in a block is gone on both sides.
#[test]
fn a_block_without_values_empties_the_dictionary() {
    let mut blocks = part(0, &[Shape::Cycle(100), Shape::Pick(9, 1)], 3, 400);
    blocks.push(Rows::of(
        0,
        &[Shape::Null, Shape::Pick(9, 1)],
        0..400,
        &mut Random(1),
    ));
    blocks.extend(part(0, &[Shape::Cycle(100), Shape::Pick(9, 1)], 3, 400));
    let taken = there_and_back(NO_WINDOW, &blocks);
    assert!(taken[2].1 < 600 && taken[4].1 > 2000, "{taken:?}");
}
