//! `pgpipe demo`: two throw-away servers, history between them, and the proof that it arrived.

mod baseline;
pub mod cluster;
pub mod compare;
pub mod history;
mod programs;
mod run;
mod sides;
mod stop;
mod summary;

pub use programs::{ProgramError, Programs};
pub use run::{DemoError, ExitKind, Options, run};
pub use stop::Stop;
