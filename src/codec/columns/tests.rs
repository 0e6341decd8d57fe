//! Hostile sections, straight at the rebuilder: no panic, no memory beyond a block's.

use proptest::prelude::*;

use super::Rebuilder;
use super::column::{
    ALL_NULL, BLOCK_DICTIONARY, BY_ITSELF, BY_NOTHING, DICTIONARY, FIXED, INTS, NO_NULLS, NUMERIC,
    SOME_NULLS, VARYING,
};
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

/// The head of version 2's dictionary of `count` entries of one width, whose indices are all 0.
fn block_dictionary(count: u32, width: u32) -> Vec<u8> {
    let mut head = vec![NO_NULLS, BLOCK_DICTIONARY];
    head.extend(count.to_le_bytes());
    head.push(FIXED);
    head.extend(width.to_le_bytes());
    head.push(0);
    head.extend(ints(0, 0, 0));
    head
}

/// The head of a dictionary with `count` new entries of one byte, up to the ids.
fn dictionary(flags: u8, by: u16, count: u32) -> Vec<u8> {
    let mut head = vec![NO_NULLS, DICTIONARY, flags];
    head.extend(by.to_le_bytes());
    head.extend(count.to_le_bytes());
    if count > 0 {
        head.extend(&fixed(1)[1..]);
    }
    head
}

/// The ids of a dictionary that predicts: how many travel, the gaps before them and themselves.
fn predicting(count: u32) -> Vec<u8> {
    [&count.to_le_bytes()[..], &ints(0, 1, 0), &ints(0, 1, 0)].concat()
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
    let head = block_dictionary(rows as u32, 0).repeat(MAX_FIELDS.into());
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
    let mut head = vec![NO_NULLS, BLOCK_DICTIONARY];
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
    assert_eq!(body(&[6], b""), Encoding(6));
    for kind in [BLOCK_DICTIONARY, DICTIONARY] {
        let nested = [&[BLOCK_DICTIONARY][..], &1u32.to_le_bytes(), &[kind]].concat();
        assert_eq!(body(&nested, b""), Encoding(kind));
    }
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
    assert_eq!(flaw(size, &block_dictionary(0, 1), b"", b""), Entries);
    assert_eq!(flaw(size, &block_dictionary(3, 1), b"abc", b""), Entries);
    assert_eq!(flaw(size, &fixed(2), b"abcd", b""), RawLen);
    assert_eq!(flaw(size, &fixed(0), b"", b""), RawLen);
    let endless = [&[VARYING][..], &ints(0, 0, u64::MAX), &[0]].concat();
    assert_eq!(body(&endless, b""), RawLen);
}

#[test]
fn an_index_beyond_a_block_s_dictionary_is_refused() {
    let mut head = vec![NO_NULLS, BLOCK_DICTIONARY];
    head.extend(2u32.to_le_bytes());
    head.push(VARYING);
    head.extend(ints(0, 1, 0));
    head.push(0);
    head.extend(ints(0, 1, 0));
    let streams = [&[0, 1][..], b"x", &[0, 2]].concat();
    assert_eq!(flaw((2, 14), &head, &streams, b""), ColumnFlaw::Index);
}

/// The example of docs/block.md: ids, entries and predictions go on from block to block.
#[test]
fn a_dictionary_lasts() {
    let mut rebuilder = Rebuilder::default();
    let mut values = |head: Vec<u8>, streams: &[u8], rows: &str| {
        let values = rows.chars().filter(|row| *row != '-');
        let size = (rows.len(), 6 * rows.len() + values.count());
        let framed = section(1, &head, streams);
        let mut out = Vec::new();
        rebuilder.rebuild(size, &framed, b"", &mut out)?;
        assert_eq!(out, tuples(rows));
        Ok(())
    };
    let all = |flags, count| [dictionary(flags, BY_NOTHING, count), ints(0, 1, 0)].concat();
    assert_eq!(values(all(1, 3), b"abc\0\0\0", "abc"), Ok(()));
    let own = |count| [dictionary(0, BY_ITSELF, 0), predicting(count)].concat();
    assert_eq!(values(own(3), b"\0\0\0\x01\x02\x03", "abc"), Ok(()));
    assert_eq!(values(own(1), b"\0\x01", "abc"), Ok(()));
    let none = [dictionary(0, BY_ITSELF, 0), vec![0; 4]].concat();
    assert_eq!(values(none, b"", "abc"), Ok(()));
    let head = b"\x02\x05\0\xfe\xff\x01\0\0\0\0\x01\0\0\0\0\x03\0\0\0\
        \0\x01\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0";
    let streams = b"\x08\x78\x01\0\0\x03\0\x01";
    assert_eq!(values(head.to_vec(), streams, "acx-a"), Ok(()));
    // By what block 4 has put in place of other predictions.
    let none = [dictionary(0, BY_ITSELF, 0), vec![0; 4]].concat();
    assert_eq!(values(none, b"", "cxac"), Ok(()));
    // Begun anew, it knows nothing.
    assert_eq!(values(all(1, 1), b"y\0\x01\x01", "yyy"), Ok(()));
    assert_eq!(
        values(all(0, 0), b"\x01\x01\x02", "yya"),
        Err(ColumnFlaw::Index)
    );
}

