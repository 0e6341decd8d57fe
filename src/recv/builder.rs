//! Builds indexes and keys beside the data phase, each table's as soon as its rows are in, then
//! the rest. Belongs to the migration, not to a connection: it goes on while the link is down.

mod seat;

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::entries::Entries;
use crate::chunk::Plan;
use crate::pg::{ConnInfo, PgError};
use crate::phase::{Refreshes, Schedule, Task};
use crate::runtime::{Brake, Company, Panicked, Patience, Workers, lock};
use crate::schema::Oid;
use crate::sink::ddl::{self, DdlError, Restored, Restorer, Schema};
use crate::sink::finish::{self, Refreshed};
use crate::sink::journal::{Journal, JournalError};
use crate::wire::message::Refresh;

/// How often a thread that leaves its work to others looks whether one of them has left it a connection.
const LOOK: Duration = Duration::from_secs(1);

/// Why building stopped; entries that the server refuses are recorded instead.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Ddl(#[from] DdlError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("the target server has lost commits in a crash; start both again")]
    TakenBack,
}

impl BuildError {
    /// Whether the same can be tried again at once, over a new connection.
    fn is_momentary(&self) -> bool {
        self.of_server().is_some_and(PgError::is_momentary)
    }

    /// Whether the target has no connection to spare.
    fn is_crowded(&self) -> bool {
        self.of_server().is_some_and(PgError::is_crowded)
    }

    fn of_server(&self) -> Option<&PgError> {
        match self {
            Self::Ddl(DdlError::Postgres { source, .. })
            | Self::Journal(JournalError::Postgres { source, .. }) => Some(source),
            _ => None,
        }
    }
}

/// How far the builder is; says itself when that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Built {
    /// Entries that are restored, or were refused.
    pub(super) done: u64,
    pub(super) total: u64,
    /// Every chunk is durably committed.
    pub(super) data_durable: bool,
    /// Its threads have ended, or one has failed: see [`Builder::outcome`].
    pub(super) over: bool,
}

/// What the builder needs of its target.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) info: ConnInfo,
    /// `application_name` of its sessions.
    pub(super) name: String,
    pub(super) journal: Journal,
    pub(super) plan: Arc<Plan>,
    pub(super) schema: Arc<Schema>,
    pub(super) jobs: usize,
    /// `maintenance_work_mem` of each session, if planned.
    pub(super) work_mem_mib: Option<u64>,
    pub(super) refresh: Vec<Refresh>,
    /// What the journal must have.
    pub(super) entries: Arc<Entries>,
    /// Those who write rows meanwhile, and leave their connections when all are there.
    pub(super) writers: Arc<Company>,
}

struct Shared {
    site: Site,
    progress: Mutex<Progress>,
    changed: Condvar,
    brake: Brake,
    /// Its threads that have a connection.
    connected: Arc<Company>,
    built: watch::Sender<Built>,
}

struct Progress {
    schedule: Schedule,
    /// Send may still take a new snapshot: the rows are not to be made durable now.
    data_is_open: bool,
    /// Somebody makes them durable.
    data_ends: bool,
    /// The thread that is there to make them durable has found no connection: who has one is to do it.
    end_is_left: bool,
    /// Their turn is when all else is there but materialized views and event triggers.
    owners: Owners,
    /// And then theirs.
    refreshes: Refreshes,
    stopped: bool,
    /// Threads that have not ended.
    live: usize,
    failed: Option<BuildError>,
}

/// Whether objects have been given to owners who could not have them before.
#[derive(PartialEq, Eq)]
enum Owners {
    Due,
    Running,
    Done,
}

enum Work {
    Task(Task),
    EndOfData,
    Owners,
    /// Of the view at this place of [`Site::refresh`].
    Refresh(usize),
}

/// The threads that build; stops and joins them when dropped.
pub(super) struct Builder {
    shared: Arc<Shared>,
    _workers: Workers,
}

