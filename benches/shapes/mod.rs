//! COPY BINARY data to measure with, always the same: history, as pgpipe's first databases hold it,
//! and others, of which it must not be worse than the usual tools.

// Each bench includes this directory and uses a part of it.
#![allow(dead_code)]

mod mail;
mod random;
mod replies;
pub(crate) mod table;
mod text;
mod vm;
mod wide;

pub(crate) use table::blocks;

/// A kind of table.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Makes about so many bytes, in whole tuples.
    pub(crate) make: fn(usize) -> Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Measurements of the same entities again and again.
    History,
    Other,
}

impl Shape {
    const fn new(name: &'static str, family: Family, make: fn(usize) -> Vec<u8>) -> Self {
        Self { name, family, make }
    }
}

pub(crate) const SHAPES: [Shape; 7] = [
    Shape::new("vm_samples", Family::History, vm::vm_samples),
    Shape::new("disk_hourly", Family::History, vm::disk_hourly),
    Shape::new("disk_usage", Family::History, vm::disk_usage),
    Shape::new("mail_stats", Family::History, mail::mail_stats),
    Shape::new("random_bytea", Family::Other, text::random_bytea),
    Shape::new("unique_text", Family::Other, text::unique_text),
    Shape::new("wide_mixed", Family::Other, wide::wide_mixed),
];
