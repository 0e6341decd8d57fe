//! Typed settings out of checked keywords.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ConnInfoError;
use super::keywords::Values;

/// How long one address may take to be reached and to authenticate us, if the user does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Firewalls forget idle connections after minutes; the kernel's own default is two hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// How much TLS the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Whether the password exchange must be bound to the TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// Which kind of server is wanted among several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionAttrs {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsVersion {
    Tls12,
    Tls13,
}

/// Where the certificates that the server's chain must end at come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// The chain is not checked.
    Unchecked,
    System,
    File(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) roots: Roots,
    /// As given, for `PGSSLROOTCERT`.
    pub(crate) root_cert: Option<String>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) sni: bool,
    pub(crate) min_version: TlsVersion,
    pub(crate) max_version: TlsVersion,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keepalive {
    pub(crate) idle: Duration,
    pub(crate) interval: Option<Duration>,
    pub(crate) count: Option<u32>,
}

impl SslMode {
    const ALL: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl TlsSettings {
    pub(super) fn from(values: &Values, home: Option<&Path>) -> Result<Self, ConnInfoError> {
        let root_cert = given(values, "sslrootcert").map(str::to_owned);
        let system = root_cert.as_deref() == Some("system");
        let default = if system {
            SslMode::VerifyFull
        } else {
            SslMode::Prefer
        };
        let expected = "disable, allow, prefer, require, verify-ca or verify-full";
        let mode = choice(values, "sslmode", &SslMode::ALL, expected)?.unwrap_or(default);
        if system && mode != SslMode::VerifyFull {
            return Err(invalid(
                "sslmode",
                mode.as_str(),
                "verify-full, because sslrootcert=system trusts every public authority",
            ));
        }
        let default_file = |name: &str| home.map(|home| home.join(".postgresql").join(name));
        let client_file = |key, name: &str| match given(values, key) {
            Some(path) => Some(PathBuf::from(path)),
            None => default_file(name).filter(|path| path.exists()),
        };
        let cert = client_file("sslcert", "postgresql.crt");
        Ok(Self {
            roots: roots(mode, root_cert.as_deref(), default_file("root.crt"))?,
            key: client_file("sslkey", "postgresql.key").filter(|_| cert.is_some()),
            cert,
            sni: flag(values, "sslsni")?,
            min_version: tls_version(values, "ssl_min_protocol_version", TlsVersion::Tls12)?,
            max_version: tls_version(values, "ssl_max_protocol_version", TlsVersion::Tls13)?,
            mode,
            root_cert,
        })
    }
}

/// A root file that exists is used from `require` on; `verify-*` insists on one.
fn roots(
    mode: SslMode,
    given: Option<&str>,
    default: Option<PathBuf>,
) -> Result<Roots, ConnInfoError> {
    if given == Some("system") {
        return Ok(Roots::System);
    }
    let path = given.map(PathBuf::from).or(default);
    let exists = path.as_deref().is_some_and(Path::exists);
    match path {
        Some(path) if exists && mode >= SslMode::Require => Ok(Roots::File(path)),
        path if mode >= SslMode::VerifyCa => Err(ConnInfoError::NoRootCertificate {
            sslmode: mode.as_str(),
            path: path.unwrap_or_else(|| "~/.postgresql/root.crt".into()),
        }),
        _ => Ok(Roots::Unchecked),
    }
}

/// OpenSSL knows older versions; asking for at least one of those is met by TLS 1.2.
fn tls_version(
    values: &Values,
    key: &'static str,
    default: TlsVersion,
) -> Result<TlsVersion, ConnInfoError> {
    let minimum = default == TlsVersion::Tls12;
    match given(values, key) {
        None => Ok(default),
        Some("TLSv1" | "TLSv1.1") if minimum => Ok(TlsVersion::Tls12),
        Some("TLSv1.2") => Ok(TlsVersion::Tls12),
        Some("TLSv1.3") => Ok(TlsVersion::Tls13),
        Some(value) => Err(invalid(key, value, "TLSv1.2 or TLSv1.3")),
    }
}

impl ChannelBinding {
    pub(super) fn from(values: &Values) -> Result<Self, ConnInfoError> {
        let all = [
            ("disable", Self::Disable),
            ("prefer", Self::Prefer),
            ("require", Self::Require),
        ];
        let expected = "disable, prefer or require";
        Ok(choice(values, "channel_binding", &all, expected)?.unwrap_or(Self::Prefer))
    }
}

impl SessionAttrs {
    const ALL: [(&'static str, Self); 5] = [
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
    ];

    pub(super) fn from(values: &Values) -> Result<Self, ConnInfoError> {
        let key = "target_session_attrs";
        if given(values, key) == Some("prefer-standby") {
            return Err(ConnInfoError::Unsupported {
                key,
                value: "prefer-standby".to_owned(),
                why: "a database is moved from one server; use standby or any",
            });
        }
        let expected = "any, read-write, read-only, primary or standby";
        Ok(choice(values, key, &Self::ALL, expected)?.unwrap_or(Self::Any))
    }

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// `None`: no limit, as `connect_timeout=0` asks.
pub(super) fn connect_timeout(values: &Values) -> Result<Option<Duration>, ConnInfoError> {
    let seconds = number(values, "connect_timeout")?;
    Ok(match seconds {
        None => Some(CONNECT_TIMEOUT),
        Some(seconds) if seconds <= 0 => None,
        Some(seconds) => Some(Duration::from_secs(seconds.unsigned_abs())),
    })
}

/// `None`: keepalives are off.
pub(super) fn keepalive(values: &Values) -> Result<Option<Keepalive>, ConnInfoError> {
    let positive = |key| Ok::<_, ConnInfoError>(number(values, key)?.filter(|n| *n > 0));
    let seconds = |n: i64| Duration::from_secs(n.unsigned_abs());
    let keepalive = Keepalive {
        idle: positive("keepalives_idle")?.map_or(KEEPALIVE_IDLE, seconds),
        interval: positive("keepalives_interval")?.map(seconds),
        count: positive("keepalives_count")?.and_then(|n| u32::try_from(n).ok()),
    };
    Ok(flag(values, "keepalives")?.then_some(keepalive))
}

/// `None`: what the system does.
pub(super) fn user_timeout_ms(values: &Values) -> Result<Option<u32>, ConnInfoError> {
    let given = number(values, "tcp_user_timeout")?.filter(|n| *n > 0);
    Ok(given.and_then(|n| u32::try_from(n).ok()))
}

/// The value of `key` unless it is empty, which to libpq is the same as not given.
pub(super) fn given<'a>(values: &'a Values, key: &str) -> Option<&'a str> {
    values
        .get(key)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

pub(super) fn invalid(key: &'static str, value: &str, expected: &'static str) -> ConnInfoError {
    ConnInfoError::Invalid {
        key,
        value: value.to_owned(),
        expected,
    }
}

/// Whole numbers that fit libpq's `int`.
fn number(values: &Values, key: &'static str) -> Result<Option<i64>, ConnInfoError> {
    let parse = |value: &str| {
        let parsed = value.trim().parse::<i32>();
        parsed.map_err(|_| invalid(key, value, "a whole number"))
    };
    Ok(given(values, key).map(parse).transpose()?.map(i64::from))
}

/// Switches that are on unless they are `0`.
fn flag(values: &Values, key: &'static str) -> Result<bool, ConnInfoError> {
    Ok(number(values, key)? != Some(0))
}

fn choice<T: Copy>(
    values: &Values,
    key: &'static str,
    all: &[(&'static str, T)],
    expected: &'static str,
) -> Result<Option<T>, ConnInfoError> {
    let find = |value: &str| {
        let found = all.iter().find(|(name, _)| *name == value);
        found
            .map(|(_, choice)| *choice)
            .ok_or_else(|| invalid(key, value, expected))
    };
    given(values, key).map(find).transpose()
}
