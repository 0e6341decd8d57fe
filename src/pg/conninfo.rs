//! Where the server is and who we are there, out of what psql would take: a keyword string, a URI,
//! a service file, `PG*` variables and a password file.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

mod error;
mod hosts;
mod keywords;
mod passfile;
mod service;
mod settings;
mod tool_env;
mod uri;

pub use error::ConnInfoError;
pub(crate) use hosts::{Host, Place};
use keywords::Values;
use passfile::Passfile;
use settings::given;
pub(crate) use settings::{
    ChannelBinding, Keepalive, Roots, SessionAttrs, SslMode, TlsSettings, TlsVersion,
};

/// How to reach one database: parsed, completed from the environment, checked.
///
/// `Display` and `Debug` never show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnInfo {
    pub(crate) hosts: Vec<Host>,
    pub(crate) user: String,
    pub(crate) dbname: String,
    pub(crate) options: Option<String>,
    pub(crate) tls: TlsSettings,
    pub(crate) channel_binding: ChannelBinding,
    pub(crate) session_attrs: SessionAttrs,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) user_timeout_ms: Option<u32>,
    password: Option<String>,
    passfile: Option<(PathBuf, Arc<Passfile>)>,
}

impl ConnInfo {
    /// Completes `text` (keyword string, URI, database name or nothing) as libpq does.
    ///
    /// What is given wins over the service file, that over the environment, that over the defaults:
    /// the local socket, the operating system's user, and the database named like the user.
    /// `application_name` and `client_encoding` are accepted, but every session of pgpipe sets its own.
    pub fn resolve(
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConnInfoError> {
        let mut values = parse(text)?;
        let service = given(&values, "service").map(str::to_owned);
        if let Some(service) = service.or_else(|| env("PGSERVICE")) {
            service::fill(&mut values, &service, env)?;
        }
        keywords::fill_from_env(&mut values, env)?;
        Self::from_values(&values, env("HOME").map(PathBuf::from).as_deref())
    }

    fn from_values(values: &Values, home: Option<&Path>) -> Result<Self, ConnInfoError> {
        let owned = |key| given(values, key).map(str::to_owned);
        let user = owned("user").map_or_else(os_user, Ok)?;
        let password = owned("password");
        let passfile = match (&password, passfile_path(values, home)) {
            (None, Some(path)) => Some(read_passfile(path)?),
            _ => None,
        };
        Ok(Self {
            hosts: Host::all(values)?,
            dbname: owned("dbname").unwrap_or_else(|| user.clone()),
            user,
            options: owned("options"),
            tls: TlsSettings::from(values, home)?,
            channel_binding: ChannelBinding::from(values)?,
            session_attrs: SessionAttrs::from(values)?,
            connect_timeout: settings::connect_timeout(values)?,
            keepalive: settings::keepalive(values)?,
            user_timeout_ms: settings::user_timeout_ms(values)?,
            password,
            passfile,
        })
    }

    /// The same server and user, another database.
    pub fn with_dbname(&self, db: &str) -> Self {
        Self {
            dbname: db.to_owned(),
            ..self.clone()
        }
    }

    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether every server named is on this host: a Unix socket, or a loopback address.
    pub fn is_local(&self) -> bool {
        self.hosts.iter().all(Host::is_local)
    }

    /// The password given, else the one that the password file has for this host.
    pub(crate) fn password(&self, host: &Host) -> Option<&str> {
        let from_file = || {
            let (_, file) = self.passfile.as_ref()?;
            file.find(host.passfile_name(), host.port, &self.dbname, &self.user)
        };
        self.password.as_deref().or_else(from_file)
    }

    fn joined(&self, part: impl Fn(&Host) -> String) -> String {
        self.hosts.iter().map(part).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for ConnInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dbname={} host={} port={} user={}",
            keywords::quote(&self.dbname),
            keywords::quote(&self.joined(|host| host.name().to_owned())),
            self.joined(|host| host.port.to_string()),
            keywords::quote(&self.user),
        )
    }
}

impl fmt::Debug for ConnInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnInfo({self})")
    }
}

fn parse(text: &str) -> Result<Values, ConnInfoError> {
    let mut values = Values::new();
    let text = text.trim();
    if let Some(rest) = uri::strip_scheme(text) {
        uri::parse(rest, &mut values)?;
    } else if text.contains('=') {
        keywords::parse(text, &mut values)?;
    } else if !text.is_empty() {
        keywords::set(&mut values, "dbname", text.to_owned())?;
    }
    Ok(values)
}

fn passfile_path(values: &Values, home: Option<&Path>) -> Option<PathBuf> {
    match given(values, "passfile") {
        Some(path) => Some(path.into()),
        None => home.map(|home| home.join(".pgpass")),
    }
}

fn read_passfile(path: PathBuf) -> Result<(PathBuf, Arc<Passfile>), ConnInfoError> {
    match Passfile::read(&path) {
        Ok(file) => Ok((path, Arc::new(file))),
        Err(source) => Err(ConnInfoError::Read {
            what: "password file",
            path,
            source,
        }),
    }
}

/// The name of the effective user, from `/etc/passwd`, else from `id`, which asks NSS too.
fn os_user() -> Result<String, ConnInfoError> {
    let uid = rustix::process::geteuid().as_raw();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd_name(&passwd, uid)
        .or_else(|| {
            let output = Command::new("id").arg("-un").output().ok()?;
            let name = String::from_utf8(output.stdout).ok()?;
            Some(name.trim().to_owned()).filter(|name| output.status.success() && !name.is_empty())
        })
        .ok_or(ConnInfoError::NoUser { uid })
}

fn passwd_name(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let mut lines = passwd.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests;
