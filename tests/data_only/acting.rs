//! What of the target's own would act on the rows.

use crate::support::Databases;
use crate::{assert_same, assert_says, moved, refused};

const TABLES: &str = "CREATE TABLE parent (i int PRIMARY KEY); CREATE TABLE child (i int, parent int); CREATE TABLE other (i int PRIMARY KEY)";
const ROWS: &str = "INSERT INTO parent SELECT generate_series(1, 1000);
    INSERT INTO child SELECT i, i FROM generate_series(1, 1000) i; DROP TABLE other";
const KEYS: &str = "INSERT INTO other SELECT generate_series(1, 1000);
    ALTER TABLE child ADD FOREIGN KEY (parent) REFERENCES parent, ADD FOREIGN KEY (i) REFERENCES other;
    CREATE TABLE seen (i int); CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO public.seen VALUES (NEW.i); RETURN NEW; END';
    CREATE TRIGGER note AFTER INSERT ON child FOR EACH ROW EXECUTE FUNCTION see()";

fn databases(name: &str) -> Databases {
    let dbs = Databases::new(name, &format!("{TABLES}; {ROWS}"));
    dbs.target_sql(&format!("{TABLES}; {KEYS}"));
    dbs
}

/// A superuser loads as pg_restore --disable-triggers does: but for triggers that are made to act
/// all the same, and these are named.
#[test]
fn it_is_kept_from_acting() {
    let dbs = databases("do_replica");
    dbs.target_sql(
        "CREATE TABLE \"of :enabled\" (i int);
        CREATE TRIGGER always AFTER INSERT ON parent FOR EACH ROW EXECUTE FUNCTION see();
        ALTER TABLE parent ENABLE ALWAYS TRIGGER always; ALTER TABLE parent ADD UNIQUE (i) DEFERRABLE",
    );
    dbs.source_sql("CREATE TABLE \"of :enabled\" AS SELECT 1 AS i");
    let (_, recv) = moved(&dbs, &["--chunk-size", "64KiB"], &[]);
    assert_same(&dbs, "SELECT i, parent FROM child ORDER BY i");
    let seen = dbs.target_sql("SELECT count(*) FROM seen");
    assert_eq!(seen.trim(), "1000", "of the parent alone");
    assert_says(
        &recv,
        &[
            "trigger always of public.parent acts",
            "constraint parent_i_key of public.parent is DEFERRABLE, and not checked",
        ],
    );
    assert!(!recv.output().contains("trigger note"), "{}", recv.output());
}

/// The rights that docs/privileges.md names are enough, of a role that owns nothing.
#[test]
fn a_loader_needs_few_rights() {
    let dbs = databases("do_loader");
    dbs.target_sql(
        "CREATE ROLE do_loader LOGIN; GRANT CREATE ON DATABASE do_loader TO do_loader;
        GRANT SELECT, INSERT, TRUNCATE ON TABLE parent, child TO do_loader;
        GRANT SET ON PARAMETER session_replication_role TO do_loader",
    );
    let target = dbs
        .target_conninfo()
        .replace("user=postgres", "user=do_loader");
    moved(&dbs, &[], &["--target", target.as_str()]);
    assert_same(&dbs, "SELECT i, parent FROM child ORDER BY i");
    assert_eq!(dbs.target_sql("SELECT count(*) FROM seen").trim(), "0");
}

/// An owner who may not do that hears which triggers act and which keys are checked; a key between
/// two tables that are moved is in the way.
#[test]
fn a_plain_owner_hears_what_acts() {
    let dbs = databases("do_plain_owner");
    dbs.target_sql(
        "CREATE ROLE do_owner LOGIN; ALTER DATABASE do_plain_owner OWNER TO do_owner;
        ALTER TABLE parent OWNER TO do_owner; ALTER TABLE child OWNER TO do_owner; ALTER TABLE seen OWNER TO do_owner;
        ALTER TABLE other OWNER TO do_owner",
    );
    let target = dbs
        .target_conninfo()
        .replace("user=postgres", "user=do_owner");
    let recv = ["--target", target.as_str()];
    let words = ["foreign key child_parent_fkey of public.child leads to a table"];
    refused(&dbs, &[], &recv, &words);
    dbs.target_sql("ALTER TABLE child DROP CONSTRAINT child_parent_fkey");
    let (_, recv) = moved(&dbs, &[], &recv);
    assert_same(&dbs, "SELECT i, parent FROM child ORDER BY i");
    assert_eq!(dbs.target_sql("SELECT count(*) FROM seen").trim(), "1000");
    assert_says(
        &recv,
        &[
            "trigger note of public.child acts",
            "foreign key child_i_fkey of public.child is checked for each row",
        ],
    );
}

/// Rows go into the partitions, whose keys are those of the partitioned tables.
#[test]
fn a_key_between_partitioned_tables_is_named_once() {
    let tables = "CREATE TABLE parent (i int PRIMARY KEY) PARTITION BY RANGE (i);
        CREATE TABLE parent_1 PARTITION OF parent FOR VALUES FROM (0) TO (500);
        CREATE TABLE parent_2 PARTITION OF parent DEFAULT;
        CREATE TABLE child (i int) PARTITION BY LIST (i); CREATE TABLE child_rest PARTITION OF child DEFAULT";
    let rows = "INSERT INTO parent SELECT generate_series(1, 1000); INSERT INTO child SELECT generate_series(1, 1000)";
    let dbs = Databases::new("do_part_keys", &format!("{tables}; {rows}"));
    dbs.target_sql(&format!(
        "{tables}; ALTER TABLE child ADD CONSTRAINT between FOREIGN KEY (i) REFERENCES parent;
        CREATE ROLE do_part_owner LOGIN; ALTER DATABASE do_part_keys OWNER TO do_part_owner;
        GRANT ALL ON ALL TABLES IN SCHEMA public TO do_part_owner",
    ));
    let target = dbs
        .target_conninfo()
        .replace("user=postgres", "user=do_part_owner");
    let recv = ["--target", target.as_str()];
    let words = [
        "the target cannot take the rows: foreign key \"between\" of public.child leads to a table",
    ];
    refused(&dbs, &[], &recv, &words);
}
