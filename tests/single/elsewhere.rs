//! A name that leads each connection to another server.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;

use crate::support::{Databases, assert_no_keeper, migrate};
use crate::{DATA, SINGLE};

/// Leads the n-th connection (from 0) to the server that `choose` says: the source or the target.
fn balance(dbs: &Databases, choose: fn(usize) -> bool) -> String {
    let socket = |cluster: &pgpipe::demo::cluster::Cluster| {
        let port = cluster.port();
        cluster.socket_dir().join(format!(".s.PGSQL.{port}"))
    };
    let sockets = (socket(dbs.source()), socket(dbs.target()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let server = match choose(number) {
                true => sockets.0.clone(),
                false => sockets.1.clone(),
            };
            thread::spawn(move || forward(stream, server));
        }
    });
    format!(
        "host=127.0.0.1 port={port} user=postgres dbname={}",
        dbs.name()
    )
}

fn forward(client: TcpStream, server: PathBuf) -> io::Result<()> {
    let server = UnixStream::connect(server)?;
    let (to_server, from_client) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        copy(from_client, &to_server);
        to_server.shutdown(Shutdown::Write)
    });
    copy(server, &client);
    client.shutdown(Shutdown::Both)
}

fn copy(mut from: impl Read, mut to: impl Write) {
    let _ = io::copy(&mut from, &mut to);
}

/// The keeper comes to one, who imports its snapshot to the other.
#[test]
fn a_snapshot_that_is_not_found_is_explained() {
    let dbs = Databases::new("balanced", DATA);
    let conninfo = balance(&dbs, |number| number != 2);
    let (send, recv) = migrate(&dbs, &["--source", &conninfo, "--jobs", "1"], &[]);
    send.must_end(1);
    recv.must_end(1);
    for words in ["another server", "--snapshot single"] {
        assert!(send.stderr.contains(words), "{}", send.stderr);
    }
    assert_no_keeper(dbs.dir());
}

/// Only the readers come to the other: send inspects and prepares, the keeper and pg_dump.
#[test]
fn readers_that_do_not_find_it_too() {
    let dbs = Databases::new("balanced_late", DATA);
    let conninfo = balance(&dbs, |number| number < 4);
    let (send, recv) = migrate(&dbs, &["--source", &conninfo, "--jobs", "1"], &[]);
    send.must_end(1);
    recv.must_end(1);
    assert!(send.stderr.contains("--snapshot single"), "{}", send.stderr);
    assert_no_keeper(dbs.dir());
}

/// One session is of one server, wherever it comes to.
#[test]
fn one_connection_does_not_mind() {
    let dbs = Databases::new("unbalanced", DATA);
    let conninfo = balance(&dbs, |number| number < 2);
    let args = [&SINGLE[..], &["--source", &conninfo, "--allow-changes"]].concat();
    let (send, recv) = migrate(&dbs, &args, &[]);
    // What is read last comes from the other: the target has the same tables by then.
    send.must_end(0);
    recv.must_end(0);
    crate::support::assert_equal(&dbs);
}
