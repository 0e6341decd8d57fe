//! The source is written to between the two instants.

use std::collections::BTreeMap;

use crate::journal::{assert_kept, wait_for_chunks};
use crate::support::{Databases, keepers};
use crate::{DATA, finish, kill_all, parts_of, plan, start_both};

/// Everything dies at that many chunks, and `change` comes before it is started again. What was
/// committed, send's line on the new snapshot, and what the journal has at the end.
fn changed(
    dbs: &Databases,
    chunks: usize,
    change: impl FnOnce(&BTreeMap<String, String>) -> String,
) -> (BTreeMap<String, String>, String, BTreeMap<String, String>) {
    let (send, recv) = start_both(dbs, &[]);
    wait_for_chunks(dbs, chunks);
    kill_all(dbs, send, recv);
    let before = crate::journal::committed(dbs);
    dbs.source_sql(&change(&before));
    let (send, recv) = start_both(dbs, &[]);
    let line = send.wait_for("new snapshot:");
    let (_, after) = finish(dbs, send, recv);
    (before, line, after)
}

fn split(
    parts: &BTreeMap<String, String>,
    changed: &[String],
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let parts = parts.clone().into_iter();
    parts.partition(|(part, _)| changed.contains(part))
}

/// Rows that fill the holes of a delete stand in ranges that were committed.
#[test]
fn holes_are_filled() {
    let dbs = Databases::new("holes", DATA);
    let (before, line, after) = changed(&dbs, 9, |_| {
        let refill = "DELETE FROM first WHERE i % 3 = 0; VACUUM first;
            INSERT INTO first SELECT i + 1000000, s FROM second WHERE i % 3 = 1";
        dbs.source_sql(refill);
        let reused = "SELECT count(*) > 0 FROM first WHERE i > 1000000 AND ctid < '(100,0)'";
        assert_eq!(dbs.source_sql(reused).trim(), "t");
        String::new()
    });
    assert!(line.ends_with("begin again: public.first"), "{line}");
    let (first, second) = split(&before, &parts_of(&plan(&dbs), "first"));
    assert!(first.len() > 1 && !second.is_empty(), "{before:?}");
    assert_kept(&second, &after);
    for (part, time) in &first {
        assert_ne!(&after[part], time, "part {part} was kept");
    }
}

/// What is added behind the committed ranges belongs to the last one, which is open-ended.
#[test]
fn rows_are_appended() {
    let dbs = Databases::new("appended", DATA);
    let (before, line, after) = changed(&dbs, 3, |_| {
        "INSERT INTO first SELECT i + 1000000, s FROM second".to_owned()
    });
    assert!(line.contains("new snapshot: all"), "{line}");
    assert_kept(&before, &after);
}

/// Tables that share a chunk begin again together, the others stay.
#[test]
fn a_small_table_takes_its_neighbours_along() {
    let dbs = Databases::new(
        "neighbours",
        "SELECT format('CREATE TABLE t%s AS SELECT g i, (SELECT string_agg(md5((g * 31 + i * %s)::text), '''')
            FROM generate_series(1, 20) i) s FROM generate_series(1, 80) g', n, n)
         FROM generate_series(10, 70) n \\gexec",
    );
    let mut hit = String::new();
    let (before, line, after) = changed(&dbs, 12, |before| {
        let plan = plan(&dbs);
        let chunk = |part: &String| part.split_once('.').unwrap().0.parse::<usize>().unwrap();
        let shared = before
            .keys()
            .map(chunk)
            .find(|&c| plan.chunks[c].parts.len() > 1);
        let shared = &plan.chunks[shared.expect("a shared chunk is committed")];
        hit = plan.table(shared.parts[0].table).name.name.clone();
        format!("UPDATE {hit} SET s = 'other' WHERE i = 1")
    });
    assert!(
        line.contains("begin again: ") && line.contains(&format!("public.{hit}")),
        "{line}"
    );
    let plan = plan(&dbs);
    let mine = parts_of(&plan, &hit);
    let chunk = mine[0].split_once('.').unwrap().0;
    let neighbours: Vec<_> = before
        .keys()
        .filter(|part| part.split_once('.').unwrap().0 == chunk)
        .cloned()
        .collect();
    assert!(neighbours.len() > 1, "{before:?}");
    let (again, kept) = split(&before, &neighbours);
    assert!(!kept.is_empty(), "{before:?}");
    assert_kept(&kept, &after);
    for (part, time) in &again {
        assert_ne!(&after[part], time, "part {part} was kept");
    }
}

/// Another schema is another migration: named, and nothing is held on the source for it.
fn refused(name: &str, ddl: &str, told: &str) {
    let dbs = Databases::new(name, DATA);
    let (send, recv) = start_both(&dbs, &[]);
    wait_for_chunks(&dbs, 3);
    kill_all(&dbs, send, recv);
    dbs.source_sql(ddl);
    let (send, recv) = start_both(&dbs, &[]);
    let send = send.wait();
    send.must_end(1);
    recv.wait().must_end(1);
    assert!(send.stderr.contains(told), "{}", send.output());
    assert!(
        send.stderr.contains("start a new migration"),
        "{}",
        send.output()
    );
    assert!(keepers(&dbs).is_empty(), "a keeper is left");
}

#[test]
fn a_column_is_added() {
    let ddl = "ALTER TABLE second ADD COLUMN t text";
    refused("widened", ddl, "table public.second has other columns");
}

#[test]
fn an_index_is_added() {
    let ddl = "CREATE INDEX late ON first (s)";
    refused("indexed", ddl, "index public.late");
}