/// Tuples of one field of a byte each, `-` for a null.
fn tuples(rows: &str) -> Vec<u8> {
    let tuple = |row| match row {
        b'-' => b"\0\x01\xff\xff\xff\xff".to_vec(),
        value => [&b"\0\x01\0\0\0\x01"[..], &[value]].concat(),
    };
    rows.bytes().flat_map(tuple).collect()
}

/// What the column before has in a row tells what this one has.
#[test]
fn ids_follow_from_another_column() {
    let parents = [
        (
            [&[NO_NULLS, INTS, 2][..], &ints(0, 1, 7)].concat(),
            &b"\0\x01\0"[..],
        ),
        (
            [dictionary(1, BY_NOTHING, 2), ints(0, 1, 0)].concat(),
            b"pq\0\0\x01",
        ),
    ];
    for (parent, streams) in parents {
        let child = [dictionary(1, 0, 2), predicting(2)].concat();
        let width = if streams.len() == 3 { 2 } else { 1 };
        let head = [parent, child].concat();
        let streams = [streams, b"xy\0\0\0\0"].concat();
        let size = (3, 3 * (2 + 4 + width + 4 + 1));
        let (raw, ends) = rebuild(size, &section(2, &head, &streams), b"").unwrap();
        let last = ends.iter().map(|end| raw[*end as usize - 1]);
        assert_eq!(last.collect::<Vec<_>>(), b"xyx");
    }
}

#[test]
fn every_flaw_of_a_dictionary_has_its_section() {
    use ColumnFlaw::*;
    let size = (2, 14);
    let refused = |head: &[Vec<u8>], streams: &[u8]| flaw(size, &head.concat(), streams, b"");
    let ids = ints(0, 1, 0);
    assert_eq!(
        refused(&[dictionary(2, BY_NOTHING, 0)], b""),
        DictionaryFlags(2)
    );
    assert_eq!(refused(&[dictionary(1, BY_NOTHING, 3)], b"abc"), Entries);
    // Two come, and one is referred to; or the other way round.
    let two = dictionary(1, BY_NOTHING, 2);
    assert_eq!(refused(&[two, ids.clone()], b"ab\0\x01"), Entries);
    let one = dictionary(1, BY_NOTHING, 1);
    assert_eq!(refused(&[one.clone(), ids.clone()], b"a\0\0"), Index);
    assert_eq!(refused(&[one, ids], b"a\0\x02"), Index);
    // The column itself, one behind it, and one whose values have no keys.
    assert_eq!(refused(&[dictionary(1, 0, 0)], b""), Context(0));
    assert_eq!(refused(&[dictionary(1, 7, 0)], b""), Context(7));
    let two_columns = [fixed(1), dictionary(1, 0, 0)].concat();
    let framed = section(2, &two_columns, b"xy");
    assert_eq!(rebuild((2, 24), &framed, b"").unwrap_err(), Context(0));
    // A column that is null in all rows has a key: 0.
    let two_columns = [&[ALL_NULL][..], &dictionary(1, 0, 1), &predicting(1)].concat();
    let framed = section(2, &two_columns, b"x\0\0");
    assert!(rebuild((2, 22), &framed, b"").is_ok());
    let own = || dictionary(1, BY_ITSELF, 1);
    assert_eq!(refused(&[own(), predicting(3)], b"a\0\0\0\0\0\0"), Gaps);
    assert_eq!(refused(&[own(), predicting(1)], b"a\x02\0"), Prediction);
    assert_eq!(
        refused(&[own(), predicting(2)], b"a\0\x02\0\x01"),
        Prediction
    );
    assert_eq!(refused(&[own(), predicting(1)], b"a\0\0"), Prediction);
}

