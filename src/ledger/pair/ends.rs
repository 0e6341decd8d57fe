//! Either end of the pair and what is between them.

use std::collections::{BTreeMap, VecDeque};

use super::{Again, Receiving, Sending, Standing};
use crate::chunk::{Attempt, ChunkId, Held};

/// Encoders, and decoders.
pub(super) const JOBS: usize = 2;

/// A block is known by its chunk and its number there.
pub(super) type Block = (ChunkId, u32);

/// A chunk's blocks, its end among them.
pub(super) fn length(chunk: ChunkId) -> u32 {
    2 + chunk.0
}

#[derive(Debug, Clone)]
pub(super) enum ToSend {
    Ready(Standing),
    Received(Held),
    Committed(ChunkId),
    Released(Attempt),
}

/// A data stream: its header, and the blocks that were written and not yet read.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) connection: u64,
    pub(super) attempt: Attempt,
    /// Where a new attempt begins: `None`; where an earlier one goes on.
    pub(super) from: Option<u32>,
    pub(super) blocks: VecDeque<Block>,
    pub(super) reset: bool,
    pub(super) taken: bool,
}

#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) to_send: VecDeque<ToSend>,
    /// Send's answer to `Ready`, until recv has heard it.
    pub(super) resume: Option<Vec<Attempt>>,
    /// Recv has heard it: it takes streams.
    pub(super) agreed: bool,
}

#[derive(Debug)]
pub(super) struct Sender {
    pub(super) sending: Sending<Block>,
    pub(super) encoders: [Option<Encoder>; JOBS],
    pub(super) attached: bool,
}

#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) attempt: Attempt,
    pub(super) next: u32,
    /// Stream and connection that it writes to.
    pub(super) stream: Option<usize>,
    pub(super) generation: u64,
    /// The last block is written; whether to this connection is seen in a step of its own.
    pub(super) written: bool,
}

#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) receiving: Receiving,
    /// Attempts that were opened, each with its stream of this connection.
    pub(super) decoders: BTreeMap<Attempt, Decoder>,
    pub(super) events: VecDeque<Event>,
}

#[derive(Debug)]
pub(super) struct Decoder {
    /// A stream and the connection that it was taken from, as recv counts them. What had arrived of
    /// it can be read after the connection's end.
    pub(super) stream: Option<(usize, u64)>,
    /// The newest one, which it has not begun.
    pub(super) next: Option<(usize, u64)>,
    /// What its transaction holds.
    pub(super) rows: Vec<Block>,
    pub(super) whole: bool,
}

#[derive(Debug)]
pub(super) enum Event {
    Received(Held),
    Committed(ChunkId),
    Released(Attempt),
}

impl Encoder {
    /// Writes a block, or goes on over a new connection; false when it has ended.
    pub(super) fn step(
        &mut self,
        sending: &mut Sending<Block>,
        streams: &mut Vec<Stream>,
        connection: Option<u64>,
    ) -> bool {
        if !sending.is_live(self.attempt) {
            self.reset(streams);
            return false;
        }
        if self.written && sending.leave(self.attempt, self.generation) {
            return false;
        }
        let Some(connection) = connection else {
            return true;
        };
        if self.generation != sending.generation() && self.generation != 0 {
            self.go_on(sending, streams, connection);
            return true;
        }
        let Some(stream) = self.stream else {
            self.generation = sending.generation();
            self.stream = Some(begin(streams, connection, self.attempt, None));
            return true;
        };
        let block = (self.attempt.chunk, self.next);
        let last = self.next + 1 == length(self.attempt.chunk);
        sending.keep(self.attempt, block, last).expect("it is live");
        self.next += 1;
        streams[stream].blocks.push_back(block);
        self.written = last;
        true
    }

    fn go_on(&mut self, sending: &mut Sending<Block>, streams: &mut Vec<Stream>, connection: u64) {
        self.generation = sending.generation();
        let again = sending.again(self.attempt).expect("it is live");
        self.stream = write_again(streams, connection, again);
    }

    pub(super) fn reset(&self, streams: &mut [Stream]) {
        if let Some(stream) = self.stream {
            streams[stream].reset = true;
        }
    }
}

impl Receiver {
    /// The attempt's transaction is rolled back; what is with the server at its COMMIT may fail too.
    pub(super) fn roll_back(&mut self, attempt: Attempt) {
        self.decoders.remove(&attempt);
        if self.receiving.release(attempt) {
            self.events.push_back(Event::Released(attempt));
        }
    }
}

pub(super) fn begin(
    streams: &mut Vec<Stream>,
    connection: u64,
    attempt: Attempt,
    from: Option<u32>,
) -> usize {
    streams.push(Stream {
        connection,
        attempt,
        from,
        blocks: VecDeque::new(),
        reset: false,
        taken: false,
    });
    streams.len() - 1
}

pub(super) fn write_again(
    streams: &mut Vec<Stream>,
    connection: u64,
    again: Again<Block>,
) -> Option<usize> {
    if again.sealed && again.blocks.is_empty() {
        return None;
    }
    let index = begin(streams, connection, again.attempt, Some(again.from));
    streams[index].blocks.extend(again.blocks);
    Some(index)
}

/// xorshift64 (Marsaglia, 2003).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub(super) fn pick<T>(&mut self, of: impl ExactSizeIterator<Item = T>) -> Option<T> {
        let mut of = of;
        match of.len() {
            0 => None,
            count => of.nth(self.below(count as u64) as usize),
        }
    }
}
