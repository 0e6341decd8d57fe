//! What is committed, read again in a new snapshot: equal digests are the proof that the target
//! has just what this snapshot shows there. It only reads, and nothing of it goes over the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::offering::Ready;
use super::session::{Break, Context, Talk};
use super::watching::KeeperWatch;
use super::worker::WorkError;
use super::{OnLostSnapshot, SendError};
use crate::chunk::{Chunk, ChunkId, Digest, Plan, TableIndex};
use crate::copy::Scanner;
use crate::pg::session::transfer_encoding;
use crate::report::{Meter, one_line};
use crate::runtime::{BLOCK_BYTES, Brake, Company, Patience, Pool, Slot, Workers, dispose, lock};
use crate::schema::first_few;
use crate::source::reader::{ReadError, Reader, Sessions};
use crate::wire::message::{HeldPart, Snapshot, ToRecv, ToSend};

/// Buffers of a reader whose thread scans them itself: one is read while none waits.
const BUFFERS: usize = 1;
/// How often a reader that pauses looks whether there is something to go on with.
const LOOK: Duration = Duration::from_millis(100);
/// Names of tables that are told.
const NAMES: usize = 5;

/// By chunk, the digest of each part.
type Digests = BTreeMap<ChunkId, Vec<Digest>>;

/// What was read again so far in a snapshot. Lasts from connection to connection.
pub(super) struct Proof {
    snapshot: Snapshot,
    read: Mutex<Digests>,
}

/// Hears what is committed, and says which tables begin again.
pub(super) async fn renew(
    context: &mut Context,
    talk: &mut Talk,
    ready: &Ready,
) -> Result<(), Break> {
    let meter = Arc::clone(&context.display.meter);
    meter.waiting_for(Some("recv to tell what is committed".into()));
    let held = hear_held(talk, &ready.plan).await?;
    meter.waiting_for(None);
    let differing = match context.options.on_lost_snapshot {
        OnLostSnapshot::Restart => tables_of(&ready.plan, held.keys()),
        _ => prove(context, talk, ready, &held).await?,
    };
    let again = ready.plan.begin_again(&differing);
    (context.display.say)(&told(&ready.plan, &held, &again));
    meter.waiting_for(Some("recv to go on in the new snapshot".into()));
    let tables = again.into_iter().collect();
    Ok(talk.say(&ToRecv::Again { tables }).await?)
}

async fn hear_held(talk: &mut Talk, plan: &Plan) -> Result<Digests, Break> {
    let mut held = Digests::new();
    loop {
        let ToSend::Digests { parts, more } = talk.hear().await? else {
            return Err(SendError::Protocol("expected Digests").into());
        };
        if more && parts.is_empty() {
            return Err(SendError::Protocol("Digests without a part").into());
        }
        for part in parts {
            add_held(&mut held, plan, part)?;
        }
        if !more {
            break;
        }
    }
    let whole = |(id, digests): (&ChunkId, &Vec<_>)| {
        plan.chunk(*id)
            .is_some_and(|c| c.parts.len() == digests.len())
    };
    if held.iter().all(whole) {
        return Ok(held);
    }
    Err(SendError::Protocol("a chunk that is half committed").into())
}

/// A chunk's parts come in order, and as many as it has.
fn add_held(held: &mut Digests, plan: &Plan, part: HeldPart) -> Result<(), SendError> {
    let planned = plan.chunk(part.chunk).map_or(0, |chunk| chunk.parts.len());
    let digests = held.entry(part.chunk).or_default();
    let number = part.part as usize;
    if number >= planned || number != digests.len() {
        return Err(SendError::Protocol("a part outside the plan"));
    }
    digests.push(part.digest);
    Ok(())
}

fn tables_of<'a>(plan: &Plan, ids: impl Iterator<Item = &'a ChunkId>) -> BTreeSet<TableIndex> {
    let chunks = ids.filter_map(|id| plan.chunk(*id));
    let parts = chunks.flat_map(|chunk| &chunk.parts);
    parts.map(|part| part.table).collect()
}

fn told(plan: &Plan, held: &Digests, again: &BTreeSet<TableIndex>) -> String {
    let chunks = held.keys().filter_map(|id| plan.chunk(*id));
    let stays = |chunk: &&Chunk| chunk.parts.iter().all(|p| !again.contains(&p.table));
    let (kept, all) = (chunks.filter(stays).count(), held.len());
    let names: Vec<_> = again.iter().map(|&t| &plan.table(t).name).collect();
    match names.is_empty() {
        true => format!("new snapshot: all {all} committed chunks stay"),
        false => format!(
            "new snapshot: {kept} of {all} committed chunks stay; begin again: {}",
            first_few(&names, NAMES, ", ")
        ),
    }
}