/// References that come after the last row.
#[test]
fn more_ids_than_rows_are_refused() {
    let mut rebuilder = Rebuilder::default();
    let mut out = Vec::new();
    let own = |count, ids| [dictionary(0, BY_ITSELF, count), predicting(ids)].concat();
    let first = section(1, &own(1, 2), b"a\0\0\0\x01");
    rebuilder.rebuild((2, 14), &first, b"", &mut out).unwrap();
    let second = section(1, &own(0, 2), b"\x01\x01\x01\x01");
    let refused = rebuilder.rebuild((2, 14), &second, b"", &mut out);
    assert_eq!(refused.unwrap_err(), ColumnFlaw::Gaps);
}

/// An id has 16 bits, and 0 is none.
#[test]
fn a_dictionary_has_at_most_65535_entries() {
    let mut rebuilder = Rebuilder::default();
    let mut out = Vec::new();
    let mut add = |count: u32| {
        let head = [dictionary(0, BY_NOTHING, count), ints(0, 0, 0)].concat();
        let framed = section(1, &head, &vec![b'x'; count as usize]);
        rebuilder.rebuild((count as usize, 7 * count as usize), &framed, b"", &mut out)
    };
    assert_eq!((add(40_000), add(25_535)), (Ok(()), Ok(())));
    assert_eq!(add(1), Err(ColumnFlaw::Entries));
}

/// Dictionaries and predictions of all columns together stay within 8 MiB, whatever a part brings.
#[test]
fn dictionaries_are_bounded_together() {
    // Predictions by the largest key there is.
    let columns = 80u16;
    let mut head = [&[NO_NULLS, INTS, 2][..], &ints(0, 0, 0xffff)].concat();
    for _ in 1..columns {
        head.extend([dictionary(1, 0, 1), predicting(1)].concat());
    }
    let dictionaries = usize::from(columns) - 1;
    let streams = b"a\0\0".repeat(dictionaries);
    let size = (1, 2 + 6 + 5 * dictionaries);
    let refused = rebuild(size, &section(columns, &head, &streams), b"");
    assert_eq!(refused.unwrap_err(), ColumnFlaw::DictionaryCost);

    let mut rebuilder = Rebuilder::default();
    let mut out = Vec::new();
    let long = 3 << 20;
    let mut grow = || {
        let mut head = vec![NO_NULLS, DICTIONARY, 0];
        head.extend(BY_NOTHING.to_le_bytes());
        head.extend(1u32.to_le_bytes());
        head.extend(&fixed(long as u32)[1..]);
        head.extend(ints(0, 0, 0));
        let framed = section(1, &head, &vec![b'x'; long]);
        rebuilder.rebuild((1, long + 6), &framed, b"", &mut out)
    };
    assert_eq!((grow(), grow()), (Ok(()), Ok(())));
    assert_eq!(grow(), Err(ColumnFlaw::DictionaryCost));
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
        head.extend([NO_NULLS, BLOCK_DICTIONARY, 2, 0, 0, 0, VARYING]);
        head.extend([&ints(0, 1, 0)[..], &[0], &ints(1, 1, 0)].concat());
        head.extend([&[NO_NULLS, NUMERIC, 2][..], &ints(1, 1, 7)].concat());
        head.extend([dictionary(1, 1, 2), predicting(2)].concat());
        let streams = b"\x12\x03\x00\x01\x02\x01\x02xyz\x00\x02\x01\x02\x01\x01\x00\x09\x09\x09\x04\x04\
            xy\x00\x00\x00\x00";
        let mut framed = section(4, &head, streams);
        for (at, byte) in changes {
            let at = at.index(framed.len());
            framed[at] = byte;
        }
        for raw_len in [2 * rows, 14 * rows, 150] {
            let _ = rebuild((rows, raw_len), &framed, b"abcdef");
        }
    }
}
