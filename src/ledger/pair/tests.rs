//! Both ledgers, a journal and the network between them, stepped in one process: drops, reordering,
//! repetition, silence, and the death of either side or of the target server, at every step.
//!
//! What is checked: no chunk is ever in the journal twice or with other blocks than its own; none is
//! acknowledged that is not in it; and as soon as the faults end, all are.

mod ends;
mod faults;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ends::{
    Block, Connection, Decoder, Dice, Encoder, Event, JOBS, Receiver, Sender, Stream, ToSend,
    length, write_again,
};
use faults::FAULTS;

use super::{Again, Opened, Receiving, Sending, Standing, Taken, has_lost};
use crate::chunk::{ChunkId, Plan};
use crate::planner::tests::{plan_of, table};

struct Pair {
    plan: Plan,
    dice: Dice,
    sender: Option<Sender>,
    receiver: Option<Receiver>,
    link: Option<Connection>,
    connections: u64,
    /// All that ever were.
    streams: Vec<Stream>,
    /// The target: chunks in the order of their commits, with their rows.
    journal: Vec<(ChunkId, Vec<Block>)>,
    /// How many of them no crash can take back.
    durable: usize,
    /// A dead recv's backends that may still commit; the advisory lock makes others wait for them.
    undead: Vec<(ChunkId, Vec<Block>)>,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let plan = plan_of(vec![table(1, 300), table(2, 100)], 100);
        let chunks = plan.chunks.len();
        assert!((3..6).contains(&chunks), "{chunks} chunks");
        Self {
            plan,
            dice: Dice(seed | 1),
            sender: None,
            receiver: None,
            link: None,
            connections: 0,
            streams: Vec::new(),
            journal: Vec::new(),
            durable: 0,
            undead: Vec::new(),
        }
    }

    /// One step of somebody; whatever cannot be done is a step of nobody.
    fn step(&mut self) {
        match self.dice.below(10) {
            0 => self.start(),
            1 => self.hear_send(),
            2 => self.hear_recv(),
            3 | 4 => self.encode(),
            5 | 6 => self.decode(),
            7 => self.commit(),
            8 => self.tell(),
            _ => self.take_stream(),
        }
        self.check();
    }

    /// Processes and connection come (back) to life.
    fn start(&mut self) {
        if self.receiver.is_none() {
            let mut receiving = Receiving::new(&self.plan);
            self.journal
                .iter()
                .for_each(|(chunk, _)| drop(receiving.commit(*chunk)));
            self.receiver = Some(Receiver {
                receiving,
                decoders: BTreeMap::new(),
                events: VecDeque::new(),
            });
        } else if self.link.is_none() {
            self.greet();
        }
    }

    /// A new connection: recv settles what is with the server, and says what it has.
    fn greet(&mut self) {
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        for event in std::mem::take(&mut receiver.events) {
            if let Event::Committed(chunk) = event {
                receiver.receiving.commit(chunk);
            }
        }
        let Some(standing) = receiver.receiving.begin_link() else {
            return;
        };
        let decoders = receiver.decoders.values_mut();
        decoders.for_each(|decoder| decoder.next = None);
        self.connections += 1;
        self.link = Some(Connection {
            number: self.connections,
            to_send: VecDeque::from([ToSend::Ready(standing)]),
            ..Connection::default()
        });
    }

    /// Send hears one message.
    fn hear_send(&mut self) {
        let Some(link) = &mut self.link else { return };
        let Some(message) = link.to_send.pop_front() else {
            return;
        };
        match (message, &mut self.sender) {
            (ToSend::Ready(standing), sender) => {
                let Standing {
                    committed,
                    held,
                    last_number,
                } = standing;
                let lost = |s: &mut Sender| has_lost(&committed, &s.sending.committed());
                sender.take_if(lost);
                let sender = sender.get_or_insert_with(|| Sender {
                    sending: Sending::new(&self.plan, last_number),
                    encoders: [const { None }; JOBS],
                    attached: false,
                });
                for chunk in committed {
                    sender.sending.commit(chunk);
                }
                link.resume = Some(sender.sending.resume(&held));
                sender.attached = true;
                for orphan in sender.sending.attach() {
                    if let Ok(again) = sender.sending.again(orphan) {
                        write_again(&mut self.streams, link.number, again);
                    }
                }
            }
            (ToSend::Received(held), Some(sender)) => drop(sender.sending.received(held)),
            (ToSend::Released(attempt), Some(sender)) => drop(sender.sending.give_back(attempt)),
            (ToSend::Committed(chunk), Some(sender)) => {
                let there = self.journal.iter().any(|(known, _)| *known == chunk);
                assert!(there, "{chunk} was acknowledged before its commit");
                sender.sending.commit(chunk);
            }
            (_, None) => unreachable!("a process that was not greeted"),
        }
    }

    /// Recv hears which attempts go on.
    fn hear_recv(&mut self) {
        let (Some(link), Some(receiver)) = (&mut self.link, &mut self.receiver) else {
            return;
        };
        if let Some(attempts) = link.resume.take() {
            receiver.receiving.keep_only(&attempts);
            link.agreed = true;
        }
    }

    /// One encoder claims, or writes a block.
    fn encode(&mut self) {
        let place = self.dice.below(JOBS as u64) as usize;
        let (Some(sender), link) = (&mut self.sender, &mut self.link) else {
            return;
        };
        let attached = sender.attached && link.is_some();
        let encoder = &mut sender.encoders[place];
        match encoder {
            None if attached => {
                *encoder = sender.sending.claim().map(|attempt| Encoder {
                    attempt,
                    next: 0,
                    stream: None,
                    generation: 0,
                    written: false,
                });
            }
            None => {}
            Some(at) => {
                let link = link.as_ref().filter(|_| sender.attached);
                let number = link.map(|link| link.number);
                if !at.step(&mut sender.sending, &mut self.streams, number) {
                    *encoder = None;
                }
            }
        }
    }

    /// Recv takes a stream's header, in any order.
    fn take_stream(&mut self) {
        let (Some(link), Some(receiver)) = (&mut self.link, &mut self.receiver) else {
            return;
        };
        if !link.agreed || receiver.receiving.has_orphans() {
            return;
        }
        let takes = |stream: &Stream| stream.connection == link.number && !stream.taken;
        let untaken = (0..self.streams.len()).filter(|&index| takes(&self.streams[index]));
        let untaken: Vec<_> = untaken.collect();
        let Some(index) = self.dice.pick(untaken.into_iter()) else {
            return;
        };
        let stream = &mut self.streams[index];
        stream.taken = true;
        let (attempt, receiving) = (stream.attempt, &mut receiver.receiving);
        let opened = match stream.from {
            None => receiving.open(attempt),
            Some(from) => receiving.reopen(attempt, from),
        };
        let next = Some((index, receiving.link()));
        match opened.expect("send keeps to the protocol") {
            Opened::Begins => {
                let decoder = Decoder {
                    stream: None,
                    next,
                    rows: Vec::new(),
                    whole: false,
                };
                let earlier = receiver.decoders.insert(attempt, decoder);
                assert!(earlier.is_none(), "{attempt} twice");
            }
            Opened::GoesOn => {
                let decoder = receiver.decoders.get_mut(&attempt);
                decoder.expect("what is held is decoded").next = next;
            }
            Opened::Over => {}
        }
    }

    /// One decoder reads a block, or sees that its attempt is over.
    fn decode(&mut self) {
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        let Some(attempt) = self.dice.pick(receiver.decoders.keys().copied()) else {
            return;
        };
        if receiver.receiving.is_dropped(attempt) {
            return receiver.roll_back(attempt);
        }
        let decoder = receiver.decoders.get_mut(&attempt).expect("just picked");
        if decoder.next.is_some() && (decoder.stream.is_none() || self.dice.below(2) == 0) {
            decoder.stream = decoder.next.take();
        }
        let Some((index, link)) = decoder.stream else {
            return;
        };
        let stream = &mut self.streams[index];
        let Some(block) = stream.blocks.pop_front() else {
            if stream.reset && !decoder.whole {
                receiver.roll_back(attempt);
            }
            return;
        };
        match receiver.receiving.received(attempt, link) {
            Taken::Counted(held) => {
                decoder.rows.push(block);
                assert_eq!(held.blocks as usize, decoder.rows.len());
                receiver.events.push_back(Event::Received(held));
                if held.blocks == length(attempt.chunk) {
                    decoder.whole = receiver.receiving.is_whole(attempt);
                }
            }
            Taken::Stale => decoder.stream = None,
            Taken::Over => receiver.roll_back(attempt),
        }
    }

    /// One writer commits what is whole.
    fn commit(&mut self) {
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        let mut whole = receiver.decoders.iter().filter(|(_, d)| d.whole);
        let Some(attempt) = whole.next().map(|(&attempt, _)| attempt) else {
            return;
        };
        drop(whole);
        self.bury(attempt.chunk);
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        let decoder = receiver.decoders.remove(&attempt).expect("just found");
        if !self
            .journal
            .iter()
            .any(|(chunk, _)| *chunk == attempt.chunk)
        {
            self.journal.push((attempt.chunk, decoder.rows));
        }
        receiver.events.push_back(Event::Committed(attempt.chunk));
    }

    /// The advisory lock: a dead recv's backend commits, or rolls back, before the next one looks.
    fn bury(&mut self, chunk: ChunkId) {
        while let Some(place) = self.undead.iter().position(|(of, _)| *of == chunk) {
            let (_, rows) = self.undead.remove(place);
            let there = self.journal.iter().any(|(known, _)| *known == chunk);
            if !there && self.dice.below(2) == 0 {
                self.journal.push((chunk, rows));
            }
        }
    }

    /// Recv's session tells one event.
    fn tell(&mut self) {
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        let agreed = self.link.as_mut().filter(|link| link.agreed);
        let Some(link) = agreed else { return };
        let message = match receiver.events.pop_front() {
            None => return,
            Some(Event::Received(held)) => ToSend::Received(held),
            Some(Event::Released(attempt)) => ToSend::Released(attempt),
            Some(Event::Committed(chunk)) => {
                receiver.receiving.commit(chunk);
                ToSend::Committed(chunk)
            }
        };
        link.to_send.push_back(message);
    }

    fn check(&self) {
        let chunks: BTreeSet<_> = self.journal.iter().map(|(chunk, _)| chunk).collect();
        assert_eq!(
            chunks.len(),
            self.journal.len(),
            "a chunk was committed twice"
        );
        for (chunk, rows) in &self.journal {
            let own: Vec<_> = (0..length(*chunk)).map(|number| (*chunk, number)).collect();
            assert_eq!(*rows, own, "chunk {chunk} has other blocks");
        }
    }

    fn is_done(&self) -> bool {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|s| s.sending.all_committed());
        sent && self.journal.len() == self.plan.chunks.len()
    }

    /// No more faults: how many steps to the end.
    fn finish(&mut self) -> u32 {
        for step in 0..20_000 {
            if self.is_done() {
                return step;
            }
            self.step();
        }
        panic!(
            "no progress: {} of {} are there",
            self.journal.len(),
            self.plan.chunks.len()
        );
    }
}

#[test]
fn an_undisturbed_pair_moves_everything() {
    for seed in 1..200 {
        Pair::new(seed).finish();
    }
}

/// Every kind of fault, alone, at every step of many runs.
#[test]
fn one_fault_at_every_step() {
    for (seed, fault) in (1..=40).flat_map(|seed| FAULTS.map(|fault| (seed, fault))) {
        let undisturbed = Pair::new(seed).finish();
        for moment in 0..undisturbed {
            let mut pair = Pair::new(seed);
            (0..moment).for_each(|_| pair.step());
            pair.fault(fault);
            pair.finish();
        }
    }
}

/// Faults upon faults; then they end, and so must the migration.
#[test]
fn any_number_of_faults_in_any_order() {
    for seed in 1..=3_000 {
        let mut pair = Pair::new(seed * 0x9e37_79b9);
        let often = 3 + seed % 60;
        for _ in 0..500 {
            pair.step();
            if pair.dice.below(often) == 0 {
                let fault = FAULTS[pair.dice.below(FAULTS.len() as u64) as usize];
                pair.fault(fault);
            }
        }
        pair.finish();
    }
}
