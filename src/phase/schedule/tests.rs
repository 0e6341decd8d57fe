use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::phase::toc::{Entry, Section};
use crate::phase::{pre_data_batches, toc};

fn entry(id: u32, desc: &str, section: Section, deps: &[u32]) -> Entry {
    Entry {
        id: DumpId(id),
        tableoid: match desc {
            "TABLE" | "INDEX" => toc::PG_CLASS,
            _ => Oid(0),
        },
        oid: Oid(id + 10_000),
        desc: desc.into(),
        name: format!("app x{id} owner"),
        section,
        deps: deps.iter().copied().map(DumpId).collect(),
    }
}

fn pre(id: u32, desc: &str, deps: &[u32]) -> Entry {
    entry(id, desc, Section::PreData, deps)
}

fn post(id: u32, desc: &str, deps: &[u32]) -> Entry {
    entry(id, desc, Section::PostData, deps)
}

fn toc(entries: Vec<Entry>) -> Toc {
    Toc {
        entries,
        pg_dump_version: None,
    }
}

/// Two tables with indexes and keys, a foreign key between them, and one thing of each later stage.
fn shop() -> Toc {
    toc(vec![
        pre(1, "TABLE", &[]),
        pre(2, "ACL", &[1]),
        pre(3, "TABLE", &[]),
        pre(4, "MATERIALIZED VIEW", &[1]),
        post(10, "CONSTRAINT", &[1]),
        post(11, "INDEX", &[1]),
        post(12, "CONSTRAINT", &[3]),
        post(13, "MATERIALIZED VIEW", &[3, 12]),
        post(14, "INDEX", &[13]),
        post(15, "INDEX", &[4]),
        post(16, "COMMENT", &[11]),
        post(17, "TRIGGER", &[1]),
        post(18, "FK CONSTRAINT", &[1, 3, 12]),
        post(19, "EVENT TRIGGER", &[]),
        post(20, "COMMENT", &[19]),
        post(21, "DEFAULT ACL", &[]),
    ])
}

const T1: Oid = Oid(10_001);
const T3: Oid = Oid(10_003);

fn without_rows(toc: &Toc) -> Schedule {
    let mut schedule = Schedule::new(toc, []);
    schedule.end_data();
    schedule
}

fn take(schedule: &mut Schedule) -> Vec<u32> {
    let task = schedule.next_task().expect("something to do");
    schedule.done(&task);
    task.ids.iter().map(|id| id.0).collect()
}

#[test]
fn stages_follow_each_other() {
    let mut schedule = Schedule::new(&shop(), [(T1, 10), (T3, 20)]);
    assert_eq!(schedule.next_task(), None, "both gates are closed");
    schedule.open_gate(T1);
    assert_eq!(take(&mut schedule), [10]);
    assert_eq!(take(&mut schedule), [11]);
    assert_eq!(schedule.next_task(), None, "the key of the other table");
    schedule.open_gate(T3);
    assert_eq!(take(&mut schedule), [12]);
    assert_eq!(schedule.next_task(), None, "rows may be taken out again");
    schedule.end_data();
    assert_eq!(take(&mut schedule), [18]);
    assert_eq!(take(&mut schedule), [13, 14, 15, 16, 17]);
    assert_eq!(take(&mut schedule), [2, 21], "privileges of pre-data too");
    assert_eq!(schedule.next_task(), None);
    assert!(schedule.awaits_refresh() && !schedule.is_finished());
    schedule.refreshed();
    assert_eq!(take(&mut schedule), [19, 20]);
    assert!(schedule.is_finished());
    assert_eq!(schedule.counts().done, 13);
}

#[test]
fn pre_data_comes_without_privileges() {
    let batches = pre_data_batches(&shop());
    assert_eq!(batches, [[DumpId(1), DumpId(3), DumpId(4)]]);
    let many = toc((1..=1001).map(|id| pre(id, "SCHEMA", &[])).collect());
    let sizes: Vec<_> = pre_data_batches(&many).iter().map(Vec::len).collect();
    assert_eq!(sizes, [500, 500, 1]);
}

/// A trigger would fire on rows that are still to come, even if no index waits for them.
#[test]
fn nothing_but_indexes_before_all_rows_are_there() {
    let toc = toc(vec![pre(1, "TABLE", &[]), post(2, "TRIGGER", &[1])]);
    let mut schedule = Schedule::new(&toc, [(T1, 1)]);
    assert_eq!(schedule.next_task(), None);
    assert!(!schedule.awaits_refresh());
    assert!(!schedule.awaits_end_of_data());
    schedule.open_gate(T1);
    assert_eq!(schedule.next_task(), None);
    assert!(schedule.awaits_end_of_data());
    schedule.end_data();
    assert!(!schedule.awaits_end_of_data());
    assert_eq!(take(&mut schedule), [2]);
}

