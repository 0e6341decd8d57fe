//! Hostile sections, straight at the rebuilder: no panic, no memory beyond a block's.

use proptest::prelude::*;

use super::Rebuilder;
use super::column::{DICTIONARY, FIXED, INTS, NO_NULLS, NUMERIC, SOME_NULLS, VARYING};
use crate::codec::MAX_RAW_LEN;
use crate::codec::error::ColumnFlaw;
use crate::copy::MAX_FIELDS;

/// What the frame gives: the prefix, the head, the streams.
fn section(columns: u16, head: &[u8], streams: &[u8]) -> Vec<u8> {
    let mut framed = columns.to_le_bytes().to_vec();
    framed.extend((head.len() as u32).to_le_bytes());
    framed.extend(head);
    framed.extend(streams);
    framed
}

/// The head of an integer stream.
fn ints(transform: u8, planes: u8, base: u64) -> Vec<u8> {
    [&[transform, planes][..], &base.to_le_bytes()].concat()
}

/// The head of a column of values of one width, in the frame.
fn fixed(width: u32) -> Vec<u8> {
    [&[NO_NULLS, FIXED][..], &width.to_le_bytes(), &[0]].concat()
}

/// The head of a dictionary of `count` entries of one width, whose indices are all 0.
fn dictionary(count: u32, width: u32) -> Vec<u8> {
    let mut head = vec![NO_NULLS, DICTIONARY];
    head.extend(count.to_le_bytes());
    head.push(FIXED);
    head.extend(width.to_le_bytes());
    head.push(0);
    head.extend(ints(0, 0, 0));
    head
}

fn rebuild(
    size: (usize, usize),
    framed: &[u8],
    beside: &[u8],
) -> Result<(Vec<u8>, Vec<u32>), ColumnFlaw> {
    let (mut rebuilder, mut out) = (Rebuilder::default(), Vec::new());
    let rebuilt = rebuilder.rebuild(size, framed, beside, &mut out);
    assert!(out.capacity() <= size.1 + 64, "{} bytes", out.capacity());
    rebuilt?;
    assert_eq!(out.len(), size.1);
    assert_eq!(rebuilder.ends().len(), size.0);
    assert_eq!(rebuilder.ends().last().copied(), Some(size.1 as u32));
    Ok((out, rebuilder.ends().to_vec()))
}

fn flaw(size: (usize, usize), head: &[u8], streams: &[u8], beside: &[u8]) -> ColumnFlaw {
    rebuild(size, &section(1, head, streams), beside).unwrap_err()
}

#[test]
fn a_sound_section_is_rebuilt() {
    let built = rebuild((2, 20), &section(1, &fixed(4), b"onetwo!!"), b"").unwrap();
    assert_eq!(built.0, b"\0\x01\0\0\0\x04onet\0\x01\0\0\0\x04wo!!");
    assert_eq!(built.1, [10, 20]);
}

/// The rest of a null map's last byte stands for no row.
#[test]
fn nulls_beyond_the_last_row_are_refused() {
    let bodies = [
        (
            [&[FIXED][..], &1u32.to_le_bytes(), &[0]].concat(),
            &b"x"[..],
        ),
        ([&[INTS, 2][..], &ints(0, 1, 0)].concat(), b"x"),
        ([&[NUMERIC, 2][..], &ints(0, 1, 0)].concat(), b"x"),
        ([&[VARYING][..], &ints(0, 1, 0), &[0]].concat(), b"\x01x"),
    ];
    for (body, streams) in bodies {
        let head = [&[SOME_NULLS][..], &body].concat();
        let streams = [&[0b100][..], streams].concat();
        assert_eq!(flaw((2, 14), &head, &streams, b""), ColumnFlaw::Padding);
    }
}

/// Entries of no bytes, as many as there are rows, in as many columns as there may be: 55 GB of them.
#[test]
fn dictionaries_of_nothing_take_no_memory() {
    let (rows, raw_len) = (MAX_RAW_LEN as usize / 2, MAX_RAW_LEN as usize);
    let head = dictionary(rows as u32, 0).repeat(MAX_FIELDS.into());
    let framed = section(MAX_FIELDS, &head, b"");
    assert_eq!(
        rebuild((rows, raw_len), &framed, b"").unwrap_err(),
        ColumnFlaw::RawLen
    );
}

/// Two entries, so that the column varies; the long one is referred to by each row of a batch: 1 GB.
#[test]
fn a_long_entry_is_not_copied_more_often_than_the_block_allows() {
    let (rows, raw_len) = (32 << 10, MAX_RAW_LEN as usize);
    let long = raw_len - 1000;
    let mut head = vec![NO_NULLS, DICTIONARY];
    head.extend(2u32.to_le_bytes());
    head.push(VARYING);
    head.extend(ints(0, 3, 0));
    head.push(0);
    head.extend(ints(0, 0, 0));
    let mut streams = Vec::new();
    for plane in 0..3 {
        streams.extend([(long >> (8 * plane)) as u8, u8::from(plane == 0)]);
    }
    streams.resize(streams.len() + long + 1, b'x');
    let framed = section(1, &head, &streams);
    assert_eq!(
        rebuild((rows, raw_len), &framed, b"").unwrap_err(),
        ColumnFlaw::RawLen
    );
}

