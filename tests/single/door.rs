//! The door at which a program of libpq's is let into a session of ours.

use std::os::unix::net::UnixStream;
use std::process::{Command, Output};
use std::thread;

use pgpipe::pg::{Client, ConnInfo, Door};

use crate::support::Databases;

fn session(dbs: &Databases) -> Client {
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut client = Client::connect(&info, "the application").unwrap();
    client.execute("BEGIN").unwrap();
    client
}

/// Runs psql through the door.
fn visit(dbs: &Databases, client: &mut Client, sql: &str) -> Output {
    let (door, latch) = Door::open(dbs.dir()).unwrap();
    let env = door.env("postgres", dbs.name());
    let psql = dbs.source().programs().client_dir().join("psql");
    let mut psql = Command::new(psql);
    psql.args(["-XAtq", "-c", sql]).envs(env);
    thread::scope(|scope| {
        let serving = scope.spawn(|| door.serve(client));
        let output = psql.output().unwrap();
        drop(latch);
        serving.join().unwrap().unwrap();
        output
    })
}

#[test]
fn the_guest_is_in_our_transaction() {
    let dbs = Databases::new("guest", "");
    let mut client = session(&dbs);
    client.execute("CREATE TABLE ours (i int)").unwrap();
    let sql = "SELECT pg_backend_pid(), to_regclass('ours') IS NOT NULL, repeat('x', 3000000)";
    let output = visit(&dbs, &mut client, sql);
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = format!("{}|t|{}", client.backend_pid(), "x".repeat(3_000_000));
    assert_eq!(said.trim(), expected);
    assert!(client.in_transaction() && !client.is_failed());
    assert!(!dbs.path(".s.PGSQL.5432").exists());
}

#[test]
fn the_guest_may_not_end_it() {
    let dbs = Databases::new("stays", "");
    let mut client = session(&dbs);
    for sql in ["COMMIT", "ROLLBACK", "END"] {
        let output = visit(&dbs, &mut client, sql);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("not yours to end"), "{said}");
        assert!(client.in_transaction());
    }
}

/// His error is ours: the caller has a savepoint for that.
#[test]
fn the_guests_errors_are_told_him() {
    let dbs = Databases::new("errors", "");
    let mut client = session(&dbs);
    client.execute("SAVEPOINT before").unwrap();
    let output = visit(&dbs, &mut client, "SELECT 1 / 0");
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("division by zero")
    );
    assert!(client.is_failed());
    client.execute("ROLLBACK TO SAVEPOINT before").unwrap();
    let output = visit(&dbs, &mut client, "COPY nowhere FROM STDIN");
    assert!(!output.status.success());
}

#[test]
fn whoever_speaks_no_protocol_is_shown_out() {
    use std::io::Write;
    let dbs = Databases::new("stranger", "");
    let mut client = session(&dbs);
    let (door, _latch) = Door::open(dbs.dir()).unwrap();
    let path = dbs.path(".s.PGSQL.5432");
    thread::scope(|scope| {
        let serving = scope.spawn(|| door.serve(&mut client));
        let mut stranger = UnixStream::connect(&path).unwrap();
        stranger.write_all(&[0xff; 100]).unwrap();
        serving.join().unwrap().unwrap();
    });
    assert!(client.in_transaction());
}

#[test]
fn nobody_comes() {
    let dbs = Databases::new("nobody", "");
    let mut client = session(&dbs);
    let (door, latch) = Door::open(dbs.dir()).unwrap();
    drop(latch);
    door.serve(&mut client).unwrap();
}