/// Making the rows durable holds no index up, nor does an index that.
#[test]
fn indexes_are_built_beside_the_end_of_the_data() {
    let mut schedule = Schedule::new(&shop(), [(T1, 10), (T3, 20)]);
    schedule.open_gate(T1);
    let index = schedule.next_task().unwrap();
    assert!(!schedule.awaits_end_of_data());
    schedule.open_gate(T3);
    assert!(schedule.awaits_end_of_data());
    schedule.done(&index);
    assert_eq!(take(&mut schedule), [12]);
    schedule.end_data();
    assert_eq!(take(&mut schedule), [11]);
    assert_eq!(take(&mut schedule), [18]);
}

#[test]
fn larger_tables_come_first_and_side_by_side() {
    let toc = toc(vec![
        pre(1, "TABLE", &[]),
        pre(3, "TABLE", &[]),
        post(10, "INDEX", &[1]),
        post(11, "INDEX", &[3]),
        post(12, "CONSTRAINT", &[3]),
    ]);
    let mut schedule = Schedule::new(&toc, [(T1, 10), (T3, 20)]);
    schedule.open_gate(T1);
    schedule.open_gate(T3);
    let tasks: Vec<_> = std::iter::from_fn(|| schedule.next_task()).collect();
    let ids: Vec<_> = tasks.iter().map(|t| t.ids[0].0).collect();
    assert_eq!(ids, [11, 12, 10]);
    assert!(tasks[1].on_plain_table);
    assert_eq!(schedule.counts().running, 3);
}

#[test]
fn the_second_step_has_the_table_to_itself() {
    let toc = toc(vec![
        pre(1, "TABLE", &[]),
        post(10, "CONSTRAINT", &[1]),
        post(11, "INDEX", &[1]),
        post(12, "INDEX", &[1]),
    ]);
    let mut schedule = Schedule::new(&toc, [(T1, 10)]);
    schedule.open_gate(T1);
    let key = schedule.next_task().unwrap();
    let index = schedule.next_task().unwrap();
    schedule.built(&key);
    let other = schedule.next_task().unwrap();
    assert_eq!(other.ids, [DumpId(12)], "not the second step yet");
    schedule.done(&index);
    assert_eq!(schedule.next_task(), None);
    schedule.done(&other);
    let second = schedule.next_task().unwrap();
    assert_eq!((second.step, &*second.ids), (Step::Second, &*key.ids));
    schedule.give_back(&second);
    let second = schedule.next_task().unwrap();
    schedule.done(&second);
    assert!(schedule.is_finished());

    let mut restored = Schedule::new(&toc, [(T1, 10)]).restore([DumpId(11), DumpId(12)], key.ids);
    restored.open_gate(T1);
    assert_eq!(restored.next_task().unwrap().step, Step::Second);
}

/// Three tables of one size: one with a key and two indexes, a partitioned one, its partition.
fn crowd() -> Toc {
    toc(vec![
        pre(1, "TABLE", &[]),
        pre(2, "TABLE", &[]),
        pre(3, "TABLE", &[2]),
        pre(4, "TABLE ATTACH", &[2, 3]),
        post(10, "CONSTRAINT", &[1]),
        post(11, "INDEX", &[1]),
        post(12, "INDEX", &[1]),
        post(20, "INDEX", &[2]),
        post(21, "INDEX", &[3, 20]),
        post(22, "INDEX ATTACH", &[3, 20, 21]),
    ])
}

fn of_crowd(jobs: usize) -> Schedule {
    Schedule::new(&crowd(), [(T1, 9), (T3, 8)]).with_jobs(jobs)
}

#[test]
fn builds_are_helped_with_when_all_rows_are_there() {
    let mut schedule = of_crowd(3);
    schedule.open_gate(T1);
    let key = schedule.next_task().unwrap();
    assert_eq!((key.ids[0], key.helpers), (DumpId(10), 0), "more may come");
    assert_eq!(key.bytes, 9);
    schedule.open_gate(T3);
    let index = schedule.next_task().unwrap();
    assert_eq!(
        (index.ids[0], index.helpers),
        (DumpId(11), 0),
        "another waits"
    );
    schedule.give_back(&index);
    schedule.built(&key);
    let second = schedule.next_task().unwrap();
    assert_eq!((second.step, second.helpers), (Step::Second, 0));
    schedule.done(&second);
    let again = schedule.next_task().unwrap();
    assert_eq!(
        (again.ids[0], again.helpers),
        (DumpId(11), 1),
        "and the key is built"
    );
}

