//! Throw-away PostgreSQL servers: made in a directory of their own, gone when dropped.

mod account;
mod server;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::compare::Database;
use super::programs::{self, ProgramError, Programs};
use super::stop::Stop;
use account::Account;
use server::Server;

/// The port in a Unix socket's name; the directory is ours alone, so any number does.
const SOCKET_PORT: u16 = 5432;

/// Where clusters live: a socket's path is limited to 107 bytes, and `TMPDIR` may be long.
const PARENT: &str = "/tmp";

/// Why a throw-away server could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// One of PostgreSQL's programs is missing or failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The directory of the cluster.
    #[error("cannot prepare the server's directory {path}")]
    Directory {
        /// The path in question.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// /etc/passwd is not readable.
    #[error("cannot read /etc/passwd for an account to run the server as")]
    Accounts {
        /// The system's reason.
        source: io::Error,
    },
    /// We are root, and there is nobody else.
    #[error(
        "a server does not run as root and there is no account postgres or nobody: run as another user"
    )]
    NoAccount,
    /// The server did not come up, or did not go down.
    #[error("the server in {path} {what}; its log ends:\n{log}")]
    Server {
        /// The data directory.
        path: PathBuf,
        /// What went wrong.
        what: &'static str,
        /// The last lines of the server's log.
        log: String,
    },
}

/// How a throw-away server is made.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// The directory of `initdb` and `postgres`; else the newest that is installed.
    pub bin_dir: Option<PathBuf>,
    /// The directory of `psql`, `pg_dump` and `pg_restore`; else the server's if it has them, or else
    /// the newest that are installed.
    pub client_dir: Option<PathBuf>,
    /// Lines of `postgresql.conf`: name and value, quoted here.
    pub settings: Vec<(String, String)>,
    /// Lines for `pg_hba.conf` in place of "trust everyone who reaches the socket".
    pub hba: Option<String>,
    /// Further options of `initdb`, after `--encoding=UTF8 --locale=C`.
    pub initdb_args: Vec<String>,
    /// A port on 127.0.0.1 beside the Unix socket.
    pub tcp_port: Option<u16>,
    /// Ends every wait for this server.
    pub stop: Stop,
}

impl ClusterOptions {
    /// The usual ones with these lines of `postgresql.conf`.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let line = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            settings: settings.iter().map(line).collect(),
            ..Self::default()
        }
    }
}

/// How a server is stopped, in `pg_ctl`'s words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// At once, as after a crash of the server.
    Immediate,
}

/// A running (or stopped) throw-away server. Dropping it ends the server and removes its directory.
#[derive(Debug)]
pub struct Cluster {
    // Before `dir`: fields drop in order, and the server must be gone before its files.
    server: Server,
    programs: Programs,
    dir: TempDir,
    port: u16,
    stop: Stop,
}

