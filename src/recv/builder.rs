//! Builds indexes and keys beside the data phase, each table's as soon as its rows are in, then
//! the rest. Belongs to the migration, not to a connection: it goes on while the link is down.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

use super::session::Event;
use crate::pg::{Closer, ConnInfo};
use crate::phase::{Schedule, Task};
use crate::schema::{Oid, QualifiedName};
use crate::sink::ddl::{DdlError, Restored, Restorer, Schema};
use crate::sink::finish;
use crate::sink::journal::{Contents, Journal, JournalError};

/// Why building stopped; entries that the server refuses are recorded instead.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Ddl(#[from] DdlError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("a thread that builds indexes ended without a reason; please report this as a bug")]
    Panic,
}

/// What the builder needs of its target.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) info: ConnInfo,
    /// `application_name` of its sessions.
    pub(super) name: String,
    pub(super) journal: Journal,
    pub(super) schema: Arc<Schema>,
    pub(super) jobs: usize,
    /// `maintenance_work_mem` of each session, if planned.
    pub(super) work_mem_mib: Option<u64>,
    pub(super) refresh: Vec<QualifiedName>,
}

struct Shared {
    site: Site,
    contents: Contents,
    progress: Mutex<Progress>,
    changed: Condvar,
    closers: Mutex<Vec<Closer>>,
    live: AtomicUsize,
    events: UnboundedSender<Event>,
}

struct Progress {
    schedule: Schedule,
    refresh: Refresh,
    stopped: bool,
}

#[derive(PartialEq, Eq)]
enum Refresh {
    Due,
    Running,
    Done,
}

enum Work {
    Task(Task),
    Refresh,
}

/// The threads that build; stops and joins them when dropped.
pub(super) struct Builder {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Builder {
    /// Starts the threads; says [`Event::Built`] when everything is restored.
    pub(super) fn start(
        site: Site,
        contents: Contents,
        schedule: Schedule,
        events: UnboundedSender<Event>,
    ) -> Self {
        let jobs = site.jobs.max(1);
        let shared = Arc::new(Shared {
            site,
            contents,
            progress: Mutex::new(Progress {
                schedule,
                refresh: Refresh::Due,
                stopped: false,
            }),
            changed: Condvar::new(),
            closers: Mutex::default(),
            live: AtomicUsize::new(jobs),
            events,
        });
        let threads = (0..jobs)
            .map(|number| spawn(Arc::clone(&shared), number))
            .collect();
        Self { shared, threads }
    }

    /// All rows of a table are committed.
    pub(super) fn open_gate(&self, table: Oid) {
        lock(&self.shared.progress).schedule.open_gate(table);
        self.shared.changed.notify_all();
    }

    /// (done, total) entries.
    pub(super) fn counts(&self) -> (u64, u64) {
        let counts = lock(&self.shared.progress).schedule.counts();
        let done = counts.done + counts.failed;
        (done as u64, (done + counts.waiting + counts.running) as u64)
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        lock(&self.shared.progress).stopped = true;
        self.shared.changed.notify_all();
        for closer in lock(&self.shared.closers).drain(..) {
            closer.close();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(shared: Arc<Shared>, number: usize) -> JoinHandle<()> {
    let run = move || {
        let work = std::panic::AssertUnwindSafe(|| build(&shared, number));
        let result = std::panic::catch_unwind(work).unwrap_or(Err(BuildError::Panic));
        let last = shared.live.fetch_sub(1, Ordering::AcqRel) == 1;
        let event = match result {
            Err(error) => Event::BuildFailed(error),
            Ok(()) if last => Event::Built,
            Ok(()) => return,
        };
        let _ = shared.events.send(event);
    };
    std::thread::Builder::new()
        .name(format!("index-{number}"))
        .spawn(run)
        .expect("the system starts a few threads")
}

/// One thread: connects with its first work, ends when nothing is left.
fn build(shared: &Shared, number: usize) -> Result<(), BuildError> {
    let mut restorer = None;
    while let Some(work) = shared.next() {
        let restorer = match &mut restorer {
            Some(restorer) => restorer,
            none => none.insert(connect(shared, number)?),
        };
        match work {
            Work::Task(task) => {
                let restored = restorer.task(&task)?;
                shared.end(&task, &restored);
            }
            Work::Refresh => {
                shared.refresh(restorer)?;
                shared.end_refresh();
            }
        }
        let _ = shared.events.send(Event::BuildProgress);
    }
    Ok(())
}

fn connect(shared: &Shared, number: usize) -> Result<Restorer, BuildError> {
    let site = &shared.site;
    let name = format!("{} index {number}", site.name);
    let restorer = Restorer::connect(
        &site.info,
        &name,
        site.journal.clone(),
        Arc::clone(&site.schema),
        site.work_mem_mib,
    )?;
    lock(&shared.closers).push(restorer.closer()?);
    Ok(restorer)
}

impl Shared {
    /// Waits for work; nothing when all is done or the builder was stopped.
    fn next(&self) -> Option<Work> {
        let mut progress = lock(&self.progress);
        loop {
            if progress.stopped {
                return None;
            }
            if let Some(task) = progress.schedule.next_task() {
                return Some(Work::Task(task));
            }
            if progress.refresh == Refresh::Due && progress.schedule.awaits_refresh() {
                progress.refresh = Refresh::Running;
                return Some(Work::Refresh);
            }
            if progress.refresh == Refresh::Done && progress.schedule.is_finished() {
                return None;
            }
            progress = self
                .changed
                .wait(progress)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self, task: &Task, restored: &Restored) {
        let schedule = &mut lock(&self.progress).schedule;
        match restored {
            Restored::Done => schedule.done(task),
            Restored::Built => schedule.built(task),
            Restored::Failed(ids) => schedule.partly_failed(task, ids),
        }
        self.changed.notify_all();
    }

    fn refresh(&self, restorer: &mut Restorer) -> Result<(), BuildError> {
        for view in &self.site.refresh {
            finish::refresh(
                restorer.client(),
                &self.site.journal,
                &self.contents.steps,
                view,
            )?;
        }
        Ok(())
    }

    fn end_refresh(&self) {
        let mut progress = lock(&self.progress);
        progress.refresh = Refresh::Done;
        progress.schedule.refreshed();
        self.changed.notify_all();
    }
}
