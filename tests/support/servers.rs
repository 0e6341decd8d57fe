//! Throw-away servers, shared by all tests of a binary: two of the version that is installed, and
//! those of other versions that `scripts/servers` has fetched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use pgpipe::demo::cluster::{Cluster, ClusterOptions};

/// Ends a server and removes its directory when the test process is gone: its stdin ends then,
/// whether the process returned, panicked or was killed. A static is never dropped.
/// The server may have been started again since, and a file system may be mounted in its directory.
const UNDERTAKER: &str = r#"cat >/dev/null; read -r server <"$1/data/postmaster.pid"
[ -n "$server" ] && kill -QUIT "$server"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 "$server" || break
    sleep 0.1
done
umount -l "$1/disk"
rm -rf "$1""#;

/// The newest version that there is.
pub(crate) const NEWEST: u32 = 18;

/// The servers that this test process moves databases between.
pub(crate) struct Servers {
    pub(crate) source: Cluster,
    pub(crate) target: Cluster,
    _undertakers: [Child; 2],
}

static SERVERS: OnceLock<Servers> = OnceLock::new();

/// Starts them once.
pub(crate) fn servers() -> &'static Servers {
    SERVERS.get_or_init(|| Servers::start(&ClusterOptions::default(), &[]))
}

/// Starts them once, where a test binary needs them otherwise: with these options beside the usual
/// ones, and with roles, tablespaces and the like, made by these statements.
pub(crate) fn prepare_servers(options: ClusterOptions, statements: &[&str]) -> &'static Servers {
    SERVERS.get_or_init(|| Servers::start(&options, statements))
}

impl Servers {
    fn start(options: &ClusterOptions, statements: &[&str]) -> Self {
        let start = || {
            let (cluster, undertaker) = start(options.clone());
            for statement in statements {
                cluster.psql("postgres", statement).unwrap();
            }
            (cluster, undertaker)
        };
        let ((source, first), (target, second)) = (start(), start());
        Self {
            source,
            target,
            _undertakers: [first, second],
        }
    }
}

/// The server of a major version, started once; none where its programs are not there, which is told.
pub(crate) fn server_of(major: u32) -> Option<&'static Cluster> {
    one_of(major, 0)
}

/// Another one of it, to move databases to.
pub(crate) fn target_of(major: u32) -> Option<&'static Cluster> {
    one_of(major, 1)
}

fn one_of(major: u32, number: u8) -> Option<&'static Cluster> {
    static STARTED: Mutex<BTreeMap<(u32, u8), &'static Cluster>> = Mutex::new(BTreeMap::new());
    let mut started = STARTED.lock().unwrap();
    if let Some(cluster) = started.get(&(major, number)) {
        return Some(cluster);
    }
    let bin_dir = programs_of(major);
    if !bin_dir.join("postgres").is_file() {
        let looked = bin_dir.display();
        eprintln!("skipped: no PostgreSQL {major} in {looked} (scripts/servers {major})");
        return None;
    }
    if !everybody_reaches(&bin_dir) {
        let dir = bin_dir.display();
        eprintln!(
            "skipped: servers do not run as root, and {dir} is closed to others (PGPIPE_SERVERS)"
        );
        return None;
    }
    let (cluster, undertaker) = start(of_version(bin_dir));
    let (cluster, _) = Box::leak(Box::new((cluster, undertaker)));
    started.insert((major, number), cluster);
    Some(cluster)
}

/// Whether another account than ours finds its way, where we are root.
fn everybody_reaches(dir: &Path) -> bool {
    let open = |dir: &Path| fs::metadata(dir).is_ok_and(|found| found.mode() & 0o001 > 0);
    !rustix::process::geteuid().is_root() || dir.ancestors().all(open)
}

/// Where `scripts/servers` puts a version's programs.
pub(crate) fn programs_of(major: u32) -> PathBuf {
    let fetched = std::env::var_os("PGPIPE_SERVERS").map(PathBuf::from);
    let fetched =
        fetched.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers"));
    fetched.join(major.to_string()).join("bin")
}

/// The programs of another version than the installed one.
fn of_version(bin_dir: PathBuf) -> ClusterOptions {
    // Speaks to every version, and dumps from those that the installed one is too old for.
    let newest = programs_of(NEWEST);
    ClusterOptions {
        client_dir: newest.join("pg_dump").is_file().then_some(newest),
        bin_dir: Some(bin_dir),
        ..ClusterOptions::default()
    }
}

/// With the usual settings beside those of `options`.
fn start(mut options: ClusterOptions) -> (Cluster, Child) {
    let settings = [
        ("fsync", "off"),
        ("max_wal_size", "4GB"),
        ("max_connections", "200"),
        ("max_prepared_transactions", "5"),
    ];
    let settings = settings.map(|(n, v)| (n.to_owned(), v.to_owned()));
    options.settings.extend(settings);
    let cluster = Cluster::start(&options).unwrap();
    let undertaker = undertaker(&cluster);
    (cluster, undertaker)
}

/// For a server that a test makes for itself too.
pub(crate) fn undertaker(cluster: &Cluster) -> Child {
    Command::new("sh")
        .args(["-c", UNDERTAKER, "undertaker"])
        .arg(cluster.socket_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C for the tests is not one for the undertaker.
        .process_group(0)
        .spawn()
        .unwrap()
}
