//! Plan and archive: fetched from send where our copies are not what is offered.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use twox_hash::XxHash3_128;

use super::RecvError;
use super::record::{ARCHIVE, PLAN};
use super::session::{Break, Context, Talk};
use crate::chunk::Plan;
use crate::runtime::blocking;
use crate::state::StateDir;
use crate::transport::{RecvStream, TransportError};
use crate::wire::frame;
use crate::wire::message::{BlobInfo, Offer, StreamHeader, ToSend};

/// pg_dump's archive of 10,000 tables takes 20 MiB.
const ARCHIVE_LIMIT: u64 = 1 << 30;
const BLOB_PIECE: usize = 256 << 10;
/// Send writes a stream's header as it opens the stream.
const HEADER_LIMIT: Duration = Duration::from_secs(30);

/// The plans that are asked for.
pub(super) struct Plans {
    /// The name under which the offered one is kept.
    pub(super) file: &'static str,
    /// The digest of the one that the journal is of, where it is missing here.
    pub(super) agreed: Option<u128>,
}

impl Plans {
    /// Of an offer that is no renewal.
    pub(super) const OFFERED: Self = Self {
        file: PLAN,
        agreed: None,
    };
}

/// Asks for what we do not hold, and keeps it in the state directory.
pub(super) async fn fetch(
    context: &Context,
    talk: &mut Talk,
    offer: &Offer,
    plans: Plans,
) -> Result<(), Break> {
    for (what, blob, limit) in [
        ("a plan", offer.plan, Plan::ENCODED_LIMIT),
        ("an archive", offer.archive, ARCHIVE_LIMIT),
    ] {
        let bytes = blob.bytes;
        if bytes > limit {
            return Err(RecvError::TooLarge { what, bytes }.into());
        }
    }
    let mut wanted = Wanted {
        plan: !holds(&context.state, plans.file, offer.plan).await?,
        archive: !holds(&context.state, ARCHIVE, offer.archive).await?,
        agreed: plans.agreed.is_some(),
    };
    talk.say(&ToSend::Need {
        plan: wanted.plan,
        archive: wanted.archive,
        agreed: wanted.agreed,
    })
    .await?;
    while wanted != Wanted::default() {
        let receiving = async {
            let mut stream = talk.connection().accept_data().await?;
            let header = read_header(&mut stream).await?;
            let (file, blob) = wanted.take(&header, offer, &plans)?;
            receive_file(context, &mut stream, file, blob).await
        };
        talk.unless_stopped(receiving).await??;
    }
    Ok(())
}

/// What is still to come.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Wanted {
    plan: bool,
    archive: bool,
    agreed: bool,
}

impl Wanted {
    /// The file that a stream brings, and what it must be; each comes once.
    fn take(
        &mut self,
        header: &StreamHeader,
        offer: &Offer,
        plans: &Plans,
    ) -> Result<(&'static str, BlobInfo), RecvError> {
        let (wants, file, blob) = match *header {
            StreamHeader::Plan => (&mut self.plan, plans.file, offer.plan),
            StreamHeader::Archive => (&mut self.archive, ARCHIVE, offer.archive),
            StreamHeader::Agreed { bytes: 0 } if self.agreed => {
                let data_only = offer.data_only;
                return Err(RecvError::NoAgreedPlan { data_only });
            }
            StreamHeader::Agreed { bytes } if bytes <= Plan::ENCODED_LIMIT => {
                let digest = plans.agreed.unwrap_or_default();
                (&mut self.agreed, PLAN, BlobInfo { bytes, digest })
            }
            _ => return Err(RecvError::Protocol("a stream that was not asked for")),
        };
        match std::mem::take(wants) {
            true => Ok((file, blob)),
            false => Err(RecvError::Protocol("a stream that was not asked for")),
        }
    }
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
