//! Text in other encodings than UTF-8, in names, values and both formats.

use super::support::{Databases, assert_equal, assert_nothing_left, migrate};

const LATIN1: &str = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'";

const FILL: &str = "
    SET client_encoding = 'UTF8';
    CREATE TYPE \"größe\" AS ENUM ('groß', 'übergroß');
    CREATE TABLE \"straße\" (id int PRIMARY KEY, \"ß\" text DEFAULT 'ä', v varchar(5), g \"größe\");
    INSERT INTO \"straße\" SELECT i, repeat('é', i % 50) || i, 'ÀÿÖñ', 'übergroß' FROM generate_series(1, 3000) i;
    CREATE TABLE by_name (id int PRIMARY KEY, r regclass, t text, j jsonb);
    INSERT INTO by_name SELECT i, '\"straße\"', E'é\\n\\\\' || i, '{\"ü\": \"£\"}' FROM generate_series(1, 3000) i;
    CREATE INDEX \"maß\" ON \"straße\" (\"ß\") WHERE v <> 'ü';
    COMMENT ON TABLE \"straße\" IS 'Maße der Straße: ½ µm';
    CREATE FUNCTION \"öffne\"() RETURNS text LANGUAGE sql AS 'SELECT ''ÄÖÜ''';";

/// Everything in it as one checksum that does not depend on the server's encoding.
const SUM: &str = "
    SET client_encoding = 'UTF8';
    SELECT md5(string_agg(md5(convert_to(t::text, 'UTF8')), ',' ORDER BY id)) FROM \"straße\" t;
    SELECT md5(string_agg(md5(convert_to(t::text, 'UTF8')), ',' ORDER BY id)) FROM by_name t;
    SELECT \"öffne\"(), obj_description('\"straße\"'::regclass), pg_get_indexdef('\"maß\"'::regclass);";

#[test]
fn latin1_arrives_in_a_database_like_it() {
    let dbs = Databases::without_target("latin1", LATIN1, FILL);
    let (send, recv) = migrate(&dbs, &[], &["--create-db"]);
    send.must_end(0);
    recv.must_end(0);
    let encoding = dbs.target_sql("SHOW server_encoding");
    assert_eq!(encoding.trim(), "LATIN1");
    assert_eq!(dbs.source_sql(SUM), dbs.target_sql(SUM));
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

#[test]
fn latin1_arrives_in_utf8() {
    let dbs = Databases::without_target("latin1_to_utf8", LATIN1, FILL);
    dbs.target().create_database(dbs.name()).unwrap();
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert_eq!(dbs.target_sql("SHOW server_encoding").trim(), "UTF8");
    assert_eq!(dbs.source_sql(SUM), dbs.target_sql(SUM));
    let name = send.report()["tables"].to_string();
    assert!(name.contains("straße"), "{name}");
    assert_nothing_left(&dbs);
}

/// A database without an encoding holds any bytes, and gives them back.
#[test]
fn bytes_without_an_encoding_arrive_as_they_are() {
    let options = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'";
    let fill = "SET client_encoding = 'SQL_ASCII';
        CREATE TABLE t (id int PRIMARY KEY, t text);
        CREATE TABLE by_name (id int PRIMARY KEY, r regclass, t text);
        INSERT INTO t VALUES (1, E'\\xff\\xfe\\x80'), (2, E'ok \\xc3\\xa9'), (3, E'\\xe9');
        INSERT INTO by_name SELECT id, 't', t FROM t;";
    let dbs = Databases::without_target("no_encoding", options, fill);
    let (send, recv) = migrate(&dbs, &[], &["--create-db"]);
    send.must_end(0);
    recv.must_end(0);
    for table in ["t", "by_name"] {
        let bytes = format!(
            "SELECT id, t::bytea, encode(convert_to(t, 'SQL_ASCII'), 'hex') FROM {table} ORDER BY id"
        );
        assert_eq!(dbs.source_sql(&bytes), dbs.target_sql(&bytes));
    }
    assert_nothing_left(&dbs);
}
