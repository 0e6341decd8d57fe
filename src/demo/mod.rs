//! `pgpipe demo`: two throw-away servers, history between them, and the proof that it arrived.

pub mod cluster;
pub mod compare;
pub mod history;
mod programs;
mod stop;

pub use programs::{ProgramError, Programs};
pub use stop::Stop;