/// What the threads of a proof share.
struct Shared {
    plan: Arc<Plan>,
    held: Digests,
    proof: Arc<Proof>,
    meter: Arc<Meter>,
    pending: Mutex<Vec<ChunkId>>,
    differing: Mutex<BTreeSet<TableIndex>>,
    brake: Brake,
    readers: Arc<Company>,
}

/// The tables of which the snapshot does not show what is committed.
async fn prove(
    context: &mut Context,
    talk: &mut Talk,
    ready: &Ready,
    held: &Digests,
) -> Result<BTreeSet<TableIndex>, Break> {
    let shared = Arc::new(shared(context, ready, held));
    let mut keeper = KeeperWatch::start(context.state.path());
    let (failures, mut failed) = mpsc::unbounded_channel();
    let mut workers = Workers::new();
    for number in 0..context.agreed.jobs {
        start_reader(context, &shared, number, &failures, &mut workers);
    }
    drop(failures);
    let ended: Result<(), Break> = tokio::select! {
        heard = talk.hear() => Err(match heard {
            Ok(_) => SendError::Protocol("a message within the proof").into(),
            Err(parting) => parting.into(),
        }),
        error = keeper.ended() => Err(error.into()),
        error = failed.recv() => match error {
            None => Ok(()),
            Some(error) => Err(keeper.explain(error).await.into()),
        },
    };
    lock(&shared.pending).clear();
    shared.brake.pull();
    dispose(workers).await?;
    shared.meter.waiting_for(None);
    // What comes is counted from what is committed then.
    shared.meter.resume(0, 0);
    ended?;
    let differing = lock(&shared.differing).clone();
    Ok(differing)
}

/// What an earlier connection read in the same snapshot is not read again.
fn shared(context: &mut Context, ready: &Ready, held: &Digests) -> Shared {
    let snapshot = &ready.offer.snapshot;
    let known = context.proof.take().filter(|p| p.snapshot == *snapshot);
    let proof = known.unwrap_or_else(|| {
        Arc::new(Proof {
            snapshot: snapshot.clone(),
            read: Mutex::default(),
        })
    });
    context.proof = Some(Arc::clone(&proof));
    let shared = Shared {
        plan: Arc::clone(&ready.plan),
        held: held.clone(),
        meter: Arc::clone(&context.display.meter),
        pending: Mutex::new(held.keys().rev().copied().collect()),
        differing: Mutex::default(),
        brake: Brake::default(),
        readers: Arc::default(),
        proof,
    };
    shared.show();
    shared
}

fn start_reader(
    context: &Context,
    shared: &Arc<Shared>,
    number: usize,
    failures: &mpsc::UnboundedSender<SendError>,
    workers: &mut Workers,
) {
    let reading = Reading {
        sessions: context.sessions(number, &shared.proof.snapshot),
        encoding: transfer_encoding(&context.source.encoding),
        shared: Arc::clone(shared),
    };
    let work = move || reading.run();
    let failures = failures.clone();
    workers.spawn(format!("prove-{number}"), work, move |ended| {
        if let Err(error) = ended {
            let _ = failures.send(SendError::from(error));
        }
    });
}

/// One thread of a proof.
struct Reading {
    sessions: Sessions,
    encoding: &'static str,
    shared: Arc<Shared>,
}

