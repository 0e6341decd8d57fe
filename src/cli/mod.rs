//! The command line: what a user may say, checked before anything else happens.

mod commands;
mod conninfo;
mod exit;
mod groups;
mod pair;
mod signals;
mod usage;
mod values;

use std::process::ExitCode;

pub use commands::{
    AbortOptions, CloneOptions, Command, DemoOptions, KeeperOptions, RecvOptions, SendOptions,
    StatusOptions,
};
pub use conninfo::password_warning;
pub use exit::Exit;
pub use groups::{
    CommonOptions, LinkEnd, LinkOptions, MigrationOptions, SourceOptions, TargetOptions,
};
pub use pair::{PairPromptError, prompt_pair_code};
pub use signals::Interrupt;
pub use usage::parse;
pub use values::Compress;

/// Runs a command to its end.
pub fn run(command: Command) -> ExitCode {
    warn_of_passwords(&command);
    let exit = match command {
        Command::Recv(_) => missing("recv"),
        Command::Send(_) => missing("send"),
        Command::Clone(_) => missing("clone"),
        Command::Demo(_) => missing("demo"),
        Command::Abort(_) => missing("abort"),
        Command::Status(_) => missing("status"),
        Command::Keeper(_) => missing("keeper"),
    };
    exit.into()
}

fn missing(command: &str) -> Exit {
    eprintln!("pgpipe: this build does not contain {command}");
    Exit::Failed
}

fn warn_of_passwords(command: &Command) {
    for (option, conninfo) in command.conninfos() {
        if let Some(warning) = password_warning(option, conninfo) {
            eprintln!("pgpipe: {warning}");
        }
    }
}
