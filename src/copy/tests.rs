//! The scanner against a naive reading of the same rows, over every kind of cut.

use proptest::prelude::*;
use twox_hash::XxHash3_128;

use super::*;
use crate::chunk::Digest;
use crate::schema::Format;

type Field = Option<Vec<u8>>;

fn tuple(fields: &[Field]) -> Vec<u8> {
    let mut bytes = (fields.len() as i16).to_be_bytes().to_vec();
    for field in fields {
        match field {
            None => bytes.extend((-1i32).to_be_bytes()),
            Some(value) => {
                bytes.extend((value.len() as i32).to_be_bytes());
                bytes.extend(value);
            }
        }
    }
    bytes
}

fn digest(rows: &[Vec<u8>]) -> Digest {
    let mut digest = Digest::default();
    for row in rows {
        digest.add_row(XxHash3_128::oneshot(row), row.len() as u64);
    }
    digest
}

fn copy_out(rows: &[Vec<u8>], extension: &[u8]) -> Vec<u8> {
    let mut stream = BINARY_HEADER[..15].to_vec();
    stream.extend((extension.len() as i32).to_be_bytes());
    stream.extend(extension);
    stream.extend(rows.concat());
    stream.extend(BINARY_TRAILER);
    stream
}

/// Scans `stream` cut at `cuts`; gives the payload and the rows counted, after checking `whole`.
fn scan_cut(scanner: &mut Scanner, stream: &[u8], cuts: &[usize]) -> (Vec<u8>, u64) {
    let mut cuts: Vec<_> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    let (mut payload, mut rows) = (Vec::new(), 0);
    for pair in cuts.windows(2) {
        let piece = &stream[pair[0]..pair[1]];
        let scanned = scanner.scan(piece).unwrap();
        payload.extend(&piece[scanned.payload]);
        rows += u64::from(scanned.rows);
    }
    (payload, rows)
}

fn rows_strategy() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let field = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    (0usize..5).prop_flat_map(move |columns| {
        let row = prop::collection::vec(field.clone(), columns).prop_map(|f| tuple(&f));
        prop::collection::vec(row, 0..20)
    })
}

proptest! {
    #[test]
    fn binary_cut_anywhere(
        rows in rows_strategy(),
        extension in prop::collection::vec(any::<u8>(), 0..9),
        cuts in prop::collection::vec(any::<usize>(), 0..30),
    ) {
        let mut scanner = Scanner::for_copy_out(Format::Binary);
        let (payload, count) = scan_cut(&mut scanner, &copy_out(&rows, &extension), &cuts);
        prop_assert_eq!(scanner.finish().unwrap(), digest(&rows));
        prop_assert_eq!(payload, rows.concat());
        prop_assert_eq!(count, rows.len() as u64);
    }

    #[test]
    fn payload_cut_anywhere(
        rows in rows_strategy(),
        cuts in prop::collection::vec(any::<usize>(), 0..30),
    ) {
        let mut scanner = Scanner::for_payload(Format::Binary);
        scan_cut(&mut scanner, &rows.concat(), &cuts);
        prop_assert_eq!(scanner.finish().unwrap(), digest(&rows));
    }

    #[test]
    fn text_cut_anywhere(
        lines in prop::collection::vec("[a-z\\t]{0,30}", 0..20),
        cuts in prop::collection::vec(any::<usize>(), 0..30),
    ) {
        let rows: Vec<_> = lines.iter().map(|l| format!("{l}\n").into_bytes()).collect();
        let mut scanner = Scanner::for_copy_out(Format::Text);
        let (payload, count) = scan_cut(&mut scanner, &rows.concat(), &cuts);
        prop_assert_eq!(scanner.finish().unwrap(), digest(&rows));
        prop_assert_eq!(payload, rows.concat());
        prop_assert_eq!(count, rows.len() as u64);
    }

    #[test]
    fn any_bytes_give_rows_or_a_clean_error(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..200),
        cut in any::<usize>(),
    ) {
        let (left, right) = bytes.split_at(cut % (bytes.len() + 1));
        let scan = |pieces: &[&[u8]]| {
            let mut scanner = Scanner::for_payload(Format::Binary);
            pieces.iter().try_for_each(|p| scanner.scan(p).map(drop))?;
            scanner.finish()
        };
        // Where a flaw lies within a cut word may differ, whether there is one may not.
        match (scan(&[&bytes]), scan(&[left, right])) {
            (Ok(whole), Ok(cut)) => prop_assert_eq!(whole, cut),
            (whole, cut) => prop_assert_eq!(whole.map_err(|e| e.flaw), cut.map_err(|e| e.flaw)),
        }
    }
}

