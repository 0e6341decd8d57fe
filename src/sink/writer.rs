//! The writer: one connection that puts chunks into the target, each with its journal row in one
//! transaction.

use std::time::Instant;

use crate::chunk::{Chunk, Digest, Part, Plan};
use crate::pg::{CancelToken, Client, Closer, ConnInfo, PgError, session};
use crate::runtime::Buffer;
use crate::schema::roles::RoleMap;
use crate::schema::{Format, Table};
use crate::sink::existing;
use crate::sink::journal::{Journal, PartRecord};
use crate::sink::objects::{self, Storing};
use crate::wire::message::Omit;

/// The file header of COPY BINARY (PostgreSQL, COPY, "Binary Format"): signature, no flags, no
/// extension. The sender's own was checked and stripped.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = &[0xff, 0xff];

/// For rows of a database without an encoding: bytes are the target's as they are, and are checked. From 14 on
/// COPY in text takes those of a session of SQL_ASCII unchecked, and stores what no session can read.
const AS_ITS_OWN: &str = "SELECT pg_catalog.set_config('client_encoding', \
    pg_catalog.current_setting('server_encoding'), false)";

/// Why a chunk was not written. Its transaction is rolled back, or the journal knows better.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot connect to the target: {0}")]
    Connect(#[source] PgError),
    #[error("cannot write table {table}{}", advice(source))]
    Table { table: String, source: PgError },
    #[error("cannot write chunk {chunk}")]
    Chunk { chunk: String, source: PgError },
    #[error(
        "table {table}: the server stored {stored} rows of {sent}; does a rule or trigger act on it?"
    )]
    Count {
        table: String,
        stored: u64,
        sent: u64,
    },
    #[error("the server rolled chunk {chunk} back at COMMIT")]
    RolledBack { chunk: String },
    /// The decoder has ended; its own error tells why.
    #[error("the rest of chunk {chunk} did not come")]
    Incomplete { chunk: String },
}

/// What to do about rows that do not fit into a table of the user's.
fn advice(error: &PgError) -> &'static str {
    let routine = error.server().and_then(|server| server.routine.as_deref());
    match (error.sqlstate(), routine) {
        (Some("23505"), _) => {
            " (a key is there already: take that row out of the way, and start both again)"
        }
        (Some("22021"), _) => {
            " (bytes of a row are not valid in the target's encoding: correct them on the source and begin anew (pgpipe reset on both hosts), or, if that is another encoding than the source's, move into a database of that one)"
        }
        (Some("23514"), Some("ExecFindPartition")) => {
            " (a row has no partition on the target: make one, or a DEFAULT one, and start both again)"
        }
        _ => "",
    }
}

impl WriteError {
    /// Whether the same chunk can be written again at once, over a new connection.
    pub fn is_momentary(&self) -> bool {
        match self {
            Self::Connect(source) | Self::Table { source, .. } | Self::Chunk { source, .. } => {
                source.is_momentary()
            }
            _ => false,
        }
    }

    /// Whether the target has no connection to spare.
    pub fn is_crowded(&self) -> bool {
        matches!(self, Self::Connect(source) if source.is_crowded())
    }

    /// Whether the same chunk can be written later: the cause lies with the server's state.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Connect(source) | Self::Table { source, .. } | Self::Chunk { source, .. } => {
                source.is_passing()
            }
            Self::Incomplete { .. } => true,
            Self::Count { .. } | Self::RolledBack { .. } => false,
        }
    }
}

/// What the decoder hands over, in order.
#[derive(Debug)]
pub enum Piece {
    /// Bytes of the current part's COPY payload, without file header and trailer.
    Rows(Buffer),
    /// The part is complete; the decoder saw these rows, and the encoder the same.
    PartEnd { digest: Digest, wire_bytes: u64 },
}

/// How a chunk ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    Committed(Vec<PartRecord>),
    /// The journal had it already; nothing was written.
    AlreadyCommitted,
}

/// One connection that writes chunk after chunk.
pub struct Writer {
    client: Client,
    journal: Journal,
    omit: Omit,
    roles: RoleMap,
    /// Whether the session's table for rows of large objects is there.
    stages_objects: bool,
    /// Whether large objects of the target's own make way for those of the same OIDs.
    replaces_objects: bool,
    /// Whether triggers and keys of extensions' tables can be kept from acting, once that is known.
    hushes: Option<bool>,
}

impl Writer {
    /// Chunk commits are asynchronous: rows and journal row vanish together in a crash, and the
    /// step that ends the data phase is synchronous.
    pub fn connect(
        info: &ConnInfo,
        name: &str,
        encoding: &str,
        journal: Journal,
    ) -> Result<Self, WriteError> {
        let mut client = session::open(info, name, encoding).map_err(WriteError::Connect)?;
        if encoding == "SQL_ASCII" {
            client.execute(AS_ITS_OWN).map_err(WriteError::Connect)?;
        }
        client
            .execute("SET synchronous_commit = off")
            .map_err(WriteError::Connect)?;
        Ok(Self {
            client,
            journal,
            omit: Omit::default(),
            roles: RoleMap::default(),
            stages_objects: false,
            replaces_objects: false,
            hushes: None,
        })
    }

