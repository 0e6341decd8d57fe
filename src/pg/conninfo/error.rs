//! Why a connection string was not understood.

use std::io;
use std::path::PathBuf;

/// A connection string, service file or environment variable that cannot be used; never holds a password.
#[derive(Debug, thiserror::Error)]
pub enum ConnInfoError {
    #[error("connection string: missing \"=\" after \"{key}\"")]
    MissingEquals { key: String },
    #[error("connection string: unterminated quoted value of \"{key}\"")]
    UnterminatedQuote { key: String },
    #[error("connection string: unknown option \"{key}\"")]
    UnknownOption { key: String },
    /// A password that was not quoted goes on in what follows it: nothing of that is repeated.
    #[error(
        "connection string: what follows the password is no option; a password with blanks or quotes is written as in 'it\\'s'"
    )]
    AfterPassword,
    #[error("connection URI: {what}")]
    Uri { what: &'static str },
    #[error("connection URI: invalid percent-encoding in the {part}")]
    Percent { part: &'static str },
    #[error("connection option {key}={value} is not supported: {why}")]
    Unsupported {
        key: &'static str,
        value: String,
        why: &'static str,
    },
    #[error("connection option {key} has the value \"{value}\"; expected {expected}")]
    Invalid {
        key: &'static str,
        value: String,
        expected: &'static str,
    },
    #[error("connection string: {names} {what} for {hosts} hosts; give one, or one for each")]
    HostCount {
        what: &'static str,
        names: usize,
        hosts: usize,
    },
    #[error("service \"{service}\" is not defined in {searched}")]
    NoSuchService { service: String, searched: String },
    #[error("line {line} of service file {}: {what}", path.display())]
    ServiceLine {
        path: PathBuf,
        line: usize,
        what: String,
    },
    #[error("cannot read {what} {}", path.display())]
    Read {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot find the name of the operating system user {uid}; give user=NAME")]
    NoUser { uid: u32 },
    #[error("sslmode={sslmode} needs the root certificate {}, which does not exist; give sslrootcert=FILE or sslrootcert=system", path.display())]
    NoRootCertificate {
        sslmode: &'static str,
        path: PathBuf,
    },
}
