//! A schema with everything that is awkward, taken through dump, table of contents, batches and
//! schedule into a second database: pg_dump must then write the same text of both.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use pgpipe::phase::{self, Schedule, Section, Stage, Step, Task, Toc};
use pgpipe::runtime::tools::{Tools, major};
use pgpipe::schema::Oid;
use pgpipe::selection::{Pattern, Selection};
use pgpipe::sink::archive::{Archive, RestoreOptions, two_steps};
use pgpipe::source::dump::{DumpError, DumpInfo, DumpOptions, dump_schema};

const SCHEMA: &str = include_str!("archive.sql");
const WORKERS: usize = 4;

#[test]
fn a_restored_schema_dumps_as_the_same_text() {
    let server = Server::start();
    server.psql(
        "postgres",
        "CREATE DATABASE source; CREATE DATABASE target;",
    );
    server.psql("source", SCHEMA);
    let (archive, info) = dump(&server, RestoreOptions::default());
    let toc = archive.toc().unwrap();
    assert_eq!(toc.pg_dump_version.as_ref(), Some(&info.pg_dump_version));

    restore(&server, &archive, &toc);

    let (source, target) = (server.text("source"), server.text("target"));
    for (number, (a, b)) in source.lines().zip(target.lines()).enumerate() {
        assert_eq!(a, b, "line {}", number + 1);
    }
    assert_eq!(source, target);
}

#[test]
fn options_leave_things_out() {
    let server = Server::start();
    server.psql("postgres", "CREATE DATABASE source;");
    server.psql("source", SCHEMA);
    let options = RestoreOptions {
        no_owner: true,
        no_privileges: true,
        no_tablespaces: true,
    };
    let (archive, _) = dump(&server, options);
    let toc = archive.toc().unwrap();
    assert!(!toc.entries.iter().any(phase::Entry::is_acl));
    let ids: Vec<_> = toc.entries.iter().map(|e| e.id).collect();
    let sql = archive.sql(&ids).unwrap();
    assert!(sql.contains("CREATE TABLE app.t "));
    for absent in [
        "OWNER TO",
        "GRANT",
        "default_tablespace",
        "\n\\restrict ",
        "lock_timeout",
    ] {
        assert!(!sql.contains(absent), "{absent}");
    }
    assert!(
        archive
            .session_sql()
            .unwrap()
            .starts_with("SELECT pg_catalog.set_config('client_encoding', ")
    );
    assert_eq!(archive.sql(&[]).unwrap(), "");
}

#[test]
fn a_dump_that_fails_says_why() {
    let server = Server::start();
    let tools = Tools::find(Some(&server.bin));
    let tool = tools.pick_dump(server.version()).unwrap();
    let out = server.dir.path().join("x");
    let options = DumpOptions::default();
    let env = server.env("postgres");
    let error = dump_schema(tool, &env, "00000003-0000001B-1", &options, &out).unwrap_err();
    assert!(matches!(error, DumpError::Failed { .. }));
    assert!(error.to_string().contains("00000003-0000001B-1"), "{error}");
}

fn dump(server: &Server, options: RestoreOptions) -> (Archive, DumpInfo) {
    let mut keeper = server.command("psql", "source");
    keeper
        .args(["-XqAt"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut keeper = keeper.spawn().unwrap();
    let mut input = keeper.stdin.take().unwrap();
    writeln!(
        input,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot();"
    )
    .unwrap();
    let mut snapshot = String::new();
    let mut output = BufReader::new(keeper.stdout.take().unwrap());
    output.read_line(&mut snapshot).unwrap();

    let tools = Tools::find(None);
    let tool = tools.pick_dump(server.version()).unwrap();
    let out = server.dir.path().join("schema.dump");
    let exclude = DumpOptions {
        selection: Selection {
            exclude_schemas: vec![Pattern::schema("\"left*\"\"out\"").unwrap()],
            ..Selection::default()
        },
        ..DumpOptions::default()
    };
    let info = dump_schema(tool, &server.env("source"), snapshot.trim(), &exclude, &out).unwrap();
    drop(input);
    keeper.wait().unwrap();
    let reader = tools.pick_restore(info.pg_dump_major, major(server.version()));
    let archive = Archive::open(&reader.unwrap().path, &out, options).unwrap();
    (archive, info)
}

fn restore(server: &Server, archive: &Archive, toc: &Toc) {
    let session = archive.session_sql().unwrap();
    let second_steps = AtomicUsize::new(0);
    let run = |sql: &str| {
        if sql.contains(" USING INDEX ") {
            second_steps.fetch_add(1, Ordering::Relaxed);
        }
        let transaction = format!("{session}BEGIN;\n{sql}\nCOMMIT;\n");
        server.psql("target", &transaction);
    };
    for batch in phase::pre_data_batches(toc) {
        run(&archive.sql(&batch).unwrap());
    }
    let gates = server.gates();
    let schedule = Schedule::new(toc, gates.iter().copied());
    let shared = (Mutex::new(schedule), Condvar::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| work(archive, &run, &shared));
        }
        for (table, _) in gates {
            std::thread::sleep(Duration::from_millis(5));
            shared.0.lock().unwrap().open_gate(table);
            shared.1.notify_all();
        }
    });
    let second_steps = second_steps.into_inner();
    assert_eq!(second_steps, 14, "13 plain keys and a REPLICA IDENTITY");
    let schedule = shared.0.into_inner().unwrap();
    assert!(schedule.is_finished());
    let acls = |e: &&phase::Entry| e.section == Section::PostData || e.is_acl();
    assert_eq!(
        schedule.counts().done,
        toc.entries.iter().filter(acls).count()
    );
}