impl Builder {
    pub(super) fn start(site: Site, schedule: Schedule) -> Self {
        let jobs = site.jobs.max(1);
        let progress = Progress {
            schedule,
            data_is_open: false,
            data_ends: false,
            end_is_left: false,
            owners: Owners::Due,
            refreshes: Refreshes::new(site.refresh.iter().map(|r| r.after.clone())),
            stopped: false,
            live: jobs + 1,
            failed: None,
        };
        let shared = Arc::new(Shared {
            site,
            built: watch::Sender::new(progress.built()),
            progress: Mutex::new(progress),
            changed: Condvar::new(),
            brake: Brake::default(),
            connected: Arc::default(),
        });
        let mut workers = Workers::new();
        for number in 0..jobs {
            seat::spawn(&mut workers, &shared, number, Shared::next);
        }
        // An index may take hours; what makes the rows durable waits for none, but where there is no
        // connection to spare: then for the first builder that has one and ends what it is at.
        seat::spawn(&mut workers, &shared, jobs, Shared::end_of_data);
        Self {
            shared,
            _workers: workers,
        }
    }

    /// All rows of a table are committed.
    pub(super) fn open_gate(&self, table: Oid) {
        lock(&self.shared.progress).schedule.open_gate(table);
        self.shared.changed.notify_all();
    }

    /// Until [`Self::close_data`] the rows are not made durable, as send may come with a new
    /// snapshot, in which some begin again.
    pub(super) fn open_data(&self) {
        lock(&self.shared.progress).data_is_open = true;
    }

    /// Send goes on in the snapshot that the rows are of.
    pub(super) fn close_data(&self) {
        lock(&self.shared.progress).data_is_open = false;
        self.shared.changed.notify_all();
    }

    /// Every chunk is durably committed.
    pub(super) fn is_data_durable(&self) -> bool {
        lock(&self.shared.progress).schedule.has_data_ended()
    }

    /// How far it is, now and from now on.
    pub(super) fn watch(&self) -> watch::Receiver<Built> {
        self.shared.built.subscribe()
    }

    /// Once it is over: why it failed, if it has. The error is told once.
    pub(super) fn outcome(&self) -> Result<(), BuildError> {
        match lock(&self.shared.progress).failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        lock(&self.shared.progress).stopped = true;
        self.shared.changed.notify_all();
        self.shared.brake.pull();
    }
}

impl Progress {
    /// All rows are there and are to be made durable.
    fn is_end_due(&self) -> bool {
        self.schedule.awaits_end_of_data() && !self.data_is_open && !self.data_ends
    }

    fn built(&self) -> Built {
        let counts = self.schedule.counts();
        let done = counts.done + counts.failed;
        Built {
            done: done as u64,
            total: (done + counts.waiting + counts.running) as u64,
            data_durable: self.schedule.has_data_ended(),
            over: self.live == 0 || self.failed.is_some(),
        }
    }
}

