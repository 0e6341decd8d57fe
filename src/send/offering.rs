//! What is to be moved: plan and archive, offered and sent where recv does not hold them.

use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::course::{self, Course};
use super::files::{describe_file, recorded_plan};
use super::record::{AGREED_PLAN, ARCHIVE, PLAN, Record};
use super::session::{Break, Context, Talk};
use super::watching::KeeperWatch;
use super::worker::WorkError;
use super::{SendError, adapting, proof};
use crate::chunk::{Adaptation, Attempt, ChunkId, Held, Plan};
use crate::runtime::blocking;
use crate::wire::frame;
use crate::wire::message::{Offer, StreamHeader, TargetState, ToRecv, ToSend};

/// Bytes of a file per write.
const BLOB_PIECE: usize = 256 << 10;

/// Lines about what is left out.
const LEFT_OUT_TOLD: usize = 20;

/// Everything that a session moves from.
pub(super) struct Ready {
    pub(super) plan: Arc<Plan>,
    pub(super) offer: Offer,
    /// The journal is of an earlier snapshot than the offer's.
    pub(super) renewal: bool,
}

/// What recv says it has, before rows move.
pub(super) struct There {
    pub(super) committed: Vec<ChunkId>,
    pub(super) held: Vec<Held>,
    pub(super) last_number: u32,
    /// All is committed, durably.
    pub(super) data_durable: bool,
}

/// Snapshot, plan and archive: taken now, or as recorded.
pub(super) async fn prepared(
    context: &mut Context,
    talk: &mut Talk,
    state: &TargetState,
) -> Result<Ready, Break> {
    match course::chart(context, state)? {
        Course::GoOn | Course::Prove => {}
        Course::Stop => return Err(SendError::SnapshotGone.into()),
        Course::Renew => prepare(context, talk).await?,
        Course::Begin => {
            if context.record.prepared.take().is_some() {
                (context.display.say)(
                    "the snapshot is gone and nothing was moved; taking a new one",
                );
                context.began = false;
            }
            prepare(context, talk).await?;
        }
    }
    let prepared = context.record.prepared.as_ref();
    let offer = prepared.expect("recorded, now or before").offer.clone();
    let plan = Arc::new(recorded_plan(&context.state, &offer)?);
    let journal = course::moment(state);
    let renewal = journal.is_some_and(|moment| *moment != offer.snapshot.moment());
    Ok(Ready {
        plan,
        offer,
        renewal,
    })
}

/// Takes them now. While they are taken nothing but a leave may come; a lost link does not end the
/// work, the next connection waits for it again.
async fn prepare(context: &mut Context, talk: &mut Talk) -> Result<(), Break> {
    let mut preparing = std::mem::take(&mut context.preparing);
    let taken = tokio::select! {
        taken = preparing.wait(context) => Ok(taken),
        heard = talk.hear() => Err(heard),
    };
    match taken {
        Ok(taken) => {
            if let Err(SendError::Unreadable { unreadable, .. }) = &taken {
                for unreadable in unreadable {
                    (context.display.say)(&format!("cannot be read: {}", unreadable.line));
                }
            }
            let (record, keeper) = taken?;
            tell_unused_renames(context, &record);
            tell_left_out(context, &record);
            context.record = record;
            context.keeper = Some(keeper);
            Ok(())
        }
        Err(heard) => {
            context.preparing = preparing;
            heard?;
            Err(SendError::Protocol("nothing was asked for").into())
        }
    }
}

fn tell_unused_renames(context: &Context, record: &Record) {
    for rename in record.prepared.iter().flat_map(|p| &p.unused_renames) {
        let line = format!("--map-role {rename}: nothing in the database names that role");
        (context.display.say)(&line);
    }
}

/// Before anything moves: what the selection breaks.
fn tell_left_out(context: &Context, record: &Record) {
    let left_out = record.prepared.iter().flat_map(|p| &p.left_out);
    for (number, skipped) in left_out.enumerate() {
        if number == LEFT_OUT_TOLD {
            (context.display.say)("left out: more, all of it is in the report");
            break;
        }
        let line = format!("left out: {}: {}", skipped.object, skipped.reason);
        (context.display.say)(&line);
    }
}

/// Offers plan and archive, sends what recv does not hold, and waits until the schema is there.
/// Where the target's tables are others the plan is adapted to them, once.
pub(super) async fn offer(
    context: &mut Context,
    talk: &mut Talk,
    ready: &mut Ready,
) -> Result<There, Break> {
    hand_over(context, talk, ready).await?;
    match await_schema(context, talk, ready).await? {
        Answer::Ready(there) => {
            // The journal is of the offered plan now.
            context.state.remove(AGREED_PLAN)?;
            return Ok(there);
        }
        Answer::Adapt(tables) => adapting::adapt(context, ready, &tables)?,
    }
    hand_over(context, talk, ready).await?;
    match await_schema(context, talk, ready).await? {
        Answer::Ready(there) => Ok(there),
        Answer::Adapt(_) => Err(SendError::Protocol("expected Ready").into()),
    }
}

