//! Who takes part. Each is handed the same blocks and writes its stream, and reads it again.

use std::io::{Read, Write};

use lz4::{BlockMode, BlockSize, ContentChecksum};
use pgpipe::codec::{
    ChunkDecoder, ChunkEncoder, ChunkParams, Encodings, HEADER_LEN, Header, MAX_WINDOW_LOG,
};
use pgpipe::copy::Tuples;
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective::{self, ZSTD_e_continue, ZSTD_e_end};
use zstd::zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer, ResetDirective};

use crate::shapes::table::Block;

/// Bytes of the buffers through which streams go.
const PIECE: usize = 1 << 20;

/// A way to make rows smaller and to get them back.
pub(crate) trait Contender {
    fn name(&self) -> &'static str;
    fn encode(&mut self, blocks: &[Block<'_>], out: &mut dyn Write);
    fn decode(&mut self, stream: &[u8], out: &mut dyn Write);
}

pub(crate) const PGPIPE: &str = "pgpipe";
pub(crate) const ZSTD_1: &str = "rows+zstd-1";
pub(crate) const ZSTD_3: &str = "rows+zstd-3";

/// All contenders, in the order of the table's columns.
pub(crate) fn contenders() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(Zstd::new(ZSTD_1, 1)),
        Box::new(Zstd::new(ZSTD_3, 3)),
        Box::new(Lz4::new("rows+lz4")),
        Box::new(Pgpipe::new(PGPIPE, Encodings::ALL)),
    ]
}

/// pgpipe with all encodings, and without one kind after another.
pub(crate) fn without_one() -> Vec<Box<dyn Contender>> {
    let all = Encodings::ALL;
    let each = [
        (PGPIPE, all),
        ("integers", Encodings { ints: false, ..all }),
        (
            "numerics",
            Encodings {
                numerics: false,
                ..all
            },
        ),
        (
            "deltas",
            Encodings {
                deltas: false,
                ..all
            },
        ),
        (
            "predictions",
            Encodings {
                predictions: false,
                ..all
            },
        ),
        (
            "dictionaries",
            Encodings {
                dictionaries: false,
                ..all
            },
        ),
    ];
    let boxed = |(name, encodings)| Box::new(Pgpipe::new(name, encodings)) as Box<dyn Contender>;
    each.map(boxed).into()
}

/// `psql | zstd`: one frame with zstd's own parameters for the level.
struct Zstd {
    name: &'static str,
    level: i32,
    encoder: CCtx<'static>,
    decoder: DCtx<'static>,
    buffer: Vec<u8>,
}

impl Zstd {
    fn new(name: &'static str, level: i32) -> Self {
        Self {
            name,
            level,
            encoder: CCtx::create(),
            decoder: DCtx::create(),
            buffer: vec![0; PIECE],
        }
    }

    fn feed(&mut self, raw: &[u8], directive: ZSTD_EndDirective, out: &mut dyn Write) {
        let mut input = InBuffer::around(raw);
        loop {
            let mut output = OutBuffer::around(&mut self.buffer[..]);
            let left = self
                .encoder
                .compress_stream2(&mut output, &mut input, directive);
            let left = left.expect("zstd compresses anything");
            written(out.write_all(output.as_slice()));
            let whole = input.pos() == raw.len();
            if whole && (left == 0 || directive == ZSTD_e_continue) {
                return;
            }
        }
    }
}

impl Contender for Zstd {
    fn name(&self) -> &'static str {
        self.name
    }

    fn encode(&mut self, blocks: &[Block<'_>], out: &mut dyn Write) {
        let reset = self.encoder.reset(ResetDirective::SessionAndParameters);
        reset.expect("a session can be reset");
        let level = CParameter::CompressionLevel(self.level);
        self.encoder
            .set_parameter(level)
            .expect("zstd has the level");
        for (raw, _) in blocks {
            self.feed(raw, ZSTD_e_continue, out);
        }
        self.feed(&[], ZSTD_e_end, out);
    }

    fn decode(&mut self, stream: &[u8], out: &mut dyn Write) {
        let reset = self.decoder.reset(ResetDirective::SessionOnly);
        reset.expect("a session can be reset");
        let mut input = InBuffer::around(stream);
        loop {
            let mut output = OutBuffer::around(&mut self.buffer[..]);
            let left = self.decoder.decompress_stream(&mut output, &mut input);
            let left = left.expect("the frame is ours");
            written(out.write_all(output.as_slice()));
            if left == 0 {
                return;
            }
        }
    }
}

