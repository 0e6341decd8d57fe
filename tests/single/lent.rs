//! The one session, lent and taken back.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pgpipe::pg::{Client, ConnInfo};
use pgpipe::source::entry::Entry;
use pgpipe::source::single::{Over, Single};

use crate::support::Databases;

pub(crate) const FOREVER: &str = "SELECT pg_sleep(600)";

pub(crate) fn single(dbs: &Databases) -> Arc<Single> {
    let info = ConnInfo::resolve(&dbs.source_conninfo(), &|_| None).unwrap();
    let mut client = Client::connect(&info, "the application").unwrap();
    client.execute("BEGIN; SELECT txid_current()").unwrap();
    Arc::new(Single::new(client).unwrap())
}

/// The transaction outlives the statement, and the next borrower has it.
#[test]
fn a_statement_is_cancelled_and_the_session_stays() {
    let dbs = Databases::new("cancelled", "");
    let single = single(&dbs);
    for _ in 0..20 {
        let mut loan = single.lend().unwrap();
        Entry::Within.enter(&mut loan).unwrap();
        let interrupt = loan.interrupter();
        thread::spawn(interrupt);
        let error = loan.execute(FOREVER).unwrap_err();
        assert_eq!(error.sqlstate(), Some("57014"), "{error}");
        Entry::Within.leave(&mut loan).unwrap();
        drop(loan);
        assert!(single.pulse());
    }
    single.end();
    assert_eq!(single.lend().err(), Some(Over));
}

/// One that comes when the loan is over, or was never needed, meets nobody.
#[test]
fn a_late_interruption_hurts_nobody() {
    let dbs = Databases::new("late", "");
    let single = single(&dbs);
    let late = single.lend().unwrap().interrupter();
    let mut loan = single.lend().unwrap();
    late();
    loan.execute("SELECT pg_sleep(1)").unwrap();
    drop(loan);
    assert!(single.pulse());
}

#[test]
fn a_second_borrower_waits_for_the_first() {
    let dbs = Databases::new("second", "");
    let single = single(&dbs);
    let loan = single.lend().unwrap();
    let (other, begun) = (Arc::clone(&single), Instant::now());
    let waiting = thread::spawn(move || other.lend().map(|_| begun.elapsed()));
    thread::sleep(Duration::from_millis(300));
    assert!(single.pulse(), "it is lent, not over");
    drop(loan);
    assert!(waiting.join().unwrap().unwrap() >= Duration::from_millis(300));
}

/// What nobody can go on with is not handed on.
#[test]
fn a_failed_transaction_ends_it() {
    let dbs = Databases::new("failed", "");
    let single = single(&dbs);
    let mut loan = single.lend().unwrap();
    loan.execute("SELECT 1 / 0").unwrap_err();
    drop(loan);
    assert!(!single.pulse());
    assert_eq!(single.lend().err(), Some(Over));
}

/// The borrower learns it from the server, everybody else at once after it.
#[test]
fn its_end_breaks_a_statement_off() {
    let dbs = Databases::new("broken_off", "");
    let single = single(&dbs);
    let mut loan = single.lend().unwrap();
    let other = Arc::clone(&single);
    let ending = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        other.end();
    });
    assert!(loan.execute(FOREVER).unwrap_err().is_connection_lost());
    ending.join().unwrap();
    drop(loan);
    assert!(!single.pulse());
}
