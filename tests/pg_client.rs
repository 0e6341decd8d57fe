//! The client against a real server: every way in, COPY both ways, and what happens when it goes wrong.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as it does"
)]

use std::thread;
use std::time::{Duration, Instant};

use pgpipe::pg::{Client, ConnInfo, PgError};

#[path = "support/pg_server.rs"]
mod pg_server;
use pg_server::server;

fn connect(info: &ConnInfo) -> Result<Client, PgError> {
    Client::connect(info, "pgpipe test")
}

/// What the program's last line would be.
fn line(error: PgError) -> String {
    pgpipe::report::one_line(&error)
}

fn refusal(info: &ConnInfo) -> String {
    line(connect(info).map(|_| ()).unwrap_err())
}

fn one(client: &mut Client, sql: &str) -> String {
    client.query(sql).unwrap()[0].text(0).unwrap().to_owned()
}

const USES_TLS: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

#[test]
fn trust_over_the_socket() {
    let mut client = server().client();
    assert!(client.server_version() >= 90_400);
    assert_eq!(client.parameter("integer_datetimes"), Some("on"));
    assert_eq!(one(&mut client, "SHOW application_name"), "pgpipe test");
    let pid: i32 = one(&mut client, "SELECT pg_backend_pid()").parse().unwrap();
    assert_eq!(client.backend_pid(), pid);
    let info = server().info(&format!(
        "host={} options='-c work_mem=77kB'",
        server().socket_dir()
    ));
    assert_eq!(one(&mut connect(&info).unwrap(), "SHOW work_mem"), "77kB");
}

#[test]
fn passwords_over_tcp() {
    for user in ["scram", "hashed"] {
        let login =
            |password: &str| server().tcp(&format!("user={user} sslmode=disable {password}"));
        assert_eq!(
            one(&mut connect(&login("password=sesame")).unwrap(), USES_TLS),
            "f"
        );
        let wrong = refusal(&login("password=wrong"));
        let start = format!(
            "PostgreSQL at 127.0.0.1 port {} refused user \"{user}\" for database \"postgres\": \
             password authentication failed for user \"{user}\" (SQLSTATE 28P01)",
            server().port()
        );
        assert_eq!(wrong, start);
        assert!(refusal(&login("")).contains("asks for a password"));
    }
}

#[test]
fn a_password_in_clear_needs_encryption() {
    let login = |mode| server().tcp(&format!("user=clear password=sesame sslmode={mode}"));
    assert!(refusal(&login("disable")).contains("in clear"));
    assert_eq!(one(&mut connect(&login("require")).unwrap(), USES_TLS), "t");
}

#[test]
fn tls_as_sslmode_asks() {
    let root = server().file("root.crt");
    let on = |host: &str, rest: &str| {
        server().info(&format!("host={host} user=scram password=sesame {rest}"))
    };
    for (host, rest, uses_tls) in [
        ("127.0.0.1", "sslmode=require".to_owned(), "t"),
        ("127.0.0.1", "sslmode=prefer".to_owned(), "t"),
        ("127.0.0.1", "sslmode=allow".to_owned(), "f"),
        (
            "127.0.0.1",
            "sslmode=require channel_binding=require".to_owned(),
            "t",
        ),
        (
            "127.0.0.1",
            "sslmode=require ssl_max_protocol_version=TLSv1.2".to_owned(),
            "t",
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca sslrootcert={root}"),
            "t",
        ),
        (
            "localhost",
            format!("hostaddr=127.0.0.1 sslmode=verify-full sslrootcert={root}"),
            "t",
        ),
    ] {
        let mut client =
            connect(&on(host, &rest)).unwrap_or_else(|e| panic!("{rest}: {}", line(e)));
        assert_eq!(one(&mut client, USES_TLS), uses_tls, "{rest}");
    }
    let wrong_name = on(
        "127.0.0.1",
        &format!("sslmode=verify-full sslrootcert={root}"),
    );
    assert!(
        refusal(&wrong_name).contains("cannot set up TLS"),
        "{}",
        refusal(&wrong_name)
    );
    let wrong_root = server().file("client.crt");
    let wrong_root = on(
        "127.0.0.1",
        &format!("sslmode=verify-ca sslrootcert={wrong_root}"),
    );
    assert!(refusal(&wrong_root).contains("cannot set up TLS"));
    let unbound = on("127.0.0.1", "sslmode=disable channel_binding=require");
    assert!(refusal(&unbound).contains("channel_binding=require"));
}