    /// Leaves owners or privileges of large objects out.
    #[must_use]
    pub fn omit(mut self, omit: Omit) -> Self {
        self.omit = omit;
        self
    }

    /// Keeps triggers and foreign keys of the target's own tables from acting.
    pub fn as_replica(mut self) -> Result<Self, WriteError> {
        let set = self.client.execute(existing::AS_REPLICA);
        set.map_err(WriteError::Connect)?;
        Ok(self)
    }

    /// Gives owners and privileges of large objects to these roles.
    #[must_use]
    pub fn roles(mut self, roles: RoleMap) -> Self {
        self.roles = roles;
        self
    }

    /// Unlinks large objects of the target's own that have the OIDs of those that come.
    #[must_use]
    pub fn replacing_objects(mut self, replaces: bool) -> Self {
        self.replaces_objects = replaces;
        self
    }

    /// A handle that ends a blocked write from another thread.
    pub fn closer(&self) -> Result<Closer, WriteError> {
        self.client.closer().map_err(WriteError::Connect)
    }

    /// What ends the statement under way on the server: one that waits for a lock does not look at
    /// its socket.
    pub fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }

    /// Writes one chunk; `next` gives its pieces, or nothing when they have stopped coming.
    pub fn write(
        &mut self,
        plan: &Plan,
        chunk: &Chunk,
        next: &mut dyn FnMut() -> Option<Piece>,
    ) -> Result<Written, WriteError> {
        let result = self.try_write(plan, chunk, next);
        if result.is_err() {
            // After a lost connection there is nothing to roll back.
            let _ = self.client.execute("ROLLBACK");
        }
        result
    }

    fn try_write(
        &mut self,
        plan: &Plan,
        chunk: &Chunk,
        next: &mut dyn FnMut() -> Option<Piece>,
    ) -> Result<Written, WriteError> {
        self.stage_objects(plan, chunk)?;
        self.look_at_rights(plan, chunk)?;
        if self.begin(chunk)? {
            return Ok(Written::AlreadyCommitted);
        }
        let mut records = Vec::with_capacity(chunk.parts.len());
        for part in &chunk.parts {
            let started = Instant::now();
            let table = plan.table(part.table);
            let (digest, wire_bytes) = match &table.condition {
                None => self.copy(table, chunk, next)?,
                Some(_) => self.copy_if_allowed(table, chunk, next)?,
            };
            if table.is_large_objects() {
                self.store_objects(table, chunk)?;
            }
            records.push(PartRecord {
                digest,
                wire_bytes,
                seconds: started.elapsed().as_secs_f64(),
            });
        }
        self.commit(chunk, &records)?;
        Ok(Written::Committed(records))
    }

    /// Before the transaction, with which it would be gone again.
    fn stage_objects(&mut self, plan: &Plan, chunk: &Chunk) -> Result<(), WriteError> {
        let has_objects = |part: &Part| plan.table(part.table).is_large_objects();
        if self.stages_objects || !chunk.parts.iter().any(has_objects) {
            return Ok(());
        }
        let staged = objects::prepare(&mut self.client);
        self.stages_objects = staged.is_ok();
        staged.map_err(|source| WriteError::Chunk {
            chunk: chunk.id.to_string(),
            source,
        })
    }

    /// Before the transaction too, for rows of extensions.
    fn look_at_rights(&mut self, plan: &Plan, chunk: &Chunk) -> Result<(), WriteError> {
        let of_extension = |part: &Part| plan.table(part.table).condition.is_some();
        if self.hushes.is_none() && chunk.parts.iter().any(of_extension) {
            let may = existing::may_be_replica(&mut self.client);
            self.hushes = Some(may.map_err(|source| WriteError::Chunk {
                chunk: chunk.id.to_string(),
                source,
            })?);
        }
        Ok(())
    }

    fn store_objects(&mut self, table: &Table, chunk: &Chunk) -> Result<(), WriteError> {
        let storing = Storing {
            client: &mut self.client,
            journal: &self.journal,
            chunk: chunk.id,
            omit: self.omit,
            roles: &self.roles,
            replaces: self.replaces_objects,
        };
        storing.run().map_err(|source| WriteError::Table {
            table: table.name.to_string(),
            source,
        })
    }

    /// Opens the transaction and waits out any earlier one of this chunk; true if it is committed.
    fn begin(&mut self, chunk: &Chunk) -> Result<bool, WriteError> {
        let sql = format!(
            "BEGIN; SELECT pg_advisory_xact_lock({}); {}",
            self.journal.lock_key(chunk.id),
            self.journal.count_sql(chunk)
        );
        let failed = |source| WriteError::Chunk {
            chunk: chunk.id.to_string(),
            source,
        };
        let rows = self.client.query(&sql).map_err(failed)?;
        let count = rows.first().and_then(|row| row.get(0));
        let committed = count.is_some_and(|rows| rows != "0");
        if committed {
            self.client.execute("ROLLBACK").map_err(failed)?;
        }
        Ok(committed)
    }

    /// The rows of an extension's table, which may belong to another role, or hold the same keys
    /// already: what the server refuses is recorded, and the chunk goes on without it. Nobody needs
    /// a right to write no row. The extension's own triggers and foreign keys stand already: they do
    /// not act, where the role may have it so, as the rows come in any order and as they are.
    fn copy_if_allowed(
        &mut self,
        table: &Table,
        chunk: &Chunk,
        next: &mut dyn FnMut() -> Option<Piece>,
    ) -> Result<(Digest, u64), WriteError> {
        let mut feed = Feed::new(next);
        if let Some(end) = feed.end {
            return Ok(end);
        }
        let hush = existing::hush(self.hushes == Some(true));
        self.run(chunk, &format!("{hush}SAVEPOINT before_rows"))?;
        let source = match self.copy(table, chunk, &mut || feed.take()) {
            Err(WriteError::Table { source, .. }) if !source.is_passing() => source,
            copied => return copied,
        };
        let Some((digest, wire_bytes)) = feed.drain() else {
            return Err(incomplete(chunk));
        };
        let refused = self.journal.rows_refused_sql(table, digest.rows, &source);
        self.run(
            chunk,
            &format!("ROLLBACK TO SAVEPOINT before_rows; {refused}"),
        )?;
        Ok((digest, wire_bytes))
    }

    fn run(&mut self, chunk: &Chunk, sql: &str) -> Result<(), WriteError> {
        let failed = |source| WriteError::Chunk {
            chunk: chunk.id.to_string(),
            source,
        };
        self.client.execute(sql).map(drop).map_err(failed)
    }

    fn copy(
        &mut self,
        table: &Table,
        chunk: &Chunk,
        next: &mut dyn FnMut() -> Option<Piece>,
    ) -> Result<(Digest, u64), WriteError> {
        let failed = |source| WriteError::Table {
            table: table.name.to_string(),
            source,
        };
        let binary = table.format == Format::Binary;
        let sql = copy_sql(table);
        let mut copy = self.client.copy_in(&sql).map_err(failed)?;
        if binary {
            copy.write(HEADER).map_err(failed)?;
        }
        let (digest, wire_bytes) = loop {
            match next() {
                Some(Piece::Rows(bytes)) => {
                    copy.write(&bytes).map_err(failed)?;
                }
                Some(Piece::PartEnd { digest, wire_bytes }) => break (digest, wire_bytes),
                None => {
                    let _ = copy.abort("pgpipe: the rest of the chunk did not come");
                    return Err(incomplete(chunk));
                }
            }
        };
        if binary {
            copy.write(TRAILER).map_err(failed)?;
        }
        let stored = copy.finish().map_err(failed)?;
        if stored != digest.rows {
            return Err(WriteError::Count {
                table: table.name.to_string(),
                stored,
                sent: digest.rows,
            });
        }
        Ok((digest, wire_bytes))
    }

    /// An aborted transaction answers COMMIT with ROLLBACK and no error: only the tag tells.
    fn commit(&mut self, chunk: &Chunk, records: &[PartRecord]) -> Result<(), WriteError> {
        let failed = |source| WriteError::Chunk {
            chunk: chunk.id.to_string(),
            source,
        };
        let sql = format!("{}; COMMIT", self.journal.chunk_sql(chunk, records));
        let tag = self.client.execute(&sql).map_err(failed)?;
        if tag != "COMMIT" {
            return Err(WriteError::RolledBack {
                chunk: chunk.id.to_string(),
            });
        }
        Ok(())
    }
}

