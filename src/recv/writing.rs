//! The writer's thread: each attempt in a transaction of its own, which begins with its first rows.

use std::time::Instant;

use crossbeam_channel::Receiver;
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
}

impl Writing {
    /// Writes what comes until nothing does. What the server refuses in passing is rolled back and
    /// comes again as another attempt, over a new connection to the server.
    pub(super) fn run(self, shared: &Shared, chunks: &Receiver<Handover>) -> Result<(), WorkError> {
        let slot = shared.brake.slot();
        let (mut writer, mut patience) = (None, Patience::default());
        while let Ok(handover) = chunks.recv() {
            match self.attempt(shared, &slot, &mut writer, &handover) {
                Ok(written) => {
                    patience.renew();
                    shared.tell(Event::Committed(handover.attempt.chunk, written));
                }
                Err(WriteError::Incomplete { .. }) => {
                    if shared.intake.release(handover.attempt) {
                        shared.tell(Event::Released(handover.attempt));
                    }
                }
                Err(error) if error.is_momentary() => {
                    writer = None;
                    let news = shared.intake.release(handover.attempt);
                    // Its decoder notices, and reads no further. Dropped at once, the channel would
                    // keep the buffers that it waits for.
                    handover.pieces.iter().for_each(drop);
                    self.recover(shared, &slot, &mut patience, error)?;
                    if news {
                        shared.tell(Event::Released(handover.attempt));
                    }
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
        slot: &Slot,
        writer: &mut Option<Writer>,
        handover: &Handover,
    ) -> Result<Written, WriteError> {
        let chunk = shared.chunk(handover.attempt.chunk);
        // No transaction before there is something to write.
        let mut first = handover.pieces.recv().ok();
        if first.is_none() {
            let chunk = chunk.id.to_string();
            return Err(WriteError::Incomplete { chunk });
        }
        let writer = match writer {
            Some(writer) => writer,
            none => none.insert(self.connect(shared, slot)?),
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
        let mut writer = writer.omit(self.omit).roles(self.role_map.clone());
        if self.as_replica {
            writer = writer.as_replica()?;
        }
        let closer = writer.closer()?;
        slot.hold(&shared.brake, move || closer.close());
        Ok(writer)
    }

    /// After an error that passes: pauses until the server takes a session again, as long as there
    /// is patience.
    fn recover(
        &self,
        shared: &Shared,
        slot: &Slot,
        patience: &mut Patience,
        mut error: WriteError,
    ) -> Result<(), WorkError> {
        loop {
            let pause = patience.again().ok_or_else(|| WorkError::from(error))?;
            let pausing = async { timeout(pause, shared.intake.stopped()).await };
            if shared.runtime.block_on(pausing).is_ok() {
                return Err(WorkError::Halted);
            }
            error = match self.look(shared, slot) {
                Err(WorkError::Write(error)) if error.is_momentary() => error,
                looked => return looked,
            };
            tracing::warn!(error = one_line(&error), "writing again");
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
