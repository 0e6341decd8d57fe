//! One thread of the builder: its connection, and what it does where that is lost or cannot be had.

use std::sync::Arc;

use super::{BuildError, Owners, Shared, Work};
use crate::report::one_line;
use crate::runtime::{Patience, Slot, Workers};
use crate::sink::ddl::Restorer;

/// Where a thread, which may be connected, has its work from; waits for it. Nothing when none is left.
pub(super) type Next = fn(&Shared, bool) -> Option<Work>;

pub(super) fn spawn(workers: &mut Workers, shared: &Arc<Shared>, number: usize, next: Next) {
    let (building, ending) = (Arc::clone(shared), Arc::clone(shared));
    let seat = Seat {
        restorer: None,
        patience: Patience::among(&shared.connected).beside(&shared.site.writers),
        slot: shared.brake.slot(),
    };
    workers.spawn(
        format!("index-{number}"),
        move || build(&building, number, next, seat),
        move |ended| ending.ended(ended.err()),
    );
}

/// A builder's connection, once it has had something to do, and its patience with the server.
struct Seat {
    restorer: Option<Restorer>,
    patience: Patience,
    /// Ends what it waits for.
    slot: Slot,
}

/// One thread: connects with its first work, ends when nothing is left.
fn build(shared: &Shared, number: usize, next: Next, mut seat: Seat) -> Result<(), BuildError> {
    'works: while let Some(work) = next(shared, seat.restorer.is_some()) {
        while let Err(error) = perform(shared, number, &mut seat, &work) {
            if !error.is_momentary() {
                return Err(error);
            }
            seat.restorer = None;
            tracing::warn!(error = one_line(&error), "building again");
            let others = error.is_crowded().then(|| seat.patience.stand_back());
            if let Some(pause) = others.flatten() {
                // Who has a connection may do it meanwhile.
                shared.give_back(&work);
                shared.stand_back(pause, &seat.patience);
                continue 'works;
            }
            let pause = seat.patience.again(false).ok_or(error)?;
            shared.pause(pause);
            if matches!(work, Work::EndOfData) {
                // Another thread may have done it by now.
                continue 'works;
            }
        }
        seat.patience.renew();
    }
    Ok(())
}

/// Does one piece of work; what was committed before a connection was lost is found done.
fn perform(shared: &Shared, number: usize, seat: &mut Seat, work: &Work) -> Result<(), BuildError> {
    let restorer = match &mut seat.restorer {
        Some(restorer) => restorer,
        none => {
            let restorer = connect(shared, number, &seat.slot)?;
            seat.patience.connected();
            none.insert(restorer)
        }
    };
    match work {
        Work::Task(task) => {
            let restored = restorer.task(task)?;
            shared.end(task, &restored);
        }
        Work::EndOfData => shared.end_data(restorer)?,
        Work::Owners => {
            restorer.give_to_owners()?;
            shared.change(|progress| progress.owners = Owners::Done);
        }
        Work::Refresh(place) => shared.refresh(restorer, *place)?,
    }
    Ok(())
}

/// Connects, and makes sure that the server has not crashed and taken steps back.
fn connect(shared: &Shared, number: usize, slot: &Slot) -> Result<Restorer, BuildError> {
    let site = &shared.site;
    let name = format!("{} index {number}", site.name);
    let mut restorer = Restorer::connect(
        &site.info,
        &name,
        site.journal.clone(),
        Arc::clone(&site.schema),
        site.work_mem_mib,
    )?;
    let (closer, cancel) = (restorer.closer()?, restorer.cancel_token());
    slot.hold(&shared.brake, move || {
        // What is not cancelled ends by itself; closing ends our wait for it in any case.
        let _ = cancel.cancel();
        closer.close();
    });
    let found = site.entries.find(&site.journal, restorer.client())?;
    found.map(|_| restorer).ok_or(BuildError::TakenBack)
}