#[test]
fn every_flaw_has_its_section() {
    use ColumnFlaw::*;
    let size = (2, 14);
    let body =
        |head: &[u8], streams: &[u8]| flaw(size, &[&[NO_NULLS], head].concat(), streams, b"");
    assert_eq!(
        rebuild(size, &section(1665, b"", b""), b"").unwrap_err(),
        Columns(1665)
    );
    assert_eq!(rebuild(size, b"\x01\0\0", b"").unwrap_err(), HeadShort);
    assert_eq!(
        rebuild(size, b"\x01\0\x05\0\0\0", b"").unwrap_err(),
        HeadShort
    );
    assert_eq!(body(b"", b""), HeadShort);
    assert_eq!(flaw(size, &fixed(1), b"x", b""), StreamShort);
    assert_eq!(flaw(size, &fixed(u32::MAX), b"x", b""), StreamShort);
    assert_eq!(flaw(size, &fixed(1), b"xyz", b""), Trailing);
    assert_eq!(flaw(size, &fixed(1), b"xy", b"z"), Trailing);
    assert_eq!(
        flaw(size, &[&fixed(1)[..], b"z"].concat(), b"xy", b""),
        Trailing
    );
    assert_eq!(flaw(size, &[3], b"", b""), NullKind(3));
    assert_eq!(flaw(size, &[SOME_NULLS], &[0b11], b""), Nulls);
    assert_eq!(flaw(size, &[SOME_NULLS], &[0xff], b""), Padding);
    assert_eq!(body(&[5], b""), Encoding(5));
    let nested = [&[DICTIONARY][..], &1u32.to_le_bytes(), &[DICTIONARY]].concat();
    assert_eq!(body(&nested, b""), Encoding(DICTIONARY));
    assert_eq!(
        body(&[&[INTS, 2][..], &ints(2, 0, 0)].concat(), b""),
        Transform(2)
    );
    assert_eq!(
        body(&[&[INTS, 2][..], &ints(0, 9, 0)].concat(), b""),
        Planes(9)
    );
    let mut elsewhere = fixed(1);
    elsewhere[6] = 2;
    assert_eq!(flaw(size, &elsewhere, b"xy", b""), Place(2));
    assert_eq!(body(&[INTS, 3], b""), Width(3));
    assert_eq!(body(&[NUMERIC, 19], b""), Scale(19));
    assert_eq!(flaw(size, &dictionary(0, 1), b"", b""), Entries);
    assert_eq!(flaw(size, &dictionary(3, 1), b"abc", b""), Entries);
    assert_eq!(flaw(size, &fixed(2), b"abcd", b""), RawLen);
    assert_eq!(flaw(size, &fixed(0), b"", b""), RawLen);
    let endless = [&[VARYING][..], &ints(0, 0, u64::MAX), &[0]].concat();
    assert_eq!(body(&endless, b""), RawLen);
}

/// Only entries of more than one length are looked up before they are written.
#[test]
fn an_index_beyond_the_dictionary_is_refused() {
    let mut head = vec![NO_NULLS, DICTIONARY];
    head.extend(2u32.to_le_bytes());
    head.push(VARYING);
    head.extend(ints(0, 1, 0));
    head.push(0);
    head.extend(ints(0, 1, 0));
    let streams = [&[0, 1][..], b"x", &[0, 2]].concat();
    assert_eq!(flaw((2, 14), &head, &streams, b""), ColumnFlaw::Index);
}

fn word() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 0u8..5, 1 => Just(8), 1 => Just(0xff), 1 => any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_section_is_refused_or_as_long_as_stated(
        columns in 0u16..4,
        head in prop::collection::vec(word(), 0..60),
        streams in prop::collection::vec(word(), 0..200),
        beside in prop::collection::vec(word(), 0..20),
        rows in 1usize..40,
        raw_len in 0usize..600,
    ) {
        let _ = rebuild((rows, raw_len), &section(columns, &head, &streams), &beside);
        let _ = rebuild((rows, raw_len), &streams, &beside);
    }

    /// A column of some nulls and one of a dictionary, some bytes of which are not as they were.
    #[test]
    fn mutated_sections_are_refused_or_as_long_as_stated(
        changes in prop::collection::vec((any::<prop::sample::Index>(), word()), 1..4),
        rows in 1usize..12,
    ) {
        let mut head = [&[SOME_NULLS, VARYING][..], &ints(0, 1, 0), &[1]].concat();
        head.extend([NO_NULLS, DICTIONARY, 2, 0, 0, 0, VARYING]);
        head.extend([&ints(0, 1, 0)[..], &[0], &ints(1, 1, 0)].concat());
        head.extend([&[NO_NULLS, NUMERIC, 2][..], &ints(1, 1, 7)].concat());
        let streams = b"\x12\x03\x00\x01\x02\x01\x02xyz\x00\x02\x01\x02\x01\x01\x00\x09\x09\x09\x04\x04";
        let mut framed = section(3, &head, streams);
        for (at, byte) in changes {
            let at = at.index(framed.len());
            framed[at] = byte;
        }
        for raw_len in [2 * rows, 14 * rows, 150] {
            let _ = rebuild((rows, raw_len), &framed, b"abcdef");
        }
    }
}