#[test]
fn allow_and_prefer_try_the_other_way() {
    let login = |user, mode| server().tcp(&format!("user={user} password=sesame sslmode={mode}"));
    let tls = |user, mode| one(&mut connect(&login(user, mode)).unwrap(), USES_TLS);
    assert_eq!(tls("tls_only", "allow"), "t");
    assert_eq!(tls("plain_only", "prefer"), "f");
    assert!(refusal(&login("plain_only", "require")).contains("SQLSTATE 28000"));
}

#[test]
fn a_client_certificate_is_enough() {
    let (cert, key) = (server().file("client.crt"), server().file("client.key"));
    let info = server().tcp(&format!(
        "user=certificate sslmode=require sslcert={cert} sslkey={key}"
    ));
    assert_eq!(
        one(&mut connect(&info).unwrap(), "SELECT current_user"),
        "certificate"
    );
}

#[test]
fn what_is_not_there_is_said_in_one_line() {
    let nowhere = server().info("host=/nonexistent port=1");
    assert_eq!(
        refusal(&nowhere),
        "cannot connect to PostgreSQL at /nonexistent/.s.PGSQL.1: No such file or directory; \
         is the server running there?"
    );
    let missing = server().local().with_dbname("absent");
    assert!(refusal(&missing).starts_with("cannot open database \"absent\" on PostgreSQL at /"));
    assert!(refusal(&missing).ends_with("database \"absent\" does not exist (SQLSTATE 3D000)"));
    let dir = server().socket_dir();
    let second = server().info(&format!("host=/nonexistent,{dir}"));
    assert_eq!(one(&mut connect(&second).unwrap(), "SELECT 1"), "1");
    assert!(refusal(&server().info("host=/none,/nowhere")).starts_with("none of the 2 servers"));
}

