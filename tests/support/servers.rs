//! Two throw-away servers, shared by all tests of a binary.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use pgpipe::demo::cluster::{Cluster, ClusterOptions};

/// Ends both servers and removes their directories when the test process is gone: its stdin ends
/// then, whether the process returned, panicked or was killed. A static is never dropped.
const UNDERTAKER: &str = r#"cat >/dev/null
for pid in $1 $2; do kill -QUIT $pid; done
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 $1 2>/dev/null || kill -0 $2 2>/dev/null || break
    sleep 0.1
done
rm -rf "$3" "$4""#;

/// The servers that this test process moves databases between.
pub(crate) struct Servers {
    pub(crate) source: Cluster,
    pub(crate) target: Cluster,
    _undertaker: Child,
}

/// Starts them once.
pub(crate) fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(Servers::start)
}

impl Servers {
    fn start() -> Self {
        let settings = [
            ("fsync", "off"),
            ("max_wal_size", "4GB"),
            ("max_connections", "200"),
            ("max_prepared_transactions", "5"),
        ];
        let options = ClusterOptions {
            settings: settings.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            ..ClusterOptions::default()
        };
        let source = Cluster::start(&options).unwrap();
        let target = Cluster::start(&options).unwrap();
        let undertaker = undertaker(&source, &target);
        Self {
            source,
            target,
            _undertaker: undertaker,
        }
    }
}

fn undertaker(source: &Cluster, target: &Cluster) -> Child {
    let pid = |cluster: &Cluster| cluster.postmaster_pid().unwrap().to_string();
    Command::new("sh")
        .args(["-c", UNDERTAKER, "undertaker", &pid(source), &pid(target)])
        .arg(source.socket_dir())
        .arg(target.socket_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C for the tests is not one for the undertaker.
        .process_group(0)
        .spawn()
        .unwrap()
}
