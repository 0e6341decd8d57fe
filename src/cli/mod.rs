//! The command line: what a user may say, checked before anything else happens.

mod commands;
mod conninfo;
mod ends;
mod exit;
mod groups;
mod pair;
mod place;
mod run;
mod selecting;
mod signals;
mod status;
mod tidy;
mod usage;
mod values;

pub use commands::{
    AbortOptions, CleanupOptions, CloneOptions, Command, DemoOptions, KeeperOptions, RecvOptions,
    ResetOptions, SendOptions, StatusOptions, StopOptions,
};
pub use conninfo::password_warning;
pub use exit::Exit;
pub use groups::{
    CommonOptions, LinkEnd, LinkOptions, MigrationOptions, SourceOptions, TargetOptions,
};
pub use pair::{PairPromptError, prompt_pair_code};
pub use run::run;
pub use signals::Interrupt;
pub use usage::parse;
pub use values::Compress;

/// The one line of a command that failed.
fn fail(line: &str) -> Exit {
    eprintln!("pgpipe: {line}");
    Exit::Failed
}
