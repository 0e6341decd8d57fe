//! The block codec: rows as checked, compressed blocks, and exactly the same bytes again.
//!
//! `docs/block.md` is the format's specification. An encoder and a decoder are used for one chunk
//! after another and keep their contexts. What a decoder is given is hostile until its checksum fits.

mod columns;
mod decoder;
mod encoder;
mod error;
mod frame;
mod header;
mod params;
mod tuner;

#[cfg(test)]
mod tests;

pub use columns::{Encodings, fuzz_columns};
pub use decoder::ChunkDecoder;
pub use encoder::ChunkEncoder;
pub use error::{ColumnFlaw, DecodeError, EncodeError, LengthField, ParamsError};
pub use header::{HEADER_LEN, Header, Kind, encoded_limit};
pub use params::{ChunkParams, MAX_WINDOW_LOG, MIN_WINDOW_LOG};
pub use tuner::{Spent, Tuner};

/// Longest block, in raw bytes: four times the usual one, and what bounds a decoder's buffers.
pub const MAX_RAW_LEN: u32 = 4 << 20;

/// Longest block after inflating: no kind inflates to more than its raw bytes.
pub const MAX_INFLATED_LEN: u32 = MAX_RAW_LEN;

/// Longest payload: what the longest block may take where nothing compresses.
pub const MAX_ENCODED_LEN: u32 = encoded_limit(MAX_INFLATED_LEN);
