//! Passwords and pairing codes are nowhere but where the user put them and where README says:
//! not in the command line of any process, not in state, logs, reports, output and journal.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use memchr::memmem;
use pgpipe::demo::cluster::{Cluster, ClusterOptions};
use pgpipe::wire::handshake::PairCode;
use tempfile::TempDir;

use support::{End, Run, undertaker};

const HBA: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
/// About two seconds at [`SLOW`].
const DATA: &str = "CREATE TABLE t (i int PRIMARY KEY, s text);
    INSERT INTO t SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 10000) g;
    CREATE INDEX ON t (s);";
const SLOW: [&str; 4] = ["--rate", "8Mbit", "--chunk-size", "1MiB"];
/// Of samples of the process list; the wrappers of PostgreSQL's programs live longer.
const PERIOD: Duration = Duration::from_millis(5);

/// Two servers that ask for a password over TCP, for all tests of this binary.
struct Servers {
    source: Cluster,
    target: Cluster,
    _undertakers: [Child; 2],
}

fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let start = || {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = socket.local_addr().unwrap().port();
            drop(socket);
            Cluster::start(&ClusterOptions {
                hba: Some(HBA.to_owned()),
                tcp_port: Some(port),
                ..ClusterOptions::default()
            })
            .unwrap()
        };
        let (source, target) = (start(), start());
        let _undertakers = [undertaker(&source), undertaker(&target)];
        Servers {
            source,
            target,
            _undertakers,
        }
    })
}

/// A database and a role of its own on each server, and a directory for all that is written.
struct Scene {
    name: &'static str,
    dir: TempDir,
    port: u16,
    /// Passwords of the source and of the target; no other test knows them, in whatever process.
    secrets: [String; 2],
}

impl Scene {
    fn new(name: &'static str) -> Self {
        let pid = std::process::id();
        let secrets = ["source", "target"].map(|side| format!("{name}{side}{pid}"));
        for (server, secret) in [&servers().source, &servers().target].iter().zip(&secrets) {
            let password = password(secret);
            let role = format!("CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{password}'");
            server.psql("postgres", &role).unwrap();
            server.create_database(name).unwrap();
        }
        servers().source.psql(name, DATA).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let scene = Self {
            name,
            dir: tempfile::tempdir().unwrap(),
            port: socket.local_addr().unwrap().port(),
            secrets,
        };
        scene.wrap_programs();
        scene
    }

    /// PostgreSQL's programs, slow enough to be seen in the process list.
    fn wrap_programs(&self) {
        fs::create_dir(self.dir.path().join("bin")).unwrap();
        let real = servers().source.programs().client_dir();
        for program in ["pg_dump", "pg_restore"] {
            let real = real.join(program).display().to_string();
            let script = format!("#!/bin/sh\nsleep 0.05\nexec {real} \"$@\"\n");
            let path = self.dir.path().join("bin").join(program);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn server(side: &str) -> &'static Cluster {
        match side {
            "send" => &servers().source,
            _ => &servers().target,
        }
    }

    /// Without the password.
    fn conninfo(&self, side: &str) -> String {
        let (name, port) = (self.name, Self::server(side).port());
        format!("host=127.0.0.1 port={port} user={name} dbname={name}")
    }

    /// With the one of `secret`.
    fn uri(&self, side: &str, secret: &str) -> String {
        let (name, port) = (self.name, Self::server(side).port());
        let password = password(secret).replace('/', "%2F");
        format!("postgresql://{name}:{password}@127.0.0.1:{port}/{name}")
    }

    /// A side with everything on that writes; `report` is the format.
    fn start(
        &self,
        side: &'static str,
        conninfo: &str,
        report: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Run {
        let (link, option) = match side {
            "send" => ("--connect", "--source"),
            _ => ("--listen", "--target"),
        };
        let mut all: Vec<String> = [link, &format!("127.0.0.1:{}", self.port)]
            .iter()
            .chain(&[option, conninfo, "--progress", "json"])
            .chain(&["--give-up", "60s", "--pg-bin", &self.file("bin")])
            .chain(&["--state", &self.file(&format!("{side}.state"))])
            .chain(&["--log", &self.file(&format!("{side}.log"))])
            .chain(&["--report", &self.file(&format!("{side}.{report}"))])
            .chain(args)
            .map(|arg| (*arg).to_owned())
            .collect();
        if side == "recv" {
            all.push("--keep-journal".to_owned());
        }
        let env = [&[("PGPIPE_LOG", "trace")], env].concat();
        Run::start(self.dir.path(), side, &all, &env)
    }

    /// Files of the scene that hold `secret`, by their paths in it.
    fn files_with(&self, secret: &str) -> BTreeSet<String> {
        let mut files = Vec::new();
        list(self.dir.path(), &mut files);
        let holds = |path: &String| memmem::find(&fs::read(path).unwrap(), secret.as_bytes());
        let found = files.into_iter().filter(|path| holds(path).is_some());
        let root = format!("{}/", self.dir.path().display());
        found.map(|path| path.replacen(&root, "", 1)).collect()
    }

    fn journal(&self) -> String {
        let tables = ["migration", "chunk", "chunk_unlogged", "step"];
        let select = tables.map(|table| format!("SELECT j::text FROM pgpipe.{table} j;"));
        let journal = servers().target.psql(self.name, &select.concat());
        journal.unwrap()
    }

    /// Each is in these files of the scene, and neither in another nor in what the servers keep.
    #[track_caller]
    fn assert_only_in(&self, secret: &str, files: &[&str]) {
        let expected = files.iter().map(|file| (*file).to_owned()).collect();
        assert_eq!(self.files_with(secret), expected);
        assert!(!self.journal().contains(secret), "in the journal");
        for server in [&servers().source, &servers().target] {
            assert!(!server.log().contains(secret), "in a server's log");
        }
    }
}

/// Needs to be escaped in a URI.
fn password(secret: &str) -> String {
    format!("{secret}/9")
}

/// Regular files below `dir`.
fn list(dir: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let (path, kind) = entry.map(|e| (e.path(), e.file_type().unwrap())).unwrap();
        if kind.is_dir() {
            list(&path, files);
        } else if kind.is_file() {
            files.push(path.display().to_string());
        }
    }
}

/// The process list of the whole host, sampled until it is asked for.
struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<(u32, String)>>,
}

