//! A pgbouncer before the source that has one connection to it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pgpipe::pg::{Client, ConnInfo};
use tempfile::TempDir;

use crate::LIMIT;
use crate::support::{Databases, poll};

/// Ends it when the test process is gone: its stdin ends then.
const UNDERTAKER: &str = r#""$0" -q "$1/pgbouncer.ini" & pooler=$!
cat >/dev/null; kill -INT $pooler; wait $pooler"#;

pub(crate) struct Pooler {
    dir: TempDir,
    process: Child,
    database: String,
}

impl Pooler {
    /// One connection to the server; `mode` as in `pool_mode`.
    pub(crate) fn start(dbs: &Databases, mode: &str) -> Self {
        Self::with(dbs, mode, 1)
    }

    /// So many.
    pub(crate) fn with(dbs: &Databases, mode: &str, connections: u32) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pgpipe-pooler-")
            .tempdir_in("/tmp")
            .unwrap();
        let show = dir.path().display();
        let server = format!(
            "host={} port={}",
            dbs.source().socket_dir().display(),
            dbs.source().port()
        );
        let config = format!(
            "[databases]\n* = {server}\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {show}\n\
             auth_type = trust\nauth_file = {show}/users\npool_mode = {mode}\ndefault_pool_size = {connections}\n\
             server_reset_query = DISCARD ALL\nquery_wait_timeout = 5\nserver_check_delay = 0\n"
        );
        fs::write(dir.path().join("pgbouncer.ini"), config).unwrap();
        fs::write(dir.path().join("users"), "\"postgres\" \"\"\n").unwrap();
        // It runs as the server does, not as root.
        let owner = fs::metadata(dbs.source().data_dir()).unwrap();
        let _ = chown(dir.path(), Some(owner.uid()), Some(owner.gid()));
        let mut command = Command::new("sh");
        command
            .args(["-c", UNDERTAKER])
            .arg(program())
            .arg(dir.path());
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let process = command
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pooler = Self {
            dir,
            process,
            database: dbs.name().to_owned(),
        };
        let answers = || pooler.try_connect();
        drop(poll(LIMIT, answers).expect("the pooler answers"));
        pooler
    }

    pub(crate) fn conninfo(&self) -> String {
        let (dir, database) = (self.dir.path().display(), &self.database);
        format!("host={dir} port=6432 user=postgres dbname={database}")
    }

    /// A session of the application's.
    pub(crate) fn connect(&self) -> Client {
        self.try_connect().unwrap()
    }

    fn try_connect(&self) -> Option<Client> {
        let info = ConnInfo::resolve(&self.conninfo(), &|_| None).unwrap();
        Client::connect(&info, "the application").ok()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Where packages put it; not every user has that in the path.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    let mut files = dirs.map(|dir| dir.join("pgbouncer"));
    files
        .find(|file| file.is_file())
        .expect("pgbouncer is installed (make setup)")
}
