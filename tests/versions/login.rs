//! Event triggers at login, which there are from 17 on: those of the source do not see recv's own sessions, and act
//! when it is done.

use pgpipe::pg::{Client, ConnInfo};

use super::support::{Databases, assert_nothing_left, migrate, programs_of, server_of, target_of};

/// Lets nobody in who is called like recv's sessions.
const FILL: &str = "CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000);
    CREATE FUNCTION judge() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('application_name') LIKE 'pgpipe recv%' THEN
            RAISE 'recv is not let in';
        END IF;
    END $$;
    CREATE EVENT TRIGGER plain ON login EXECUTE FUNCTION judge();
    CREATE EVENT TRIGGER \"At Login\" ON login EXECUTE FUNCTION judge(); ALTER EVENT TRIGGER \"At Login\" ENABLE ALWAYS;
    CREATE EVENT TRIGGER replica ON login EXECUTE FUNCTION judge(); ALTER EVENT TRIGGER replica ENABLE REPLICA;
    CREATE EVENT TRIGGER asleep ON login EXECUTE FUNCTION judge(); ALTER EVENT TRIGGER asleep DISABLE;";
const STATES: &str =
    "SELECT evtname, evtevent, evtenabled, evtfoid::regproc FROM pg_event_trigger ORDER BY evtname";

#[test]
fn those_at_login_sleep_until_the_end() {
    let (Some(source), Some(target)) = (server_of(18), target_of(18)) else {
        return;
    };
    let dbs = Databases::between(source, target, "login_18", FILL);
    let programs = programs_of(18).display().to_string();
    let bin = ["--pg-bin", &programs];
    let (send, recv) = migrate(&dbs, &bin, &bin);
    send.must_end(0);
    recv.must_end(0);
    let expected =
        "At Login|login|A|judge\nasleep|login|D|judge\nplain|login|O|judge\nreplica|login|R|judge";
    assert_eq!(dbs.target_sql(STATES).trim(), expected);
    assert_eq!(dbs.target_sql("SELECT count(*) FROM t").trim(), "1000");
    assert_nothing_left(&dbs);
    let info = ConnInfo::resolve(&dbs.target_conninfo(), &|_| None).unwrap();
    let refused = Client::connect(&info, "pgpipe recv of another day").err();
    let told = format!("{:?}", refused.expect("the trigger acts"));
    assert!(told.contains("recv is not let in"), "{told}");
}