#[test]
fn target_session_attrs_choose_the_server() {
    let dir = server().socket_dir();
    let wanting = |attrs| server().info(&format!("host={dir} target_session_attrs={attrs}"));
    connect(&wanting("primary")).unwrap();
    connect(&wanting("read-write")).unwrap();
    assert!(refusal(&wanting("standby")).contains("target_session_attrs=standby"));
    assert!(refusal(&wanting("read-only")).contains("target_session_attrs=read-only"));
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for mode in ["disable", "require"] {
        let info = server().tcp(&format!("port={port} sslmode={mode} connect_timeout=1"));
        let before = Instant::now();
        assert!(refusal(&info).contains("did not answer within 1 s"));
        assert!(before.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn an_error_leaves_the_client_usable() {
    let mut client = server().client();
    let error = client.query("SELECT 1; SELECT 1/0; SELECT 2").unwrap_err();
    assert_eq!(error.sqlstate(), Some("22012"));
    assert!(!error.is_connection_lost());
    let rows = client.query("SELECT 1; SELECT NULL, 'é', true").unwrap();
    assert_eq!(
        (rows[0].get(0), rows[0].get(1), rows[0].len()),
        (None, Some("é"), 3)
    );
    assert!(rows[0].bool(2).unwrap());
    assert!(rows[0].text(0).is_err() && rows[0].parse::<u8>(1).is_err());
    assert!(matches!(
        client.query("SELECT '\0'"),
        Err(PgError::ZeroByte)
    ));
    assert!(client.query("").unwrap().is_empty());
    let error = client.execute("SELECT nosuch").unwrap_err();
    assert_eq!(error.server().unwrap().position, Some(8));
}

#[test]
fn commit_of_a_failed_transaction_says_rollback() {
    let mut client = server().client();
    assert_eq!(client.execute("BEGIN").unwrap(), "BEGIN");
    assert!(client.in_transaction() && !client.is_failed());
    client.query("SELECT 1/0").unwrap_err();
    assert!(client.in_transaction() && client.is_failed());
    assert_eq!(client.execute("COMMIT").unwrap(), "ROLLBACK");
    assert!(!client.in_transaction());
}

#[test]
fn parameter_changes_are_seen() {
    let mut client = server().client();
    client.execute("SET TimeZone = 'Asia/Tokyo'").unwrap();
    assert_eq!(client.parameter("TimeZone"), Some("Asia/Tokyo"));
}

/// All of a COPY, and the lengths of the buffers it came in.
fn copy_out(client: &mut Client, sql: &str, target: usize) -> (Vec<u8>, Vec<usize>, Option<u64>) {
    let mut copy = client.copy_out(sql).unwrap();
    let (mut all, mut lengths, mut buf) = (vec![], vec![], vec![]);
    loop {
        let more = copy.read(&mut buf, target).unwrap();
        lengths.push(buf.len());
        all.append(&mut buf);
        if !more {
            return (all, lengths, copy.rows());
        }
    }
}

/// Five thousand small rows, one of 3 MB, and one null.
const ROWS: &str = "SELECT i::int AS i, CASE i WHEN 5000 THEN NULL WHEN 4000 THEN repeat('x', 3000000) \
                    ELSE md5(i::text) END AS t FROM generate_series(1, 5000) i";

#[test]
fn copy_goes_out_and_in_again() {
    let tcp_tls = server().tcp("user=scram password=sesame sslmode=require");
    for (target, mut client) in [
        (1 << 20, server().client()),
        (1000, server().client()),
        (1 << 18, connect(&tcp_tls).unwrap()),
    ] {
        let source = format!("COPY ({ROWS}) TO STDOUT (FORMAT binary)");
        let (bytes, lengths, rows) = copy_out(&mut client, &source, target);
        assert_eq!(rows, Some(5000));
        assert!(lengths.iter().all(|length| *length <= target));
        assert!(bytes.starts_with(b"PGCOPY\n\xff\r\n\0") && bytes.ends_with(b"\xff\xff"));

        client
            .execute("CREATE TEMP TABLE back (i int, t text)")
            .unwrap();
        let mut copy = client
            .copy_in("COPY back FROM STDIN (FORMAT binary)")
            .unwrap();
        for piece in bytes.chunks(1_700_000) {
            copy.write(piece).unwrap();
        }
        assert_eq!(copy.finish().unwrap(), 5000);
        let differs = format!("SELECT count(*) FROM (({ROWS}) EXCEPT ALL TABLE back) d");
        assert_eq!(one(&mut client, &differs), "0");
    }
}

#[test]
fn a_large_row_is_split_and_others_are_not() {
    let mut client = server().client();
    let sql = "COPY (SELECT repeat('y', n) FROM unnest(ARRAY[10, 2500, 20, 30]) n) TO STDOUT";
    let (bytes, lengths, _) = copy_out(&mut client, sql, 1000);
    assert_eq!(bytes.len(), 11 + 2501 + 21 + 31);
    assert_eq!(lengths, [11, 1000, 1000, 501 + 21 + 31]);
}

#[test]
fn an_error_in_the_middle_of_copy_out_comes_out() {
    let mut client = server().client();
    let sql = "COPY (SELECT 100 / (3000 - i), repeat('z', 100) FROM generate_series(1, 5000) i) TO STDOUT";
    let mut copy = client.copy_out(sql).unwrap();
    let mut buf = Vec::new();
    let error = loop {
        buf.clear();
        match copy.read(&mut buf, 4096) {
            Ok(more) => assert!(more),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), Some("22012"));
    drop(copy);
    assert_eq!(one(&mut client, "SELECT 1"), "1");
}

#[test]
fn an_error_while_writing_comes_out_and_the_client_stays_usable() {
    let mut client = server().client();
    client.execute("CREATE TEMP TABLE t (i int)").unwrap();
    let mut copy = client.copy_in("COPY t FROM STDIN").unwrap();
    let result = (0..100).try_for_each(|_| copy.write(&b"not a number\n".repeat(10_000)));
    let error = result.and_then(|()| copy.finish()).unwrap_err();
    assert_eq!(error.sqlstate(), Some("22P02"));
    assert!(
        error
            .server()
            .unwrap()
            .context
            .as_deref()
            .unwrap()
            .contains("line 1")
    );
    assert_eq!(one(&mut client, "SELECT count(*) FROM t"), "0");

    let mut copy = client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write(b"1\n").unwrap();
    copy.abort("changed my mind").unwrap();
    assert_eq!(one(&mut client, "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_storm_of_notices_does_not_block_the_copy() {
    let mut client = server().client();
    client
        .execute(
            "CREATE TEMP TABLE t (i int);
             CREATE FUNCTION pg_temp.shout() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE NOTICE '%', repeat('!', 500); RETURN NEW; END $$;
             CREATE TRIGGER shout BEFORE INSERT ON t FOR EACH ROW EXECUTE PROCEDURE pg_temp.shout()",
        )
        .unwrap();
    let mut copy = client.copy_in("COPY t FROM STDIN").unwrap();
    let row = format!("{:60}\n", 1);
    copy.write(row.repeat(50_000).as_bytes()).unwrap();
    assert_eq!(copy.finish().unwrap(), 50_000);
}

#[test]
fn a_copy_that_is_none_is_refused() {
    let mut client = server().client();
    client.execute("CREATE TEMP TABLE t (i int)").unwrap();
    assert!(matches!(
        client.copy_out("SELECT 1"),
        Err(PgError::NotCopy { .. })
    ));
    assert!(matches!(
        client.copy_out("COPY t FROM STDIN"),
        Err(PgError::NotCopy { .. })
    ));
    assert!(matches!(
        client.copy_in("COPY t TO STDOUT"),
        Err(PgError::NotCopy { .. })
    ));
    assert!(matches!(
        client.query("COPY t FROM STDIN"),
        Err(PgError::UnexpectedCopy)
    ));
    assert!(matches!(
        client.query("TABLE t; COPY t TO STDOUT"),
        Err(PgError::UnexpectedCopy)
    ));
    assert_eq!(
        client
            .copy_out("COPY nosuch TO STDOUT")
            .err()
            .unwrap()
            .sqlstate(),
        Some("42P01")
    );
    assert_eq!(one(&mut client, "SELECT 1"), "1");
}

#[test]
fn a_copy_given_up_ends_the_connection() {
    let mut client = server().client();
    drop(
        client
            .copy_out("COPY (SELECT generate_series(1, 10000000)) TO STDOUT")
            .unwrap(),
    );
    assert!(client.query("SELECT 1").unwrap_err().is_connection_lost());
}

#[test]
fn the_servers_last_words_are_heard() {
    let mut client = server().client();
    client.execute("CREATE TEMP TABLE t (i int)").unwrap();
    let pid = client.backend_pid();
    let mut copy = client.copy_in("COPY t FROM STDIN").unwrap();
    copy.write(b"1\n").unwrap();
    server()
        .client()
        .query(&format!("SELECT pg_terminate_backend({pid})"))
        .unwrap();
    let error = loop {
        if let Err(error) = copy.write(&b"1\n".repeat(100_000)) {
            break error;
        }
    };
    assert_eq!(error.sqlstate(), Some("57P01"), "{error}");
    assert!(error.is_connection_lost());
    drop(copy);
    assert!(client.query("SELECT 1").unwrap_err().is_connection_lost());
}

#[test]
fn a_statement_can_be_cancelled() {
    for info in [
        server().local(),
        server().tcp("user=scram password=sesame sslmode=require"),
    ] {
        let mut client = connect(&info).unwrap();
        let token = client.cancel_token();
        let canceller = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            token.cancel()
        });
        let error = client.query("SELECT pg_sleep(60)").unwrap_err();
        assert_eq!(error.sqlstate(), Some("57014"));
        canceller.join().unwrap().unwrap();
        assert_eq!(one(&mut client, "SELECT 1"), "1");
    }
}

#[test]
fn a_closer_ends_a_blocked_read() {
    for info in [
        server().local(),
        server().tcp("user=scram password=sesame sslmode=require"),
    ] {
        let mut client = connect(&info).unwrap();
        let closer = client.closer().unwrap();
        let before = Instant::now();
        let sleeper = thread::spawn(move || client.query("SELECT pg_sleep(60)").unwrap_err());
        thread::sleep(Duration::from_millis(300));
        closer.close();
        assert!(sleeper.join().unwrap().is_connection_lost());
        assert!(before.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_read_timeout_ends_the_connection() {
    let mut client = server().client();
    client
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let error = client.query("SELECT pg_sleep(60)").unwrap_err();
    assert!(error.is_connection_lost(), "{error}");
    assert!(matches!(
        client.query("SELECT 1"),
        Err(PgError::Unusable { .. })
    ));
}