#[test]
fn to_attach_an_index_is_no_build() {
    let mut schedule = of_crowd(2).restore([10, 11, 20].map(DumpId), []);
    schedule.open_gate(T1);
    schedule.open_gate(T3);
    let index = schedule.next_task().unwrap();
    let leaf = schedule.next_task().unwrap();
    assert_eq!([index.ids[0], leaf.ids[0]], [DumpId(12), DumpId(21)]);
    assert_eq!([index.helpers, leaf.helpers], [0, 0]);
    assert_eq!([index.bytes, leaf.bytes], [9, 8]);
    schedule.done(&leaf);
    schedule.give_back(&index);
    let index = schedule.next_task().unwrap();
    assert_eq!((index.ids[0], index.helpers), (DumpId(12), 1));
    let attach = schedule.next_task().unwrap();
    assert_eq!((attach.ids[0], attach.helpers), (DumpId(22), 0));
}

/// A refusal may come at once: it says nothing about those that build.
#[test]
fn a_refused_build_does_not_tell_that_others_end() {
    for (is_refused, helpers) in [(true, 0), (false, 1)] {
        let mut schedule = of_crowd(2);
        schedule.open_gate(T1);
        schedule.open_gate(T3);
        let _key = schedule.next_task().unwrap();
        let index = schedule.next_task().unwrap();
        match is_refused {
            true => schedule.failed(&index),
            false => schedule.done(&index),
        }
        let last = schedule.next_task().unwrap();
        assert_eq!((last.ids[0], last.helpers), (DumpId(12), helpers));
    }
}

#[test]
fn keys_of_partitioned_tables_are_not_plain() {
    let toc = toc(vec![
        pre(1, "TABLE", &[]),
        pre(2, "TABLE", &[1]),
        pre(3, "TABLE", &[]),
        pre(4, "TABLE ATTACH", &[1, 2]),
        post(10, "CONSTRAINT", &[1]),
        post(11, "CONSTRAINT", &[2, 10]),
        post(12, "INDEX ATTACH", &[1, 2, 10, 11]),
        post(20, "FK CONSTRAINT", &[1, 3]),
        post(21, "FK CONSTRAINT", &[2, 3]),
    ]);
    let mut schedule = Schedule::new(&toc, [(Oid(10_002), 5)]);
    let parent = schedule.next_task().unwrap();
    assert!(!parent.on_plain_table, "and it needs no gate");
    schedule.done(&parent);
    assert_eq!(schedule.next_task(), None);
    schedule.open_gate(Oid(10_002));
    let leaf = schedule.next_task().unwrap();
    assert!(leaf.on_plain_table);
    schedule.end_data();
    schedule.failed(&leaf);
    assert_eq!(take(&mut schedule), [12], "dependents are tried");
    let foreign = schedule.next_task().unwrap();
    assert_eq!(schedule.next_task(), None, "same partition tree");
    schedule.done(&foreign);
    assert_eq!(take(&mut schedule), [20]);
    assert_eq!(schedule.counts().failed, 1);
}

#[test]
fn foreign_keys_of_different_tables_run_side_by_side() {
    let mut entries: Vec<_> = (1..=4).map(|id| pre(id, "TABLE", &[])).collect();
    entries.push(post(10, "FK CONSTRAINT", &[1, 2]));
    entries.push(post(11, "FK CONSTRAINT", &[2, 3]));
    entries.push(post(12, "FK CONSTRAINT", &[3, 4]));
    let mut schedule = without_rows(&toc(entries));
    let ids: Vec<_> = std::iter::from_fn(|| schedule.next_task())
        .map(|t| t.ids[0].0)
        .collect();
    assert_eq!(ids, [10, 12]);
}

#[test]
fn a_batch_may_fail_in_part() {
    let entries = (1..=600).map(|id| post(id, "COMMENT", &[])).collect();
    let mut schedule = without_rows(&toc(entries));
    let first = schedule.next_task().unwrap();
    assert_eq!(first.ids.len(), MAX_BATCH);
    assert_eq!(schedule.next_task(), None, "one batch at a time");
    schedule.partly_failed(&first, &[DumpId(3)]);
    let second = schedule.next_task().unwrap();
    schedule.give_back(&second);
    assert_eq!(schedule.next_task().as_ref(), Some(&second));
    schedule.done(&second);
    schedule.done(&second);
    assert!(schedule.is_finished());
    assert_eq!((schedule.counts().done, schedule.counts().failed), (599, 1));
}

