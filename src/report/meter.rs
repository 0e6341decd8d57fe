//! The counters of a run: written by workers, read by the progress display and the report.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::contract::PhaseTime;
use super::latency::{Latencies, Stage};

/// What one block, or one chunk, contributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    pub rows: u64,
    /// COPY payload without file header and trailer.
    pub raw_bytes: u64,
    /// Encoded blocks with their headers.
    pub wire_bytes: u64,
}

/// Counts one side's work; cheap enough to call once per block from every worker.
#[derive(Debug)]
pub struct Meter {
    started: Instant,
    planned_bytes: AtomicU64,
    planned_chunks: AtomicU64,
    planned_tables: AtomicU64,
    rows: AtomicU64,
    raw_bytes: AtomicU64,
    wire_bytes: AtomicU64,
    done_bytes: AtomicU64,
    done_chunks: AtomicU64,
    done_raw_bytes: AtomicU64,
    resumed_bytes: AtomicU64,
    index_done: AtomicU64,
    index_total: AtomicU64,
    phases: Mutex<Phases>,
    waiting_for: Mutex<Option<Waiting>>,
    /// The same, found out beside the run; comes first.
    held_up: Mutex<Option<String>>,
    latencies: Latencies,
}

#[derive(Debug)]
struct Waiting {
    what: String,
    /// Somebody may hold it up.
    on_server: bool,
}

#[derive(Debug, Default)]
struct Phases {
    current: Option<(&'static str, Instant)>,
    /// One of each name.
    ended: Vec<PhaseTime>,
    begun: usize,
}

/// The meter at one instant, as plain data for the display.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    pub elapsed: Duration,
    pub phase: Option<String>,
    /// How many phases have begun; a display compares it to notice a change.
    pub phases_begun: usize,
    pub rows: u64,
    pub raw_bytes: u64,
    pub wire_bytes: u64,
    /// Heap bytes moved, by estimate; never more than `bytes_total`.
    pub bytes_done: u64,
    pub bytes_total: u64,
    /// The part of `bytes_done` that earlier runs moved: no rate may count it.
    pub bytes_resumed: u64,
    pub chunks_done: u64,
    pub chunks_total: u64,
    pub tables_total: u64,
    pub index_done: u64,
    pub index_total: u64,
    pub waiting_for: Option<String>,
}

