//! The session's messages, after both ends have proved who they are (docs/wire.md).
//!
//! Everything is postcard inside a length-prefixed frame; the two enums are the whole vocabulary
//! of the control stream, [`StreamHeader`] and [`ChunkEnd`] that of the data streams.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chunk::{Adaptation, Attempt, ChunkId, Digest, Held, TableIndex};
use crate::codec::ChunkParams;
use crate::lsn::Lsn;
use crate::schema::database::{DatabaseProperties, Extension, Role};
use crate::schema::roles::RoleMap;
use crate::schema::{QualifiedName, SequenceValue};
use crate::wire::frame;
use crate::wire::handshake::{self, PROTOCOL_VERSION};

/// What send says on the control stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToRecv {
    /// The first message: who calls, and for which migration.
    Greet(Greet),
    /// What is to be moved. The plan and the archive follow on streams of their own if asked for.
    Offer(Offer),
    /// The answer to [`ToSend::Restored`]: everything that is read last.
    Tail(Tail),
    /// The report has arrived; nothing more will be asked.
    Bye,
    /// Send was told to stop; the migration can go on later.
    Stop,
    /// Send cannot go on.
    Failed(Failure),
    /// The answer to [`ToSend::Ready`] while rows are missing: attempts that go on. All others that
    /// recv holds are over.
    Resume { attempts: Vec<Attempt> },
    /// In place of [`ToRecv::Offer`]: the snapshot is gone and this is the same plan in a new one.
    Renewal(Offer),
    /// After [`ToSend::Digests`]: what these tables have on the target is not what the new snapshot
    /// shows. They begin again; everything else is as it shows it.
    Again { tables: Vec<TableIndex> },
    /// Send's user gives the migration up; nobody goes on.
    Abort,
}

/// What recv says on the control stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToSend {
    /// The answer to [`ToRecv::Greet`].
    Standing(Standing),
    /// The answer to [`ToRecv::Offer`]: which of the files recv does not hold.
    Need {
        plan: bool,
        archive: bool,
        /// Of a [`ToRecv::Renewal`]: the plan that the journal is of.
        agreed: bool,
    },
    /// The schema is in place: chunks may come. Committed ones are not to be sent again.
    Ready {
        committed: Vec<ChunkId>,
        /// What an earlier connection left behind, as far as this process still has it.
        held: Vec<Held>,
        /// The highest number of any attempt that this process has seen.
        last_number: u32,
        data_durable: bool,
    },
    /// The chunk's rows and its journal row have committed in one transaction.
    Committed { chunk: ChunkId },
    /// Every chunk is durably committed: the snapshot is no longer needed.
    DataDurable,
    /// How far a phase other than data has come.
    Progress {
        phase: String,
        done: u64,
        total: u64,
    },
    /// The end: the JSON report of both sides.
    Finished { report: String, exit: u8 },
    /// Recv was told to stop; the migration can go on later.
    Stop,
    /// Recv cannot go on.
    Failed(Failure),
    /// So many blocks of an attempt are here: they need not be kept any longer.
    Received(Held),
    /// An attempt was rolled back, and its chunk is to come again.
    Released { attempt: Attempt },
    /// Indexes, keys and the rest are there: what is read last may be read.
    Restored,
    /// After [`ToRecv::Renewal`]: what the journal has as committed, in as many messages as it
    /// takes.
    Digests { parts: Vec<HeldPart>, more: bool },
    /// Recv's user gives the migration up; nobody goes on.
    Abort,
    /// In place of [`ToSend::Ready`], once: tables of a data-only migration whose rows must travel
    /// otherwise into what the target has. The plan is to be offered again with that.
    Adapt { tables: Vec<Adaptation> },
    /// Before [`ToSend::Ready`], where that takes its time: the server is still to say how
    /// transactions of an earlier connection end. No attempt grows older meanwhile.
    Settling,
    /// Locks that recv waits for on its server, and who holds them; none when it goes on.
    HeldUp { by: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Greet {
    pub pgpipe: String,
    pub migration: String,
    pub id: Uuid,
    pub source: SourceInfo,
    /// Chunks are sent side by side on this many streams.
    pub jobs: u16,
}

/// What recv must know of the source to make or judge the target database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// For people: database, host, port.
    pub display: String,
    pub database: String,
    /// `server_version_num`.
    pub server_version: u32,
    pub encoding: String,
    pub locale: Locale,
    pub system_identifier: String,
}

impl SourceInfo {
    /// Whether nobody knows what the bytes of its text mean.
    pub fn has_no_encoding(&self) -> bool {
        self.encoding == "SQL_ASCII"
    }

    /// Whether its bytes go into a database that takes them for text of its encoding.
    pub fn is_unchecked_for(&self, encoding: &str) -> bool {
        self.has_no_encoding() && encoding != self.encoding
    }
}

/// The collation a database was created with (`pg_database`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    pub collate: String,
    pub ctype: String,
    /// `datlocprovider`: c (libc), i (ICU) or b (builtin).
    pub provider: char,
    /// The ICU or builtin locale, where the provider is not libc.
    pub provider_locale: Option<String>,
    /// Rules of ICU's beside its locale (from 16 on).
    pub icu_rules: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    pub pgpipe: String,
    /// For people: database, host, port.
    pub target: String,
    pub server_version: u32,
    /// Chunks that recv can take side by side.
    pub jobs: u16,
    /// The largest zstd window that recv can hold, as a power of two.
    pub window_log: u32,
    pub state: TargetState,
}