impl Cluster {
    /// Makes a cluster (superuser `postgres`, UTF8, locale C) and waits until it accepts connections.
    pub fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let mut programs = Programs::find(options.bin_dir.as_deref())?;
        if let Some(dir) = &options.client_dir {
            programs = programs.with_clients(dir.clone());
        }
        let account = Account::choose()?;
        let dir = private_directory(account)?;
        initialise(&programs, account, dir.path(), options)?;
        let port = options.tcp_port.unwrap_or(SOCKET_PORT);
        configure(&dir.path().join("data"), dir.path(), port, options)?;
        let server = Server::new(
            programs.clone(),
            account,
            dir.path(),
            port,
            options.stop.clone(),
        );
        let mut cluster = Self {
            server,
            programs,
            dir,
            port,
            stop: options.stop.clone(),
        };
        cluster.server.start()?;
        Ok(cluster)
    }

    /// A connection string for libpq and for pgpipe.
    pub fn conninfo(&self, dbname: &str) -> String {
        let quoted = dbname.replace('\\', "\\\\").replace('\'', "\\'");
        format!(
            "host={} port={} user=postgres dbname='{quoted}'",
            self.socket_dir().display(),
            self.port
        )
    }

    /// A connection string over TCP, if the cluster was made with a port.
    pub fn tcp_conninfo(&self, dbname: &str) -> String {
        self.conninfo(dbname).replacen(
            &format!("host={}", self.socket_dir().display()),
            "host=127.0.0.1",
            1,
        )
    }

    /// One of its databases, for [`super::compare`].
    pub fn database(&self, dbname: &str) -> Database {
        Database::new(
            self.programs.clone(),
            self.conninfo(dbname),
            self.stop.clone(),
        )
    }

    /// The directory of the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The port of the socket's name, and of TCP where that was asked for.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// PostgreSQL's programs: the server's, and those that speak to it.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The process id of the postmaster while it runs.
    pub fn postmaster_pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Stops the server; its data stays until the cluster is dropped.
    pub fn stop(&mut self, mode: StopMode) -> Result<(), ClusterError> {
        self.server.stop(mode)
    }

    /// Ends postmaster and backends at once, as a power failure would.
    pub fn kill9(&mut self) {
        self.server.kill9();
    }

    /// Starts a stopped or killed server on the same data. Does nothing while it runs.
    pub fn start_again(&mut self) -> Result<(), ClusterError> {
        self.server.start()
    }

    /// Runs a script through `psql -XAtq -v ON_ERROR_STOP=1`, each statement its own transaction.
    pub fn psql(&self, dbname: &str, sql: &str) -> Result<String, ClusterError> {
        Ok(self.database(dbname).psql(sql)?)
    }

    /// Makes an empty database from `template0`.
    pub fn create_database(&self, dbname: &str) -> Result<(), ClusterError> {
        let name = dbname.replace('"', "\"\"");
        self.psql(
            "postgres",
            &format!("CREATE DATABASE \"{name}\" TEMPLATE template0;"),
        )?;
        Ok(())
    }

    /// Drops a database, ending the sessions in it.
    pub fn drop_database(&self, dbname: &str) -> Result<(), ClusterError> {
        let name = dbname.replace('"', "\"\"");
        self.psql(
            "postgres",
            &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE);"),
        )?;
        Ok(())
    }
}

/// Owned by the server's account, which writes there; readable by all, who connect to the socket.
fn private_directory(account: Account) -> Result<TempDir, ClusterError> {
    let failed = |path: &Path, source| ClusterError::Directory {
        path: path.to_path_buf(),
        source,
    };
    let dir = tempfile::Builder::new()
        .prefix("pgpipe-")
        .tempdir_in(PARENT)
        .map_err(|source| failed(Path::new(PARENT), source))?;
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755))
        .and_then(|()| account.give(dir.path()))
        .map_err(|source| failed(dir.path(), source))?;
    Ok(dir)
}

fn initialise(
    programs: &Programs,
    account: Account,
    dir: &Path,
    options: &ClusterOptions,
) -> Result<(), ClusterError> {
    let mut initdb = programs.command("initdb");
    initdb.args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    initdb
        .args(&options.initdb_args)
        .arg("-D")
        .arg(dir.join("data"))
        .current_dir(dir);
    account.apply(&mut initdb);
    programs::run(initdb, "", &options.stop)?;
    Ok(())
}

fn configure(
    data: &Path,
    socket_dir: &Path,
    port: u16,
    options: &ClusterOptions,
) -> Result<(), ClusterError> {
    let listen = if options.tcp_port.is_some() {
        "127.0.0.1"
    } else {
        ""
    };
    let mut text = format!(
        "\nlisten_addresses = '{listen}'\nport = {port}\nunix_socket_directories = '{}'\n",
        socket_dir.display()
    );
    for (name, value) in &options.settings {
        text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
    }
    append(&data.join("postgresql.conf"), &text)?;
    match &options.hba {
        Some(lines) => {
            let path = data.join("pg_hba.conf");
            // Truncates in place: the file keeps its owner.
            fs::write(&path, lines).map_err(|source| ClusterError::Directory { path, source })
        }
        None => Ok(()),
    }
}

fn append(path: &Path, text: &str) -> Result<(), ClusterError> {
    let failed = |source| ClusterError::Directory {
        path: path.to_path_buf(),
        source,
    };
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(path)
        .map_err(failed)?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)
}