const DESCS: &[&str] = &[
    "TABLE",
    "MATERIALIZED VIEW",
    "INDEX",
    "CONSTRAINT",
    "INDEX ATTACH",
    "FK CONSTRAINT",
    "TRIGGER",
    "COMMENT",
    "ACL",
    "EVENT TRIGGER",
];

fn any_toc() -> impl Strategy<Value = Toc> {
    let any_entry = (0..DESCS.len(), proptest::collection::vec(1u32..60, 0..4));
    proptest::collection::vec(any_entry, 0..60).prop_map(|entries| {
        let numbered = entries.into_iter().enumerate();
        let built = numbered.map(|(i, (desc, deps))| {
            let id = u32::try_from(i + 1).unwrap();
            let section = match desc {
                0 | 1 => Section::PreData,
                _ => Section::PostData,
            };
            // Some dependencies point forward, at themselves or nowhere: they must not block.
            entry(id, DESCS[desc], section, &deps)
        });
        toc(built.collect())
    })
}

/// What happens next, as the test's dice have it.
struct Run<'a> {
    toc: &'a Toc,
    schedule: Schedule,
    running: Vec<Task>,
    closed: Vec<Oid>,
    settled: HashSet<DumpId>,
    given: HashSet<(DumpId, Step)>,
}

impl Run<'_> {
    fn step(&mut self, dice: u8) {
        if self.running.len() < 3
            && let Some(task) = self.schedule.next_task()
        {
            self.check(&task);
            self.running.push(task);
            return;
        }
        if self.running.is_empty() {
            match self.closed.pop() {
                Some(table) => self.schedule.open_gate(table),
                None if self.schedule.awaits_end_of_data() => self.schedule.end_data(),
                None => self.schedule.refreshed(),
            }
            return;
        }
        let task = self.running.swap_remove(dice as usize % self.running.len());
        let single = task.stage == Stage::Indexes && task.step == Step::First;
        match dice % 5 {
            0 if single => return self.schedule.built(&task),
            1 => self.schedule.failed(&task),
            2 if !task.ids.is_empty() => self.schedule.partly_failed(&task, &task.ids[..1]),
            _ => self.schedule.done(&task),
        }
        self.settled.extend(task.ids);
    }

    fn check(&mut self, task: &Task) {
        for (i, id) in task.ids.iter().enumerate() {
            assert!(self.given.insert((*id, task.step)), "{id} twice");
            assert!(!self.settled.contains(id), "{id} again");
            let entry = self.toc.entry(*id).unwrap();
            for dep in entry.deps.iter().filter(|dep| *dep < id) {
                let scheduled = self.schedule.by_id.contains_key(dep);
                let before = self.settled.contains(dep) || task.ids[..i].contains(dep);
                assert!(!scheduled || before, "{id} before {dep}");
            }
            if task.stage != Stage::Indexes {
                assert!(self.closed.is_empty() && self.schedule.has_data_ended());
            }
        }
    }
}

proptest! {
    #[test]
    fn every_entry_once_after_its_dependencies(
        toc in any_toc(),
        dice in proptest::collection::vec(any::<u8>(), 16),
        done in proptest::collection::hash_set(1u32..60, 0..30),
        built in proptest::collection::hash_set(1u32..60, 0..10),
    ) {
        let tables: Vec<_> = toc.entries.iter().filter(|e| e.is_table()).map(|e| e.oid).collect();
        let gates = tables.iter().map(|oid| (*oid, u64::from(oid.0 % 7)));
        let done: HashSet<_> = done.into_iter().map(DumpId).collect();
        let schedule = Schedule::new(&toc, gates).restore(done.clone(), built.into_iter().map(DumpId));
        let mut run = Run {
            toc: &toc,
            closed: tables,
            running: Vec::new(),
            settled: done.clone(),
            given: HashSet::new(),
            schedule,
        };
        let mut steps = 0;
        while !run.schedule.is_finished() {
            run.step(dice[steps % dice.len()].wrapping_add(steps as u8));
            steps += 1;
            prop_assert!(steps < 2000, "does not finish");
        }
        let counts = run.schedule.counts();
        prop_assert_eq!((counts.waiting, counts.running), (0, 0));
        for node in &run.schedule.nodes {
            prop_assert!(run.settled.contains(&node.id));
        }
    }
}
