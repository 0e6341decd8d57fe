//! The target server loses asynchronous commits in a crash that recv has counted as done. None of
//! them may be missing when it says that all is there.

use rustix::process::Signal;

use crate::kill;
use crate::scene::{DATA_IS_DURABLE, Scene};
use crate::support::holds::{SEQUENCES, trigger};
use crate::support::{End, Run, start_send};

/// Some three chunks in each table. The trigger comes after every index and key.
const SCHEMA: &str = "CREATE TABLE first (i int, s text NOT NULL);
    INSERT INTO first SELECT g, (SELECT string_agg(md5((g * 31 + i)::text), '')
        FROM generate_series(1, 8) i) FROM generate_series(1, 12000) g;
    CREATE TABLE second (i int PRIMARY KEY, s text NOT NULL);
    INSERT INTO second SELECT * FROM first;
    CREATE INDEX first_i ON first (i);
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER last AFTER INSERT ON second FOR EACH STATEMENT EXECUTE FUNCTION nothing();
    CREATE SEQUENCE counter; SELECT setval('counter', 4711);";
const STEPS: &str = "SELECT count(*) FROM pgpipe.step WHERE step <> 'data'";
const NOBODY: &str =
    "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'pgpipe%'";

/// Send is dead, and recv has built everything that follows the rows; none of that is durable.
fn built_without_send(scene: &Scene) -> Run {
    let (send, recv) = scene.start(&[]);
    let session = scene.hold_indexes("second");
    scene.wait_until(DATA_IS_DURABLE);
    kill(send);
    scene.forget();
    drop(session);
    scene.wait_until("SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'last')");
    scene.wait_until(NOBODY);
    recv
}

/// recv ends because of what is lost, and says so.
#[track_caller]
fn must_miss_it(recv: &End) {
    recv.must_end(3);
    let says = recv.stderr.contains("lost commits in a crash");
    assert!(says, "{}", recv.output());
}

/// Nobody has a session on the target while it crashes: the journal alone tells.
#[test]
fn keys_are_lost_while_recv_waits_for_send() {
    let mut scene = Scene::forgetful("lost_unseen", SCHEMA);
    let recv = built_without_send(&scene);
    scene.power_failure();
    scene.wait_until("SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'last')");
    start_send(&scene.dbs, &[]).wait().must_end(3);
    must_miss_it(&recv.wait());
    let (send, recv) = scene.start(&[]);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    scene.assert_equal();
}

/// The journal has as many steps as before: `data` has come, one index has gone.
#[test]
fn a_step_that_came_does_not_stand_for_one_that_went() {
    let mut scene = Scene::forgetful("lost_counted", SCHEMA);
    let (send, recv) = scene.start(&["--index-jobs", "2"]);
    let (first, second) = (scene.hold_indexes("first"), scene.hold_indexes("second"));
    scene.wait_until(
        "SELECT count(*) = 2 FROM pg_stat_activity
        WHERE application_name LIKE 'pgpipe recv%' AND wait_event_type = 'Lock'",
    );
    scene.wait_until(DATA_IS_DURABLE);
    let before = scene.ask(STEPS);
    scene.forget();
    drop(first);
    scene.wait_until("SELECT EXISTS (SELECT FROM pg_indexes WHERE indexname = 'first_i')");
    // The one that builds finds the server as soon as it looks for it.
    recv.signal(Signal::STOP);
    scene.power_failure();
    drop(second);
    scene.wait_until("SELECT NOT EXISTS (SELECT FROM pg_indexes WHERE indexname = 'first_i')");
    assert_eq!(scene.ask(STEPS), before, "and `data`");
    recv.signal(Signal::CONT);
    must_miss_it(&recv.wait());
    send.wait().must_end(3);
    let (send, recv) = scene.start(&[]);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    scene.assert_equal();
}

/// Nobody has a session between the schema and the first row, which would not find its table.
#[test]
fn tables_stay_once_they_are_made() {
    let mut scene = Scene::forgetful("lost_tables", SCHEMA);
    scene.ask(&trigger("CREATE SEQUENCE"));
    let session = scene.hold("SELECT pg_advisory_xact_lock(4711)");
    let (send, recv) = scene.start(&[]);
    scene.wait_until(&waits_with("CREATE SEQUENCE"));
    send.signal(Signal::STOP);
    scene.forget();
    drop(session);
    scene.wait_until("SELECT to_regclass('counter') IS NOT NULL");
    scene.wait_until(NOBODY);
    scene.power_failure();
    scene.ask("DROP EVENT TRIGGER hold; DROP FUNCTION hold()");
    send.signal(Signal::CONT);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    scene.assert_equal();
}

/// The server resets it in a crash, though the journal says that sequences are set. From 15 on.
#[test]
fn an_unlogged_sequence_is_set_again() {
    let mut scene = Scene::new("lost_value", SCHEMA);
    if scene.ask("SHOW server_version_num").as_str() < "150000" {
        return;
    }
    let unlogged = "CREATE UNLOGGED SEQUENCE fleeting; SELECT setval('fleeting', 815)";
    scene.dbs.source_sql(unlogged);
    let (send, recv) = scene.start(&[]);
    scene.wait_until("SELECT count(*) > 0 FROM pgpipe.chunk");
    let sequences = scene.hold(SEQUENCES);
    scene.wait_until(&waits_with("setval"));
    let statistics = scene.hold("LOCK TABLE second IN SHARE UPDATE EXCLUSIVE MODE");
    drop(sequences);
    scene.wait_until("SELECT EXISTS (SELECT FROM pgpipe.step WHERE step = 'sequences')");
    scene.power_failure();
    drop(statistics);
    recv.wait().must_end(3);
    send.wait().must_end(3);
    assert_eq!(scene.ask("SELECT last_value FROM fleeting"), "1");
    let (send, recv) = scene.start(&[]);
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_eq!(scene.ask("SELECT last_value FROM fleeting"), "815");
    scene.assert_equal();
}

/// Whether one of recv's backends waits for a lock with such a statement.
fn waits_with(words: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'pgpipe recv%'
        AND wait_event_type = 'Lock' AND query LIKE '%{words}%')"
    )
}

/// Only the last thing is lost: that the server refused a view, which is there without rows.
#[test]
fn a_refusal_is_lost_while_recv_waits_for_send() {
    let views = "CREATE MATERIALIZED VIEW good AS SELECT count(*) FROM first;
        CREATE MATERIALIZED VIEW bad AS
        SELECT 1 / (pg_catalog.current_setting('checkpoint_timeout') <> '1h')::int;";
    let mut scene = Scene::forgetful("lost_refusal", &format!("{SCHEMA}{views}"));
    let recv = built_without_send(&scene);
    scene.wait_until("SELECT count(*) = 2 FROM pgpipe.step WHERE step LIKE 'refresh %'");
    scene.wait_until(NOBODY);
    scene.power_failure();
    let left = "SELECT string_agg(step, '') FROM pgpipe.step WHERE step LIKE 'refresh %'";
    assert_eq!(scene.ask(left), "refresh public.good");
    start_send(&scene.dbs, &[]).wait().must_end(3);
    must_miss_it(&recv.wait());
    let (send, recv) = scene.start(&[]);
    send.wait().must_end(4);
    let recv = recv.wait();
    recv.must_end(4);
    let errors = &recv.report()["errors"];
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["object"], "MATERIALIZED VIEW public.bad");
}
