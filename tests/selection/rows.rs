//! `send --where`: of some tables only the rows for which a predicate is true.

use pgpipe::chunk::{KeyKind, KeyRange, Range};
use pgpipe::pg::{Client, ConnInfo, session};
use pgpipe::schema::{Format, Oid, Persistence, QualifiedName, Table};
use pgpipe::source::reader::query;
use rustix::process::{Pid, Signal, kill_process};

use super::support::journal::wait_for_chunks;
use super::support::{
    Databases, End, Run, assert_nothing_left, keepers, migrate, poll, server_of, servers,
    start_recv, start_send,
};
use super::whole::{assert_has, skipped};

const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);
const TABLES: &str = include_str!("rows.sql");
const FILTERS: [&str; 11] = [
    "BIG = at >= '2026-01-15' and tenant in (1, 2)",
    "app.lines=lines.i % 3 = 0 or s is null",
    "app.as_text=c <> 'public.big'::regclass",
    "app.events*=at < '2026-03-10'",
    "app.events=i % 2 = 1",
    "app.parent=i > 5",
    "app.counted=twice > 10",
    "app.bare=seven = 8",
    "app.unlogged=i > 10",
    "app.\"We\"\"ird=;\"=\"C)ol; --\" = 'a''b' -- ) ;",
    "app.refers=exists (select from public.big b where b.i = refers.big and b.tenant = 1)",
];
/// What they leave of each table.
const LEFT: [(&str, &str); 12] = [
    ("public.big", "at >= '2026-01-15' and tenant in (1, 2)"),
    ("app.lines", "i % 3 = 0 or s is null"),
    ("app.as_text", "c <> 'public.big'::regclass"),
    ("app.events", "at < '2026-03-10' and i % 2 = 1"),
    ("ONLY app.parent", "i > 5"),
    ("app.child", "true"),
    ("app.counted", "twice > 10"),
    ("app.bare", "seven = 8"),
    ("app.unlogged", "i > 10"),
    ("app.\"We\"\"ird=;\"", "\"C)ol; --\" = 'a''b'"),
    (
        "app.refers",
        "exists (select from public.big b where b.i = big and b.tenant = 1)",
    ),
    ("app.whole", "true"),
];

fn options<'a>(filters: &[&'a str]) -> Vec<&'a str> {
    filters.iter().flat_map(|f| ["--where", f]).collect()
}

/// How many, and which.
fn rows(from: &str, predicate: &str) -> String {
    format!(
        "SELECT count(*), sum(hashtext(r::text)::bigint) FROM (SELECT * FROM {from} WHERE {predicate}) r"
    )
}

/// The target has just the rows of the source's that the predicate is true for, and not all.
#[track_caller]
fn assert_filtered(dbs: &Databases, from: &str, predicate: &str) {
    let (wanted, all) = (rows(from, predicate), rows(from, "true"));
    assert_eq!(dbs.source_sql(&wanted), dbs.target_sql(&all), "{from}");
    if predicate != "true" {
        assert_ne!(dbs.source_sql(&all), dbs.target_sql(&all), "{from}");
    }
}

#[test]
fn what_arrives_is_what_sql_selects() {
    let dbs = Databases::new("filtered", TABLES);
    let send = [&options(&FILTERS)[..], &["--chunk-size", "1MiB"]].concat();
    let (send, recv) = migrate(&dbs, &send, &[]);
    send.must_end(0);
    recv.must_end(0);
    for (from, predicate) in LEFT {
        assert_filtered(&dbs, from, predicate);
    }
    // Views are filled on the target.
    let kept = "SELECT * FROM app.kept";
    assert_eq!(
        dbs.target_sql(kept),
        dbs.target_sql("SELECT count(*) FROM big")
    );
    assert!(chunks(&send, "public.big") > 2 && chunks(&send, "app.lines") > 2);
    let told = skipped(&send.report());
    assert_eq!(told, skipped(&recv.report()));
    assert_has(
        &told,
        &[
            "other rows of public.big: --where moves only those with at >= '2026-01-15' and tenant in (1, 2)",
            "other rows of app.events_1, app.odd, app.even: --where moves only those with i % 2 = 1",
        ],
    );
    assert_nothing_left(&dbs);
}

fn chunks(end: &End, table: &str) -> u64 {
    let report = end.report();
    let mut tables = report["tables"].as_array().unwrap().iter();
    let found = tables.find(|t| t["name"] == table).unwrap();
    found["chunks"].as_u64().unwrap()
}

