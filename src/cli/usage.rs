//! From arguments to a command, or to one clear line.

use clap::Parser;
use clap::error::ErrorKind;

use super::commands::Command;
use super::exit::Exit;

/// Moves a PostgreSQL database between two hosts.
#[derive(Debug, Parser)]
#[command(name = "pgpipe", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Parses the process's arguments; help, version and errors are printed, and the exit returned.
pub fn parse() -> Result<Command, Exit> {
    Cli::try_parse()
        .map(|cli| cli.command)
        .map_err(|error| tell(&error))
}

fn tell(error: &clap::Error) -> Exit {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A closed standard output (`| head`) is no reason to complain.
        let _ = error.print();
        return Exit::Done;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return Exit::Usage;
    }
    let text = error.render().to_string();
    eprintln!("pgpipe: {}", one_line(&text));
    eprintln!("{}", hint(&text));
    Exit::Usage
}

/// What clap says before its usage block, in one line.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"))
        .filter(|l| !l.is_empty());
    let mut out = String::new();
    for line in lines {
        if !out.is_empty() {
            out.push_str(if line.starts_with("tip:") { "; " } else { " " });
        }
        out.push_str(line);
    }
    out
}

/// The command whose help to read, taken from clap's usage line.
fn hint(text: &str) -> String {
    let usage = text.lines().find_map(|l| l.trim().strip_prefix("Usage: "));
    let words = usage.unwrap_or("pgpipe").split(' ');
    let command: Vec<_> = words
        .take_while(|w| w.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    format!("for more, try '{} --help'", command.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_becomes_one_line_and_a_hint() {
        let error = Cli::try_parse_from(["pgpipe", "send"]).unwrap_err();
        let text = error.render().to_string();
        let line = one_line(&text);
        assert!(line.contains("--listen <ADDR:PORT>"), "{line}");
        assert!(!line.contains('\n') && !line.contains("Usage"), "{line}");
        assert_eq!(hint(&text), "for more, try 'pgpipe send --help'");
    }
}
