//! The environment that makes `pg_dump` and `pg_restore` reach the same server as we do.

use super::{ChannelBinding, ConnInfo, Place, TlsVersion};

impl ConnInfo {
    /// Variables that a tool must not inherit: libpq lets a service file win over `PGHOST` and the like.
    pub const TOOL_ENV_REMOVE: [&'static str; 4] =
        ["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGPASSFILE"];

    /// Variables for a libpq tool; remove [`Self::TOOL_ENV_REMOVE`] from its environment first.
    ///
    /// Holds the password: for a child's environment only, never for a log.
    pub fn tool_env(&self) -> Vec<(String, String)> {
        let mut vars = self.server_env();
        vars.extend(self.tls_env());
        vars.extend(self.password_env());
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        vars.into_iter().map(owned).collect()
    }

    fn server_env(&self) -> Vec<(&'static str, String)> {
        let timeout = self.connect_timeout.map_or(0, |limit| limit.as_secs());
        let mut vars = vec![
            ("PGHOST", self.joined(|host| host.name().to_owned())),
            ("PGPORT", self.joined(|host| host.port.to_string())),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.dbname.clone()),
            ("PGOPTIONS", self.options.clone().unwrap_or_default()),
            ("PGCONNECT_TIMEOUT", timeout.to_string()),
            (
                "PGTARGETSESSIONATTRS",
                self.session_attrs.as_str().to_owned(),
            ),
            ("PGGSSENCMODE", "disable".to_owned()),
        ];
        let address = |place: &Place| match place {
            Place::Tcp { address, .. } => address.map(|ip| ip.to_string()),
            Place::Unix(_) => None,
        };
        if self.hosts.iter().any(|host| address(&host.place).is_some()) {
            let list = self.joined(|host| address(&host.place).unwrap_or_default());
            vars.push(("PGHOSTADDR", list));
        }
        vars
    }

    fn tls_env(&self) -> Vec<(&'static str, String)> {
        let binding = match self.channel_binding {
            ChannelBinding::Disable => "disable",
            ChannelBinding::Prefer => "prefer",
            ChannelBinding::Require => "require",
        };
        let version = |version| match version {
            TlsVersion::Tls12 => "TLSv1.2".to_owned(),
            TlsVersion::Tls13 => "TLSv1.3".to_owned(),
        };
        let path = |path: &Option<std::path::PathBuf>| Some(path.as_ref()?.display().to_string());
        let mut vars = vec![
            ("PGSSLMODE", self.tls.mode.as_str().to_owned()),
            ("PGCHANNELBINDING", binding.to_owned()),
            ("PGSSLMINPROTOCOLVERSION", version(self.tls.min_version)),
            ("PGSSLMAXPROTOCOLVERSION", version(self.tls.max_version)),
            ("PGSSLSNI", u8::from(self.tls.sni).to_string()),
        ];
        let files = [
            ("PGSSLROOTCERT", self.tls.root_cert.clone()),
            ("PGSSLCERT", path(&self.tls.cert)),
            ("PGSSLKEY", path(&self.tls.key)),
        ];
        let given = |(name, value): (_, Option<_>)| Some((name, value?));
        vars.extend(files.into_iter().filter_map(given));
        vars
    }

    /// One password for all hosts, or the file that has one for each.
    fn password_env(&self) -> Option<(&'static str, String)> {
        let mut passwords = self.hosts.iter().map(|host| self.password(host));
        let first = passwords.next()?;
        if passwords.all(|password| password == first) {
            return Some(("PGPASSWORD", first?.to_owned()));
        }
        let (path, _) = self.passfile.as_ref()?;
        Some(("PGPASSFILE", path.display().to_string()))
    }
}
