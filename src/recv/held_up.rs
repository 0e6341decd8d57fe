//! Shows for whom recv waits, here and to send: sessions of others that hold what its own need.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::RecvError;
use super::session::Talk;
use crate::pg::{ConnInfo, session};
use crate::report::{Meter, Snapshot, one_line};
use crate::runtime::blocking;
use crate::sink::blockers::blockers;
use crate::transport::talk::Parting;
use crate::wire::message::ToSend;

/// How long nothing must have happened before the server is asked, and between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// Looks until dropped.
pub(super) struct HeldUp {
    looking: JoinHandle<()>,
    found: watch::Receiver<Option<String>>,
}

impl HeldUp {
    /// `name` is how the `application_name` of recv's sessions begins.
    pub(super) fn watch(info: &ConnInfo, name: String, meter: &Arc<Meter>) -> Self {
        let (finds, found) = watch::channel(None);
        let looking = tokio::spawn(look_on(info.clone(), name, Arc::clone(meter), finds));
        Self { looking, found }
    }

    /// A new connection begins, whose send has heard nothing.
    pub(super) fn tell_again(&mut self) {
        let is_held_up = self.found.borrow_and_update().is_some();
        if is_held_up {
            self.found.mark_changed();
        }
    }

    /// What send is to be told next. Cancel-safe.
    pub(super) async fn news(&mut self) -> ToSend {
        if self.found.changed().await.is_err() {
            // Nobody looks any more.
            std::future::pending::<()>().await;
        }
        let by = self.found.borrow_and_update().clone();
        ToSend::HeldUp { by }
    }

    /// Awaits what needs no link, unless the user stops it, and tells send meanwhile. Where the link is
    /// lost that is missed later.
    pub(super) async fn tell_during<T>(
        &mut self,
        talk: &mut Talk,
        work: impl Future<Output = T>,
    ) -> Result<T, Parting> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = talk.unless_stopped(&mut work) => return done,
                news = self.news() => drop(talk.say(&news).await),
            }
        }
    }
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

async fn look_on(
    info: ConnInfo,
    name: String,
    meter: Arc<Meter>,
    finds: watch::Sender<Option<String>>,
) {
    let mut before = meter.snapshot();
    loop {
        sleep(LOOK).await;
        let now = meter.snapshot();
        // Whoever waits for send has no session that waits for a lock.
        let found = match stands(&before, &now) && !meter.waits() {
            true => look(&info, &name).await,
            false => None,
        };
        meter.held_up(found.clone());
        finds.send_if_modified(|told| {
            let is_new = *told != found;
            *told = found;
            is_new
        });
        before = now;
    }
}

/// Whether nothing has happened between the two.
fn stands(before: &Snapshot, now: &Snapshot) -> bool {
    let at = |s: &Snapshot| (s.phases_begun, s.wire_bytes, s.chunks_done, s.index_done);
    at(before) == at(now)
}

async fn look(info: &ConnInfo, name: &str) -> Option<String> {
    let (info, name) = (info.clone(), name.to_owned());
    let looking = blocking(move || {
        let mut client = session::open(&info, &name, "UTF8")?;
        client.set_read_timeout(Some(LOOK))?;
        Ok::<_, RecvError>(blockers(&mut client, &name)?)
    });
    looking.await.unwrap_or_else(|error| {
        tracing::debug!(
            error = one_line(&error),
            "nobody can be asked who holds locks"
        );
        None
    })
}