fn incomplete(chunk: &Chunk) -> WriteError {
    WriteError::Incomplete {
        chunk: chunk.id.to_string(),
    }
}

/// The pieces of one part, of which the first is known.
struct Feed<'a> {
    first: Option<Piece>,
    next: &'a mut dyn FnMut() -> Option<Piece>,
    /// What the part's end says, once that has come.
    end: Option<(Digest, u64)>,
}

impl<'a> Feed<'a> {
    fn new(next: &'a mut dyn FnMut() -> Option<Piece>) -> Self {
        let mut feed = Self {
            first: None,
            next,
            end: None,
        };
        feed.first = feed.take();
        feed
    }

    fn take(&mut self) -> Option<Piece> {
        let piece = self.first.take().or_else(|| (self.next)())?;
        if let Piece::PartEnd { digest, wire_bytes } = &piece {
            self.end = Some((*digest, *wire_bytes));
        }
        Some(piece)
    }

    /// Lets the rest go by; nothing if it stops coming before the part's end.
    fn drain(&mut self) -> Option<(Digest, u64)> {
        while self.end.is_none() {
            self.take()?;
        }
        self.end
    }
}

fn copy_sql(table: &Table) -> String {
    if table.is_large_objects() {
        return objects::copy_sql(table);
    }
    format!(
        "COPY {}{} FROM STDIN (FORMAT {})",
        table.sql_target(),
        table.column_list(),
        table.format.as_sql()
    )
}