impl Reading {
    /// Reads until nothing is left to be proved. What the server refuses in passing is read again, by
    /// this thread or another.
    fn run(&self) -> Result<(), WorkError> {
        let (shared, pool) = (&self.shared, Pool::new(BUFFERS, BLOCK_BYTES));
        let (slot, mut reader) = (shared.brake.slot(), None);
        let mut patience = Patience::among(&shared.readers);
        loop {
            let next = lock(&shared.pending).pop();
            let Some(chunk) = next.and_then(|id| shared.plan.chunk(id)) else {
                return Ok(());
            };
            match self.chunk(&slot, &mut reader, &mut patience, chunk, &pool) {
                Ok(()) => patience.renew(),
                Err(WorkError::Read(error)) if error.is_momentary() => {
                    reader = None;
                    let pause = patience.again(error.is_crowded());
                    let pause = pause.filter(|_| !shared.brake.is_pulled());
                    let Some(pause) = pause else {
                        return Err(error.into());
                    };
                    tracing::warn!(error = one_line(&error), "reading again");
                    lock(&shared.pending).push(chunk.id);
                    shared.pause(pause);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn chunk(
        &self,
        slot: &Slot,
        reader: &mut Option<Reader>,
        patience: &mut Patience,
        chunk: &Chunk,
        pool: &Pool,
    ) -> Result<(), WorkError> {
        let shared = &self.shared;
        if !shared.is_settled(chunk) {
            let reader = match reader {
                Some(reader) => reader,
                none => {
                    let connected = self.connect(slot)?;
                    patience.connected();
                    none.insert(connected)
                }
            };
            let digests = shared.digests(reader, chunk, pool)?;
            shared.judge(chunk, &digests);
        }
        shared.meter.chunk_done(chunk.bytes, 0);
        Ok(())
    }

    fn connect(&self, slot: &Slot) -> Result<Reader, ReadError> {
        let meter = Arc::clone(&self.shared.meter);
        let reader = Reader::open(&self.sessions, self.encoding)?
            .on_wait(Box::new(move |what| meter.waiting_for(what)));
        slot.hold(&self.shared.brake, reader.interrupter()?);
        Ok(reader)
    }
}

impl Shared {
    fn show(&self) {
        let chunks = self.held.keys().filter_map(|id| self.plan.chunk(*id));
        let bytes = chunks.map(|chunk| chunk.bytes).sum();
        let tables = tables_of(&self.plan, self.held.keys()).len() as u64;
        self.meter.phase("proof");
        self.meter.resume(0, 0);
        self.meter.plan(bytes, self.held.len() as u64, tables);
    }

    /// As long as there is something to go on with: a chunk that was given back is never left, as who
    /// gave it back looks again.
    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let goes_on = || !self.brake.is_pulled() && !lock(&self.pending).is_empty();
        while goes_on() && Instant::now() < until {
            sleep(LOOK);
        }
    }

    /// All of its tables begin again anyway: nothing of it is worth reading.
    fn is_settled(&self, chunk: &Chunk) -> bool {
        let differing = lock(&self.differing);
        chunk.parts.iter().all(|p| differing.contains(&p.table))
    }

    fn judge(&self, chunk: &Chunk, digests: &[Digest]) {
        let held = &self.held[&chunk.id];
        let parts = chunk.parts.iter().zip(held.iter().zip(digests));
        let differing = parts.filter(|(_, (held, read))| held != read);
        lock(&self.differing).extend(differing.map(|(part, _)| part.table));
    }

    /// What the snapshot shows of a chunk, part by part.
    fn digests(
        &self,
        reader: &mut Reader,
        chunk: &Chunk,
        pool: &Pool,
    ) -> Result<Vec<Digest>, WorkError> {
        if let Some(known) = lock(&self.proof.read).get(&chunk.id) {
            return Ok(known.clone());
        }
        let mut scanners: Vec<_> = chunk
            .parts
            .iter()
            .map(|part| Scanner::for_copy_out(self.plan.format(part)))
            .collect();
        let mut flaw = None;
        let failed = |part: u32, source| WorkError::Scan {
            table: self
                .plan
                .table(chunk.parts[part as usize].table)
                .name
                .to_string(),
            source,
        };
        let read = reader.read(&self.plan, chunk, pool, &mut |filled| {
            let scanned = scanners[filled.part as usize].scan(&filled.bytes);
            flaw = scanned.err().map(|error| failed(filled.part, error));
            flaw.is_none()
        });
        if let Some(flaw) = flaw {
            return Err(flaw);
        }
        read?;
        let finished = (0..).zip(&scanners).map(|(part, scanner)| {
            let digest = scanner.finish();
            digest.map_err(|error| failed(part, error))
        });
        let digests: Vec<_> = finished.collect::<Result<_, _>>()?;
        lock(&self.proof.read).insert(chunk.id, digests.clone());
        Ok(digests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};

    /// As many parts of one chunk as a peer likes would be kept until memory ends.
    #[test]
    fn no_part_is_kept_that_the_plan_has_not() {
        let plan = plan_of(vec![table(1, 1), table(2, 1), table(3, 900)], 900);
        let shared = plan.chunks.iter().find(|chunk| chunk.parts.len() == 2);
        let chunk = shared.expect("two small tables share one").id;
        let mut held = Digests::new();
        let mut add = |chunk, part| {
            let digest = Digest::default();
            let part = HeldPart {
                chunk,
                part,
                digest,
            };
            add_held(&mut held, &plan, part).is_ok()
        };
        assert!(!add(chunk, 1), "the second before the first");
        assert!(add(chunk, 0) && !add(chunk, 0), "one twice");
        assert!(add(chunk, 1) && !add(chunk, 2), "a third of two");
        let outside = ChunkId(plan.chunks.len() as u32);
        assert!(!add(outside, 0));
        assert_eq!(held[&chunk].len(), 2);
    }
}
