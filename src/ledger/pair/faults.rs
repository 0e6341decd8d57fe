//! What goes wrong between the two, and with them.

use super::Pair;
use super::ends::{Encoder, JOBS};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    DropLink,
    KillSend,
    KillRecv,
    CrashTarget,
    /// The same, with unlogged tables.
    EmptyTarget,
    /// An encoder waits too long for a connection, or its reader fails.
    GiveUp,
    /// A decoder waits too long, or its writer fails.
    RollBack,
    /// Messages of the control stream's kinds that may come late or twice.
    Shuffle,
}

pub(super) const FAULTS: [Fault; 8] = [
    Fault::DropLink,
    Fault::KillSend,
    Fault::KillRecv,
    Fault::CrashTarget,
    Fault::EmptyTarget,
    Fault::GiveUp,
    Fault::RollBack,
    Fault::Shuffle,
];

impl Pair {
    pub(super) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::DropLink => self.drop_link(),
            Fault::KillSend => {
                self.sender = None;
                self.drop_link();
            }
            Fault::KillRecv => self.kill_recv(),
            Fault::CrashTarget => self.crash_target(),
            Fault::EmptyTarget => self.empty_target(),
            Fault::GiveUp => self.give_up(),
            Fault::RollBack => self.roll_back(),
            Fault::Shuffle => self.shuffle(),
        }
        self.check();
    }

    /// What has arrived by then can still be read.
    fn drop_link(&mut self) {
        let Some(link) = self.link.take() else { return };
        for stream in &mut self.streams {
            if stream.connection == link.number {
                let arrived = self.dice.below(stream.blocks.len() as u64 + 1);
                stream.blocks.truncate(arrived as usize);
                stream.reset = false;
            }
        }
        if let Some(sender) = &mut self.sender {
            sender.attached = false;
        }
    }

    fn kill_recv(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            let whole = receiver.decoders.into_iter().filter(|(_, d)| d.whole);
            self.undead
                .extend(whole.map(|(attempt, d)| (attempt.chunk, d.rows)));
        }
        self.drop_link();
    }

    /// Commits that were not durable are gone, and with them recv, which ends with an error and is
    /// started again; send does, or only sees its link lost.
    fn crash_target(&mut self) {
        let lost = self.journal.len() - self.durable;
        let lost = self.dice.below(lost as u64 + 1) as usize;
        self.journal.truncate(self.journal.len() - lost);
        self.durable = self.journal.len();
        self.drop_link();
        self.receiver = None;
        self.undead.clear();
        if self.dice.below(2) == 0 {
            self.sender = None;
        }
    }

    /// What was in unlogged tables is gone, whenever it was committed: any of it.
    fn empty_target(&mut self) {
        let dice = &mut self.dice;
        self.journal.retain(|_| dice.below(2) == 0);
        self.durable = self.durable.min(self.journal.len());
        self.crash_target();
    }

    /// Not what is written to the end over a living connection: nothing waits then.
    fn give_up(&mut self) {
        let Some(sender) = &mut self.sender else {
            return;
        };
        let place = self.dice.below(JOBS as u64) as usize;
        let waits = |encoder: &mut Encoder| !encoder.written || self.link.is_none();
        if let Some(encoder) = sender.encoders[place].take_if(waits) {
            encoder.reset(&mut self.streams);
            sender.sending.give_back(encoder.attempt);
        }
    }

    fn roll_back(&mut self) {
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        let attempt = self.dice.pick(receiver.decoders.keys().copied());
        if let Some(attempt) = attempt {
            receiver.roll_back(attempt);
        }
    }

    fn shuffle(&mut self) {
        let Some(link) = &mut self.link else { return };
        if link.resume.is_some() || !link.agreed || link.to_send.len() < 2 {
            return;
        }
        let last = link.to_send.len() - 1;
        link.to_send.swap(0, last);
        // A release that comes twice must not end the attempt after it.
        let twice = link.to_send[0].clone();
        link.to_send.push_back(twice);
    }
}
