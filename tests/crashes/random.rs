//! Kills at moments that nobody chose, the end among them.

use std::thread;
use std::time::Duration;

use crate::support::{
    Databases, Dice, Run, assert_equal, assert_nothing_left, migrate, start_recv, start_send,
};

const SEED: u64 = 0x5eed_0001;
const ROUNDS: u64 = 10;

const SQL: &str = "CREATE TABLE a (i int, s text);
    INSERT INTO a SELECT g, md5(g::text) FROM generate_series(1, 20000) g;
    CREATE TABLE b (i int PRIMARY KEY);
    INSERT INTO b SELECT generate_series(1, 3000);
    CREATE UNLOGGED TABLE c (i int);
    INSERT INTO c SELECT generate_series(1, 3000);
    CREATE INDEX ON a (s); CREATE SEQUENCE n; SELECT nextval('n');";
const COUNTS: &str = "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b),
    (SELECT count(*) FROM c)";

#[derive(Clone, Copy, Debug)]
enum Victim {
    Send,
    Recv,
    Both,
}

/// The moments are drawn from the length of an undisturbed run, so that they hit its end on any
/// machine.
#[test]
fn kills_at_any_moment_double_nothing() {
    let dbs = Databases::new("undisturbed", SQL);
    let begin = std::time::Instant::now();
    let (send, recv) = migrate(&dbs, &[], &[]);
    let length = begin.elapsed();
    send.must_end(0);
    recv.must_end(0);
    let mut dice = Dice::new(SEED);
    for round in 0..ROUNDS {
        let victim = [Victim::Send, Victim::Recv, Victim::Both][dice.below(3) as usize];
        // Every other one falls into the last third.
        let share = match round % 2 {
            0 => dice.below(1000),
            _ => 667 + dice.below(400),
        };
        let moment = length.mul_f64(share as f64 / 1000.0);
        killed(round, victim, moment);
    }
}

fn killed(round: u64, victim: Victim, moment: Duration) {
    eprintln!("round {round} of seed {SEED:#x}: {victim:?} after {moment:?}");
    let dbs = Databases::new(&format!("random_{round}"), SQL);
    let (recv, send) = (start_recv(&dbs, &[]), start_send(&dbs, &[]));
    thread::sleep(moment);
    let (recv, send) = match victim {
        Victim::Send => (recv, again(&dbs, send, start_send)),
        Victim::Recv => (again(&dbs, recv, start_recv), send),
        Victim::Both => (again(&dbs, recv, start_recv), again(&dbs, send, start_send)),
    };
    send.wait().must_end(0);
    recv.wait().must_end(0);
    assert_eq!(dbs.target_sql(COUNTS).trim(), "20000|3000|3000");
    assert_equal(&dbs);
    assert_nothing_left(&dbs);
}

/// Killed, unless it has ended meanwhile, and started again.
fn again(dbs: &Databases, run: Run, start: impl Fn(&Databases, &[&str]) -> Run) -> Run {
    drop(run);
    start(dbs, &[])
}