impl Watch {
    fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !flag.load(Ordering::Relaxed) {
                seen.extend(command_lines());
                thread::sleep(PERIOD);
            }
            seen
        });
        Self { over, thread }
    }

    /// No process but those the user gave it to had `secret` in its command line, and all of ours
    /// were seen.
    #[track_caller]
    fn end(self, scene: &Scene, secrets: &[&str], given: &[u32]) {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.thread.join().unwrap();
        let dir = scene.dir.path().display().to_string();
        for program in [" send ", " recv ", " keeper ", "/pg_dump ", "/pg_restore "] {
            let is_there = |line: &str| line.contains(program) && line.contains(&dir);
            assert!(seen.iter().any(|(_, l)| is_there(l)), "{program} not seen");
        }
        // A child shows its parent's command line until it becomes another program.
        let lines_given: BTreeSet<_> = seen
            .iter()
            .filter(|(pid, _)| given.contains(pid))
            .map(|(_, line)| line)
            .collect();
        for (pid, line) in &seen {
            let leaked = secrets.iter().any(|secret| line.contains(secret));
            assert!(!leaked || lines_given.contains(line), "{pid}: {line}");
        }
    }
}

fn command_lines() -> Vec<(u32, String)> {
    let pids = fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let line = |pid: u32| {
        // It may have ended since.
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
    };
    pids.filter_map(line).collect()
}

/// Pieces of a pairing code that no chance makes, as it is shown and as it could be kept.
fn pieces(code: &str) -> [String; 2] {
    let groups: Vec<_> = code.split('-').collect();
    [groups[2..5].join("-"), groups[2..5].concat()]
}

#[test]
fn by_environment_and_pair_file() {
    let scene = Scene::new("environment");
    let pair = ["--pair-file", &scene.file("pair")];
    let watch = Watch::start();
    let [source, target] = scene.secrets.each_ref().map(|secret| password(secret));
    let start = |side, password: &str, args: &[&str]| {
        let env = [("PGPASSWORD", password)];
        scene.start(side, &scene.conninfo(side), "json", args, &env)
    };
    let recv = start("recv", &target, &pair);
    let send = start("send", &source, &[&SLOW[..], &pair].concat());
    send.wait().must_end(0);
    recv.wait().must_end(0);
    let [code, bare] = pieces(&fs::read_to_string(scene.file("pair")).unwrap());
    let [source, target] = &scene.secrets;
    watch.end(&scene, &[source, target, &code, &bare], &[]);
    scene.assert_only_in(source, &[]);
    scene.assert_only_in(target, &[]);
    scene.assert_only_in(&code, &["pair", "recv.state/main/recv/pairing"]);
    scene.assert_only_in(&bare, &[]);
}

