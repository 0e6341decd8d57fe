//! The writer's thread: each attempt in a transaction of its own, which begins with its first rows.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::worker::{Event, Handover, Shared, WorkError};
use crate::ledger::has_lost;
use crate::pg::{ConnInfo, session};
use crate::report::{Stage, one_line};
use crate::runtime::{Patience, Slot};
use crate::schema::roles::RoleMap;
use crate::sink::journal::Journal;
use crate::sink::writer::{Piece, WriteError, Writer, Written};
use crate::wire::message::Omit;

/// What a writer needs to connect.
pub(super) struct Writing {
    pub(super) info: ConnInfo,
    /// `application_name` of its session.
    pub(super) name: String,
    pub(super) encoding: &'static str,
    pub(super) journal: Journal,
    pub(super) omit: Omit,
    pub(super) as_replica: bool,
    pub(super) role_map: RoleMap,
    /// Large objects of the target's own are replaced (`--clean`).
    pub(super) replaces_objects: bool,
    /// Whether its decoder is to take attempts.
    pub(super) writes: watch::Sender<bool>,
}

/// A writer's connection, once it has had something to write, and its patience with the server.
struct Seat {
    writer: Option<Writer>,
    patience: Patience,
    /// Ends what it waits for.
    slot: Slot,
}

impl Writing {
    /// Writes what comes until nothing does. What the server refuses in passing is rolled back and
    /// comes again as another attempt, over a new connection to the server.
    pub(super) fn run(self, shared: &Shared, chunks: &Receiver<Handover>) -> Result<(), WorkError> {
        let mut seat = Seat {
            writer: None,
            patience: Patience::among(&shared.writers),
            slot: shared.brake.slot(),
        };
        while let Ok(handover) = chunks.recv() {
            match self.attempt(shared, &mut seat, &handover) {
                Ok(written) => {
                    seat.patience.renew();
                    shared.tell(Event::Committed(handover.attempt.chunk, written));
                }
                Err(WriteError::Incomplete { .. }) => {
                    if shared.intake.release(handover.attempt) {
                        shared.tell(Event::Released(handover.attempt));
                    }
                }
                Err(error) if error.is_momentary() => {
                    let news = give_back(shared, &handover);
                    self.recover(shared, &mut seat, chunks, news, error)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// One attempt, from its first piece to its commit.
    fn attempt(
        &self,
        shared: &Shared,
        seat: &mut Seat,
        handover: &Handover,
    ) -> Result<Written, WriteError> {
        let chunk = shared.plan.claimed(handover.attempt.chunk);
        // No transaction before there is something to write.
        let mut first = handover.pieces.recv().ok();
        if first.is_none() {
            let chunk = chunk.id.to_string();
            return Err(WriteError::Incomplete { chunk });
        }
        let writer = match &mut seat.writer {
            Some(writer) => writer,
            none => {
                let writer = self.connect(shared, &seat.slot)?;
                seat.patience.connected();
                none.insert(writer)
            }
        };
        let mut last = Instant::now();
        let mut next = || -> Option<Piece> {
            shared.meter.record(Stage::Write, last.elapsed());
            let piece = first.take().or_else(|| handover.pieces.recv().ok());
            last = Instant::now();
            piece
        };
        let written = writer.write(&shared.plan, chunk, &mut next)?;
        // A chunk that is committed already may come again: its decoder goes on to the end of its
        // stream all the same.
        while next().is_some() {}
        Ok(written)
    }

    fn connect(&self, shared: &Shared, slot: &Slot) -> Result<Writer, WriteError> {
        let journal = self.journal.clone();
        let writer = Writer::connect(&self.info, &self.name, self.encoding, journal)?;
        let mut writer = writer
            .omit(self.omit)
            .roles(self.role_map.clone())
            .replacing_objects(self.replaces_objects);
        if self.as_replica {
            writer = writer.as_replica()?;
        }
        let (closer, cancel) = (writer.closer()?, writer.cancel_token());
        slot.hold(&shared.brake, move || {
            closer.close();
            // What is not cancelled holds its transaction open until it has its lock.
            let _ = cancel.cancel();
        });
        Ok(writer)
    }

    /// After an error that passes: pauses until the server takes a session again, as long as there
    /// is patience. Only then send is told what was rolled back, but where others can write it.
    fn recover(
        &self,
        shared: &Shared,
        seat: &mut Seat,
        chunks: &Receiver<Handover>,
        mut news: Option<Event>,
        mut error: WriteError,
    ) -> Result<(), WorkError> {
        seat.writer = None;
        loop {
            let others = error.is_crowded().then(|| seat.patience.stand_back());
            if let Some(pause) = others.flatten() {
                tell(shared, news.take());
                self.stand_back(shared, chunks, pause)?;
            } else {
                let pause = seat.patience.again(false);
                pause_for(shared, pause.ok_or_else(|| WorkError::from(error))?)?;
            }
            error = match self.look(shared, &seat.slot) {
                Err(WorkError::Write(error)) if error.is_momentary() => error,
                looked => {
                    looked?;
                    break;
                }
            };
            tracing::warn!(error = one_line(&error), "writing again");
        }
        tell(shared, news);
        self.writes.send_replace(true);
        Ok(())
    }

    /// Leaves the work to others for so long. What its decoder has taken by then is given back.
    fn stand_back(
        &self,
        shared: &Shared,
        chunks: &Receiver<Handover>,
        pause: Duration,
    ) -> Result<(), WorkError> {
        self.writes.send_replace(false);
        let until = Instant::now() + pause;
        loop {
            match chunks.recv_deadline(until) {
                Ok(handover) => tell(shared, give_back(shared, &handover)),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                // Its decoder was stopped, or has told why it ended.
                Err(RecvTimeoutError::Disconnected) => return Err(WorkError::Halted),
            }
        }
    }

    /// Makes sure that the server has not crashed and taken commits back, which were not durable.
    fn look(&self, shared: &Shared, slot: &Slot) -> Result<(), WorkError> {
        let known = shared.intake.committed();
        let opened = session::open(&self.info, &self.name, "UTF8");
        let mut client = opened.map_err(WriteError::Connect)?;
        let closer = client.closer().map_err(WriteError::Connect)?;
        slot.hold(&shared.brake, move || closer.close());
        let contents = self.journal.read(&mut client)?;
        match has_lost(&contents.committed(&shared.plan), &known) {
            true => Err(WorkError::TakenBack),
            false => Ok(()),
        }
    }
}

/// An attempt that is not written: what send is to be told of it, where it is to be.
fn give_back(shared: &Shared, handover: &Handover) -> Option<Event> {
    let news = shared.intake.release(handover.attempt);
    // Its decoder notices, and reads no further. Dropped at once, the channel would keep the buffers
    // that it waits for.
    handover.pieces.iter().for_each(drop);
    news.then_some(Event::Released(handover.attempt))
}

fn tell(shared: &Shared, news: Option<Event>) {
    if let Some(news) = news {
        shared.tell(news);
    }
}

fn pause_for(shared: &Shared, pause: Duration) -> Result<(), WorkError> {
    let pausing = async { timeout(pause, shared.intake.stopped()).await };
    match shared.runtime.block_on(pausing) {
        Ok(()) => Err(WorkError::Halted),
        Err(_) => Ok(()),
    }
}
