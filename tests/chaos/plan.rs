//! Which faults strike when: drawn before the migration begins, from the seed alone.

use std::time::Duration;

use crate::faults::{End, Fault, Side};
use crate::phase::Phase;
use crate::support::{CUT, Dice, STALL, Way, Weather};

/// A fault that is due some time after its phase has been reached and the fault before is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    pub(crate) phase: Phase,
    pub(crate) delay: Duration,
    pub(crate) fault: Fault,
}

/// Every kind of fault, dealt once before one is dealt again.
pub(crate) struct Deck {
    dice: Dice,
    cards: Vec<Fault>,
    patient: bool,
    small_disk: bool,
}

/// Of a hundred faults, by phase.
const SHARES: [(Phase, u64); 5] = [
    (Phase::Before, 12),
    (Phase::Schema, 10),
    (Phase::Data, 40),
    (Phase::Index, 25),
    (Phase::Finish, 13),
];

impl Deck {
    pub(crate) fn new(seed: u64, patient: bool, small_disk: bool) -> Self {
        Self {
            dice: Dice::new(seed),
            cards: Vec::new(),
            patient,
            small_disk,
        }
    }

    /// The faults of one migration, in the order of its phases.
    pub(crate) fn plan(&mut self, faults: usize) -> Vec<Planned> {
        let mut phases: Vec<_> = (0..faults).map(|_| self.phase()).collect();
        phases.sort();
        phases
            .into_iter()
            .map(|phase| self.planned(phase))
            .collect()
    }

    fn phase(&mut self) -> Phase {
        let mut left = self.dice.below(100);
        for (phase, share) in SHARES {
            match left.checked_sub(share) {
                Some(rest) => left = rest,
                None => return phase,
            }
        }
        Phase::Data
    }

    fn planned(&mut self, phase: Phase) -> Planned {
        // How long the phase takes, about, so that its end is hit too.
        let most = match phase {
            Phase::Before => 250,
            Phase::Schema => 300,
            Phase::Data | Phase::Index => 2500,
            Phase::Finish => 1500,
        };
        let delay = self
            .dice
            .between(Duration::ZERO, Duration::from_millis(most));
        let fault = self.deal(phase);
        Planned {
            phase,
            delay,
            fault,
        }
    }

    fn deal(&mut self, phase: Phase) -> Fault {
        loop {
            let suits = |card: &Fault| card.suits(phase);
            if let Some(place) = self.cards.iter().rposition(suits) {
                return self.cards.remove(place);
            }
            let fresh = self.shuffled();
            self.cards.splice(0..0, fresh);
        }
    }

    fn shuffled(&mut self) -> Vec<Fault> {
        let mut cards = self.all();
        for last in (1..cards.len()).rev() {
            cards.swap(last, self.dice.below(last as u64 + 1) as usize);
        }
        cards
    }

    /// Each once, but for what people fear most.
    fn all(&mut self) -> Vec<Fault> {
        let sides = [Side::Send, Side::Recv];
        let ends = [End::Source, End::Target];
        let mut cards = vec![
            Fault::KillBoth,
            Fault::KillKeeper,
            Fault::TerminateKeeper,
            Fault::Moved,
            Fault::Link(CUT, self.brief()),
            Fault::Link(CUT, self.long()),
            Fault::Link(STALL, self.brief()),
            Fault::Link(STALL, self.long()),
            Fault::Link(self.storm(), self.brief()),
            Fault::HalfCut(Way::There, self.brief()),
            Fault::HalfCut(Way::Back, self.brief()),
        ];
        for side in sides {
            let pause = Fault::Pause(side, self.brief());
            cards.extend([Fault::Kill(side), Fault::Kill(side)]);
            cards.extend([Fault::Interrupt(side), pause]);
        }
        for end in ends {
            let (stop, kill) = (self.brief(), self.brief());
            cards.extend([Fault::Terminate(end), Fault::Terminate(end)]);
            cards.extend([Fault::KillBackend(end), Fault::Stop(end, stop)]);
            cards.push(Fault::KillServer(end, kill));
        }
        if self.small_disk {
            cards.extend([Fault::FullDisk(self.brief()), Fault::FullDisk(self.brief())]);
        }
        cards
    }

    fn brief(&mut self) -> Duration {
        let most = Duration::from_secs(if self.patient { 6 } else { 3 });
        self.dice.between(Duration::from_millis(300), most)
    }

    /// The idle timeout of 15 s passes, or not.
    fn long(&mut self) -> Duration {
        let most = Duration::from_secs(if self.patient { 30 } else { 18 });
        self.dice.between(Duration::from_secs(10), most)
    }

    fn storm(&mut self) -> Weather {
        let mut up_to = |most| 10 + u32::try_from(self.dice.below(most)).unwrap();
        Weather {
            lost: up_to(200),
            doubled: up_to(200),
            late: up_to(400),
            held: false,
        }
    }
}
