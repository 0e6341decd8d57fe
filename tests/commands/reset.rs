//! What a migration made is taken back, what is not its own stays, and it can begin anew.

use pgpipe::demo::cluster::{Cluster, ClusterOptions};

use crate::support::{Databases, assert_equal, assert_nothing_left, start_recv, start_send};
use crate::{DATA, assert_quiet, pgpipe, under_way};

/// With the target's connection string, as on recv's host.
fn reset_recv(dbs: &Databases) -> crate::Said {
    let target = dbs.target_conninfo();
    pgpipe(
        dbs,
        "recv",
        &["reset", "main", "--yes", "--target", &target],
    )
}

/// Everything that a user can have made, by name.
pub(crate) fn objects(dbs: &Databases) -> String {
    let look = "SELECT 'relation ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'
            AND nspname NOT IN ('public', 'information_schema')
        UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1";
    dbs.target_sql(look)
}

/// Both begin anew, with the pairing that they have.
fn again(dbs: &Databases) {
    let (send, recv) = (start_send(dbs, &[]), start_recv(dbs, &[]));
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_nothing_left(dbs);
}

pub(crate) fn aborted(name: &str, sql: &str) -> Databases {
    let dbs = Databases::new(name, sql);
    let (send, recv) = under_way(&dbs);
    pgpipe(&dbs, "send", &["abort"]).must(0, &[]);
    send.wait().must_end(1);
    recv.wait().must_end(1);
    dbs
}

#[test]
fn after_an_abort_both_begin_anew() {
    let dbs = aborted("reset_abort", DATA);
    reset_recv(&dbs).must(0, &["objects and the journal", "the database itself stays"]);
    assert_eq!(objects(&dbs).trim(), "");
    pgpipe(&dbs, "send", &["reset", "main", "--yes"]).must(0, &["send begins anew"]);
    again(&dbs);
    assert_equal(&dbs);
}

/// A stopped migration holds its snapshot: reset lets it go. Run twice, it does no harm.
#[test]
fn after_a_stop() {
    let dbs = Databases::new("reset_stop", DATA);
    let (send, recv) = under_way(&dbs);
    reset_recv(&dbs).must(1, &["is at work", "pgpipe stop"]);
    pgpipe(&dbs, "send", &["reset", "main", "--yes"]).must(1, &["is at work"]);
    pgpipe(&dbs, "recv", &["stop"]).must(0, &[]);
    send.wait().must_end(3);
    recv.wait().must_end(3);
    pgpipe(&dbs, "recv", &["reset", "main"]).must(2, &["--yes"]);
    pgpipe(&dbs, "send", &["reset", "main", "--yes"]).must(0, &["the snapshot is released"]);
    assert_quiet(&dbs);
    reset_recv(&dbs).must(0, &["objects and the journal"]);
    reset_recv(&dbs).must(0, &["nothing was removed"]);
    again(&dbs);
    assert_equal(&dbs);
}

/// A reset that died in the middle is run again: what is gone already is no trouble.
#[test]
fn after_half_a_reset() {
    let dbs = aborted("reset_half", DATA);
    dbs.target_sql("DROP VIEW seen; DROP TABLE small; DROP FUNCTION twice");
    reset_recv(&dbs).must(0, &["objects and the journal"]);
    assert_eq!(objects(&dbs).trim(), "");
    // As if it had died between the target and the directory.
    reset_recv(&dbs).must(0, &["nothing was removed"]);
}

/// What depends on ours is named and left with it; once it is gone the same command ends well.
#[test]
fn what_the_user_built_upon_stays() {
    let schema = format!("CREATE SCHEMA app; CREATE TABLE app.t (i int); {DATA}");
    let dbs = aborted("reset_depends", &schema);
    dbs.target_sql(
        "CREATE TABLE mine (i int); INSERT INTO mine VALUES (7);
         CREATE VIEW theirs AS SELECT * FROM small; CREATE TABLE app.mine ()",
    );
    let said = reset_recv(&dbs);
    said.must(
        1,
        &["public.small", "theirs", "SCHEMA IF EXISTS app", "are left"],
    );
    assert_eq!(dbs.target_sql("SELECT i FROM mine").trim(), "7");
    assert_eq!(objects(&dbs).matches("view").count(), 0);
    assert!(
        objects(&dbs).contains("relation theirs"),
        "{}",
        objects(&dbs)
    );
    dbs.target_sql("DROP VIEW theirs; DROP TABLE app.mine");
    reset_recv(&dbs).must(0, &["the journal"]);
    assert_eq!(objects(&dbs).trim(), "relation mine");
}

/// An extension that was there before goes through `IF NOT EXISTS`, and is not ours.
#[test]
fn extensions_that_were_there_stay() {
    let sql = format!("CREATE EXTENSION citext; CREATE EXTENSION hstore; {DATA}");
    let dbs = Databases::new("reset_extension", &sql);
    dbs.target_sql("CREATE EXTENSION citext");
    let (send, recv) = under_way(&dbs);
    pgpipe(&dbs, "recv", &["abort"]).must(0, &[]);
    send.wait().must_end(1);
    recv.wait().must_end(1);
    // As a new snapshot does: what was there before is told by the journal's age all the same.
    dbs.target_sql("UPDATE pgpipe.migration SET snapshot_time = snapshot_time");
    reset_recv(&dbs).must(0, &[]);
    let left = objects(&dbs);
    assert!(left.contains("extension citext"), "{left}");
    assert!(!left.contains("extension hstore"), "{left}");
    assert!(!left.contains("relation big"), "{left}");
}

/// A server without a database of that name is not the target's for that: nothing is forgotten.
#[test]
fn on_another_server() {
    let dbs = aborted("reset_server", DATA);
    let other = Cluster::start(&ClusterOptions::default()).unwrap();
    let strange = other.conninfo(dbs.name());
    let args = ["reset", "main", "--yes", "--target", &strange];
    let said = pgpipe(&dbs, "recv", &args);
    said.must(1, &["no database reset_server on this server", "--target"]);
    reset_recv(&dbs).must(0, &["objects and the journal"]);
}

/// On the target's own server it has been dropped, and the journal with it.
#[test]
fn without_the_database() {
    let dbs = aborted("reset_dropped", DATA);
    let drop = "DROP DATABASE reset_dropped WITH (FORCE)";
    dbs.target().psql("postgres", drop).unwrap();
    reset_recv(&dbs).must(0, &["nothing was removed"]);
}

/// Another database than the one it went into is not touched, and what is known is kept.
#[test]
fn in_another_database() {
    let dbs = aborted("reset_other", DATA);
    let other = dbs.target().conninfo("postgres");
    let said = pgpipe(
        &dbs,
        "recv",
        &["reset", "main", "--yes", "--target", &other],
    );
    said.must(1, &["went into another database", "reset_other"]);
    reset_recv(&dbs).must(0, &["objects and the journal"]);
}
