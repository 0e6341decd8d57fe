//! Rows that do not end in the buffer in which they began, whatever their size.
//!
//! Nothing of such a row is kept but its running hash, its place in the format and a cut word.

use twox_hash::XxHash3_128;

use super::error::{Flaw, FlawAt};
use super::tuple::{check_count, field_len};
use crate::chunk::Digest;

/// A row under way, or none.
#[derive(Clone)]
pub(super) struct Straddle {
    hash: XxHash3_128,
    /// Bytes of the row so far; 0 when no row is under way, because a row takes at least one.
    bytes: u64,
    next: Next,
    /// Fields that have not begun yet.
    fields_left: u16,
    word: Word,
}

/// What the format has next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Count,
    Length,
    Value { left: u32 },
    Done,
}

impl Straddle {
    pub(super) fn new() -> Self {
        Self {
            hash: XxHash3_128::new(),
            bytes: 0,
            next: Next::Count,
            fields_left: 0,
            word: Word::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.bytes > 0
    }

    /// Goes on with a binary tuple (or begins one) and returns how many of `bytes` belong to it.
    pub(super) fn tuple(
        &mut self,
        bytes: &[u8],
        columns: &mut Option<u16>,
        digest: &mut Digest,
    ) -> Result<usize, FlawAt> {
        let mut pos = 0;
        while pos < bytes.len() && self.next != Next::Done {
            let start = pos;
            self.step(bytes, &mut pos, columns)
                .map_err(|flaw| FlawAt::new(start, flaw))?;
        }
        self.add(&bytes[..pos]);
        if self.next == Next::Done {
            self.close(digest);
        }
        Ok(pos)
    }

    /// Goes on with a line; `ends` when `bytes` hold its end.
    pub(super) fn line(&mut self, bytes: &[u8], ends: bool, digest: &mut Digest) {
        self.add(bytes);
        if ends {
            self.close(digest);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.hash.write(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn close(&mut self, digest: &mut Digest) {
        let row = std::mem::replace(&mut self.hash, XxHash3_128::new());
        digest.add_row(row.finish_128(), self.bytes);
        self.bytes = 0;
        self.next = Next::Count;
    }

    /// Takes one element of the format, or as much of it as there is.
    fn step(
        &mut self,
        bytes: &[u8],
        pos: &mut usize,
        columns: &mut Option<u16>,
    ) -> Result<(), Flaw> {
        match self.next {
            Next::Count => {
                if let Some(word) = self.word.fill::<2>(bytes, pos) {
                    self.fields_left = check_count(word, columns)?;
                    self.next_field();
                }
            }
            Next::Length => {
                if let Some(word) = self.word.fill::<4>(bytes, pos) {
                    let refused = Flaw::FieldLength(i32::from_be_bytes(word));
                    self.fields_left -= 1;
                    self.value(field_len(word).ok_or(refused)?);
                }
            }
            Next::Value { left } => {
                let taken = (bytes.len() - *pos).min(left as usize);
                *pos += taken;
                self.value(left - taken as u32);
            }
            Next::Done => {}
        }
        Ok(())
    }

    fn value(&mut self, left: u32) {
        match left {
            0 => self.next_field(),
            _ => self.next = Next::Value { left },
        }
    }

    fn next_field(&mut self) {
        self.next = match self.fields_left {
            0 => Next::Done,
            _ => Next::Length,
        };
    }
}

/// The bytes of an integer that a buffer's end has cut.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    bytes: [u8; 4],
    have: usize,
}

impl Word {
    /// Takes what is missing of an `N`-byte integer, at most 4; gives it once it is complete.
    fn fill<const N: usize>(&mut self, bytes: &[u8], pos: &mut usize) -> Option<[u8; N]> {
        let from = &bytes[*pos..];
        let taken = from.len().min(N - self.have);
        self.bytes[self.have..self.have + taken].copy_from_slice(&from[..taken]);
        self.have += taken;
        *pos += taken;
        if self.have < N {
            return None;
        }
        self.have = 0;
        self.bytes.first_chunk::<N>().copied()
    }
}
