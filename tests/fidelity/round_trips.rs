//! Each database there and back: in binary and as text, in chunks so small that everything splits
//! and in the usual ones, by one worker and by eight.

use super::judge;
use super::scene::{Origin, prepare};
use super::support::{Databases, assert_nothing_left, migrate};

/// (name, script)
type Database = (&'static str, &'static str);

const EXTENSIONS: Database = ("extensions", include_str!("databases/extensions.sql"));
const OBJECTS: Database = ("objects", include_str!("databases/objects.sql"));
const RELATIONS: Database = ("relations", include_str!("databases/relations.sql"));
const VALUES: Database = ("values", include_str!("databases/values.sql"));
const NAMES: Database = ("names", include_str!("databases/names.sql"));
const BELONGINGS: Database = ("belongings", include_str!("databases/belongings.sql"));

const SMALL: &str = "64KiB";
const USUAL: &str = "128MiB";

fn moves(origin: &Origin, format: &str, chunk_size: &str, jobs: &str) {
    let case = format!("{format}_{chunk_size}_{jobs}");
    let send = [
        "--format",
        format,
        "--chunk-size",
        chunk_size,
        "--jobs",
        jobs,
    ];
    origin.moves(&case, &send, &["--index-jobs", jobs]);
}

fn moves_once((name, sql): Database) {
    moves(&Origin::new(name, sql), "auto", SMALL, "8");
}

fn moves_in_every_way((name, sql): Database) {
    let origin = Origin::new(&format!("all_{name}"), sql);
    for format in ["auto", "text"] {
        for chunk_size in [SMALL, USUAL] {
            for jobs in ["1", "8"] {
                moves(&origin, format, chunk_size, jobs);
            }
        }
    }
}

#[test]
fn extensions_arrive() {
    moves_once(EXTENSIONS);
}

#[test]
fn objects_arrive() {
    moves_once(OBJECTS);
}

#[test]
fn names_arrive() {
    moves_once(NAMES);
}

#[test]
fn belongings_arrive() {
    moves_once(BELONGINGS);
}

#[test]
fn relations_arrive_in_every_way() {
    moves_in_every_way(RELATIONS);
}

#[test]
fn values_arrive_in_every_way() {
    moves_in_every_way(VALUES);
}

/// Neither side has what initdb puts into each database, and an index that no query may use is none.
#[test]
fn a_database_without_the_usual_arrives() {
    let bare = "DROP SCHEMA public; DROP EXTENSION plpgsql;";
    let fill = "CREATE SCHEMA app; CREATE TABLE app.t (i serial PRIMARY KEY, s text); CREATE VIEW app.v AS SELECT i FROM app.t;
        INSERT INTO app.t (s) SELECT md5(i::text) FROM generate_series(1, 1000) i; SELECT lo_from_bytea(0, 'bytes');
        CREATE MATERIALIZED VIEW app.m AS SELECT count(*) FROM app.t; CREATE INDEX broken ON app.t (s);
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.broken'::regclass;";
    prepare();
    let dbs = Databases::new("bare", &(bare.to_owned() + fill));
    dbs.target_sql(bare);
    let (send, recv) = migrate(&dbs, &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    dbs.source_sql("DROP INDEX app.broken");
    judge::assert_same(&dbs, "bare");
    assert_nothing_left(&dbs);
}

#[test]
#[ignore = "minutes: make test-fidelity"]
fn extensions_arrive_in_every_way() {
    moves_in_every_way(EXTENSIONS);
}

#[test]
#[ignore = "minutes: make test-fidelity"]
fn objects_arrive_in_every_way() {
    moves_in_every_way(OBJECTS);
}

#[test]
#[ignore = "minutes: make test-fidelity"]
fn names_arrive_in_every_way() {
    moves_in_every_way(NAMES);
}

#[test]
#[ignore = "minutes: make test-fidelity"]
fn belongings_arrive_in_every_way() {
    moves_in_every_way(BELONGINGS);
}
