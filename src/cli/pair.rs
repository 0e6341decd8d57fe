//! Where send gets the pairing code from: never the command line.

use std::io;

use thiserror::Error;

/// The environment variable that holds the code.
const VARIABLE: &str = "PGPIPE_PAIR";

/// Why there is no pairing code.
#[derive(Debug, Error)]
pub enum PairPromptError {
    #[error("no terminal to ask for the pairing code; use --pair-file or set {VARIABLE}")]
    NoTerminal(#[source] io::Error),
    #[error("no pairing code was typed; recv prints it")]
    Empty,
}

/// The pairing code from `PGPIPE_PAIR`, else typed on the terminal without being shown.
///
/// Blocks; call it before the progress display begins.
pub fn prompt_pair_code() -> Result<String, PairPromptError> {
    let code = match from_environment(std::env::var(VARIABLE).ok()) {
        Some(code) => code,
        None => rpassword::prompt_password("Pairing code (recv prints it): ")
            .map_err(PairPromptError::NoTerminal)?,
    };
    let code = code.trim();
    if code.is_empty() {
        return Err(PairPromptError::Empty);
    }
    Ok(code.to_owned())
}

fn from_environment(value: Option<String>) -> Option<String> {
    value.filter(|v| !v.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_no_code() {
        assert_eq!(from_environment(Some(" \n".to_owned())), None);
        assert_eq!(from_environment(None), None);
        assert!(from_environment(Some("abc".to_owned())).is_some());
    }
}
