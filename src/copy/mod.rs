//! COPY streams as bytes: where rows begin and end, and the digest that they add up to.
//!
//! Pure: nothing here reads or writes, or keeps more of a row than a few bytes. The binary format is
//! the one of the PostgreSQL manual, chapter SQL Commands, COPY, "Binary Format".

mod error;
mod framing;
mod scanner;
mod straddle;
mod tuple;
mod tuples;

#[cfg(test)]
mod tests;

pub use error::{Flaw, ScanError};
pub use scanner::{Scanned, Scanner};
pub use tuple::{COUNT_LEN, LENGTH_LEN, NULL};
pub use tuples::{Column, Tuples, Width};

/// What stands before the first tuple of a binary COPY stream: signature, no flags, no extension.
pub const BINARY_HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands after the last tuple of a binary COPY stream: a field count of -1.
pub const BINARY_TRAILER: [u8; 2] = [0xff, 0xff];

/// Most fields a tuple can have: `MaxTupleAttributeNumber` of PostgreSQL, the limit of a SELECT list.
pub const MAX_FIELDS: u16 = 1664;

/// Longest field: `MaxAllocSize` of PostgreSQL, which no value or message of a server exceeds.
pub const MAX_FIELD_LEN: u32 = 0x3fff_ffff;
