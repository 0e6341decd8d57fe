//! Migrations without a superuser, with exactly the statements of docs/privileges.md.

use super::judge;
use super::scene::prepare;
use super::support::{Databases, End, Run, assert_nothing_left, migrate};

const PAGE: &str = include_str!("../../docs/privileges.md");
/// Roles as they are moved, and their settings.
const MADE: &str = "SELECT rolname, rolinherit, rolcreatedb, rolconfig, shobj_description(oid, 'pg_authid') FROM pg_roles
    WHERE rolname LIKE '%_of_shop_h' ORDER BY 1";
const SHOP: &str = include_str!("databases/shop.sql");

/// A block of the page, for a database of another name.
fn block(which: &str, name: &str) -> String {
    let head = format!("```sql {which}\n");
    let (_, rest) = PAGE.split_once(&head).unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    block.replace("shop", name)
}

/// The shop, which belongs to `NAME_owner`, on the source; on the target nothing.
fn shop(name: &str) -> Databases {
    prepare();
    let dbs = Databases::without_target(name, "", "");
    let owner = format!("CREATE ROLE {name}_owner; ALTER DATABASE {name} OWNER TO {name}_owner;");
    dbs.source_sql(&owner);
    dbs.source_sql(&SHOP.replace("shop", name));
    dbs
}

fn on_target(dbs: &Databases, sql: &str) {
    dbs.target().psql("postgres", sql).unwrap();
}

fn as_role(conninfo: String, dbs: &Databases, role: &str) -> String {
    match role {
        "" => conninfo,
        role => conninfo.replace("user=postgres", &format!("user={}{role}", dbs.name())),
    }
}

/// Runs both sides as these roles; as the superuser where there is none.
fn moved_by(
    dbs: &Databases,
    (reader, owner): (&str, &str),
    send: &[&str],
    recv: &[&str],
) -> (End, End) {
    let source = as_role(dbs.source_conninfo(), dbs, reader);
    let target = as_role(dbs.target_conninfo(), dbs, owner);
    let send = [send, &["--source", &source]].concat();
    let recv = [recv, &["--target", &target]].concat();
    migrate(dbs, &send, &recv)
}

#[test]
fn a_plain_owner_takes_what_a_reader_sends() {
    let dbs = shop("shop_a");
    dbs.source_sql(&block("source-14", dbs.name()));
    on_target(&dbs, &block("target-given", dbs.name()));
    let (send, recv) = moved_by(&dbs, ("_reader", "_owner"), &["--jobs", "2"], &[]);
    send.must_end(0);
    recv.must_end(0);
    assert!(!recv.output().contains("will be skipped"), "{recv:?}");
    judge::assert_same(&dbs, "a plain owner");
    assert_nothing_left(&dbs);
}

#[test]
fn a_role_that_makes_the_database_takes_it_as_its_own() {
    let dbs = shop("shop_b");
    dbs.source_sql(&block("source-13", dbs.name()));
    dbs.source_sql(&block("source-objects", dbs.name()));
    dbs.source_sql(&block("source-connect", dbs.name()));
    on_target(&dbs, &block("target-createdb", dbs.name()));
    let send = ["--no-owner", "--no-privileges"];
    let (send, recv) = moved_by(&dbs, ("_reader", "_maker"), &send, &["--create-db"]);
    send.must_end(0);
    recv.must_end(0);
    assert!(!recv.output().contains("will be skipped"), "{recv:?}");
    judge::assert_same_but_owners(&dbs, "createdb");
    assert_nothing_left(&dbs);
}