/// Bytes of lz4's blocks, and of the buffer into which they are decoded without a copy.
const LZ4_BLOCK: usize = 4 << 20;

/// `psql | lz4`: one frame of independent blocks of 4 MiB, as the program makes it.
struct Lz4 {
    name: &'static str,
    buffer: Vec<u8>,
}

impl Lz4 {
    fn new(name: &'static str) -> Self {
        let buffer = vec![0; LZ4_BLOCK];
        Self { name, buffer }
    }
}

impl Contender for Lz4 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn encode(&mut self, blocks: &[Block<'_>], out: &mut dyn Write) {
        let encoder = lz4::EncoderBuilder::new()
            .level(1)
            .block_size(BlockSize::Max4MB)
            .block_mode(BlockMode::Independent)
            .checksum(ContentChecksum::NoChecksum)
            .build(out);
        let mut encoder = encoder.expect("lz4 has these parameters");
        for (raw, _) in blocks {
            written(encoder.write_all(raw));
        }
        written(encoder.finish().1);
    }

    fn decode(&mut self, stream: &[u8], out: &mut dyn Write) {
        let mut decoder = lz4::Decoder::new(stream).expect("memory for a context");
        loop {
            let got = decoder.read(&mut self.buffer).expect("the frame is ours");
            if got == 0 {
                return;
            }
            written(out.write_all(&self.buffer[..got]));
        }
    }
}

/// pgpipe's blocks, with their headers and checksums.
struct Pgpipe {
    name: &'static str,
    params: ChunkParams,
    encodings: Encodings,
    encoder: ChunkEncoder,
    decoder: ChunkDecoder,
    tuples: Tuples,
    buffer: Vec<u8>,
}

impl Pgpipe {
    fn new(name: &'static str, encodings: Encodings) -> Self {
        let params = ChunkParams::default();
        Self {
            name,
            params,
            encodings,
            encoder: ChunkEncoder::new(params).expect("the parameters are ours"),
            decoder: ChunkDecoder::new(MAX_WINDOW_LOG),
            tuples: Tuples::default(),
            buffer: Vec::new(),
        }
    }
}

impl Contender for Pgpipe {
    fn name(&self) -> &'static str {
        self.name
    }

    fn encode(&mut self, blocks: &[Block<'_>], out: &mut dyn Write) {
        let started = self.encoder.start(self.params);
        started.expect("the parameters are ours");
        self.encoder.restrict(self.encodings);
        for (raw, _) in blocks {
            let found = self.tuples.find(raw);
            found.expect("the rows are well-formed");
            let block = self
                .encoder
                .encode_tuples(0, raw, &self.tuples, &mut self.buffer);
            block.expect("the rows make a block");
            written(out.write_all(&self.buffer));
        }
        let end = self.encoder.finish(&mut self.buffer);
        end.expect("the chunk is open");
        written(out.write_all(&self.buffer));
    }

    fn decode(&mut self, stream: &[u8], out: &mut dyn Write) {
        let started = self.decoder.start(self.params);
        started.expect("the parameters are ours");
        let mut rest = stream;
        while let Some((header, after)) = rest.split_first_chunk::<HEADER_LEN>() {
            let header = Header::parse(header).expect("the header is ours");
            let payload;
            (payload, rest) = after.split_at(header.encoded_len() as usize);
            let block = self.decoder.decode(&header, payload, &mut self.buffer);
            block.expect("the block is ours");
            written(out.write_all(&self.buffer));
        }
    }
}

fn written(result: std::io::Result<()>) {
    result.expect("what is written to memory arrives");
}
