//! The source's end: what reads rows and schema there.

pub mod dump;