/// What a column holds from some row on: a value of one length, of any, or none.
fn changing_rows() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let kind = prop_oneof![
        4 => prop::sample::select(vec![0usize, 1, 2, 4, 8, 16, 63, 64, 65, 130]).prop_map(Some),
        1 => Just(None),
    ];
    let column = prop::collection::vec((kind, 0usize..60), 1..3);
    (prop::collection::vec(column, 0..7), 0usize..80, any::<u8>()).prop_map(
        |(columns, rows, seed)| {
            let field = |kinds: &Vec<(Option<usize>, usize)>, row: usize| {
                let (kind, _) = kinds
                    .iter()
                    .rev()
                    .find(|(_, from)| *from <= row)
                    .unwrap_or(&kinds[0]);
                kind.map(|len| vec![seed.wrapping_add(row as u8); len])
            };
            let row = |row| tuple(&columns.iter().map(|c| field(c, row)).collect::<Vec<_>>());
            (0..rows).map(row).collect()
        },
    )
}

proptest! {
    #[test]
    fn widths_that_change_along_the_stream(
        rows in changing_rows(),
        more in changing_rows(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let stream = rows.concat();
        let mut scanner = Scanner::for_payload(Format::Binary);
        scan_cut(&mut scanner, &stream, &cuts);
        prop_assert_eq!(scanner.finish().unwrap(), digest(&rows));
        assert_index(&mut Tuples::default(), &rows, cuts.first().copied().unwrap_or_default());
        // What was learnt of one part is of use for the next, and no harm.
        if fields(&rows) == fields(&more) {
            let mut tuples = Tuples::default();
            assert_index(&mut tuples, &rows, 0);
            assert_index(&mut tuples, &more, 3);
            assert_index(&mut tuples, &rows, 1);
        }
    }
}

fn fields(rows: &[Vec<u8>]) -> &[u8] {
    rows.first().map_or(&[], |row| &row[..2])
}

/// The index of a stream that lacks its last `cut` bytes is that of the rows that are there whole.
fn assert_index(tuples: &mut Tuples, rows: &[Vec<u8>], cut: usize) {
    let mut stream = rows.concat();
    stream.truncate(stream.len() - cut % (stream.len() + 1));
    let (mut starts, mut end) = (Vec::new(), 0);
    for row in rows {
        if stream.len() < end + row.len() {
            break;
        }
        starts.push(end);
        end += row.len();
    }
    assert_eq!(tuples.find(&stream).unwrap(), end);
    assert_eq!((tuples.rows(), tuples.bytes()), (starts.len(), end));
    assert_eq!(tuples.starts().collect::<Vec<_>>(), starts);
    for (number, column) in tuples
        .columns()
        .iter()
        .enumerate()
        .filter(|_| !starts.is_empty())
    {
        let places = tuples.fields(*column).collect::<Vec<_>>();
        let naive: Vec<_> = starts
            .iter()
            .map(|start| start + field_at(&stream[*start..], number))
            .collect();
        assert_eq!(places, naive, "column {number}");
    }
}

/// Where the length of a tuple's field begins.
fn field_at(tuple: &[u8], number: usize) -> usize {
    (0..number).fold(2, |at, _| {
        let len = i32::from_be_bytes(*tuple[at..].first_chunk().unwrap());
        at + 4 + len.max(0) as usize
    })
}

fn two_rows() -> Vec<Vec<u8>> {
    vec![
        tuple(&[Some(b"one".to_vec()), None]),
        tuple(&[None, Some(Vec::new())]),
    ]
}

#[test]
fn whole_says_whether_both_ends_are_row_boundaries() {
    let stream = two_rows().concat();
    let mut scanner = Scanner::for_payload(Format::Binary);
    let first = scanner.scan(&stream[..stream.len() - 1]).unwrap();
    assert_eq!((first.rows, first.whole), (1, false));
    let second = scanner.scan(&stream[stream.len() - 1..]).unwrap();
    assert_eq!((second.rows, second.whole), (1, false));
    let third = scanner.scan(&stream).unwrap();
    assert_eq!((third.rows, third.whole), (2, true));
    assert_eq!(scanner.columns(), Some(2));
}

#[test]
fn header_alone_and_trailer_alone_are_not_payload() {
    let mut scanner = Scanner::for_copy_out(Format::Binary);
    let header = scanner.scan(&BINARY_HEADER).unwrap();
    assert_eq!((header.payload, header.whole), (19..19, true));
    assert!(scanner.finish().is_err());
    let trailer = scanner.scan(&BINARY_TRAILER).unwrap();
    assert_eq!((trailer.payload, trailer.ended), (0..0, true));
    assert_eq!(scanner.finish().unwrap(), Digest::default());
    assert_eq!(scanner.scan(b"x").unwrap_err().flaw, Flaw::AfterTrailer);
}

fn flaw_of(mut scanner: Scanner, stream: &[u8]) -> (u64, Flaw) {
    let error = scanner.scan(stream).unwrap_err();
    (error.offset, error.flaw)
}

#[test]
fn flaws_are_named_with_their_offset() {
    let payload = || Scanner::for_payload(Format::Binary);
    let tuple = two_rows()[0].clone();
    let at = |rest: &[u8]| [&tuple, rest].concat();
    let offset = tuple.len() as u64;

    assert_eq!(
        flaw_of(payload(), &at(&[0xff, 0xff])),
        (offset, Flaw::FieldCount(-1))
    );
    assert_eq!(
        flaw_of(payload(), &at(&[0, 3])),
        (
            offset,
            Flaw::FieldCountChanged {
                expected: 2,
                found: 3
            }
        )
    );
    assert_eq!(
        flaw_of(payload(), &at(&[0, 2, 0xff, 0xff, 0xff, 0xfe])),
        (offset + 2, Flaw::FieldLength(-2))
    );
    assert_eq!(
        flaw_of(payload(), &[0, 1, 0x40, 0, 0, 0]),
        (2, Flaw::FieldLength(0x4000_0000))
    );
    assert_eq!(
        flaw_of(payload().with_columns(1), &at(&[])),
        (
            0,
            Flaw::FieldCountChanged {
                expected: 1,
                found: 2
            }
        )
    );
}

#[test]
fn headers_that_are_not_ours_are_refused() {
    let copy = || Scanner::for_copy_out(Format::Binary);
    let mut oids = BINARY_HEADER;
    oids[12] = 1;
    assert_eq!(flaw_of(copy(), &oids).1, Flaw::HeaderFlags(1 << 16));
    let mut negative = BINARY_HEADER;
    negative[15] = 0x80;
    assert_eq!(
        flaw_of(copy(), &negative).1,
        Flaw::ExtensionLength(i32::MIN)
    );
    assert_eq!(
        flaw_of(copy(), b"1\t2\n1\t2\n1\t2\n1\t2\n1\t2\n").1,
        Flaw::Signature
    );
}

#[test]
fn nothing_follows_a_trailer_that_comes_in_two_pieces() {
    let mut scanner = Scanner::for_copy_out(Format::Binary);
    scanner.scan(&BINARY_HEADER).unwrap();
    assert!(!scanner.scan(&[0xff]).unwrap().ended);
    assert_eq!(
        scanner.clone().scan(&[0]).unwrap_err().flaw,
        Flaw::FieldCount(-256)
    );
    assert_eq!(
        scanner.clone().scan(&[0xff, 0]).unwrap_err().flaw,
        Flaw::AfterTrailer
    );
    assert!(scanner.scan(&[0xff]).unwrap().ended);
}

#[test]
fn ends_are_checked() {
    let mut scanner = Scanner::for_payload(Format::Binary);
    scanner.scan(&two_rows()[0][..5]).unwrap();
    assert_eq!(scanner.finish().unwrap_err().flaw, Flaw::EndsInsideRow);
    let mut text = Scanner::for_payload(Format::Text);
    text.scan(b"no end").unwrap();
    assert_eq!(text.finish().unwrap_err().flaw, Flaw::EndsInsideRow);
}

/// An index that is kept for another table, of fewer or of more columns, looped for ever once.
#[test]
fn an_index_serves_tables_of_other_widths() {
    let mut tuples = Tuples::default();
    for columns in [3, 1, 0, 2, 5, 4] {
        let row = tuple(&vec![Some(b"ab".to_vec()); columns]);
        let rows = row.repeat(4);
        assert_eq!(tuples.find(&rows), Ok(rows.len()));
        assert_eq!((tuples.rows(), tuples.columns().len()), (4, columns));
    }
}
