//! The target's end: what writes rows and schema there.

pub mod archive;
