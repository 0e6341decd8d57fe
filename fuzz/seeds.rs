//! The committed seed corpora: small inputs that reach every branch worth mutating from.

use pgpipe::chunk::{
    Attempt, Chunk, ChunkId, Digest, Held, KeyKind, KeyRange, Part, Plan, Range, TableIndex,
};
use pgpipe::codec::{ChunkEncoder, ChunkParams, HEADER_LEN, Header, Kind};
use pgpipe::copy::{BINARY_HEADER, BINARY_TRAILER, Tuples};
use pgpipe::lsn::Lsn;
use pgpipe::schema::database::DatabaseProperties;
use pgpipe::schema::{
    Ancestor, ColumnType, Format, Likeness, Oid, Persistence, QualifiedName, SequenceValue, Table,
};
use pgpipe::wire::Role;
use pgpipe::wire::frame;
use pgpipe::wire::handshake::{Introduction, Message, PROTOCOL_VERSION, Proof, Refusal};
use pgpipe::wire::message::{
    BlobInfo, ChunkEnd, Failure, Greet, HeldPart, Locale, Moment, Offer, Omit, Refresh, Snapshot,
    SourceInfo, Standing, StreamHeader, Tail, TargetState, ToRecv, ToSend,
};
use serde::Serialize;
use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer};

/// A file of `fuzz/corpus`: target, name, content.
pub(crate) type Seed = (&'static str, &'static str, Vec<u8>);

pub(crate) fn seeds() -> Vec<Seed> {
    let rows = rows();
    let copy_out = [&BINARY_HEADER[..], &rows, &BINARY_TRAILER].concat();
    let scan = |options: u8, step: u8, stream: &[u8]| [&[options, step], stream].concat();
    let chunk = |options: u8, params| [&[options][..], &chunk(params)].concat();
    let plain = ChunkParams::UNCOMPRESSED;
    let mut seeds = vec![
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
        ("decode_block", "columns", [&[0][..], &columns()].concat()),
        (
            "decode_block",
            "columns-stamped",
            [&[2][..], &columns()].concat(),
        ),
        ("decode_columns", "dictionaries", sections()),
        ("round_trip", "tuples", [&[0x80][..], &rows].concat()),
        ("round_trip", "no-columns", vec![0; 6]),
        ("round_trip", "cut", cut_rows()),
        ("decode_block", "plain", chunk(1, plain)),
        ("decode_block", "plain-stamped", chunk(3, plain)),
        ("decode_plan", "two-tables", plan()),
    ];
    let messages = handshake().into_iter().chain(to_recv()).chain(to_send());
    seeds.extend(messages.map(|(name, body)| ("decode_message", name, body)));
    seeds
}

