//! What is to be moved: plan and archive, offered and sent where recv does not hold them.

use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::SendError;
use super::prepare::recorded_plan;
use super::record::{ARCHIVE, PLAN};
use super::session::{Break, Context, Talk};
use super::worker::WorkError;
use crate::chunk::{ChunkId, Held, Plan};
use crate::source::keeper::Keeper;
use crate::wire::frame;
use crate::wire::message::{Offer, StreamHeader, ToRecv, ToSend};

/// Bytes of a file per write.
const BLOB_PIECE: usize = 256 << 10;

/// Everything that a session moves from.
pub(super) struct Ready {
    pub(super) plan: Arc<Plan>,
    pub(super) offer: Offer,
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
///
/// While they are taken nothing but a leave may come; a lost link does not end the work, the next
/// connection waits for it again.
pub(super) async fn prepared(
    context: &mut Context,
    talk: &mut Talk,
    data_durable: bool,
) -> Result<Ready, Break> {
    if context.record.prepared.is_none() {
        let mut preparing = std::mem::take(&mut context.preparing);
        let taken = tokio::select! {
            taken = preparing.wait(context) => Ok(taken),
            heard = talk.hear() => Err(heard),
        };
        match taken {
            Ok(taken) => {
                let (record, keeper) = taken?;
                context.record = record;
                context.keeper = Some(keeper);
            }
            Err(heard) => {
                context.preparing = preparing;
                heard?;
                return Err(SendError::Protocol("nothing was asked for").into());
            }
        }
    }
    let prepared = context.record.prepared.as_ref();
    let offer = prepared.expect("just recorded").offer.clone();
    let plan = Arc::new(recorded_plan(&context.state, &offer)?);
    if context.keeper.is_none() {
        context.keeper = Keeper::find(context.state.path());
    }
    if context.keeper.is_none() && !data_durable {
        return Err(SendError::SnapshotGone.into());
    }
    Ok(Ready { plan, offer })
}

/// Offers plan and archive, sends what recv does not hold, and waits until the schema is there.
pub(super) async fn offer(
    context: &Context,
    talk: &mut Talk,
    ready: &Ready,
) -> Result<There, Break> {
    let (meter, plan) = (&context.display.meter, &*ready.plan);
    meter.plan(
        plan.bytes(),
        plan.chunks.len() as u64,
        plan.tables.len() as u64,
    );
    meter.phase("schema");
    talk.say(&ToRecv::Offer(ready.offer.clone())).await?;
    let ToSend::Need {
        plan: wants_plan,
        archive: wants_archive,
    } = talk.hear().await?
    else {
        return Err(SendError::Protocol("expected Need").into());
    };
    let files = [
        (wants_plan, StreamHeader::Plan, PLAN),
        (wants_archive, StreamHeader::Archive, ARCHIVE),
    ];
    for (_, header, file) in files.iter().filter(|(wanted, ..)| *wanted) {
        let sending = send_file(context, talk, header, file);
        talk.unless_stopped(sending).await??;
    }
    await_schema(context, talk).await
}

async fn await_schema(context: &Context, talk: &mut Talk) -> Result<There, Break> {
    let meter = &context.display.meter;
    meter.waiting_for(Some("the schema on the target".into()));
    loop {
        match talk.hear().await? {
            ToSend::Progress { done, total, .. } => {
                meter.waiting_for(Some(format!(
                    "the schema on the target ({done} of {total} objects)"
                )));
            }
            ToSend::Ready {
                committed,
                held,
                last_number,
                data_durable,
            } => {
                meter.waiting_for(None);
                return Ok(There {
                    committed,
                    held,
                    last_number,
                    data_durable,
                });
            }
            _ => return Err(SendError::Protocol("expected Ready").into()),
        }
    }
}

async fn send_file(
    context: &Context,
    talk: &Talk,
    header: &StreamHeader,
    file: &str,
) -> Result<(), Break> {
    let path = context.state.path().join(file);
    let failed = |source| SendError::File {
        path: path.clone(),
        source,
    };
    let mut content = tokio::fs::File::open(&path).await.map_err(failed)?;
    let mut stream = talk.connection().open_data().await?;
    let header = frame::encode(header, frame::UNPROVEN_LIMIT).map_err(WorkError::from)?;
    stream.write_all(&header).await?;
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