fn work(archive: &Archive, run: &(dyn Fn(&str) + Sync), shared: &(Mutex<Schedule>, Condvar)) {
    let (schedule, changed) = shared;
    loop {
        let mut locked = schedule.lock().unwrap();
        let task = loop {
            if locked.is_finished() {
                return;
            }
            if locked.awaits_end_of_data() {
                locked.end_data();
            }
            if locked.awaits_refresh() {
                locked.refreshed();
            }
            if let Some(task) = locked.next_task() {
                break task;
            }
            // Bounded, so that a failed worker doesn't leave the others waiting for ever.
            locked = changed
                .wait_timeout(locked, Duration::from_secs(60))
                .unwrap()
                .0;
        };
        drop(locked);
        let split = run_task(archive, run, &task);
        let mut locked = schedule.lock().unwrap();
        match split {
            true => locked.built(&task),
            false => locked.done(&task),
        }
        changed.notify_all();
    }
}

/// Whether a second step is to follow.
fn run_task(archive: &Archive, run: &(dyn Fn(&str) + Sync), task: &Task) -> bool {
    let sql = archive.sql(&task.ids).unwrap();
    let steps = match task.stage {
        Stage::Indexes => two_steps(&sql, task.on_plain_table),
        _ => None,
    };
    match (steps, task.step) {
        (Some(steps), Step::First) => {
            run(&steps.build);
            true
        }
        (Some(steps), Step::Second) => {
            run(&steps.finish);
            false
        }
        (None, _) => {
            run(&sql);
            false
        }
    }
}

/// A throw-away server on a Unix socket in a temporary directory.
struct Server {
    dir: tempfile::TempDir,
    bin: PathBuf,
    postgres: Child,
}

impl Server {
    fn start() -> Self {
        let bin = newest_bin();
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        give_to_server_user(dir.path());
        let mut initdb = as_server_user(&bin.join("initdb"));
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
        ]);
        initdb
            .arg("--locale=C")
            .arg("-D")
            .arg(&data)
            .stdout(Stdio::null());
        assert!(initdb.status().unwrap().success(), "initdb");
        let mut postgres = as_server_user(&bin.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(dir.path());
        postgres.args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        postgres.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self {
            postgres: postgres.spawn().unwrap(),
            dir,
            bin,
        };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        let start = Instant::now();
        let ready = || {
            let mut probe = self.command("pg_isready", "postgres");
            probe.stdout(Stdio::null()).status().unwrap().success()
        };
        while !ready() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "server does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn env(&self, database: &str) -> Vec<(String, String)> {
        let host = self.dir.path().to_str().unwrap();
        [
            ("PGHOST", host),
            ("PGUSER", "postgres"),
            ("PGDATABASE", database),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn command(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.envs(self.env(database)).env("PGPORT", "5432");
        command
    }

    fn psql(&self, database: &str, sql: &str) -> String {
        let mut command = self.command("psql", database);
        command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(sql.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}\n{sql}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn version(&self) -> u32 {
        let version = self.psql("postgres", "SHOW server_version_num");
        version.trim().parse().unwrap()
    }

    /// Every ordinary table of the source, with a size that is not the order of the archive.
    fn gates(&self) -> Vec<(Oid, u64)> {
        let sql = "SELECT oid FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY oid DESC";
        let oids = self.psql("source", sql);
        let oids = oids.lines().map(|line| line.parse::<u32>().unwrap());
        oids.map(|oid| (Oid(oid), u64::from(oid % 7))).collect()
    }

    /// What pg_dump writes of the database, without the key that is another one each time.
    fn text(&self, database: &str) -> String {
        let mut command = self.command("pg_dump", database);
        command.args(["--schema-only", "--exclude-schema=\"left*\"\"out\""]);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let text = String::from_utf8(output.stdout).unwrap();
        let kept =
            |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        text.lines()
            .filter(kept)
            .flat_map(|line| [line, "\n"])
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = as_server_user(&self.bin.join("pg_ctl"));
        stop.args(["stop", "-s", "-m", "immediate", "-D"])
            .arg(self.dir.path().join("data"));
        let _ = stop.status();
        let _ = self.postgres.kill();
        let _ = self.postgres.wait();
    }
}

fn newest_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let numbered = versions.filter_map(|v| Some((v.file_name().to_str()?.parse().ok()?, v.path())));
    let newest = numbered.max_by_key(|(major, _): &(u32, PathBuf)| *major);
    newest
        .expect("these tests need /usr/lib/postgresql/*/bin")
        .1
        .join("bin")
}

/// A server does not run as root.
fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line.expect("a user postgres").split(':').skip(2);
    let mut number = || fields.next().unwrap().parse().unwrap();
    Some((number(), number()))
}

fn give_to_server_user(dir: &Path) {
    if let Some((uid, gid)) = server_user() {
        std::os::unix::fs::chown(dir, Some(uid), Some(gid)).unwrap();
    }
}

fn as_server_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/");
    command
}