/// Objects of other roles, which the owner is a member of.
#[test]
fn an_owner_gives_objects_to_roles_that_he_is_a_member_of() {
    let dbs = shop("shop_c");
    let app = "CREATE ROLE app_of_shop_c; ALTER SCHEMA sales OWNER TO app_of_shop_c;
        ALTER TABLE sales.customers OWNER TO app_of_shop_c; ALTER VIEW sales.best OWNER TO app_of_shop_c;
        ALTER LARGE OBJECT 70001 OWNER TO app_of_shop_c; ALTER LARGE OBJECT 70003 OWNER TO app_of_shop_c;";
    dbs.source_sql(app);
    dbs.source_sql(&block("source-14", dbs.name()));
    on_target(&dbs, "CREATE ROLE app_of_shop_c");
    on_target(&dbs, &block("target-given", dbs.name()));
    on_target(&dbs, &block("target-member", dbs.name()));
    let (send, recv) = moved_by(&dbs, ("_reader", "_owner"), &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    judge::assert_same(&dbs, "a member");
}

/// Roles that the target lacks, made by one who may make roles: what is theirs is given to them, and
/// recv's role is no member of them afterwards.
#[test]
fn an_owner_who_makes_roles_gives_objects_to_them() {
    let dbs = shop("shop_h");
    let app = "CREATE ROLE readers_of_shop_h; CREATE ROLE app_of_shop_h NOINHERIT CREATEDB REPLICATION;
        GRANT readers_of_shop_h TO app_of_shop_h WITH ADMIN OPTION; COMMENT ON ROLE app_of_shop_h IS 'made';
        ALTER ROLE app_of_shop_h SET search_path = sales, \"Odd, one\"; ALTER ROLE app_of_shop_h SET work_mem = '7MB';
        ALTER SCHEMA sales OWNER TO app_of_shop_h; ALTER TABLE sales.customers OWNER TO app_of_shop_h;
        ALTER VIEW sales.best OWNER TO app_of_shop_h; ALTER MATERIALIZED VIEW sales.totals OWNER TO app_of_shop_h;
        GRANT SELECT ON sales.orders TO app_of_shop_h;
        ALTER SEQUENCE public.tickets OWNER TO readers_of_shop_h; GRANT ALL ON SCHEMA public TO readers_of_shop_h;
        ALTER DEFAULT PRIVILEGES FOR ROLE app_of_shop_h IN SCHEMA sales GRANT SELECT ON TABLES TO readers_of_shop_h;
        SELECT lo_create(7); ALTER LARGE OBJECT 7 OWNER TO app_of_shop_h;";
    dbs.source_sql(app);
    on_target(&dbs, &block("target-roles", dbs.name()));
    let roles = ("", "_owner");
    let (send, recv) = moved_by(&dbs, roles, &["--roles"], &["--keep-journal"]);
    send.must_end(0);
    recv.must_end(0);
    assert!(!recv.output().contains("will be skipped"), "{recv:?}");
    assert_eq!(dbs.target_sql(MADE), dbs.source_sql(MADE));
    let members =
        "SELECT pg_get_userbyid(member), pg_get_userbyid(roleid), admin_option FROM pg_auth_members
        WHERE pg_get_userbyid(roleid) LIKE '%_of_shop_h' ORDER BY 1, 2";
    let kept = "app_of_shop_h|readers_of_shop_h|t\nshop_h_owner|app_of_shop_h|f\nshop_h_owner|readers_of_shop_h|f";
    assert_eq!(dbs.target_sql(members).trim(), kept);
    let conninfo = as_role(dbs.target_conninfo(), &dbs, "_owner");
    let state = dbs.path("recv.state").display().to_string();
    let args = ["main", "--yes", "--state", &state, "--target", &conninfo].map(str::to_owned);
    let cleanup = Run::start(dbs.dir(), "cleanup", &args, &[]);
    cleanup.wait().must_end(0);
    assert_eq!(dbs.target_sql(members), dbs.source_sql(members));
    judge::assert_same(&dbs, "roles by an owner");
    assert_nothing_left(&dbs);
}

/// Who may make things in a schema only by its privileges, which come late, gets what is his then.
#[test]
fn owners_get_their_objects_when_privileges_are_there() {
    let dbs = shop("shop_f");
    let app = "CREATE ROLE app_of_shop_f; GRANT USAGE, CREATE ON SCHEMA sales TO app_of_shop_f;
        ALTER TABLE sales.customers OWNER TO app_of_shop_f; ALTER VIEW sales.best OWNER TO app_of_shop_f;
        ALTER MATERIALIZED VIEW sales.totals OWNER TO app_of_shop_f; ALTER FUNCTION sales.paid(bigint) OWNER TO app_of_shop_f;
        GRANT SELECT ON sales.orders TO app_of_shop_f; GRANT REFERENCES ON sales.customers TO shop_f_owner;";
    dbs.source_sql(app);
    dbs.source_sql(&block("source-14", dbs.name()));
    on_target(&dbs, "CREATE ROLE app_of_shop_f");
    on_target(&dbs, &block("target-given", dbs.name()));
    on_target(&dbs, &block("target-member", dbs.name()));
    let (send, recv) = moved_by(&dbs, ("_reader", "_owner"), &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    judge::assert_same(&dbs, "late owners");
    assert_nothing_left(&dbs);
}

/// One who may not make anything there at all cannot have it: it stays the restoring role's.
#[test]
fn an_owner_who_may_make_nothing_in_the_schema_is_listed() {
    let dbs = shop("shop_g");
    dbs.source_sql(
        "CREATE ROLE app_of_shop_g; ALTER TABLE sales.customers OWNER TO app_of_shop_g;",
    );
    dbs.source_sql(&block("source-14", dbs.name()));
    on_target(&dbs, "CREATE ROLE app_of_shop_g");
    on_target(&dbs, &block("target-given", dbs.name()));
    on_target(&dbs, &block("target-member", dbs.name()));
    let (send, recv) = moved_by(&dbs, ("_reader", "_owner"), &[], &[]);
    send.must_end(4);
    recv.must_end(4);
    let errors = &send.report()["errors"];
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["object"], "TABLE sales customers", "{errors}");
    judge::assert_same_but_owners(&dbs, "no such owner");
}

/// All of it, before anything is made on the target; with what the page says for each it goes.
#[test]
fn what_may_not_be_read_is_named_at_once() {
    let dbs = shop("shop_d");
    dbs.source_sql(
        "CREATE TABLE public.guarded (id int PRIMARY KEY); INSERT INTO public.guarded VALUES (1);
         ALTER TABLE public.guarded OWNER TO shop_d_owner;
         CREATE POLICY p ON public.guarded USING (false); ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY;
         CREATE ROLE shop_d_reader LOGIN; GRANT USAGE ON SCHEMA public TO shop_d_reader;",
    );
    on_target(&dbs, &block("target-given", dbs.name()));
    let (send, recv) = moved_by(&dbs, ("_reader", "_owner"), &[], &[]);
    send.must_end(1);
    recv.must_end(1);
    let named = [
        "schema sales: GRANT USAGE ON SCHEMA sales TO shop_d_reader",
        "table sales.customers: GRANT SELECT ON sales.customers TO shop_d_reader",
        "table sales.orders: GRANT",
        "table sales.orders_2025: GRANT",
        "table sales.orders_rest: GRANT",
        "table public.cache: GRANT",
        "table public.guarded: GRANT",
        "table public.guarded: row security would hide rows of it",
        "sequence sales.orders_id_seq: GRANT SELECT ON SEQUENCE sales.orders_id_seq TO shop_d_reader",
        "sequence public.tickets: GRANT",
        "sequence sales.customers_id_seq: GRANT",
    ];
    for line in named {
        assert!(
            send.stderr.contains(&format!("cannot be read: {line}")),
            "{line}: {send:?}"
        );
    }
    assert_eq!(
        send.stderr.matches("cannot be read: ").count(),
        named.len(),
        "{send:?}"
    );
    assert!(
        recv.stderr
            .contains("may not read 11 objects of the source"),
        "{recv:?}"
    );
    let made = dbs.target_sql("SELECT count(*) FROM pg_namespace WHERE oid >= 16384");
    assert_eq!(made.trim(), "0");
    let grants = block("source-13", dbs.name()).replace("CREATE ROLE shop_d_reader LOGIN;", "");
    dbs.source_sql(&grants);
    dbs.source_sql(&block("source-objects", dbs.name()));
    dbs.source_sql(&block("source-row-security", dbs.name()));
    on_target(&dbs, &block("target-reader", dbs.name()));
    let (send, recv) = moved_by(&dbs, ("_reader", "_owner"), &[], &[]);
    send.must_end(0);
    recv.must_end(0);
    judge::assert_same(&dbs, "granted");
}

/// They are left out by OID where nobody granted them, and all else arrives.
#[test]
fn large_objects_that_were_not_granted_are_listed() {
    let dbs = shop("shop_k");
    dbs.source_sql(&block("source-13", dbs.name()));
    on_target(&dbs, &block("target-given", dbs.name()));
    let send = ["--no-privileges"];
    let (send, recv) = moved_by(&dbs, ("_reader", "_owner"), &send, &[]);
    send.must_end(4);
    recv.must_end(4);
    let errors = &send.report()["errors"];
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["object"], "LARGE OBJECTS 70002, 70003");
    let there =
        dbs.target_sql("SELECT oid, pg_get_userbyid(lomowner) FROM pg_largeobject_metadata");
    assert_eq!(there.trim(), "70001|shop_k_owner");
    assert_nothing_left(&dbs);
}

