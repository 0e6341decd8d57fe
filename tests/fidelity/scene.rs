//! Servers with what belongs to no database (roles, a tablespace, our extension), and one source
//! that moves to one target after the other.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pgpipe::demo::cluster::ClusterOptions;

use super::installation::Installation;
use super::judge;
use super::support::{Databases, End, Run, assert_nothing_left, migrate, prepare_servers};

/// Whoever owns something in `databases/*.sql`, and where it lies.
const CLUSTER: &[&str] = &[
    "CREATE ROLE alice LOGIN",
    "CREATE ROLE \"Bob o'x\" LOGIN",
    "CREATE ROLE \"group of readers\"",
    "CREATE TABLESPACE elsewhere LOCATION ''",
];

/// What a server refuses to drop with its database, and what would not let it.
const LET_GO: &str = "
    SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger \\gexec
    SELECT format('ALTER SUBSCRIPTION %I DISABLE', subname) FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \\gexec
    SELECT format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname) FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \\gexec
    SELECT format('DROP SUBSCRIPTION %I', subname) FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \\gexec";

/// What the two servers of this test binary run from, made once.
pub(crate) fn installation() -> &'static Installation {
    static INSTALLATION: OnceLock<Installation> = OnceLock::new();
    INSTALLATION.get_or_init(|| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fidelity");
        Installation::with_extension(&tests.join("pgpipe_test"))
    })
}

/// Starts the two servers, once.
pub(crate) fn prepare() {
    let settings = [
        ("allow_in_place_tablespaces", "on"),
        ("wal_level", "logical"),
    ];
    let options = ClusterOptions {
        bin_dir: Some(installation().bin_dir.clone()),
        ..ClusterOptions::with(&settings)
    };
    prepare_servers(options, CLUSTER);
}

/// One of `databases/*.sql` on the source.
pub(crate) struct Origin {
    dbs: Databases,
}

impl Origin {
    pub(crate) fn new(name: &str, sql: &str) -> Self {
        prepare();
        Self {
            dbs: Databases::without_target(name, "", sql),
        }
    }

    pub(crate) fn dbs(&self) -> &Databases {
        &self.dbs
    }

    /// Moves it into a new target database, which must then equal it, and drops that.
    pub(crate) fn moves(&self, case: &str, send: &[&str], recv: &[&str]) -> End {
        self.dbs.target().create_database(self.dbs.name()).unwrap();
        let end = self.arrives(case, send, recv);
        judge::assert_same(&self.dbs, case);
        assert_nothing_left(&self.dbs);
        self.drop_target();
        end
    }

    /// Runs both sides with a state of their own; both must end well.
    pub(crate) fn arrives(&self, case: &str, send: &[&str], recv: &[&str]) -> End {
        let own = self.own_files(case);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let (send, recv) = migrate(&self.dbs, &[send, &own].concat(), &[recv, &own].concat());
        send.must_end(0);
        recv.must_end(0);
        send
    }

    /// Takes back on the target what a case made there, whose journal was kept.
    pub(crate) fn resets(&self, case: &str) {
        let [option, state, ..] = self.own_files(case);
        let target = self.dbs.target_conninfo();
        let args = ["main", "--yes", &option, &state, "--target", &target].map(str::to_owned);
        let reset = Run::start(self.dbs.dir(), "reset", &args, &[]);
        reset.wait().must_end(0);
    }

    pub(crate) fn drop_target(&self) {
        self.dbs.target_sql(LET_GO);
        self.dbs.target().drop_database(self.dbs.name()).unwrap();
    }

    fn own_files(&self, case: &str) -> [String; 4] {
        let file = |end: &str| {
            let path: PathBuf = self.dbs.path(&format!("{case}.{end}"));
            path.display().to_string()
        };
        [
            "--state".into(),
            file("state"),
            "--pair-file".into(),
            file("pair"),
        ]
    }
}