/// What the target's journal says of the migration that send named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TargetState {
    New,
    Begun {
        committed: u32,
        chunks: u32,
        data_durable: bool,
        /// The instant that the committed chunks are of.
        moment: Moment,
    },
    Finished {
        report: String,
        exit: u8,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    pub plan: BlobInfo,
    pub archive: BlobInfo,
    pub snapshot: Snapshot,
    /// Major version of the pg_dump that wrote the archive.
    pub dump_major: u32,
    /// Populated materialized views, in an order in which they can be refreshed one by one.
    pub refresh: Vec<Refresh>,
    /// Ownership, privileges or tablespaces that the user left out.
    pub omit: Omit,
    pub database: Option<DatabaseProperties>,
    /// Those that something in the database belongs to or is granted to.
    pub roles: Vec<Role>,
    /// Whether recv is to make the roles that its server lacks (`--roles`).
    pub make_roles: bool,
    /// Those that objects of the database lie in.
    pub tablespaces: Vec<String>,
    pub extensions: Vec<Extension>,
    /// No object is made: rows go into tables that the target has.
    #[serde(default)]
    pub data_only: bool,
    /// Roles that the archive and large objects name otherwise than the target. All else here has
    /// the target's names.
    #[serde(default)]
    pub role_map: RoleMap,
    /// Whether what is in the way on the target is to be dropped, if recv's user lets it.
    #[serde(default)]
    pub clean: bool,
}

/// A materialized view to be refreshed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    pub view: QualifiedName,
    /// Places in [`Offer::refresh`], all before this one, of those that it reads.
    pub after: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Omit {
    pub owner: bool,
    pub privileges: bool,
    pub tablespaces: bool,
}

/// A file that travels on its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobInfo {
    pub bytes: u64,
    /// xxh3-128 of the content.
    pub digest: u128,
}

/// The instant that the target will equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `pg_export_snapshot()`'s name; of one that nobody imports `single`.
    pub name: String,
    /// RFC 3339, UTC.
    pub time: String,
    pub lsn: Lsn,
}

impl Snapshot {
    pub fn moment(&self) -> Moment {
        Moment {
            time: self.time.clone(),
            lsn: self.lsn,
        }
    }
}

/// An instant of the source, as the journal names it. No two snapshots have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// RFC 3339, UTC.
    pub time: String,
    pub lsn: Lsn,
}

/// A committed part, as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPart {
    pub chunk: ChunkId,
    pub part: u32,
    pub digest: Digest,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    pub sequences: Vec<SequenceValue>,
    /// What shows that the source was written to since the snapshot, by name; the first few.
    pub changed: Vec<String>,
    /// Whether the user said that changes are expected (`--allow-changes`).
    pub allow_changes: bool,
    /// Send's own figures for the report, as JSON.
    pub stats: String,
}

impl Tail {
    /// One line for the user, where the source was written to.
    pub fn changes(&self, snapshot: &Snapshot) -> Option<String> {
        let Snapshot { time, lsn, .. } = snapshot;
        (!self.changed.is_empty()).then(|| {
            format!(
                "source changed since the snapshot (the target equals {time} at LSN {lsn}): {}",
                self.changed.join(", ")
            )
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One line, ready to print.
    pub line: String,
    /// Whether starting both again later can go on (exit 3), or not (exit 1).
    pub resumable: bool,
}

/// How a side ends the conversation before the migration's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    Stop,
    Abort,
    Failed(Failure),
}

/// What a side hears: either it takes leave, or it belongs to the conversation.
pub trait Heard: DeserializeOwned {
    fn leave(self) -> Result<Self, Leave>;
}

impl Heard for ToRecv {
    fn leave(self) -> Result<Self, Leave> {
        match self {
            Self::Stop => Err(Leave::Stop),
            Self::Abort => Err(Leave::Abort),
            Self::Failed(failure) => Err(Leave::Failed(failure)),
            other => Ok(other),
        }
    }
}

impl Heard for ToSend {
    fn leave(self) -> Result<Self, Leave> {
        match self {
            Self::Stop => Err(Leave::Stop),
            Self::Abort => Err(Leave::Abort),
            Self::Failed(failure) => Err(Leave::Failed(failure)),
            other => Ok(other),
        }
    }
}

/// The first frame of each data stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StreamHeader {
    Plan,
    Archive,
    /// An attempt begins: its blocks from the first on.
    Chunk {
        attempt: Attempt,
        params: ChunkParams,
    },
    /// An attempt goes on, on a new connection, with this block; the first has number 0, and the
    /// last one is the [`ChunkEnd`].
    Resume {
        attempt: Attempt,
        from: u32,
    },
    /// The plan that the journal is of, where recv has lost its copy.
    Agreed {
        bytes: u64,
    },
}

/// The last frame of a chunk's stream: what the encoder saw, part by part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkEnd {
    pub parts: Vec<Digest>,
}

/// Decodes bytes as each message in turn, and what decodes once more from its own encoding: the
/// fuzz target's body.
pub fn fuzz_decode(bytes: &[u8]) {
    again::<ToRecv>(bytes);
    again::<ToSend>(bytes);
    again::<StreamHeader>(bytes);
    again::<ChunkEnd>(bytes);
    if let Ok(message) = handshake::Message::decode(bytes, PROTOCOL_VERSION) {
        let encoded = message.encode(PROTOCOL_VERSION).expect("it was decoded");
        let decoded = handshake::Message::decode(&encoded, PROTOCOL_VERSION);
        assert_eq!(decoded.expect("our own encoding"), message);
    }
}

fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(message) = frame::decode::<T>(bytes) else {
        return;
    };
    let encoded = frame::encode(&message, frame::LIMIT).expect("it came out of one frame");
    let body = frame::split(&encoded, frame::LIMIT).expect("our own frame");
    let decoded = frame::decode::<T>(body.expect("a whole frame"));
    assert_eq!(decoded.expect("our own encoding"), message);
}