/// A message's name and its body.
type Named = (&'static str, Vec<u8>);

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

/// Forty tuples of an int4, a word and an int8, as `round_trip` cuts them; now and then a null.
fn cut_rows() -> Vec<u8> {
    let mut bytes = vec![0x83];
    for n in 0..40u8 {
        bytes.extend([4, 0, 0, 1, n]);
        match n % 7 {
            0 => bytes.push(0xff),
            word => bytes.extend([3, b'a', b'b', word]),
        }
        bytes.extend([8, 0, 0, 0, 0, n / 3, 7, n, n]);
    }
    bytes
}

/// A block of columns, twice, and the end.
fn columns() -> Vec<u8> {
    let rows = rows().repeat(20);
    let blocks = blocks(&[&rows, &rows]);
    blocks.iter().flat_map(|(_, block)| block.clone()).collect()
}

/// Blocks of columns and the end, with their headers.
fn blocks(raws: &[&[u8]]) -> Vec<(Header, Vec<u8>)> {
    let params = ChunkParams::default();
    let mut encoder = ChunkEncoder::new(params).expect("the parameters are ours");
    let (mut out, mut blocks, mut tuples) = (Vec::new(), Vec::new(), Tuples::default());
    for raw in raws {
        tuples.find(raw).expect("the tuples are well-formed");
        let header = encoder.encode_tuples(0, raw, &tuples, &mut out);
        let header = header.expect("a block");
        assert_eq!(header.kind(), Kind::Columns);
        blocks.push((header, out.clone()));
    }
    let header = encoder.finish(&mut out).expect("the chunk is open");
    blocks.push((header, out));
    blocks
}

/// The sections of blocks in which ids are predicted by their like and by another column, as
/// `fuzz_columns` takes them; the last block is small.
fn sections() -> Vec<u8> {
    let row = |n: u32| {
        let word = |of: u32| [&b"entity"[..], &of.to_string().repeat(9).into_bytes()].concat();
        let pick = n * n % 23;
        let mut row = 4i16.to_be_bytes().to_vec();
        for value in [word(n % 9), pick.to_be_bytes().to_vec(), word(pick)] {
            row.extend((value.len() as u32).to_be_bytes());
            row.extend(value);
        }
        row.extend((-1i32).to_be_bytes());
        row
    };
    let rows = |from: u32, to: u32| (from..to).flat_map(row).collect::<Vec<_>>();
    let raws = [
        rows(0, 500),
        rows(500, 1000),
        rows(1000, 1500),
        rows(1500, 1540),
    ];
    let mut decoder = DCtx::create();
    let mut input = Vec::new();
    for (header, block) in &blocks(&raws.each_ref().map(Vec::as_slice))[..raws.len()] {
        let mut framed = vec![0; header.raw_len() as usize];
        let mut output = OutBuffer::around(&mut framed[..]);
        let mut share = InBuffer::around(&block[HEADER_LEN + 4..]);
        while share.pos() < block.len() - HEADER_LEN - 4 {
            let read = decoder.decompress_stream(&mut output, &mut share);
            read.expect("the frame is ours");
        }
        let len = output.pos();
        input.extend((header.rows() as u16).to_le_bytes());
        for len in [header.raw_len(), len as u32, 0] {
            input.extend(len.to_le_bytes());
        }
        input.extend(&framed[..len]);
    }
    input
}

/// A partition that the target has, whose rows are filtered, and large objects.
fn plan() -> Vec<u8> {
    let mut partition = Table::large_objects(Oid(7), 1 << 30);
    partition.name = name("leaf");
    partition.through = Some(name("root"));
    partition.format = Format::Text;
    partition.text_because = Some("a".to_owned());
    partition.condition = Some("WHERE b".to_owned());
    partition.filter = Some("c > 0".to_owned());
    partition.likeness = Some(Likeness {
        types: vec![ColumnType {
            name: "integer".to_owned(),
            form: "int4".to_owned(),
        }],
        ancestors: vec![Ancestor {
            name: name("root"),
            key: "LIST (a)".to_owned(),
            bound: "DEFAULT".to_owned(),
        }],
    });
    let keys = Range::Keys(KeyRange {
        column: "at".to_owned(),
        kind: KeyKind::Timestamp,
        from: Some(-1),
        to: None,
        nulls: true,
    });
    let objects = Range::Objects {
        from: Oid(0),
        to: Some(Oid(500)),
    };
    let chunks = (0..).zip([keys, objects]).map(|(number, range)| Chunk {
        id: ChunkId(number),
        parts: vec![Part {
            table: TableIndex(number),
            range,
        }],
        bytes: 1 << 27,
        persistence: Persistence::Permanent,
    });
    let plan = Plan {
        tables: vec![partition, Table::large_objects(Oid(2613), 5)],
        chunks: chunks.collect(),
    };
    postcard::to_allocvec(&plan).expect("a small plan")
}

fn body(message: &impl Serialize) -> Vec<u8> {
    let frame = frame::encode(message, frame::LIMIT).expect("a small message");
    frame[frame::HEADER_BYTES..].to_vec()
}

fn handshake() -> Vec<Named> {
    let introduction = |role| Introduction {
        role,
        proof: Some(Proof([7; 32])),
    };
    let encode = |message: Message| message.encode(PROTOCOL_VERSION).expect("a small message");
    vec![
        ("hello", encode(Message::Hello(introduction(Role::Send)))),
        (
            "welcome",
            encode(Message::Welcome(introduction(Role::Recv))),
        ),
        ("confirmed", encode(Message::Confirmed)),
        (
            "refusal",
            encode(Message::Refusal(Refusal::Version { ours: 1, theirs: 2 })),
        ),
    ]
}

fn to_recv() -> Vec<Named> {
    let tail = Tail {
        sequences: vec![SequenceValue {
            name: name("id_seq"),
            last_value: i64::MAX,
            is_called: true,
        }],
        changed: vec!["public.t".to_owned()],
        allow_changes: false,
        stats: "{}".to_owned(),
    };
    let failure = Failure {
        line: "the snapshot is gone".to_owned(),
        resumable: false,
    };
    let params = ChunkParams::default();
    let attempt = attempt();
    let digest = Digest {
        rows: 3,
        bytes: 99,
        sum: u128::MAX,
    };
    let parts = vec![digest, Digest::default()];
    vec![
        ("greet", body(&ToRecv::Greet(greet()))),
        ("offer", body(&ToRecv::Offer(offer()))),
        ("tail", body(&ToRecv::Tail(tail))),
        ("bye", body(&ToRecv::Bye)),
        ("send-aborts", body(&ToRecv::Abort)),
        ("failed", body(&ToRecv::Failed(failure))),
        ("stream", body(&StreamHeader::Chunk { attempt, params })),
        ("renewal", body(&ToRecv::Renewal(offer()))),
        (
            "again",
            body(&ToRecv::Again {
                tables: vec![TableIndex(2)],
            }),
        ),
        (
            "resume-stream",
            body(&StreamHeader::Resume { attempt, from: 300 }),
        ),
        (
            "resume",
            body(&ToRecv::Resume {
                attempts: vec![attempt],
            }),
        ),
        ("chunk-end", body(&ChunkEnd { parts })),
    ]
}

fn attempt() -> Attempt {
    Attempt {
        chunk: ChunkId(300),
        number: 2,
    }
}

fn greet() -> Greet {
    let locale = Locale {
        collate: "de_DE.UTF-8".to_owned(),
        ctype: "C".to_owned(),
        provider: 'i',
        provider_locale: Some("de".to_owned()),
        icu_rules: Some("&a < g".to_owned()),
    };
    Greet {
        pgpipe: "0.1.0".to_owned(),
        migration: "main".to_owned(),
        id: "67e55044-10b1-426f-9247-bb680e5fe0c8"
            .parse()
            .expect("a UUID"),
        source: SourceInfo {
            display: "dbname=a".to_owned(),
            database: "a".to_owned(),
            server_version: 150_004,
            encoding: "UTF8".to_owned(),
            locale,
            system_identifier: "7000000000000000001".to_owned(),
        },
        jobs: 4,
    }
}

fn offer() -> Offer {
    let blob = |bytes| BlobInfo {
        bytes,
        digest: u128::MAX / 3,
    };
    Offer {
        plan: blob(5_000_000),
        archive: blob(1),
        snapshot: Snapshot {
            name: "00000003-0000001B-1".to_owned(),
            time: "2026-03-01T02:00:00Z".to_owned(),
            lsn: "16/B374D848".parse().expect("an LSN"),
        },
        dump_major: 15,
        refresh: vec![Refresh {
            view: name("totals"),
            after: Vec::new(),
        }],
        omit: Omit::default(),
        database: Some(DatabaseProperties::default()),
        roles: Vec::new(),
        make_roles: false,
        tablespaces: vec!["fast".to_owned()],
        extensions: Vec::new(),
        data_only: false,
        role_map: pgpipe::schema::roles::RoleMap::default(),
        clean: false,
    }
}

fn name(name: &str) -> QualifiedName {
    QualifiedName {
        schema: "public".to_owned(),
        name: name.to_owned(),
    }
}

fn to_send() -> Vec<Named> {
    let standing = Standing {
        pgpipe: "0.1.0".to_owned(),
        target: "dbname=b".to_owned(),
        server_version: 160_001,
        jobs: 8,
        window_log: 24,
        state: TargetState::Begun {
            committed: 3,
            chunks: 10,
            data_durable: false,
            moment: Moment {
                time: "2026-01-01T00:00:00.000000Z".to_owned(),
                lsn: Lsn(0x1_0000_0028),
            },
        },
    };
    let digests = ToSend::Digests {
        parts: vec![HeldPart {
            chunk: ChunkId(300),
            part: 1,
            digest: Digest {
                rows: 3,
                bytes: 99,
                sum: u128::MAX,
            },
        }],
        more: true,
    };
    let held = Held {
        attempt: attempt(),
        blocks: 70_000,
    };
    let ready = ToSend::Ready {
        committed: vec![ChunkId(0), ChunkId(200), ChunkId(70_000)],
        held: vec![held],
        last_number: 2,
        data_durable: true,
    };
    let progress = ToSend::Progress {
        phase: "schema".to_owned(),
        done: 1,
        total: 2,
    };
    let held_up = ToSend::HeldUp {
        by: Some("locks held by pid 4711 (psql)".to_owned()),
    };
    let finished = ToSend::Finished {
        report: "{}".to_owned(),
        exit: 4,
    };
    vec![
        ("standing", body(&ToSend::Standing(standing))),
        ("ready", body(&ready)),
        ("received", body(&ToSend::Received(held))),
        ("restored", body(&ToSend::Restored)),
        ("recv-aborts", body(&ToSend::Abort)),
        ("digests", body(&digests)),
        ("released", body(&ToSend::Released { attempt: attempt() })),
        ("progress", body(&progress)),
        ("finished", body(&finished)),
        ("held-up", body(&held_up)),
    ]
}
