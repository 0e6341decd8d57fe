//! Two throw-away servers, shared by all tests of a binary.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

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

/// The servers that this test process moves databases between.
pub(crate) struct Servers {
    pub(crate) source: Cluster,
    pub(crate) target: Cluster,
    _undertakers: [Child; 2],
}

static SERVERS: OnceLock<Servers> = OnceLock::new();

/// Starts them once.
pub(crate) fn servers() -> &'static Servers {
    SERVERS.get_or_init(|| Servers::start(ClusterOptions::default(), &[]))
}

/// Starts them once, where a test binary needs them otherwise: with these options beside the usual
/// ones, and with roles, tablespaces and the like, made by these statements.
pub(crate) fn prepare_servers(options: ClusterOptions, statements: &[&str]) -> &'static Servers {
    SERVERS.get_or_init(|| Servers::start(options, statements))
}

impl Servers {
    fn start(mut options: ClusterOptions, statements: &[&str]) -> Self {
        let settings = [
            ("fsync", "off"),
            ("max_wal_size", "4GB"),
            ("max_connections", "200"),
            ("max_prepared_transactions", "5"),
        ];
        let settings = settings.map(|(n, v)| (n.to_owned(), v.to_owned()));
        options.settings.extend(settings);
        let start = || {
            let cluster = Cluster::start(&options).unwrap();
            for statement in statements {
                cluster.psql("postgres", statement).unwrap();
            }
            let undertaker = undertaker(&cluster);
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
