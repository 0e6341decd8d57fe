//! The state machine that hands out entries: each once, none before what it depends on.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::MAX_BATCH;
use super::stage::Stage;
use super::toc::{DumpId, Toc};
use crate::schema::Oid;

mod graph;
mod locks;
mod shares;
#[cfg(test)]
mod tests;
mod waits;

use graph::Node;
use locks::Locks;
use shares::Shares;
use waits::Waits;

/// Which transaction of an entry is to be run.
///
/// A build holds a SHARE lock on its table, so that many run side by side. Anything stronger in the
/// same transaction would be a lock upgrade, and two upgrades on one table a deadlock: so what
/// follows the build (`ADD CONSTRAINT … USING INDEX`, `CLUSTER ON`, `REPLICA IDENTITY`) is a second
/// transaction, which the schedule hands out when nothing else runs on that table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The whole entry; or, where the driver splits it in two, the build:
    /// end it with [`Schedule::built`].
    First,
    /// The second half of an entry that was [`Schedule::built`].
    Second,
}

/// Entries to be restored in one transaction, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a task that is neither run nor given back blocks the schedule"]
pub struct Task {
    pub stage: Stage,
    pub step: Step,
    /// Never empty; exactly one in the stages of indexes and foreign keys.
    pub ids: Vec<DumpId>,
    /// The entry's table is an ordinary one: a plain key on it may be built in two steps.
    pub on_plain_table: bool,
    /// How many processes of the server may help to build an index: its share of those that would have
    /// nothing else to do.
    pub helpers: usize,
    /// Of the plan's tables that it depends on; 0 for several entries.
    pub bytes: u64,
}

/// How many entries stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub waiting: usize,
    pub running: usize,
    pub done: usize,
    pub failed: usize,
}

