//! The reader: one connection in the snapshot that turns chunks into COPY bytes.

pub mod query;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::chunk::{Chunk, Part, Plan, Range};
use crate::pg::{Client, ConnInfo, CopyOut, PgError, session};
use crate::runtime::BLOCK_BYTES;
use crate::runtime::{Buffer, Pool};
use crate::schema::{Table, quote_literal};
use crate::source::blockers::blockers;
use crate::source::catalog::objects;
use crate::source::entry::Entry;
use crate::source::single::{Loan, Over, Single};

/// Why a chunk could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(
        "table {table} was rewritten since the snapshot (TRUNCATE, DROP or ALTER): the snapshot no longer shows its rows; go on in a new one with --on-lost-snapshot prove, or start a new migration into an empty target"
    )]
    Rewritten { table: String },
    #[error(
        "table {table} stayed locked for {minutes} minutes, by {holders}; end that session and go on"
    )]
    Locked {
        table: String,
        minutes: u64,
        holders: String,
    },
    #[error("the snapshot {snapshot} is gone")]
    SnapshotGone { snapshot: String, source: PgError },
    #[error("the session that holds the snapshot has ended")]
    SessionGone,
    #[error("cannot read {what}{}", advice(source))]
    Read { what: String, source: PgError },
    #[error("cannot connect to the source: {0}")]
    Connect(#[source] PgError),
    /// The other thread of the worker has gone; its own error tells why.
    #[error("nobody takes what is read")]
    Unwanted,
}

/// What to do about a row that the server cannot put together: it builds each in one piece of memory,
/// of 1 GB at most, and a `bytea` as text besides.
fn advice(error: &PgError) -> &'static str {
    let routine = error.server().and_then(|server| server.routine.as_deref());
    let is_too_long = match (error.sqlstate(), routine) {
        (Some("54000"), _) => true,
        (Some("XX000"), Some(at)) => ["palloc", "repalloc", "MemoryContext"]
            .iter()
            .any(|start| at.starts_with(start)),
        _ => false,
    };
    match is_too_long {
        true => {
            " (COPY writes no row of more than 1 GB, and as text no bytea of more than 512 MB: make it shorter, or leave the table out with --exclude-table)"
        }
        false => "",
    }
}

impl ReadError {
    /// Whether the same can be read again at once, over a new connection.
    pub fn is_momentary(&self) -> bool {
        match self {
            Self::Connect(source) | Self::Read { source, .. } => source.is_momentary(),
            _ => false,
        }
    }

    /// Whether the source has no connection to spare.
    pub fn is_crowded(&self) -> bool {
        matches!(self, Self::Connect(source) if source.is_crowded())
    }

    /// Whether the same snapshot can be read again later.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Connect(source) | Self::Read { source, .. } => source.is_passing(),
            Self::Locked { .. } | Self::Unwanted => true,
            Self::Rewritten { .. } | Self::SnapshotGone { .. } | Self::SessionGone => false,
        }
    }
}

impl From<Over> for ReadError {
    fn from(_: Over) -> Self {
        Self::SessionGone
    }
}

/// Where readers get their sessions.
#[derive(Clone)]
pub enum Sessions {
    /// Each opens its own with this `application_name`, and imports the snapshot.
    Own {
        info: Box<ConnInfo>,
        name: String,
        snapshot: String,
    },
    /// There is one, which is lent.
    Lent(Arc<Single>),
}

/// A filled buffer of a chunk's part.
#[derive(Debug)]
pub struct Filled {
    /// The part's index within its chunk.
    pub part: u32,
    /// The next bytes of the part's COPY stream, file header and trailer included.
    pub bytes: Buffer,
    /// How long the server took to give them.
    pub took: Duration,
}

/// What takes filled buffers; false when it has ended.
pub type Take<'a> = dyn FnMut(Filled) -> bool + 'a;

/// One connection that reads chunk after chunk, each in a transaction of its own: so locks are
/// held no longer than needed, and lock slots stay few.
pub struct Reader {
    session: Session,
    entry: Entry,
    encoding: &'static str,
    waiting: Box<Waiting>,
    /// Whether large objects are read by their pages; asked when the first come.
    reads_pages: Option<bool>,
    /// Whether it is at a chunk.
    reads: Arc<AtomicBool>,
}

enum Session {
    Own(Client),
    Lent(Loan),
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        match self {
            Self::Own(client) => client,
            Self::Lent(loan) => loan,
        }
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        match self {
            Self::Own(client) => client,
            Self::Lent(loan) => loan,
        }
    }
}

/// Shows what a reader waits for; nothing when it goes on.
pub type Waiting = dyn Fn(Option<String>) + Send;

/// One attempt's `lock_timeout`; between attempts the waiting is shown.
const LOCK_ATTEMPT_S: u64 = 5;
/// Attempts per table: ten minutes, longer than any DDL that a maintenance window tolerates.
const LOCK_ATTEMPTS: u32 = 120;

