//! What goes wrong between us and a PostgreSQL server.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorFields;

/// A failed connection, statement or COPY. The cause, if another layer has one, is its `source`.
#[derive(Debug, thiserror::Error)]
pub enum PgError {
    #[error("cannot connect to PostgreSQL at {address}")]
    Unreachable {
        address: String,
        #[source]
        source: ConnectFailure,
    },
    #[error("cannot find the address of PostgreSQL host {host}")]
    Resolve {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("PostgreSQL at {address} did not answer within {} s; give connect_timeout=SECONDS if it needs longer", limit.as_secs())]
    ConnectTimeout { address: String, limit: Duration },
    #[error("cannot set up TLS with PostgreSQL at {address}")]
    Tls {
        address: String,
        #[source]
        source: TlsError,
    },
    #[error("PostgreSQL at {address} refused user \"{user}\" for database \"{database}\"")]
    Authentication {
        address: String,
        user: String,
        database: String,
        #[source]
        source: Box<ServerError>,
    },
    #[error(
        "PostgreSQL at {address} asks for a password of user \"{user}\"; give it with PGPASSWORD, a password file or password="
    )]
    NoPassword { address: String, user: String },
    #[error("cannot authenticate to PostgreSQL at {address}: {why}")]
    UnsupportedAuth { address: String, why: &'static str },
    #[error(
        "PostgreSQL at {address} did not complete the password exchange; it may not know the password itself"
    )]
    Scram {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot open database \"{database}\" on PostgreSQL at {address}")]
    NoDatabase {
        address: String,
        database: String,
        #[source]
        source: Box<ServerError>,
    },
    #[error("PostgreSQL at {address} does not accept the connection")]
    Rejected {
        address: String,
        #[source]
        source: Box<ServerError>,
    },
    #[error("PostgreSQL at {address} is not what target_session_attrs={wanted} asks for")]
    SessionAttrs {
        address: String,
        wanted: &'static str,
    },
    #[error("none of the {} servers could be used: {}", .0.len(), chains(.0))]
    AllHosts(Vec<Self>),

    /// The server's own report on a statement; the connection stays usable unless it is fatal.
    #[error(transparent)]
    Server(Box<ServerError>),
    #[error("lost the connection to PostgreSQL at {address} while {doing}")]
    Lost {
        address: String,
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("PostgreSQL at {address} closed the connection while {doing}")]
    Closed {
        address: String,
        doing: &'static str,
    },
    #[error("the connection to PostgreSQL at {address} is closed, because {why}")]
    Unusable { address: String, why: &'static str },
    #[error("PostgreSQL at {address} broke the protocol: {what}")]
    Protocol { address: String, what: String },
    #[error("statement did not start {wanted}")]
    NotCopy { wanted: &'static str },
    #[error("statement started a COPY where none was expected")]
    UnexpectedCopy,
    #[error("the COPY has already ended with an error")]
    CopyEnded,
    #[error("command tag \"{tag}\" does not tell the number of rows")]
    NoRowCount { tag: String },
    #[error("text for the server contains a zero byte")]
    ZeroByte,
    #[error("{bytes} bytes of statements are more than a message to the server can hold")]
    TooLong { bytes: usize },

    #[error("column {column} of the result does not exist")]
    NoColumn { column: usize },
    #[error("column {column} of the result is null")]
    Null { column: usize },
    #[error("column {column} of the result is not a valid {wanted}")]
    Value { column: usize, wanted: &'static str },
}

impl PgError {
    /// The server's five-character code, where the server said something.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server().map(|error| error.sqlstate.as_str())
    }

    /// The server's own report, where there is one.
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(source)
            | Self::Authentication { source, .. }
            | Self::NoDatabase { source, .. }
            | Self::Rejected { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the error comes from the server's state rather than from what was asked: a lost
    /// connection (and class 08), resources such as disk or memory (53), an operator (57P, 57014),
    /// a conflict with others (40, 55P03, 55006), an I/O error (58030). The same may succeed later.
    pub fn is_passing(&self) -> bool {
        if self.is_about_another_server() {
            return false;
        }
        const CODES: [&str; 8] = ["08", "40", "53", "57P", "57014", "55P03", "55006", "58030"];
        let code = self.sqlstate().unwrap_or_default();
        self.is_connection_lost() || CODES.iter().any(|start| code.starts_with(start))
    }

    /// Whether the same can be tried again at once, over a new connection if need be: the session was
    /// terminated, a deadlock or conflict resolved against us, all connection slots taken. A server
    /// that is down, starting or full is not that: it needs somebody, or takes its time.
    pub fn is_momentary(&self) -> bool {
        const CODES: [&str; 6] = ["08", "40", "57P01", "53300", "57014", "55P03"];
        match self {
            Self::Lost { .. } | Self::Closed { .. } | Self::Unusable { .. } => true,
            Self::AllHosts(errors) => errors.iter().any(Self::is_momentary),
            other if other.is_about_another_server() => false,
            other => {
                let code = other.sqlstate().unwrap_or_default();
                CODES.iter().any(|start| code.starts_with(start))
            }
        }
    }

    /// Whether the server has no connection to spare (SQLSTATE 53300).
    pub fn is_crowded(&self) -> bool {
        match self {
            Self::AllHosts(errors) => errors.iter().any(Self::is_crowded),
            other => other.sqlstate() == Some("53300"),
        }
    }

    /// Whether the session lives and tells of a connection that the server could not make: to a
    /// foreign server, which may be unreachable from here for good.
    fn is_about_another_server(&self) -> bool {
        let is_error = |error: &ServerError| error.sqlstate.starts_with("08") && !error.is_fatal();
        matches!(self, Self::Server(error) if is_error(error))
    }

    /// Whether the connection is gone, or never came to be, so that a new one may do better.
    pub fn is_connection_lost(&self) -> bool {
        match self {
            Self::Server(error) => error.is_fatal(),
            Self::Unreachable { .. }
            | Self::Resolve { .. }
            | Self::ConnectTimeout { .. }
            | Self::Lost { .. }
            | Self::Closed { .. }
            | Self::Unusable { .. }
            | Self::Protocol { .. } => true,
            Self::Rejected { source, .. } => source.is_transient(),
            Self::AllHosts(errors) => errors.iter().any(Self::is_connection_lost),
            _ => false,
        }
    }
}

/// The errors with their causes, for one line.
fn chains(errors: &[PgError]) -> String {
    let chain = |error: &PgError| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    };
    errors.iter().map(chain).collect::<Vec<_>>().join("; ")
}

/// Why a socket could not be connected, with the question to ask next.
#[derive(Debug)]
pub struct ConnectFailure(pub(super) io::Error);

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let reason = text.split(" (os error").next().unwrap_or(&text);
        let next = match self.0.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                "; is the server running there?"
            }
            io::ErrorKind::PermissionDenied => "; may this user reach the socket?",
            _ => "",
        };
        write!(f, "{reason}{next}")
    }
}