/// Whatever stands in quotes or comments; each leaves the second of three rows.
#[test]
fn predicates_may_hold_anything() {
    let predicates = [
        "s = 'b;)'",
        "s = 'b;)' -- ) ;",
        "s = 'b;)' /* ) /* ; */ ) */",
        "s = $$b;)$$",
        "s = $q$b;)$q$ and s <> $q$)$$;$q$",
        "s = E'b\\x3b)' and s <> E'\\') ;'",
        "s = e'b'\n  -- ')\n ';\\x29'",
        "s = U&'b;\\0029'",
        "(s = ('b;)'))",
        "\"s\" = 'b;)' is true",
        "i = any (array[2])",
        "row(i, s) = row(2, 'b;)')",
        "(select min(x.i) + 1 from public.h0 x) = i",
    ];
    let made = (0..predicates.len()).map(|n| {
        format!("CREATE TABLE h{n} (i int, s text); INSERT INTO h{n} VALUES (1, 'a'), (2, 'b;)'), (3, NULL);")
    });
    let dbs = Databases::new("quoting", &made.collect::<String>());
    let filters = (0..).zip(predicates).map(|(n, p)| format!("h{n}={p}"));
    let filters: Vec<_> = filters.collect();
    let filters: Vec<_> = filters.iter().map(String::as_str).collect();
    let (send, _) = migrate(&dbs, &options(&filters), &[]);
    send.must_end(0);
    for (n, predicate) in (0..).zip(predicates) {
        let found = dbs.target_sql(&format!("SELECT i FROM h{n}"));
        assert_eq!(found.trim(), "2", "{predicate}");
    }
}

/// A range is found by its pages, addresses or keys, however well an index fits the predicate.
#[test]
fn ranges_are_found_as_without_a_predicate() {
    for major in [10, 13, 15, 18] {
        let Some(source) = server_of(major) else {
            continue;
        };
        let sql = "CREATE TABLE t (i int PRIMARY KEY, at int, s text);
            INSERT INTO t SELECT g, g % 50, repeat('x', 100) FROM generate_series(1, 20000) g;
            CREATE INDEX by_at ON t (at); VACUUM ANALYZE t";
        let name = format!("ranges_{major}");
        let dbs = Databases::between(source, &servers().target, &name, sql);
        let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
        let mut client = session::open(&info, "pgpipe test", "UTF8").unwrap();
        let whole = explained(&mut client, &Range::Whole);
        assert!(whole.contains("by_at"), "{major}: {whole}");
        let (from, to) = (10, Some(20));
        if major >= 14 {
            let pages = explained(&mut client, &Range::Pages { from, to });
            assert!(pages.contains("Tid Range Scan"), "{major}: {pages}");
            assert!(!pages.contains("by_at"), "{major}: {pages}");
            continue;
        }
        client.execute("SET enable_seqscan = off").unwrap();
        let tids = explained(&mut client, &Range::Tids { from, to });
        assert!(tids.contains("Tid Scan"), "{major}: {tids}");
        assert!(!tids.contains("by_at"), "{major}: {tids}");
        let keys = explained(&mut client, &by_key());
        assert!(keys.contains("t_pkey"), "{major}: {keys}");
        assert!(!keys.contains("by_at"), "{major}: {keys}");
    }
}

fn by_key() -> Range {
    Range::Keys(KeyRange {
        column: "i".into(),
        kind: KeyKind::Int4,
        from: Some(1000),
        to: Some(6000),
        nulls: false,
    })
}