impl Reader {
    /// Connects, or waits until the one session is free.
    pub fn open(sessions: &Sessions, encoding: &'static str) -> Result<Self, ReadError> {
        let (session, entry) = match sessions {
            Sessions::Own {
                info,
                name,
                snapshot,
            } => {
                let client = session::open(info, name, encoding).map_err(ReadError::Connect)?;
                (Session::Own(client), Entry::Import(snapshot.clone()))
            }
            Sessions::Lent(single) => (Session::Lent(single.lend()?), Entry::Within),
        };
        Ok(Self {
            session,
            entry,
            encoding,
            waiting: Box::new(|_| ()),
            reads_pages: None,
            reads: Arc::default(),
        })
    }

    /// Whether others may wait for its session.
    pub fn is_on_loan(&self) -> bool {
        matches!(self.session, Session::Lent(_))
    }

    /// Says what it waits for.
    #[must_use]
    pub fn on_wait(mut self, waiting: Box<Waiting>) -> Self {
        self.waiting = waiting;
        self
    }

    /// What ends a blocked read from another thread: with the connection, unless that is the only one.
    pub fn interrupter(&self) -> Result<Box<dyn FnOnce() + Send>, ReadError> {
        Ok(match &self.session {
            Session::Own(client) => {
                let (closer, cancel) = (client.closer(), client.cancel_token());
                let closer = closer.map_err(ReadError::Connect)?;
                let reads = Arc::clone(&self.reads);
                Box::new(move || {
                    if !reads.load(Relaxed) {
                        return closer.close();
                    }
                    // A server that gives no rows does not notice a closed connection. Nobody waits
                    // for this but who reads, and it has limits.
                    std::thread::spawn(move || {
                        let _ = cancel.cancel();
                        closer.close();
                    });
                })
            }
            Session::Lent(loan) => Box::new(loan.interrupter()),
        })
    }

    /// Reads every part of a chunk into buffers of about [`BLOCK_BYTES`] from the pool.
    pub fn read(
        &mut self,
        plan: &Plan,
        chunk: &Chunk,
        pool: &Pool,
        take: &mut Take<'_>,
    ) -> Result<(), ReadError> {
        self.reads.store(true, Relaxed);
        let read = self.read_parts(plan, chunk, pool, take);
        self.reads.store(false, Relaxed);
        if !self.is_on_loan() {
            return read;
        }
        match (read, self.entry.leave(&mut self.session)) {
            // Neither a new connection nor patience brings it back.
            (_, Err(_)) => Err(ReadError::SessionGone),
            (read, Ok(())) => read,
        }
    }

    fn read_parts(
        &mut self,
        plan: &Plan,
        chunk: &Chunk,
        pool: &Pool,
        take: &mut Take<'_>,
    ) -> Result<(), ReadError> {
        self.enter_snapshot()?;
        for (index, part) in (0..).zip(&chunk.parts) {
            let table = plan.table(part.table);
            self.hold(table)?;
            self.copy(table, part, index, pool, take)?;
        }
        match self.is_on_loan() {
            true => Ok(()),
            false => self.run("the end of a transaction", "COMMIT").map(drop),
        }
    }

    fn enter_snapshot(&mut self) -> Result<(), ReadError> {
        let entered = self.entry.enter(&mut self.session);
        entered.map_err(|source| match &self.entry {
            Entry::Import(snapshot) if self.entry.is_missing(&source) => ReadError::SnapshotGone {
                snapshot: snapshot.clone(),
                source,
            },
            _ => ReadError::Read {
                what: "the snapshot".into(),
                source,
            },
        })?;
        if self.is_on_loan() {
            let sql = format!("SET LOCAL client_encoding = '{}'", self.encoding);
            self.run("settings", &sql)?;
        }
        Ok(())
    }

    /// Takes the reader's own lock, and only then looks whether the table is still the snapshot's:
    /// the same object under this name, and the same file.
    ///
    /// Whoever waits for ACCESS EXCLUSIVE behind the keeper makes us queue behind him, and no
    /// deadlock is found, as the keeper waits for nobody: so this wait is shown and has a limit.
    fn hold(&mut self, table: &Table) -> Result<(), ReadError> {
        for _ in 0..LOCK_ATTEMPTS {
            if self.try_hold(table)? {
                (self.waiting)(None);
                return Ok(());
            }
            let left = self.entry.leave(&mut self.session);
            left.map_err(|source| ReadError::Read {
                what: "a transaction".to_owned(),
                source,
            })?;
            let holders = self.blockers(table)?;
            (self.waiting)(Some(format!("a lock on {}, behind {holders}", table.name)));
            self.enter_snapshot()?;
        }
        (self.waiting)(None);
        Err(ReadError::Locked {
            table: table.name.to_string(),
            minutes: u64::from(LOCK_ATTEMPTS) * LOCK_ATTEMPT_S / 60,
            holders: self.blockers(table)?,
        })
    }

