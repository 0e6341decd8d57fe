use std::process::ExitCode;

use pgpipe::cli;

fn main() -> ExitCode {
    match cli::parse() {
        Ok(command) => cli::run(command),
        Err(exit) => exit.into(),
    }
}
