//! A throw-away server with one account for each way to authenticate.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pgpipe::pg::{Client, ConnInfo};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Stops the server and removes its directory when the test process is gone: its stdin ends then.
const KEEPER: &str = r#""$0/postgres" -D "$1/data" >"$1/log" 2>&1 & server=$!
cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$1""#;

const HBA: &str = "\
local     all all trust
hostssl   all certificate 127.0.0.1/32 cert
hostssl   all tls_only 127.0.0.1/32 scram-sha-256
hostnossl all plain_only 127.0.0.1/32 scram-sha-256
host      all scram 127.0.0.1/32 scram-sha-256
host      all hashed 127.0.0.1/32 md5
host      all clear 127.0.0.1/32 password
";

const ROLES: &str = "
CREATE ROLE certificate LOGIN;
CREATE ROLE tls_only LOGIN PASSWORD 'sesame';
CREATE ROLE plain_only LOGIN PASSWORD 'sesame';
CREATE ROLE scram LOGIN PASSWORD 'sesame';
CREATE ROLE clear LOGIN PASSWORD 'sesame';
SET password_encryption = 'md5';
CREATE ROLE hashed LOGIN PASSWORD 'sesame';";

pub(crate) struct Server {
    dir: PathBuf,
    port: u16,
    _keeper: Child,
}

/// The one server of this test process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    pub(crate) fn socket_dir(&self) -> String {
        self.dir.display().to_string()
    }

    /// A file of the test's certificates: `root.crt`, `client.crt`, `client.key`.
    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Over the Unix socket as superuser.
    pub(crate) fn local(&self) -> ConnInfo {
        self.info(&format!("host={}", self.socket_dir()))
    }

    /// Over TCP.
    pub(crate) fn tcp(&self, rest: &str) -> ConnInfo {
        self.info(&format!("host=127.0.0.1 {rest}"))
    }

    pub(crate) fn info(&self, rest: &str) -> ConnInfo {
        let text = format!("dbname=postgres user=postgres port={} {rest}", self.port);
        ConnInfo::resolve(&text, &|_| None).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.local(), "pgpipe test").unwrap()
    }

    fn start() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pgpipe-pg-")
            .tempdir()
            .unwrap();
        let dir = dir.keep();
        let account = account();
        give(&dir, account);
        let bin = bin_dir();
        let mut initdb = Command::new(bin.join("initdb"));
        initdb.args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        let made = as_account(&mut initdb, account)
            .arg("-D")
            .arg(dir.join("data"))
            .output();
        let made = made.unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        certificates(&dir, account);
        let port = free_port();
        configure(&dir, port);
        let mut keeper = Command::new("sh");
        keeper
            .arg("-c")
            .arg(KEEPER)
            .arg(bin)
            .arg(&dir)
            .stdin(Stdio::piped());
        // a Ctrl-C for the tests is not one for the server: the keeper ends it
        let keeper = as_account(&mut keeper, account)
            .process_group(0)
            .spawn()
            .unwrap();
        let server = Self {
            dir,
            port,
            _keeper: keeper,
        };
        server.wait();
        server.client().execute(ROLES).unwrap();
        server
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = Client::connect(&self.local(), "pgpipe test") {
            let log = || fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{error}: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn configure(dir: &Path, port: u16) {
    let show = dir.display();
    let settings = format!(
        "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{show}'\nfsync = off\n\
         ssl = on\nssl_cert_file = '{show}/server.crt'\nssl_key_file = '{show}/server.key'\n\
         ssl_ca_file = '{show}/root.crt'\n"
    );
    let file = dir.join("data/postgresql.conf");
    let old = fs::read_to_string(&file).unwrap();
    fs::write(&file, old + &settings).unwrap();
    fs::write(dir.join("data/pg_hba.conf"), HBA).unwrap();
}

/// An authority, a server certificate for `localhost` and a client certificate of its making.
fn certificates(dir: &Path, account: Option<(u32, u32)>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new([]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(DnType::CommonName, "test authority");
    fs::write(
        dir.join("root.crt"),
        pem("CERTIFICATE", ca.self_signed(&ca_key).unwrap().der()),
    )
    .unwrap();
    let issuer = Issuer::new(ca, ca_key);
    for (file, names, common) in [
        ("server", vec!["localhost".to_owned()], "server"),
        ("client", vec![], "certificate"),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common);
        let cert = params.signed_by(&key, &issuer).unwrap();
        fs::write(
            dir.join(file).with_extension("crt"),
            pem("CERTIFICATE", cert.der()),
        )
        .unwrap();
        let key_file = dir.join(file).with_extension("key");
        fs::write(&key_file, pem("PRIVATE KEY", key.serialized_der())).unwrap();
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
        give(&key_file, account);
    }
}

/// rcgen writes PEM only with a feature that the program has no use for.
fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----");
    for (index, group) in der.chunks(3).enumerate() {
        if index % 16 == 0 {
            text.push('\n');
        }
        let bits = (0..3).fold(0, |bits, i| {
            bits << 8 | usize::from(*group.get(i).unwrap_or(&0))
        });
        for digit in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * digit) & 63];
            text.push(char::from(digit));
        }
        text.truncate(text.len() - (3 - group.len()));
        text.push_str(&"=".repeat(3 - group.len()));
    }
    text + &format!("\n-----END {label}-----\n")
}

fn bin_dir() -> PathBuf {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    versions.retain(|bin: &PathBuf| bin.join("initdb").exists());
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).find(|bin| bin.join("initdb").exists());
    versions
        .pop()
        .or(in_path)
        .expect("PostgreSQL server programs are installed")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The server refuses to run as root: then it runs as `postgres`.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .unwrap();
    let mut ids = line.split(':').skip(2).map(|id| id.parse().unwrap());
    Some((ids.next().unwrap(), ids.next().unwrap()))
}

fn give(path: &Path, account: Option<(u32, u32)>) {
    if let Some((uid, gid)) = account {
        chown(path, Some(uid), Some(gid)).unwrap();
    }
}

fn as_account(command: &mut Command, account: Option<(u32, u32)>) -> &mut Command {
    if let Some((uid, gid)) = account {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/")
}