#[test]
fn by_password_file_and_printed_code() {
    let scene = Scene::new("passfile");
    let [source, target] = &scene.secrets;
    let line = |side, secret| {
        let (name, port) = (scene.name, Scene::server(side).port());
        format!("127.0.0.1:{port}:{name}:{name}:{}\n", password(secret))
    };
    let passfile = scene.file("passfile");
    fs::write(&passfile, line("send", source) + &line("recv", target)).unwrap();
    fs::set_permissions(&passfile, Permissions::from_mode(0o600)).unwrap();
    let env = ("PGPASSFILE", passfile.as_str());
    let watch = Watch::start();
    let recv = scene.start("recv", &scene.conninfo("recv"), "html", &[], &[env]);
    let printed = recv.wait_for("pairing code pgp-");
    let at = printed.find("pgp-").unwrap();
    let code = &printed[at..at + 43];
    let given = [env, ("PGPIPE_PAIR", code)];
    let send = scene.start("send", &scene.conninfo("send"), "html", &SLOW, &given);
    send.wait().must_end(0);
    let recv = recv.wait();
    recv.must_end(0);
    let [code, bare] = pieces(code);
    watch.end(&scene, &[source, target, &code, &bare], &[]);
    scene.assert_only_in(source, &["passfile"]);
    scene.assert_only_in(target, &["passfile"]);
    let output = match recv.stdout.contains(&code) {
        true => "recv.stdout",
        false => "recv.stderr",
    };
    scene.assert_only_in(&code, &[output, "recv.state/main/recv/pairing"]);
    scene.assert_only_in(&bare, &[]);
}

/// The command line is the user's own doing, of which pgpipe warns; it goes no further.
#[test]
fn by_uri() {
    let scene = Scene::new("uri");
    let pair = ["--pair-file", &scene.file("pair")];
    let [source, target] = &scene.secrets;
    let watch = Watch::start();
    let recv = scene.start("recv", &scene.uri("recv", target), "json", &pair, &[]);
    let args = [&SLOW[..], &pair].concat();
    let send = scene.start("send", &scene.uri("send", source), "json", &args, &[]);
    let pids = [send.pid(), recv.pid()];
    for end in [send.wait(), recv.wait()] {
        end.must_end(0);
        let warned = end.stderr.contains("can be read in the process list");
        assert!(warned, "{}", end.stderr);
    }
    watch.end(&scene, &[source, target], &pids);
    scene.assert_only_in(source, &[]);
    scene.assert_only_in(target, &[]);
}

/// Ends with 1, and nothing that was written holds the secret.
#[track_caller]
fn refused(scene: &Scene, end: &End, secret: &str) {
    end.must_end(1);
    assert!(end.stderr.contains("pgpipe: "), "says nothing");
    assert_eq!(scene.files_with(secret), BTreeSet::new(), "{}", end.stderr);
}

#[test]
fn wrong_passwords_are_not_repeated() {
    let scene = Scene::new("wrong");
    for side in ["send", "recv"] {
        let env = [("PGPASSWORD", "geheim/9")];
        let run = scene.start(side, &scene.conninfo(side), "json", &[], &env);
        refused(&scene, &run.wait(), "geheim");
        let run = scene.start(side, &scene.uri(side, "geheim"), "json", &[], &[]);
        refused(&scene, &run.wait(), "geheim");
    }
}

/// A password that was not quoted as its place demands: no piece of it is in the message.
#[test]
fn malformed_connection_strings_are_not_repeated() {
    let scene = Scene::new("malformed");
    for conninfo in [
        "host=127.0.0.1 password=a geheim",
        "host=127.0.0.1 password=a geheim=b",
        "host=127.0.0.1 password='it's geheim'",
        "host=127.0.0.1 password='geheim",
        "sslpassword=geheim host=127.0.0.1",
        "postgresql://u:geheim/9@127.0.0.1/db",
        "postgresql://u:a@geheim@127.0.0.1/db",
        "postgresql://u:geheim%zz@127.0.0.1/db",
        "postgresql://127.0.0.1/db?password=a=geheim",
    ] {
        for side in ["send", "recv"] {
            let run = scene.start(side, conninfo, "json", &[], &[]);
            refused(&scene, &run.wait(), "geheim");
        }
    }
}

#[test]
fn wrong_pairing_codes_are_not_repeated() {
    let scene = Scene::new("code");
    let local = |side| Scene::server(side).conninfo(scene.name);
    let pair = ["--pair-file", &scene.file("pair")];
    let recv = scene.start("recv", &local("recv"), "json", &pair, &[]);
    recv.wait_for("pairing code is in");
    let other = PairCode::generate().to_string();
    let mistyped = format!("{}*", &other[..other.len() - 1]);
    for code in [&other, &mistyped, &other[..20]] {
        let env = [("PGPIPE_PAIR", code)];
        let run = scene.start("send", &local("send"), "json", &[], &env);
        let end = run.wait();
        end.must_end(1);
        for piece in pieces(&other) {
            assert_eq!(scene.files_with(&piece), BTreeSet::new());
        }
    }
    drop(recv);
}