/// Rows and large objects into what another role made, by one that owns nothing there.
#[test]
fn a_loader_puts_rows_into_the_tables_of_others() {
    prepare();
    let sql = "CREATE SCHEMA sales; CREATE TABLE sales.orders AS SELECT generate_series(1, 1000) AS i;
        CREATE SEQUENCE sales.tickets; SELECT setval('sales.tickets', 77); SELECT lo_from_bytea(70001, 'a picture')";
    let dbs = Databases::new("shop_i", sql);
    dbs.target_sql(
        "CREATE SCHEMA sales; CREATE TABLE sales.orders (i int); CREATE SEQUENCE sales.tickets;
         REVOKE TEMPORARY ON DATABASE shop_i FROM PUBLIC",
    );
    dbs.target_sql(&block("target-loader", dbs.name()));
    let loader = dbs.target_conninfo();
    let loader = loader.replace("user=postgres", "user=shop_i_loader");
    let moved = || migrate(&dbs, &["--data-only", "--no-owner"], &["--target", &loader]);
    let (send, recv) = moved();
    send.must_end(1);
    recv.must_end(1);
    let line = "GRANT TEMPORARY ON DATABASE shop_i TO shop_i_loader";
    assert!(recv.stderr.contains(line), "{recv:?}");
    assert!(send.stderr.contains(line), "{send:?}");
    assert_nothing_left(&dbs);
    dbs.target_sql(&block("target-temporary", dbs.name()));
    let (send, recv) = moved();
    send.must_end(0);
    recv.must_end(0);
    let found = "SELECT (SELECT sum(i) FROM sales.orders), (SELECT last_value FROM sales.tickets), lo_get(70001)";
    assert_eq!(dbs.target_sql(found), dbs.source_sql(found));
    assert_nothing_left(&dbs);
}