    /// False where the lock did not come in time; the transaction is aborted then.
    fn try_hold(&mut self, table: &Table) -> Result<bool, ReadError> {
        if table.is_large_objects() {
            return self.try_hold_objects();
        }
        let sql = format!(
            "SET LOCAL lock_timeout = '{LOCK_ATTEMPT_S}s'; \
             LOCK TABLE ONLY {} IN ACCESS SHARE MODE; \
             SELECT CASE WHEN to_regclass({})::oid = {oid} THEN pg_relation_filenode({oid}) END",
            table.sql_name(),
            quote_literal(&table.sql_name()),
            oid = table.oid,
        );
        let rewritten = || ReadError::Rewritten {
            table: table.name.to_string(),
        };
        let rows = match self.session.query(&sql) {
            Ok(rows) => rows,
            Err(source) => match source.sqlstate() {
                Some("55P03") => return Ok(false),
                Some("42P01" | "3F000") => return Err(rewritten()),
                _ => {
                    let what = format!("table {}", table.name);
                    return Err(ReadError::Read { what, source });
                }
            },
        };
        let current = rows.first().and_then(|row| row.get(0));
        if current != Some(table.filenode.to_string().as_str()) {
            return Err(rewritten());
        }
        Ok(true)
    }

    /// A catalog that is rewritten still shows the snapshot's rows, so that its file says nothing.
    fn try_hold_objects(&mut self) -> Result<bool, ReadError> {
        let sql = format!(
            "SET LOCAL lock_timeout = '{LOCK_ATTEMPT_S}s'; LOCK TABLE {} IN ACCESS SHARE MODE",
            objects::lock_name(self.reads_pages()?)
        );
        match self.session.execute(&sql) {
            Ok(_) => Ok(true),
            Err(source) if source.sqlstate() == Some("55P03") => Ok(false),
            Err(source) => Err(objects_failed(source)),
        }
    }

    fn reads_pages(&mut self) -> Result<bool, ReadError> {
        if let Some(known) = self.reads_pages {
            return Ok(known);
        }
        let answer = objects::reads_pages(&mut self.session).map_err(objects_failed)?;
        self.reads_pages = Some(answer);
        Ok(answer)
    }

    fn copy_sql(&mut self, table: &Table, part: &Part) -> Result<String, ReadError> {
        match &part.range {
            range @ Range::Objects { .. } => Ok(objects::copy_sql(range, self.reads_pages()?)),
            _ => Ok(query::copy_sql(table, part)),
        }
    }

    fn blockers(&mut self, table: &Table) -> Result<String, ReadError> {
        blockers(&mut self.session, table.oid).map_err(|source| ReadError::Read {
            what: format!("the locks on {}", table.name),
            source,
        })
    }

    fn copy(
        &mut self,
        table: &Table,
        part: &Part,
        index: u32,
        pool: &Pool,
        take: &mut Take<'_>,
    ) -> Result<(), ReadError> {
        let failed = |source| ReadError::Read {
            what: format!("table {}", table.name),
            source,
        };
        if matches!(part.range, Range::Keys(_) | Range::Tids { .. }) {
            // However little the server thinks of the way that the plan has chosen.
            self.run("settings", "SET LOCAL enable_seqscan = off")?;
        }
        let (sql, is_on_loan) = (self.copy_sql(table, part)?, self.is_on_loan());
        let started = Instant::now();
        let mut copy = self.session.copy_out(&sql).map_err(failed)?;
        let mut take = |bytes, took| {
            take(Filled {
                part: index,
                bytes,
                took,
            })
        };
        let ended = pump(&mut copy, started, pool, &mut take);
        if matches!(ended, Ok(false)) && is_on_loan {
            drain(&mut copy).map_err(failed)?;
        }
        match ended.map_err(failed)? {
            true => Ok(()),
            false => Err(ReadError::Unwanted),
        }
    }

    fn run(&mut self, what: &str, sql: &str) -> Result<String, ReadError> {
        self.session.execute(sql).map_err(|source| ReadError::Read {
            what: what.to_owned(),
            source,
        })
    }
}

/// Reads a COPY to its end; false where nobody takes it.
fn pump(
    copy: &mut CopyOut<'_>,
    mut started: Instant,
    pool: &Pool,
    take: &mut dyn FnMut(Buffer, Duration) -> bool,
) -> Result<bool, PgError> {
    loop {
        let Some(mut bytes) = pool.take() else {
            return Ok(false);
        };
        let more = copy.read(&mut bytes, BLOCK_BYTES)?;
        if !bytes.is_empty() && !take(bytes, started.elapsed()) {
            return Ok(false);
        }
        if !more {
            return Ok(true);
        }
        started = Instant::now();
    }
}

/// Reads the rest of a COPY for nobody, so that its connection stays of use.
fn drain(copy: &mut CopyOut<'_>) -> Result<(), PgError> {
    let mut bytes = Vec::new();
    while copy.read(&mut bytes, BLOCK_BYTES)? {
        bytes.clear();
    }
    Ok(())
}

fn objects_failed(source: PgError) -> ReadError {
    let what = "large objects".to_owned();
    ReadError::Read { what, source }
}