impl Counts {
    fn of(&mut self, state: State) -> &mut usize {
        match state {
            State::Waiting | State::Built => &mut self.waiting,
            State::Running => &mut self.running,
            State::Done => &mut self.done,
            State::Failed => &mut self.failed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Built,
    Done,
    Failed,
}

impl State {
    fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// The schedule of all that follows [`super::pre_data_batches`].
///
/// A failed entry counts as settled, so that what depends on it is still tried: the server then says
/// what is missing, and nothing is left out silently.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// In the archive's order: a node's dependencies stand before it.
    nodes: Vec<Node>,
    states: Vec<State>,
    by_id: HashMap<DumpId, usize>,
    waits: Waits,
    /// Waiting nodes by stage. Where entries go out singly, only those that wait for no gate and no
    /// other entry.
    queues: [BTreeSet<Rank>; Stage::COUNT],
    /// Nodes whose second step waits.
    built: BTreeSet<Rank>,
    unsettled: [usize; Stage::COUNT],
    counts: Counts,
    /// Tables whose rows are not all committed.
    closed: HashSet<Oid>,
    /// The rows are durable, and none of them will be taken out again.
    data_ended: bool,
    locks: Locks,
    shares: Shares,
    refreshed: bool,
}

/// Largest table first where entries go out singly, then the position: the archive's order.
type Rank = (Reverse<u64>, usize);

impl Schedule {
    /// `gates` are the tables of the plan, by their OID on the source and with their bytes: all
    /// closed until [`Self::open_gate`]. Larger tables' indexes come first.
    pub fn new(toc: &Toc, gates: impl IntoIterator<Item = (Oid, u64)>) -> Self {
        let gates: HashMap<Oid, u64> = gates.into_iter().collect();
        let nodes = graph::build(toc, &gates);
        let mut schedule = Self {
            states: vec![State::Waiting; nodes.len()],
            by_id: nodes.iter().enumerate().map(|(i, n)| (n.id, i)).collect(),
            waits: Waits::new(&nodes),
            queues: Default::default(),
            built: BTreeSet::new(),
            unsettled: [0; Stage::COUNT],
            counts: Counts::default(),
            closed: gates.into_keys().collect(),
            data_ended: false,
            locks: Locks::default(),
            shares: Shares::default(),
            refreshed: false,
            nodes,
        };
        schedule.counts.waiting = schedule.nodes.len();
        for position in 0..schedule.nodes.len() {
            schedule.unsettled[schedule.nodes[position].stage.index()] += 1;
            schedule.enqueue(position);
        }
        schedule
    }

    /// So many tasks run side by side, helpers among them; one without this.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.shares = Shares::new(jobs);
        self
    }

    /// Goes on where a journal stands: `done` is never handed out again, of `built` only the second
    /// step. Ids that are not scheduled are ignored.
    #[must_use]
    pub fn restore(
        mut self,
        done: impl IntoIterator<Item = DumpId>,
        built: impl IntoIterator<Item = DumpId>,
    ) -> Self {
        for position in self.positions(built) {
            if self.nodes[position].stage == Stage::Indexes {
                self.dequeue(position);
                self.put(position, State::Built);
                self.built.insert(self.rank(position));
            }
        }
        for position in self.positions(done) {
            if !self.states[position].is_settled() {
                self.dequeue(position);
                self.settle(position, State::Done);
            }
        }
        self
    }

    /// All rows of the table are committed. Unknown tables are ignored.
    pub fn open_gate(&mut self, table: Oid) {
        if self.closed.remove(&table) {
            for position in self.waits.open(table) {
                self.enqueue(position);
            }
        }
    }

    /// Whether all gates are open, and the rows are to be made durable: [`Self::end_data`] is to be
    /// called once that is done.
    pub fn awaits_end_of_data(&self) -> bool {
        self.closed.is_empty() && !self.data_ended
    }

    /// The rows are durable. Until then a table may have to be emptied once more, which no foreign
    /// key, trigger or rule is to stand in the way of.
    pub fn end_data(&mut self) {
        self.data_ended = true;
    }

    pub fn has_data_ended(&self) -> bool {
        self.data_ended
    }

    /// Claims what can be run now. `None`: nothing until a task ends, a gate opens, or
    /// [`Self::end_data`] or [`Self::refreshed`] is called; see [`Self::is_finished`].
    pub fn next_task(&mut self) -> Option<Task> {
        match self.current_stage()? {
            Stage::Indexes => self.next_second().or_else(|| self.next_one(Stage::Indexes)),
            _ if !self.closed.is_empty() || !self.data_ended => None,
            Stage::ForeignKeys => self.next_one(Stage::ForeignKeys),
            Stage::EventTriggers if !self.refreshed => None,
            stage => self.next_batch(stage),
        }
    }

    /// The task's transaction is committed.
    pub fn done(&mut self, task: &Task) {
        self.end(task, |_| State::Done);
    }

    /// The task failed and will not be tried again.
    pub fn failed(&mut self, task: &Task) {
        self.end(task, |_| State::Failed);
    }

    /// The task's entries were run one by one, and these of them failed.
    pub fn partly_failed(&mut self, task: &Task, failed: &[DumpId]) {
        self.end(task, |id| match failed.contains(&id) {
            true => State::Failed,
            false => State::Done,
        });
    }

    /// The first of two transactions is committed; the second is handed out later.
    pub fn built(&mut self, task: &Task) {
        for position in self.release(task) {
            self.shares.end(position, true);
            self.put(position, State::Built);
            self.built.insert(self.rank(position));
        }
    }

    /// The task did not run (its connection was lost): it will be handed out again.
    pub fn give_back(&mut self, task: &Task) {
        for position in self.release(task) {
            self.shares.end(position, false);
            match task.step {
                Step::First => {
                    self.put(position, State::Waiting);
                    self.enqueue(position);
                }
                Step::Second => {
                    self.put(position, State::Built);
                    self.built.insert(self.rank(position));
                }
            }
        }
    }

    /// Whether materialized views are to be refreshed now: only event triggers are left, if that.
    pub fn awaits_refresh(&self) -> bool {
        let before = &self.unsettled[..Stage::EventTriggers.index()];
        let waits = self.closed.is_empty() && self.data_ended && !self.refreshed;
        waits && before.iter().all(|&n| n == 0)
    }

    /// Materialized views are refreshed: event triggers may follow.
    pub fn refreshed(&mut self) {
        self.refreshed = true;
    }

    /// Every entry is done or failed. Gates may still be closed when there were no entries.
    pub fn is_finished(&self) -> bool {
        self.current_stage().is_none()
    }

    /// That, and materialized views are refreshed: nothing will be handed out any more.
    pub fn is_over(&self) -> bool {
        self.refreshed && self.is_finished()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn current_stage(&self) -> Option<Stage> {
        use Stage::{EventTriggers, ForeignKeys, Indexes, Privileges, Rest};
        [Indexes, ForeignKeys, Rest, Privileges, EventTriggers]
            .into_iter()
            .find(|stage| self.unsettled[stage.index()] > 0)
    }

    fn next_second(&mut self) -> Option<Task> {
        let mut built = self.built.iter().copied();
        let found = built.find(|&(_, p)| self.waits.are_over(p) && self.is_free(p, true))?;
        self.built.remove(&found);
        let (_, position) = found;
        self.locks.take(&self.nodes[position].tables, true);
        Some(self.claim(position, Step::Second))
    }

    fn next_one(&mut self, stage: Stage) -> Option<Task> {
        let queue = &self.queues[stage.index()];
        let free = |&&(_, p): &&Rank| self.is_free(p, self.nodes[p].exclusive);
        let found = *queue.iter().find(free)?;
        self.queues[stage.index()].remove(&found);
        let (_, position) = found;
        let node = &self.nodes[position];
        self.locks.take(&node.tables, node.exclusive);
        let helpers = match node.is_build() {
            true => self.begin_build(position),
            false => 0,
        };
        Some(Task {
            helpers,
            ..self.claim(position, Step::First)
        })
    }

    fn begin_build(&mut self, position: usize) -> usize {
        let waiting = self.queues[Stage::Indexes.index()].iter();
        let waiting = waiting.map(|&(_, p)| &self.nodes[p]);
        let waiting = waiting
            .filter(|node| node.is_build())
            .map(|node| node.bytes);
        let (bytes, is_tail) = (self.nodes[position].bytes, self.closed.is_empty());
        self.shares.begin(position, bytes, is_tail, waiting)
    }

    fn is_free(&self, position: usize, exclusive: bool) -> bool {
        self.locks.are_free(&self.nodes[position].tables, exclusive)
    }

    fn claim(&mut self, position: usize, step: Step) -> Task {
        self.put(position, State::Running);
        let node = &self.nodes[position];
        Task {
            stage: node.stage,
            step,
            ids: vec![node.id],
            on_plain_table: node.on_plain_table,
            helpers: 0,
            bytes: node.bytes,
        }
    }

    /// The next entries in the archive's order, which their dependencies agree with, if no other
    /// batch runs.
    fn next_batch(&mut self, stage: Stage) -> Option<Task> {
        let queue = &mut self.queues[stage.index()];
        if queue.is_empty() || queue.len() < self.unsettled[stage.index()] {
            return None;
        }
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH
            && let Some((_, position)) = queue.pop_first()
        {
            batch.push(position);
        }
        for &position in &batch {
            self.put(position, State::Running);
        }
        Some(Task {
            stage,
            step: Step::First,
            ids: batch.iter().map(|&p| self.nodes[p].id).collect(),
            on_plain_table: false,
            helpers: 0,
            bytes: 0,
        })
    }

    fn end(&mut self, task: &Task, outcome: impl Fn(DumpId) -> State) {
        for position in self.release(task) {
            let state = outcome(self.nodes[position].id);
            self.shares.end(position, state == State::Done);
            self.settle(position, state);
        }
    }

    /// The positions of the task's entries, which run no more; those that did not run are left out.
    fn release(&mut self, task: &Task) -> Vec<usize> {
        let mut positions = self.positions(task.ids.iter().copied());
        positions.retain(|&p| self.states[p] == State::Running);
        if task.stage.goes_out_singly() {
            for &position in &positions {
                let node = &self.nodes[position];
                let exclusive = node.exclusive || task.step == Step::Second;
                self.locks.release(&node.tables, exclusive);
            }
        }
        positions
    }

    fn settle(&mut self, position: usize, state: State) {
        self.put(position, state);
        self.unsettled[self.nodes[position].stage.index()] -= 1;
        for dependent in self.waits.settle(position) {
            self.enqueue(dependent);
        }
    }

    /// Notes the state, and how many are in it.
    fn put(&mut self, position: usize, state: State) {
        let before = std::mem::replace(&mut self.states[position], state);
        *self.counts.of(before) -= 1;
        *self.counts.of(state) += 1;
    }

    /// Into its stage's queue, if it waits, and for nothing but its turn.
    fn enqueue(&mut self, position: usize) {
        let stage = self.nodes[position].stage;
        let may_wait = stage.goes_out_singly() && !self.waits.are_over(position);
        if self.states[position] == State::Waiting && !may_wait {
            let rank = self.rank(position);
            self.queues[stage.index()].insert(rank);
        }
    }

    fn dequeue(&mut self, position: usize) {
        let rank = self.rank(position);
        self.queues[self.nodes[position].stage.index()].remove(&rank);
        self.built.remove(&rank);
    }

    fn rank(&self, position: usize) -> Rank {
        let node = &self.nodes[position];
        let bytes = match node.stage.goes_out_singly() {
            true => node.bytes,
            false => 0,
        };
        (Reverse(bytes), position)
    }

    fn positions(&self, ids: impl IntoIterator<Item = DumpId>) -> Vec<usize> {
        let known = ids.into_iter().filter_map(|id| self.by_id.get(&id));
        known.copied().collect()
    }
}