/// What the server refuses to a plain owner is what recv has said.
#[test]
fn what_will_be_refused_is_said_beforehand() {
    let dbs = shop("shop_e");
    dbs.source_sql(
        "CREATE ROLE nobody_there; GRANT SELECT ON sales.customers TO nobody_there;
         CREATE EXTENSION file_fdw;
         CREATE EXTENSION postgres_fdw;
         CREATE FUNCTION public.low() RETURNS trigger LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
         CREATE FUNCTION public.tight(int) RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT 1';
         CREATE FUNCTION public.acts() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER acting ON ddl_command_end EXECUTE FUNCTION public.acts();
         CREATE PUBLICATION of_all FOR ALL TABLES;
         CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA sales;
         CREATE CAST (sales.state AS int) WITH INOUT;
         CREATE OPERATOR FAMILY public.family USING btree;
         CREATE TEXT SEARCH TEMPLATE public.template (LEXIZE = dsimple_lexize);
         CREATE SUBSCRIPTION unseen CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE);
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET log_statement = ''all''', current_database()); END $$;",
    );
    dbs.source_sql(&block("source-14", dbs.name()));
    on_target(&dbs, &block("target-given", dbs.name()));
    let (send, recv) = moved_by(&dbs, ("_reader", "_owner"), &["--no-owner"], &[]);
    send.must_end(4);
    recv.must_end(4);
    let said = [
        "privileges of nobody_there",
        "extension file_fdw",
        "extension postgres_fdw",
        "FUNCTION public low()",
        "FUNCTION public tight(integer)",
        "EVENT TRIGGER - acting",
        "PUBLICATION - of_all",
        "PUBLICATION TABLES IN SCHEMA sales of_schema sales",
        "OPERATOR FAMILY public family",
        "TEXT SEARCH TEMPLATE public template",
        "setting log_statement",
    ];
    for what in said {
        let line = format!("will be skipped: {what}");
        assert!(recv.stderr.contains(&line), "{line}: {recv:?}");
    }
    assert_eq!(
        recv.stderr.matches("will be skipped: ").count(),
        said.len(),
        "{recv:?}"
    );
    assert!(
        send.stderr.contains("will be skipped: SUBSCRIPTION unseen"),
        "{send:?}"
    );
    let report = recv.report();
    let errors = report["errors"].as_array().unwrap();
    let objects: Vec<_> = errors
        .iter()
        .map(|e| e["object"].as_str().unwrap())
        .collect();
    let expected = [
        "EXTENSION - file_fdw",
        "FUNCTION public low()",
        "FUNCTION public tight(integer)",
        "EVENT TRIGGER - acting",
        "PUBLICATION - of_all",
        "PUBLICATION TABLES IN SCHEMA sales of_schema sales",
        "OPERATOR FAMILY public family",
        "TEXT SEARCH TEMPLATE public template",
        "DATABASE shop_e: setting log_statement",
        "SUBSCRIPTION unseen",
    ];
    for object in expected {
        assert!(objects.contains(&object), "{object}: {objects:?}");
    }
}