async fn hand_over(context: &mut Context, talk: &mut Talk, ready: &Ready) -> Result<(), Break> {
    context.display.meter.phase("schema");
    let offer = ready.offer.clone();
    talk.say(&match ready.renewal {
        false => ToRecv::Offer(offer),
        true => ToRecv::Renewal(offer),
    })
    .await?;
    send_files(context, talk, ready).await?;
    if ready.renewal {
        proof::renew(context, talk, ready).await?;
    }
    let (meter, plan) = (&context.display.meter, &*ready.plan);
    meter.phase("schema");
    meter.plan(
        plan.bytes(),
        plan.chunks.len() as u64,
        plan.tables.len() as u64,
    );
    Ok(())
}

/// Sends what recv does not hold.
async fn send_files(context: &Context, talk: &mut Talk, ready: &Ready) -> Result<(), Break> {
    let ToSend::Need {
        plan,
        archive,
        agreed,
    } = talk.hear().await?
    else {
        return Err(SendError::Protocol("expected Need").into());
    };
    let mut files = Vec::new();
    files.extend(plan.then_some((StreamHeader::Plan, Some(PLAN))));
    if archive {
        check_archive(context, &ready.offer).await?;
        files.push((StreamHeader::Archive, Some(ARCHIVE)));
    }
    if agreed {
        // Last: recv fails without it, and has what a reset needs then.
        files.push(agreed_file(context));
    }
    for (header, file) in &files {
        let sending = send_file(context, talk, header, *file);
        talk.unless_stopped(sending).await??;
    }
    Ok(())
}

/// Of the plan that recv has lost; recv judges whether it is the one. Without a byte where it is not
/// here either.
fn agreed_file(context: &Context) -> (StreamHeader, Option<&'static str>) {
    let path = context.state.path().join(AGREED_PLAN);
    let bytes = path.metadata().map_or(0, |found| found.len());
    let file = (bytes > 0).then_some(AGREED_PLAN);
    (StreamHeader::Agreed { bytes }, file)
}

/// What recv says to an offer.
enum Answer {
    Ready(There),
    Adapt(Vec<Adaptation>),
}

/// The end of the keeper ends the wait, which may be long: nobody could read then.
async fn await_schema(context: &Context, talk: &mut Talk, ready: &Ready) -> Result<Answer, Break> {
    let meter = &context.display.meter;
    meter.waiting_for(Some("the schema on the target".into()));
    let mut keeper = match context.keeper.is_some() && !ready.plan.chunks.is_empty() {
        true => KeeperWatch::start(context.state.path()),
        false => KeeperWatch::of_none(),
    };
    // Until recv is ready, or the session over.
    let mut _clock = None;
    loop {
        let heard = tokio::select! {
            heard = talk.hear() => heard?,
            error = keeper.ended() => return Err(error.into()),
        };
        match heard {
            ToSend::Progress { done, total, .. } => {
                meter.waiting_for(Some(format!(
                    "the schema on the target ({done} of {total} objects)"
                )));
            }
            ToSend::HeldUp { by } => context.show_held_up(by),
            ToSend::Settling => {
                meter.waiting_for(Some("the target to commit what it has".into()));
                _clock = context.moving.as_ref().map(|moving| moving.stop_clock());
            }
            ToSend::Ready {
                committed,
                held,
                last_number,
                data_durable,
            } => {
                if last_number > Attempt::LAST_NUMBER {
                    return Err(SendError::Protocol("an impossible attempt").into());
                }
                meter.waiting_for(None);
                return Ok(Answer::Ready(There {
                    committed,
                    held,
                    last_number,
                    data_durable,
                }));
            }
            ToSend::Adapt { tables } => return Ok(Answer::Adapt(tables)),
            _ => return Err(SendError::Protocol("expected Ready").into()),
        }
    }
}

/// The plan was checked when it was read.
async fn check_archive(context: &Context, offer: &Offer) -> Result<(), SendError> {
    let path = context.state.path().join(ARCHIVE);
    let offered = offer.archive;
    blocking(move || match describe_file(&path)? == offered {
        true => Ok(()),
        false => Err(SendError::Record { path }),
    })
    .await
}

/// A stream of this header and the content of that file, if there is one.
async fn send_file(
    context: &Context,
    talk: &Talk,
    header: &StreamHeader,
    file: Option<&str>,
) -> Result<(), Break> {
    let mut stream = talk.connection().open_data().await?;
    let header = frame::encode(header, frame::UNPROVEN_LIMIT).map_err(WorkError::from)?;
    stream.write_all(&header).await?;
    let Some(file) = file else {
        return Ok(stream.finish()?);
    };
    let path = context.state.path().join(file);
    let failed = |source| SendError::File {
        path: path.clone(),
        source,
    };
    let mut content = tokio::fs::File::open(&path).await.map_err(failed)?;
    let mut piece = vec![0; BLOB_PIECE];
    loop {
        let n = content.read(&mut piece).await.map_err(failed)?;
        if n == 0 {
            break;
        }
        stream.write_all(&piece[..n]).await?;
    }
    Ok(stream.finish()?)
}
