//! What the process runs on: threads, memory, other programs.

pub mod tools;