impl Shared {
    /// Waits for work; nothing when all is done or the builder was stopped.
    fn next(&self, is_connected: bool) -> Option<Work> {
        let mut progress = lock(&self.progress);
        loop {
            if progress.stopped {
                return None;
            }
            if is_connected && progress.end_is_left && progress.is_end_due() {
                return Some(Work::EndOfData);
            }
            if let Some(task) = progress.schedule.next_task() {
                return Some(Work::Task(task));
            }
            if progress.schedule.awaits_refresh() && progress.owners == Owners::Due {
                progress.owners = Owners::Running;
                return Some(Work::Owners);
            }
            if progress.schedule.awaits_refresh() && progress.owners == Owners::Done {
                if let Some(place) = progress.refreshes.next_view() {
                    return Some(Work::Refresh(place));
                }
                if progress.refreshes.are_settled() {
                    progress.schedule.refreshed();
                    self.changed.notify_all();
                    continue;
                }
            } else if progress.schedule.is_over() {
                return None;
            }
            progress = self
                .changed
                .wait(progress)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the rows are to be made durable.
    fn end_of_data(&self, _is_connected: bool) -> Option<Work> {
        let waits =
            |p: &mut Progress| !p.stopped && !p.schedule.has_data_ended() && !p.is_end_due();
        let progress = self.changed.wait_while(lock(&self.progress), waits);
        let progress = progress.unwrap_or_else(PoisonError::into_inner);
        (!progress.stopped && progress.is_end_due()).then_some(Work::EndOfData)
    }

    /// Nothing where another thread is at it by now, or send may come with a new snapshot again: to find
    /// a connection may have taken long.
    fn end_data(&self, restorer: &mut Restorer) -> Result<(), BuildError> {
        let mut is_ours = false;
        self.change(|progress| {
            is_ours = progress.is_end_due();
            progress.data_ends |= is_ours;
        });
        if !is_ours {
            return Ok(());
        }
        let ended = self.make_durable(restorer);
        self.change(|progress| {
            progress.data_ends = false;
            if ended.is_ok() {
                progress.schedule.end_data();
            }
        });
        ended
    }

    fn make_durable(&self, restorer: &mut Restorer) -> Result<(), BuildError> {
        let (journal, plan) = (&self.site.journal, &self.site.plan);
        // A crash of the server since the last commit may have taken some of them back.
        let committed = journal.read(restorer.client())?.committed(plan);
        if committed.len() != plan.chunks.len() {
            return Err(BuildError::TakenBack);
        }
        Ok(finish::end_data(restorer.client(), journal)?)
    }

    fn end(&self, task: &Task, restored: &Restored) {
        self.site.entries.add(ddl::steps(task, restored));
        self.change(|progress| match restored {
            Restored::Done => progress.schedule.done(task),
            Restored::Built => progress.schedule.built(task),
            Restored::Failed(ids) => progress.schedule.partly_failed(task, ids),
        });
    }

    /// What was not done is handed out again.
    fn give_back(&self, work: &Work) {
        self.change(|progress| match work {
            Work::Task(task) => progress.schedule.give_back(task),
            Work::EndOfData => progress.end_is_left = true,
            Work::Owners => progress.owners = Owners::Due,
            Work::Refresh(place) => progress.refreshes.give_back(*place),
        });
    }

    /// Waits, but not where the builder is stopped, or others have done all that was left. Whether it
    /// has waited to the end.
    fn pause(&self, pause: Duration) -> bool {
        let progress = lock(&self.progress);
        let going = |p: &mut Progress| !p.stopped && !p.schedule.is_over();
        let waited = self.changed.wait_timeout_while(progress, pause, going);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The same, until one of those that it waits for may have left it a connection.
    fn stand_back(&self, pause: Duration, patience: &Patience) {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_over = left.is_zero() || patience.has_anybody_left();
            if is_over || !self.pause(left.min(LOOK)) {
                return;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = lock(&self.progress);
        change(&mut progress);
        self.built.send_replace(progress.built());
        self.changed.notify_all();
    }

    /// A thread has ended. The first error is the cause; later ones are often its consequence.
    fn ended(&self, error: Option<BuildError>) {
        self.change(|progress| {
            progress.live -= 1;
            if let Some(error) = error {
                progress.failed.get_or_insert(error);
            }
        });
    }

    fn refresh(&self, restorer: &mut Restorer, place: usize) -> Result<(), BuildError> {
        let journal = &self.site.journal;
        let view = &self.site.refresh[place].view;
        let refused = match finish::refresh(restorer.client(), journal, view)? {
            Refreshed::Done => None,
            Refreshed::Refused(error) => Some(error),
        };
        let mut again = false;
        self.change(|progress| match refused {
            None => progress.refreshes.refreshed(place),
            Some(_) => again = progress.refreshes.refused(place),
        });
        if let (Some(error), false) = (refused, again) {
            finish::refresh_refused(restorer.client(), journal, view, &error)?;
            self.site.entries.add([finish::refresh_step(view)]);
        }
        Ok(())
    }
}
