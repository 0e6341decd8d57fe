//! The command line: what a user may say, checked before anything else happens.

mod commands;
mod conninfo;
mod exit;
mod groups;
mod pair;
mod run;
mod signals;
mod usage;
mod values;

pub use commands::{
    AbortOptions, CloneOptions, Command, DemoOptions, KeeperOptions, RecvOptions, SendOptions,
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
