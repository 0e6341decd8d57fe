//! Rows of the scene's tables as COPY BINARY tuples, and blocks of them.

use pgpipe::chunk::Digest;
use pgpipe::codec::{ChunkEncoder, ChunkParams, HEADER_LEN, Kind};
use pgpipe::wire::message::ChunkEnd;
use twox_hash::{XxHash3_64, XxHash3_128};

use crate::client::framed;

/// One tuple of one text column.
pub(crate) fn row(text: &str) -> Vec<u8> {
    let mut tuple = vec![0, 1];
    tuple.extend((text.len() as u32).to_be_bytes());
    tuple.extend(text.as_bytes());
    tuple
}

/// Blocks of one row each, uncompressed, in these parts; then the end.
pub(crate) fn blocks(parts: &[u32]) -> Vec<Vec<u8>> {
    let mut encoder = ChunkEncoder::new(ChunkParams::UNCOMPRESSED).unwrap();
    let mut all: Vec<_> = parts
        .iter()
        .map(|&part| {
            let mut block = Vec::new();
            let encoded = encoder.encode(part, &row("row"), 1, Kind::Rows, &mut block);
            encoded.unwrap();
            block
        })
        .collect();
    let mut end = Vec::new();
    encoder.finish(&mut end).unwrap();
    all.push(end);
    all
}

/// The frame behind the blocks: so many rows of [`row`] in each part.
pub(crate) fn chunk_end(rows: &[u64]) -> Vec<u8> {
    let tuple = row("row");
    let digest = |&rows: &u64| {
        let mut digest = Digest::default();
        for _ in 0..rows {
            digest.add_row(XxHash3_128::oneshot(&tuple), tuple.len() as u64);
        }
        digest
    };
    framed(&ChunkEnd {
        parts: rows.iter().map(digest).collect(),
    })
}

/// Puts a word into a block's header, whose checksum is right again.
pub(crate) fn forge(block: &mut [u8], at: usize, word: u32) {
    block[at..at + 4].copy_from_slice(&word.to_le_bytes());
    let own = XxHash3_64::oneshot(&block[..40]);
    block[40..HEADER_LEN].copy_from_slice(&own.to_le_bytes());
}

/// Places of a header's words (docs/block.md).
pub(crate) const NUMBER: usize = 8;
pub(crate) const PART: usize = 12;
pub(crate) const ROWS: usize = 16;
pub(crate) const RAW: usize = 20;
pub(crate) const INFLATED: usize = 24;
pub(crate) const ENCODED: usize = 28;
