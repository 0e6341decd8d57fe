//! The servers to try, in order: `host`, `hostaddr` and `port` lists put together.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::ConnInfoError;
use super::keywords::Values;
use super::settings::{given, invalid};

const DEFAULT_PORT: u16 = 5432;
/// Where Linux distributions put the server's socket; PostgreSQL's own default is `/tmp`.
const SOCKET_DIRS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Where one server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A socket directory, or `@name` of Linux's abstract space.
    Unix(String),
    /// A host name or address, and the address to use instead of looking the name up.
    Tcp {
        name: String,
        address: Option<IpAddr>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) place: Place,
    pub(crate) port: u16,
}

impl Host {
    pub(super) fn all(values: &Values) -> Result<Vec<Self>, ConnInfoError> {
        let names = list(values, "host");
        let addresses = list(values, "hostaddr");
        let count = names.len().max(addresses.len()).max(1);
        matching("host addresses", addresses.len(), count, false)?;
        matching("host names", names.len(), count, false)?;
        let ports = list(values, "port");
        matching("ports", ports.len(), count, true)?;
        let at = |list: &[&str], index: usize| list.get(index).map_or("", |s| *s).to_owned();
        (0..count)
            .map(|index| {
                let port = if ports.len() == 1 { 0 } else { index };
                Self::one(
                    &at(&names, index),
                    &at(&addresses, index),
                    &at(&ports, port),
                )
            })
            .collect()
    }

    fn one(name: &str, address: &str, port: &str) -> Result<Self, ConnInfoError> {
        Ok(Self {
            place: place(name, address)?,
            port: parse_port(port)?,
        })
    }

    pub(crate) fn is_local(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Tcp {
                address: Some(ip), ..
            } => ip.is_loopback(),
            Place::Tcp {
                name,
                address: None,
            } => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        }
    }

    /// What `host=` says.
    pub(crate) fn name(&self) -> &str {
        match &self.place {
            Place::Unix(dir) => dir,
            Place::Tcp { name, .. } => name,
        }
    }

    /// What the password file calls this server: the default socket is `localhost` there.
    pub(super) fn passfile_name(&self) -> &str {
        match &self.place {
            Place::Unix(dir) if SOCKET_DIRS.contains(&dir.as_str()) => "localhost",
            Place::Unix(dir) => dir,
            Place::Tcp { name, .. } => name,
        }
    }

    /// The file that the server's Unix socket is.
    pub(crate) fn socket_file(dir: &str, port: u16) -> PathBuf {
        Path::new(dir).join(format!(".s.PGSQL.{port}"))
    }
}

/// Where error messages say that the server is.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(dir) => write!(f, "{}", Self::socket_file(dir, self.port).display()),
            Place::Tcp {
                name,
                address: Some(address),
            } if *name != address.to_string() => {
                write!(f, "{name} ({address}) port {}", self.port)
            }
            Place::Tcp { name, .. } => write!(f, "{name} port {}", self.port),
        }
    }
}

fn place(name: &str, address: &str) -> Result<Place, ConnInfoError> {
    if !address.is_empty() {
        let parsed = address.parse();
        let ip: IpAddr = parsed.map_err(|_| invalid("hostaddr", address, "an IP address"))?;
        let name = if name.is_empty() { address } else { name };
        return Ok(Place::Tcp {
            name: name.to_owned(),
            address: Some(ip),
        });
    }
    Ok(match name {
        "" => Place::Unix(default_socket_dir().to_owned()),
        name if name.starts_with(['/', '@']) => Place::Unix(name.to_owned()),
        name => Place::Tcp {
            name: name.to_owned(),
            address: None,
        },
    })
}

fn parse_port(text: &str) -> Result<u16, ConnInfoError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    match text.trim().parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(invalid("port", text, "a number from 1 to 65535")),
    }
}

fn default_socket_dir() -> &'static str {
    let [preferred, fallback] = SOCKET_DIRS;
    if Path::new(preferred).is_dir() {
        preferred
    } else {
        fallback
    }
}

fn list<'a>(values: &'a Values, key: &str) -> Vec<&'a str> {
    let split = |value: &'a str| value.split(',').collect();
    given(values, key).map(split).unwrap_or_default()
}

/// A list is absent, or as long as the list of hosts; or, for ports, one for all.
fn matching(
    what: &'static str,
    names: usize,
    hosts: usize,
    one_for_all: bool,
) -> Result<(), ConnInfoError> {
    if names == 0 || names == hosts || (one_for_all && names == 1) {
        return Ok(());
    }
    Err(ConnInfoError::HostCount { what, names, hosts })
}