fn explained(client: &mut Client, range: &Range) -> String {
    let table = Table {
        oid: Oid(1),
        name: QualifiedName::new("public", "t"),
        persistence: Persistence::Permanent,
        through: None,
        columns: vec!["i".into(), "s".into()],
        format: Format::Binary,
        text_because: None,
        filenode: Oid(1),
        pages: 400,
        bytes: 400 * 8192,
        condition: None,
        filter: Some("(at = 5\n)".into()),
        likeness: None,
    };
    let sql = query::rows_sql(&table, range);
    let lines = client.query(&format!("EXPLAIN (COSTS off) {sql}")).unwrap();
    let lines = lines.iter().map(|row| row.text(0).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Before 14 large tables are read by ranges of a key, or row by row.
#[test]
fn sources_of_13_and_10() {
    let (large, _) = TABLES.split_once("-- Of other kinds.").unwrap();
    for major in [10, 13] {
        let Some(source) = server_of(major) else {
            continue;
        };
        let name = format!("filtered_{major}");
        let dbs = Databases::between(source, &servers().target, &name, large);
        let send = [&options(&FILTERS[..2])[..], &["--chunk-size", "1MiB"]].concat();
        let (send, recv) = migrate(&dbs, &send, &[]);
        send.must_end(0);
        recv.must_end(0);
        for (from, predicate) in &LEFT[..2] {
            assert_filtered(&dbs, from, predicate);
        }
        assert!(chunks(&send, "public.big") > 2 && chunks(&send, "app.lines") > 2);
    }
}

/// Some six chunks that do not compress much.
const BIG: &str = "CREATE TABLE big (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO big SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 22000) g";
const SLOW: [&str; 8] = [
    "--where",
    "big=i % 4 > 0",
    "--rate",
    "12Mbit",
    "--chunk-size",
    "1MiB",
    "--jobs",
    "2",
];

/// Both at work, with so many chunks committed.
fn under_way(dbs: &Databases, send: &[&str], chunks: usize) -> (Run, Run) {
    let send = [&SLOW[..], send].concat();
    let (recv, send) = (start_recv(dbs, &[]), start_send(dbs, &send));
    wait_for_chunks(dbs, chunks);
    (send, recv)
}

/// The filter belongs to the migration: given again or not, but no other.
#[test]
fn it_goes_on_after_both_have_died() {
    let dbs = Databases::new("filtered_killed", BIG);
    let (send, recv) = under_way(&dbs, &[], 2);
    send.kill();
    recv.kill();
    for other in [
        &["--where", "big=i % 4 > 1"][..],
        &["--where", "big=i % 4 > 0", "--where", "big=true"],
    ] {
        let end = start_send(&dbs, other).wait();
        end.must_end(1);
        let told = "was begun with --where big=i % 4 > 0";
        assert!(end.stderr.contains(told), "{}", end.stderr);
    }
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_filtered(&dbs, "big", "i % 4 > 0");
    assert_nothing_left(&dbs);
}

/// Everything dies, and the source's rows are others when send comes back.
fn renewed(dbs: &Databases, change: &str) -> String {
    let (send, recv) = under_way(dbs, &[], 3);
    send.kill();
    recv.kill();
    for pid in keepers(dbs) {
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    }
    poll(LIMIT, || keepers(dbs).is_empty().then_some(())).expect("the keeper ends");
    dbs.source_sql(change);
    let (send, recv) = (start_send(dbs, &[]), start_recv(dbs, &[]));
    let line = send.wait_for("new snapshot:");
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_filtered(dbs, "big", "i % 4 > 0");
    assert_nothing_left(dbs);
    line
}

/// Proved by the same rows: what is not moved may have changed meanwhile.
#[test]
fn a_new_snapshot_is_proved_by_the_rows_that_are_moved() {
    let dbs = Databases::new("filtered_renewed", BIG);
    let change = "DELETE FROM big WHERE i % 4 = 0; VACUUM big;
        INSERT INTO big SELECT i * 4 + 100000, 'short' FROM generate_series(1, 5000) i";
    let line = renewed(&dbs, change);
    assert!(line.contains("new snapshot: all"), "{line}");

    let dbs = Databases::new("filtered_changed", BIG);
    let line = renewed(&dbs, "UPDATE big SET s = 'changed' WHERE i % 100 = 1");
    assert!(line.contains("begin again: public.big"), "{line}");
}

/// Into a table of the target's own, which makes them travel as text.
#[test]
fn rows_alone_are_filtered_too() {
    let dbs = Databases::new("filtered_alone", BIG);
    dbs.target_sql("CREATE TABLE big (s text, i bigint)");
    let options = [
        "--data-only",
        "--where",
        "big=i % 4 > 0",
        "--chunk-size",
        "1MiB",
    ];
    let (send, recv) = migrate(&dbs, &options, &[]);
    send.must_end(0);
    recv.must_end(0);
    let sums = |predicate| {
        format!("SELECT count(*), sum(hashtext(i || s)::bigint) FROM big WHERE {predicate}")
    };
    let wanted = dbs.source_sql(&sums("i % 4 > 0"));
    assert_eq!(wanted, dbs.target_sql(&sums("true")));
    assert_eq!(send.report()["tables"][0]["format"], "text");
}

const KEYS: &str = "CREATE TABLE p (i int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);
    CREATE TABLE c (i int CONSTRAINT to_p REFERENCES p); INSERT INTO c SELECT * FROM p;
    CREATE TABLE free (i int CONSTRAINT unchecked REFERENCES p);
    ALTER TABLE free DROP CONSTRAINT unchecked, ADD CONSTRAINT unchecked FOREIGN KEY (i) REFERENCES p NOT VALID;
    CREATE TABLE parts (i int PRIMARY KEY) PARTITION BY RANGE (i);
    CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (5);
    CREATE TABLE part_2 PARTITION OF parts FOR VALUES FROM (5) TO (50); INSERT INTO parts SELECT * FROM p;
    CREATE TABLE d (i int CONSTRAINT to_parts REFERENCES parts); INSERT INTO d VALUES (7);
    CREATE TABLE w (i int PRIMARY KEY); CREATE TABLE e (i int CONSTRAINT to_whole REFERENCES w)";

/// Said beforehand, and listed where rows refer to what has not come.
#[test]
fn keys_that_refer_to_filtered_tables_are_named() {
    let dbs = Databases::new("filtered_keys", KEYS);
    let (send, recv) = migrate(&dbs, &options(&["p=i <= 5", "part_1=i > 2"]), &[]);
    send.must_end(4);
    recv.must_end(4);
    let told = skipped(&send.report());
    let (to_p, to_parts) = (
        "other rows of public.p: foreign key to_p of public.c may refer to them",
        "other rows of public.parts: foreign key to_parts of public.d may refer to them",
    );
    assert_has(&told, &[to_p, to_parts]);
    let of_keys = told.iter().filter(|line| line.contains("foreign key"));
    assert_eq!(of_keys.count(), 2, "{told:?}");
    let output = send.output();
    assert!(output.contains(&format!("left out: {to_p}")), "{output}");
    let errors = send.report()["errors"].to_string();
    assert!(
        errors.contains("to_p") && !errors.contains("to_parts"),
        "{errors}"
    );
    assert_eq!(dbs.target_sql("SELECT count(*) FROM c").trim(), "10");

    // Where what refers is filtered alike, the key holds.
    let dbs = Databases::new("filtered_alike", KEYS);
    let (send, _) = migrate(&dbs, &options(&["p=i <= 5", "c=i <= 5"]), &[]);
    send.must_end(0);
    assert_has(&skipped(&send.report()), &[to_p]);
}

/// Before the network is touched, in the server's own words where only that can say.
#[test]
fn what_is_no_predicate_is_refused() {
    let dbs = Databases::new("unfiltered", TABLES);
    for (filter, told) in [
        (
            "app.nothing=true",
            "--where app.nothing=true matches no table whose rows are moved",
        ),
        ("app.seen=true", "matches no table whose rows are moved"),
        ("app.kept=true", "matches no table whose rows are moved"),
        (
            "pg_catalog.pg_largeobject=true",
            "matches no table whose rows are moved",
        ),
        (
            "big=colour = 'red'",
            "predicate of public.big: column \"colour\" does not exist",
        ),
        ("app.*=twice > 0", "column \"twice\" does not exist"),
        ("big=$1", "there is no parameter $1"),
        ("big=i", "must be type boolean, not type integer"),
        ("big=i, true", "must be type boolean, not type record"),
        (
            "big=count(*) > 1",
            "aggregate functions are not allowed in WHERE",
        ),
        (
            "big=row_number() over () > 1",
            "window functions are not allowed in WHERE",
        ),
        ("big=true limit 1", "syntax error at or near \"limit\""),
        ("big=ctid > '(1,0)'", "column \"ctid\" does not exist"),
        (
            "big=at > 'some day'",
            "invalid input syntax for type timestamp",
        ),
        (
            "big=exists (select from missing)",
            "relation \"missing\" does not exist",
        ),
    ] {
        let end = start_send(&dbs, &["--where", filter]).wait();
        end.must_end(1);
        assert!(
            end.stderr.contains(told),
            "{told:?} is not in {}",
            end.stderr
        );
        assert_eq!(end.stderr.lines().count(), 1, "{}", end.stderr);
    }
    let left_out = ["--exclude-table", "big", "--where", "big=true"];
    let end = start_send(&dbs, &left_out).wait();
    end.must_end(1);
    assert!(end.stderr.contains("matches no table"), "{}", end.stderr);
    assert_nothing_left(&dbs);
}
