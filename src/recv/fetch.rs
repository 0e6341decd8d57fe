//! Plan and archive: fetched from send where our copies are not what is offered.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use twox_hash::XxHash3_128;

use super::RecvError;
use super::record::ARCHIVE;
use super::session::{Break, Context, Talk};
use crate::runtime::blocking;
use crate::state::StateDir;
use crate::transport::{RecvStream, TransportError};
use crate::wire::frame;
use crate::wire::message::{BlobInfo, Offer, StreamHeader, ToSend};

/// A plan of 10,000 tables and 100,000 chunks takes 5 MiB.
const PLAN_LIMIT: u64 = 256 << 20;
/// pg_dump's archive of 10,000 tables takes 20 MiB.
const ARCHIVE_LIMIT: u64 = 1 << 30;
const BLOB_PIECE: usize = 256 << 10;
/// Send writes a stream's header as it opens the stream.
const HEADER_LIMIT: Duration = Duration::from_secs(30);

/// Asks for what we do not hold, and keeps it in the state directory, the plan in `plan_file`.
pub(super) async fn fetch(
    context: &Context,
    talk: &mut Talk,
    offer: &Offer,
    plan_file: &'static str,
) -> Result<(), Break> {
    for (what, blob, limit) in [
        ("a plan", offer.plan, PLAN_LIMIT),
        ("an archive", offer.archive, ARCHIVE_LIMIT),
    ] {
        let bytes = blob.bytes;
        if bytes > limit {
            return Err(RecvError::TooLarge { what, bytes }.into());
        }
    }
    let plan = !holds(&context.state, plan_file, offer.plan).await?;
    let archive = !holds(&context.state, ARCHIVE, offer.archive).await?;
    talk.say(&ToSend::Need { plan, archive }).await?;
    let (mut wants_plan, mut wants_archive) = (plan, archive);
    while wants_plan || wants_archive {
        let receiving = async {
            let mut stream = talk.connection().accept_data().await?;
            let (wants, file, blob) = match read_header(&mut stream).await? {
                StreamHeader::Plan if wants_plan => (&mut wants_plan, plan_file, offer.plan),
                StreamHeader::Archive if wants_archive => {
                    (&mut wants_archive, ARCHIVE, offer.archive)
                }
                _ => return Err(RecvError::Protocol("a stream that was not asked for")),
            };
            *wants = false;
            receive_file(context, &mut stream, file, blob).await
        };
        talk.unless_stopped(receiving).await??;
    }
    Ok(())
}

async fn holds(
    state: &Arc<StateDir>,
    file: &'static str,
    blob: BlobInfo,
) -> Result<bool, RecvError> {
    let state = Arc::clone(state);
    blocking(move || {
        let bytes = state.read_bytes(file)?;
        Ok(bytes.is_some_and(|bytes| XxHash3_128::oneshot(&bytes) == blob.digest))
    })
    .await
}

/// The first frame of a data stream. Not cancel-safe.
pub(super) async fn read_header(stream: &mut RecvStream) -> Result<StreamHeader, RecvError> {
    let reading = async {
        let mut length = [0; frame::HEADER_BYTES];
        stream.read_exact(&mut length).await?;
        let mut body = vec![0; frame::body_length(length, frame::UNPROVEN_LIMIT)?];
        stream.read_exact(&mut body).await?;
        Ok::<_, TransportError>(frame::decode(&body)?)
    };
    match timeout(HEADER_LIMIT, reading).await {
        Ok(Err(TransportError::Frame(error))) => Err(error.into()),
        Ok(read) => Ok(read?),
        Err(_) => Err(RecvError::Protocol("a stream without its header")),
    }
}

/// Receives a file of a known length and digest, and keeps it in the state directory.
async fn receive_file(
    context: &Context,
    stream: &mut RecvStream,
    file: &'static str,
    blob: BlobInfo,
) -> Result<(), RecvError> {
    let mut bytes = Vec::new();
    let mut digest = XxHash3_128::new();
    while (bytes.len() as u64) < blob.bytes {
        let start = bytes.len();
        let piece = (blob.bytes - start as u64).min(BLOB_PIECE as u64) as usize;
        bytes.resize(start + piece, 0);
        stream.read_exact(&mut bytes[start..]).await?;
        digest.write(&bytes[start..]);
    }
    stream.expect_end().await?;
    if digest.finish_128() != blob.digest {
        return Err(RecvError::Protocol(
            "a file whose digest is not the offered one",
        ));
    }
    let state = Arc::clone(&context.state);
    blocking(move || Ok(state.write_bytes(file, &bytes)?)).await
}