impl Meter {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            planned_bytes: AtomicU64::new(0),
            planned_chunks: AtomicU64::new(0),
            planned_tables: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            raw_bytes: AtomicU64::new(0),
            wire_bytes: AtomicU64::new(0),
            done_bytes: AtomicU64::new(0),
            done_chunks: AtomicU64::new(0),
            done_raw_bytes: AtomicU64::new(0),
            resumed_bytes: AtomicU64::new(0),
            index_done: AtomicU64::new(0),
            index_total: AtomicU64::new(0),
            phases: Mutex::default(),
            waiting_for: Mutex::default(),
            held_up: Mutex::default(),
            latencies: Latencies::new(),
        }
    }

    /// Sets what there is to do; `bytes` is the estimate over all chunks.
    pub fn plan(&self, bytes: u64, chunks: u64, tables: u64) {
        self.planned_bytes.store(bytes, Relaxed);
        self.planned_chunks.store(chunks, Relaxed);
        self.planned_tables.store(tables, Relaxed);
    }

    /// Begins a connection with what is committed, by this run or an earlier one: nothing is under
    /// way.
    pub fn resume(&self, estimate_bytes: u64, chunks: u64) {
        let seen = self.done_bytes.swap(estimate_bytes, Relaxed);
        let unseen = estimate_bytes.saturating_sub(seen);
        self.resumed_bytes.fetch_add(unseen, Relaxed);
        self.done_chunks.store(chunks, Relaxed);
        let raw_bytes = self.raw_bytes.load(Relaxed);
        self.done_raw_bytes.store(raw_bytes, Relaxed);
    }

    pub fn add(&self, block: Counted) {
        self.rows.fetch_add(block.rows, Relaxed);
        self.raw_bytes.fetch_add(block.raw_bytes, Relaxed);
        self.wire_bytes.fetch_add(block.wire_bytes, Relaxed);
    }

    /// A chunk is committed: its estimate counts as done, and its raw bytes no longer as under way.
    pub fn chunk_done(&self, estimate_bytes: u64, raw_bytes: u64) {
        self.done_bytes.fetch_add(estimate_bytes, Relaxed);
        self.done_raw_bytes.fetch_add(raw_bytes, Relaxed);
        self.done_chunks.fetch_add(1, Relaxed);
    }

    pub fn index_total(&self, entries: u64) {
        self.index_total.store(entries, Relaxed);
    }

    /// Sets how many entries are restored, as the other side tells it.
    pub fn index_at(&self, entries: u64) {
        self.index_done.store(entries, Relaxed);
    }

    /// Ends the current phase and begins `name`; the same name again changes nothing. All names are
    /// ours: what a peer calls its phases is not kept.
    pub fn phase(&self, name: &'static str) {
        let mut phases = lock(&self.phases);
        if phases.current.is_some_and(|(now, _)| now == name) {
            return;
        }
        phases.end();
        phases.current = Some((name, Instant::now()));
        phases.begun += 1;
    }

    /// Ends the current phase.
    pub fn end_phase(&self) {
        lock(&self.phases).end();
    }

    /// The phases that have ended, in order of their first end; what came again took its times
    /// together.
    pub fn phases(&self) -> Vec<PhaseTime> {
        lock(&self.phases).ended.clone()
    }

    /// Says what the run waits for, as in "waiting for lock on public.t"; `None` when it goes on.
    pub fn waiting_for(&self, what: Option<String>) {
        let on_server = false;
        *lock(&self.waiting_for) = what.map(|what| Waiting { what, on_server });
    }

    /// The same of what this side's own server does: whoever looks on may find who holds that up.
    pub fn waiting_for_server(&self, what: &str) {
        let (what, on_server) = (what.to_owned(), true);
        *lock(&self.waiting_for) = Some(Waiting { what, on_server });
    }

    /// Whether the run itself has said what it waits for, and no server's locks are behind that.
    pub fn waits(&self) -> bool {
        let waiting = lock(&self.waiting_for);
        waiting.as_ref().is_some_and(|waiting| !waiting.on_server)
    }

    /// Says what holds the run up, as seen by who looks on; `None` when nothing does.
    pub fn held_up(&self, what: Option<String>) {
        *lock(&self.held_up) = what;
    }

    pub fn record(&self, stage: Stage, took: Duration) {
        self.latencies.record(stage, took);
    }

    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn snapshot(&self) -> Snapshot {
        let phases = lock(&self.phases);
        let phase = phases.current.map(|(name, _)| name.to_owned());
        let phases_begun = phases.begun;
        drop(phases);
        Snapshot {
            elapsed: self.started.elapsed(),
            phase,
            phases_begun,
            rows: self.rows.load(Relaxed),
            raw_bytes: self.raw_bytes.load(Relaxed),
            wire_bytes: self.wire_bytes.load(Relaxed),
            bytes_done: self.bytes_done(),
            bytes_total: self.planned_bytes.load(Relaxed),
            bytes_resumed: self.resumed_bytes.load(Relaxed),
            chunks_done: self.done_chunks.load(Relaxed),
            chunks_total: self.planned_chunks.load(Relaxed),
            tables_total: self.planned_tables.load(Relaxed),
            index_done: self.index_done.load(Relaxed),
            index_total: self.index_total.load(Relaxed),
            waiting_for: lock(&self.held_up)
                .clone()
                .or_else(|| lock(&self.waiting_for).as_ref().map(|w| w.what.clone())),
        }
    }

    /// Committed chunks by their estimate, those under way by their raw bytes: COPY payload is
    /// near enough to heap size to keep the bar moving on a slow link.
    fn bytes_done(&self) -> u64 {
        let under_way = self
            .raw_bytes
            .load(Relaxed)
            .saturating_sub(self.done_raw_bytes.load(Relaxed));
        let done = self.done_bytes.load(Relaxed).saturating_add(under_way);
        done.min(self.planned_bytes.load(Relaxed))
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Phases {
    fn end(&mut self) {
        let Some((name, since)) = self.current.take() else {
            return;
        };
        let seconds = since.elapsed().as_secs_f64();
        match self.ended.iter_mut().find(|phase| phase.name == name) {
            Some(known) => known.seconds += seconds,
            None => self.ended.push(PhaseTime {
                name: name.to_owned(),
                seconds,
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Counted = Counted {
        rows: 10,
        raw_bytes: 100,
        wire_bytes: 5,
    };

    #[test]
    fn done_is_the_estimate_plus_what_is_under_way_and_never_too_much() {
        let meter = Meter::new();
        meter.plan(1000, 3, 1);
        meter.resume(500, 1);
        meter.add(BLOCK);
        assert_eq!(meter.snapshot().bytes_done, 600);
        meter.chunk_done(250, 100);
        assert_eq!(meter.snapshot().bytes_done, 750);
        meter.add(Counted {
            raw_bytes: 9000,
            ..BLOCK
        });
        let now = meter.snapshot();
        assert_eq!((now.bytes_done, now.bytes_resumed), (1000, 500));
        assert_eq!(now.chunks_done, 2);
    }

    /// What waits for the own server is looked into, what waits for the peer is not.
    #[test]
    fn who_waits_for_the_server_is_shown_and_may_be_held_up() {
        let meter = Meter::new();
        meter.waiting_for(Some("send".into()));
        assert!(meter.waits());
        meter.waiting_for_server("the target");
        assert!(!meter.waits());
        assert_eq!(meter.snapshot().waiting_for.as_deref(), Some("the target"));
        meter.held_up(Some("locks".into()));
        assert_eq!(meter.snapshot().waiting_for.as_deref(), Some("locks"));
    }

    #[test]
    fn a_new_connection_counts_nothing_twice() {
        let meter = Meter::new();
        meter.plan(1000, 3, 1);
        meter.resume(100, 1);
        meter.add(BLOCK);
        meter.chunk_done(300, 100);
        meter.add(BLOCK);
        meter.resume(400, 2);
        let now = meter.snapshot();
        assert_eq!((now.bytes_done, now.bytes_resumed), (400, 100));
        assert_eq!(now.chunks_done, 2);
    }

    #[test]
    fn phases_end_when_the_next_begins() {
        let meter = Meter::new();
        meter.phase("schema");
        meter.phase("data");
        meter.phase("data");
        assert_eq!(meter.snapshot().phase.as_deref(), Some("data"));
        assert_eq!(meter.snapshot().phases_begun, 2);
        meter.end_phase();
        let names: Vec<_> = meter.phases().into_iter().map(|p| p.name).collect();
        assert_eq!(names, ["schema", "data"]);
        assert_eq!(meter.snapshot().phase, None);
    }

    /// Each connection has its phases: their number must not grow with that of connections.
    #[test]
    fn a_phase_that_comes_again_is_kept_once() {
        let meter = Meter::new();
        for _ in 0..100 {
            meter.phase("schema");
            meter.phase("data");
        }
        meter.end_phase();
        let names: Vec<_> = meter.phases().into_iter().map(|p| p.name).collect();
        assert_eq!(names, ["schema", "data"]);
        assert_eq!(meter.snapshot().phases_begun, 200);
    }

    #[test]
    fn workers_may_share_it() {
        fn shared<T: Send + Sync>() {}
        shared::<Meter>();
    }
}
