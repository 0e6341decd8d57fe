//! Which faults strike when: drawn before the migration begins, from the seed alone.

use std::time::Duration;

use crate::faults::{End, Fault, Side};
use crate::phase::Phase;
use crate::support::{CUT, Dice, STALL, Way, Weather};

/// A fault that is due some time after its phase has been reached and what was due before is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) phase: Phase,
    pub(crate) delay: Duration,
    pub(crate) fault: Fault,
    pub(crate) within: Option<Within>,
}

/// A second fault, which strikes while the first one lasts; it may outlast it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within {
    /// The first has struck.
    pub(crate) after: Duration,
    pub(crate) fault: Fault,
}

impl Planned {
    /// One, or both of a pair.
    pub(crate) fn faults(&self) -> impl Iterator<Item = Fault> + use<> {
        let second = self.within.map(|within| within.fault);
        [self.fault].into_iter().chain(second)
    }
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

/// Of a hundred times that something strikes, how often it is a pair.
const PAIRS: u64 = 22;
/// How long a side that was killed stays so until the second fault of a pair strikes.
const DEAD: Duration = Duration::from_millis(800);

impl Deck {
    pub(crate) fn new(seed: u64, patient: bool, small_disk: bool) -> Self {
        Self {
            dice: Dice::new(seed),
            cards: Vec::new(),
            patient,
            small_disk,
        }
    }

    /// So many faults of one migration, in the order of its phases; both of a pair count.
    pub(crate) fn plan(&mut self, faults: usize) -> Vec<Planned> {
        let (mut due, mut left) = (Vec::new(), faults);
        while left > 0 {
            let is_pair = left > 1 && self.dice.below(100) < PAIRS;
            due.push((self.phase(), is_pair));
            left -= if is_pair { 2 } else { 1 };
        }
        due.sort_by_key(|(phase, _)| *phase);
        due.into_iter()
            .map(|(phase, is_pair)| self.planned(phase, is_pair))
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

    fn planned(&mut self, phase: Phase, is_pair: bool) -> Planned {
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
        let fault = self.deal(|card| card.suits(phase) && (card.can_last() || !is_pair));
        let within = is_pair.then(|| self.within(phase, fault));
        Planned {
            phase,
            delay,
            fault,
            within,
        }
    }

    fn within(&mut self, phase: Phase, first: Fault) -> Within {
        let fault = self.deal(|card| card.suits(phase) && first.leaves(card));
        let lasts = match first.killed() {
            [] => first.time(),
            _ => DEAD,
        };
        let after = self.dice.between(Duration::ZERO, lasts);
        Within { after, fault }
    }

    /// The next card that fits.
    fn deal(&mut self, fits: impl Fn(Fault) -> bool) -> Fault {
        loop {
            if let Some(place) = self.cards.iter().rposition(|card| fits(*card)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(seed: u64, count: usize) -> Vec<Planned> {
        let mut deck = Deck::new(seed, false, true);
        (0..count).flat_map(|_| deck.plan(8)).collect()
    }

    #[test]
    fn a_fifth_to_a_quarter_are_pairs_of_which_the_second_finds_somebody() {
        let plans = plans(7, 500);
        assert_eq!(plans.iter().flat_map(Planned::faults).count(), 500 * 8);
        let pairs = plans.iter().filter(|planned| planned.within.is_some());
        let share = pairs.clone().count() * 100 / plans.len();
        assert!((18..=25).contains(&share), "{share} of 100");
        for planned in pairs {
            let first = planned.fault;
            assert!(first.can_last(), "{planned:?}");
            let Within { after, fault } = planned.within.unwrap();
            assert!(after <= first.time().max(DEAD), "{planned:?}");
            assert!(first.leaves(fault), "{planned:?}");
        }
    }

    #[test]
    fn a_seed_repeats_its_plan() {
        assert_eq!(plans(3, 20), plans(3, 20));
        assert_ne!(plans(3, 20), plans(4, 20));
    }

    /// With a small disk or without.
    #[test]
    fn the_short_campaign_has_pairs() {
        for small_disk in [true, false] {
            let seed = Dice::new(crate::SHORT_SEED).below(u64::MAX);
            let mut deck = Deck::new(seed, false, small_disk);
            let plans = (0..3).flat_map(|_| deck.plan(crate::FAULTS_PER_CAMPAIGN));
            let pairs = plans.filter(|planned| planned.within.is_some()).count();
            assert!(pairs >= 3, "{pairs} pairs");
        }
    }
}