impl std::error::Error for ConnectFailure {}

/// Why TLS with the server did not come about.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("sslmode={sslmode} asks for TLS, but the server does not offer it")]
    NotOffered { sslmode: &'static str },
    #[error("the server did not answer the request for TLS with yes or no")]
    BadAnswer,
    #[error("\"{name}\" cannot be checked against a certificate")]
    Name { name: String },
    #[error("cannot use {what} {}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{what} {} holds no usable certificate or key", path.display())]
    Empty { what: &'static str, path: PathBuf },
    #[error("private key {} may be read by others; chmod 0600 it", path.display())]
    KeyMode { path: PathBuf },
    #[error("client certificate {} has no key; give sslkey=FILE", path.display())]
    NoKey { path: PathBuf },
    #[error("this system has no trusted root certificates; give sslrootcert=FILE")]
    NoSystemRoots,
    #[error("ssl_min_protocol_version is above ssl_max_protocol_version")]
    Versions,
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    #[error("the handshake failed")]
    Handshake(#[source] io::Error),
}

/// An ErrorResponse. Field names as in the PostgreSQL documentation, "Error and Notice Message Fields".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, not translated where the server is 9.6 or later.
    pub severity: String,
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Character position in the statement, from 1.
    pub position: Option<u32>,
    /// The call stack: `COPY t, line 3, column x`, functions, internal statements.
    pub context: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub constraint: Option<String>,
    /// The C function of the server that reported it.
    pub routine: Option<String>,
}

impl ServerError {
    pub(super) fn parse(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut error = Self::default();
        while let Some(field) = fields.next()? {
            // a server that has not yet agreed on an encoding may send any
            let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
            error.set(field.type_(), text);
        }
        Ok(error)
    }

    fn set(&mut self, kind: u8, text: String) {
        match kind {
            // 'S' is translated and comes first, 'V' is not
            b'S' | b'V' => self.severity = text,
            b'C' => self.sqlstate = text,
            b'M' => self.message = text,
            b'D' => self.detail = Some(text),
            b'H' => self.hint = Some(text),
            b'P' => self.position = text.parse().ok(),
            b'W' => self.context = Some(text),
            b's' => self.schema = Some(text),
            b't' => self.table = Some(text),
            b'c' => self.column = Some(text),
            b'n' => self.constraint = Some(text),
            b'R' => self.routine = Some(text),
            _ => {}
        }
    }

    /// Whether the detail is likely to hold values of a row: data exceptions (class 22) and
    /// integrity constraints (23). Rows belong into neither logs nor terminals; the server's own
    /// log has them. One exception: which key a refused index has twice (`sink/ddl/keys`).
    fn quotes_rows(&self) -> bool {
        self.sqlstate.starts_with("22") || self.sqlstate.starts_with("23")
    }

    /// Whether the server ends the session with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }

    /// Starting up, shutting down, crashed or full: another attempt may succeed.
    fn is_transient(&self) -> bool {
        self.sqlstate.starts_with("57P0") || self.sqlstate.starts_with("53")
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)?;
        if let Some(detail) = self.detail.as_ref().filter(|_| !self.quotes_rows()) {
            write!(f, "; detail: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}
