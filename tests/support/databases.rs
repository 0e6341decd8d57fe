//! A database on each server, and a directory for what the two sides write.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use pgpipe::demo::Programs;
use pgpipe::demo::cluster::Cluster;
use tempfile::TempDir;

use super::servers::{NEWEST, programs_of, servers};

/// Two tables of some six chunks each, `first` the larger one; their rows do not compress much.
pub(crate) const TWO_TABLES: &str = "CREATE TABLE first (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO first SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 22000) g;
    CREATE TABLE second (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO second SELECT g, (SELECT string_agg(md5((g * 37 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 20000) g;
    CREATE INDEX ON second (s);";

/// One test's databases, both of the test's name.
pub(crate) struct Databases {
    source: &'static Cluster,
    target: &'static Cluster,
    name: String,
    dir: TempDir,
    port: u16,
}

impl Databases {
    /// A source filled by `sql` and an empty target.
    pub(crate) fn new(name: &str, sql: &str) -> Self {
        let made = Self::without_target(name, "", sql);
        made.target().create_database(name).unwrap();
        made
    }

    /// For `--create-db`, or a target that the test makes itself. `options` are those of
    /// `CREATE DATABASE … TEMPLATE template0` on the source.
    pub(crate) fn without_target(name: &str, options: &str, sql: &str) -> Self {
        let servers = servers();
        let made = Self::on(&servers.source, &servers.target, name);
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 {options}");
        made.source().psql("postgres", &create).unwrap();
        made.source_sql(sql);
        made
    }

    /// As [`Self::new`], on other servers than those that all tests share.
    pub(crate) fn between(
        source: &'static Cluster,
        target: &'static Cluster,
        name: &str,
        sql: &str,
    ) -> Self {
        let made = Self::on(source, target, name);
        source.create_database(name).unwrap();
        target.create_database(name).unwrap();
        made.source_sql(sql);
        made
    }

    /// The databases are still to be made.
    fn on(source: &'static Cluster, target: &'static Cluster, name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self {
            source,
            target,
            name: name.to_owned(),
            dir: tempfile::Builder::new()
                .prefix("pgpipe-test-")
                .tempdir()
                .unwrap(),
            port: socket.local_addr().unwrap().port(),
        }
    }

    pub(crate) fn source(&self) -> &'static Cluster {
        self.source
    }

    pub(crate) fn target(&self) -> &'static Cluster {
        self.target
    }

    /// The programs that look into both: one pg_dump writes the same thing of both.
    pub(crate) fn clients(&self) -> &'static Programs {
        let newest = programs_of(NEWEST);
        let of = [self.source.programs(), self.target.programs()];
        let fetched = of.iter().find(|programs| programs.client_dir() == newest);
        fetched.unwrap_or(&of[1])
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn source_conninfo(&self) -> String {
        self.source().conninfo(&self.name)
    }

    pub(crate) fn target_conninfo(&self) -> String {
        self.target().conninfo(&self.name)
    }

    /// Runs a script on the source; returns what it selects, unaligned, without headings.
    pub(crate) fn source_sql(&self, sql: &str) -> String {
        self.source().psql(&self.name, sql).unwrap()
    }

    /// The same on the target.
    pub(crate) fn target_sql(&self, sql: &str) -> String {
        self.target().psql(&self.name, sql).unwrap()
    }

    /// Where the sides meet unless their options say otherwise.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A file of this test, gone with it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}
