//! Before the first row: snapshot, catalog, plan, archive. Done once per migration and recorded,
//! so that a restarted send offers exactly the same again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::files::{describe_file, write_plan};
use super::inspecting::require_whole_families;
use super::record::{ARCHIVE, PLAN, Prepared, Record};
use super::session::Context;
use super::taking::{elsewhere, enter};
use super::worker::WorkError;
use super::{Formats, Options, SendError};
use crate::chunk::Plan;
use crate::pg::{Client, ConnInfo};
use crate::planner::{self, Candidates, Cut};
use crate::report::{Meter, Skipped, one_line};
use crate::runtime::tools::Tool;
use crate::runtime::{Brake, Panicked, blocking, panicked};
use crate::schema::database::{DatabaseProperties, Extension, Role};
use crate::schema::{Persistence, Table};
use crate::selection::Content;
use crate::source::catalog::objects::LARGE_OBJECTS;
use crate::source::changes::{Baseline, Writes};
use crate::source::choice::{Choice, filters, gaps};
use crate::source::entry::Entry;
use crate::source::keeper::Keeper;
use crate::source::{catalog, changes, choice, privileges, server};
use crate::state::StateDir;
use crate::wire::message::{Offer, Refresh, Snapshot, SourceInfo};

/// Why rows of an extension travel as text, as they do in pg_dump's archives.
const OTHER_VERSION: &str = "its extension may be of another version on the target";
/// How long an abandoned preparation may take to notice.
const ABANDON_LIMIT: Duration = Duration::from_secs(5);

/// The preparation as a task. It needs no link, so it goes on from connection to connection.
#[derive(Default)]
pub(super) struct Preparing {
    task: Option<JoinHandle<Result<(Record, Keeper), SendError>>>,
    brake: Arc<Brake>,
}

impl Preparing {
    /// Starts preparing, unless that is under way, and waits for the completed record and the
    /// keeper of its snapshot. Cancel-safe.
    pub(super) async fn wait(&mut self, context: &Context) -> Result<(Record, Keeper), SendError> {
        let brake = &self.brake;
        let task = self.task.get_or_insert_with(|| {
            let preparation = Preparation::new(context, Arc::clone(brake));
            let (state, record) = (Arc::clone(&context.state), context.record.clone());
            spawn_blocking(move || match record.prepared {
                None => preparation.run(&state, record),
                Some(_) => preparation.renew(&state, record),
            })
        });
        let ended = task.await;
        self.task = None;
        ended.map_err(panicked)?
    }

    /// Whether it was begun, in this session or an earlier one, and nobody has its result yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.task.is_some()
    }

    /// Stops a preparation under way, so that nothing is held on the source for it; one that is
    /// complete stays for the next start.
    pub(super) async fn abandon(self, state: &Arc<StateDir>) {
        let Some(task) = self.task else { return };
        self.brake.pull();
        if let Ok(Ok(Ok(_))) = timeout(ABANDON_LIMIT, task).await {
            return;
        }
        let state = Arc::clone(state);
        let released = blocking::<_, Panicked>(move || Ok(release_stale(&state))).await;
        if let Ok(Err(error)) = released {
            tracing::warn!(error = one_line(&error), "the keeper was not released");
        }
    }
}

/// A keeper without a record belongs to a preparation that never ended.
pub(super) fn release_stale(state: &StateDir) -> Result<(), SendError> {
    match Keeper::find(state.path()) {
        Some(stale) => Ok(stale.release()?),
        None => Ok(()),
    }
}

/// What preparing needs; all of it blocks.
pub(super) struct Preparation {
    pub(super) options: Options,
    pub(super) info: ConnInfo,
    pub(super) source: SourceInfo,
    pub(super) pg_dump: Tool,
    pub(super) meter: Arc<Meter>,
    pub(super) brake: Arc<Brake>,
}

impl Preparation {
    fn new(context: &Context, brake: Arc<Brake>) -> Self {
        Self {
            options: context.options.clone(),
            info: context.info.clone(),
            source: context.source.clone(),
            pg_dump: context.pg_dump.clone(),
            meter: Arc::clone(&context.display.meter),
            brake,
        }
    }

    /// Takes a snapshot and everything that is read in it, and records it in the state directory.
    fn run(&self, state: &StateDir, mut record: Record) -> Result<(Record, Keeper), SendError> {
        release_stale(state)?;
        self.meter.phase("snapshot");
        let mut client = self.connect()?;
        let choice = self.choose(&mut client)?;
        self.require_privileges(&mut client, &choice)?;
        let early = changes::writes(&mut client)?;
        let taken = self.take(state.path(), &mut client)?;
        let (snapshot, entry) = (taken.snapshot().clone(), taken.entry());
        let baseline = self.baseline(&mut client, &entry, early, &choice)?;
        self.meter.phase("catalog");
        let mut read = self.read_catalog(&mut client, &entry)?;
        let candidates = self.read_keys(&mut client, &entry, &read.tables)?;
        let objects = self.read_objects(&mut client, &entry)?;
        let plan = self.plan(std::mem::take(&mut read.tables), &candidates);
        let plan = planner::objects::add(plan, LARGE_OBJECTS, &objects.buckets);
        self.meter.phase("schema dump");
        self.dump(&mut client, &entry, state.path(), ARCHIVE)?;
        let offer = self.offer(state, &plan, snapshot, &read)?;
        self.go_on()?;
        record.prepared = Some(Prepared {
            offer,
            baseline,
            left_behind: objects.left_behind,
            left_out: read.left_out,
            unused_renames: read.unused_renames,
        });
        record.save(state)?;
        Ok((record, taken.keep(state.path(), client)?))
    }

    /// Writes the plan, and describes everything that recv is to make of it.
    fn offer(
        &self,
        state: &StateDir,
        plan: &Plan,
        snapshot: Snapshot,
        read: &Read,
    ) -> Result<Offer, SendError> {
        let terms = &self.options.terms;
        Ok(Offer {
            plan: write_plan(state, PLAN, plan)?,
            archive: describe_file(&state.path().join(ARCHIVE))?,
            snapshot,
            dump_major: self.pg_dump.major,
            refresh: read.refresh.clone(),
            omit: terms.omit,
            database: read.database.clone(),
            roles: read.roles.clone(),
            make_roles: terms.make_roles,
            tablespaces: read.tablespaces.clone(),
            extensions: read.extensions.clone(),
            data_only: !terms.content.has_objects(),
            role_map: terms.role_map.clone(),
            clean: terms.clean,
        })
    }

    /// How the source stood at the snapshot.
    pub(super) fn baseline(
        &self,
        client: &mut Client,
        entry: &Entry,
        early: Writes,
        choice: &Choice,
    ) -> Result<Baseline, SendError> {
        let content = self.options.terms.content;
        let baseline = changes::baseline(client, entry, early, choice, content);
        baseline.map_err(|error| elsewhere(entry, error))
    }

    /// Unless it is to be abandoned.
    pub(super) fn go_on(&self) -> Result<(), SendError> {
        if self.brake.is_pulled() {
            return Err(WorkError::Halted.into());
        }
        Ok(())
    }

    /// Where no rows are moved there is nothing to cut.
    fn plan(&self, tables: Vec<Table>, candidates: &Candidates) -> Plan {
        match self.options.terms.content.has_rows() {
            true => planner::plan(tables, self.cut(), candidates),
            false => Plan {
                tables,
                chunks: Vec::new(),
            },
        }
    }

    fn cut(&self) -> Cut {
        Cut {
            chunk_bytes: self.options.chunk_bytes,
            tid_ranges: server::has_tid_range_scan(self.source.server_version),
        }
    }

    pub(super) fn read_catalog(
        &self,
        client: &mut Client,
        entry: &Entry,
    ) -> Result<Read, SendError> {
        enter(client, entry)?;
        let choice = self.choose(client)?;
        let mut tables = self.read_tables(client, &choice)?;
        let other_rows = self.filter(client, &choice, &mut tables)?;
        let left_out = self.left_out(client, &choice, other_rows)?;
        let (map, roles) = (
            &self.options.terms.role_map,
            catalog::roles(client, &choice)?,
        );
        let read = Read {
            unused_renames: map.unused(&roles),
            tables,
            refresh: match self.options.terms.content.has_rows() {
                true => catalog::refresh_order(client, &choice)?,
                false => Vec::new(),
            },
            database: self.read_properties(client)?.map(|d| map.database(d)),
            roles: map.roles(roles),
            tablespaces: catalog::tablespaces(client, &choice)?,
            extensions: catalog::extensions(client)?,
            left_out,
        };
        entry.leave(client)?;
        Ok(read)
    }

    /// The tables that are chosen, as they are to travel and to be written.
    fn read_tables(&self, client: &mut Client, choice: &Choice) -> Result<Vec<Table>, SendError> {
        let terms = &self.options.terms;
        let mut tables = catalog::tables(client, choice)?;
        for table in &mut tables {
            match terms.formats {
                Formats::Text => table.copy_as_text("text was asked for"),
                Formats::Auto if table.condition.is_some() => table.copy_as_text(OTHER_VERSION),
                Formats::Auto => {}
            }
        }
        let are_made = terms.content.has_objects();
        let others = tables.iter_mut();
        let others = others.filter(|table| !are_made || table.condition.is_some());
        catalog::liken(client, &mut others.collect::<Vec<_>>())?;
        require_whole_families(client, choice, terms.content)?;
        self.require_alike(&tables, false)?;
        if terms.through_roots {
            catalog::through_roots(client, &mut tables, choice)?;
            self.require_alike(&tables, true)?;
        }
        if terms.content.has_rows() {
            require_readable(client, &tables)?;
        }
        Ok(tables)
    }

    /// What is not moved, and what that breaks.
    fn left_out(
        &self,
        client: &mut Client,
        choice: &Choice,
        other_rows: Vec<Skipped>,
    ) -> Result<Vec<Skipped>, SendError> {
        let (selection, content) = (&self.options.selection, self.options.terms.content);
        let mut left_out = match content.has_objects() {
            true => gaps::left_out(client, selection, choice)?,
            false => gaps::all_but_rows(selection),
        };
        left_out.extend(other_rows);
        left_out.extend(self.objects_left_out(client)?);
        left_out.extend((!content.has_rows()).then(no_rows));
        Ok(left_out)
    }

    /// Lets the filters hold for their tables, and says what they leave out.
    fn filter(
        &self,
        client: &mut Client,
        choice: &Choice,
        tables: &mut [Table],
    ) -> Result<Vec<Skipped>, SendError> {
        let row_filters = &self.options.terms.filters;
        let moved = tables.iter().map(|table| (table.oid, table.name.clone()));
        let filtered = filters::filtered(client, row_filters, &moved.collect::<Vec<_>>())?;
        for table in tables {
            let found = filtered.get(&table.oid);
            table.filter = found.map(|found| filters::condition(row_filters, found));
        }
        Ok(gaps::other_rows(client, choice, row_filters, &filtered)?)
    }

    /// Partitions are written through an ancestor if all or none are unlogged. Where the target's are
    /// its own, recv looks at those.
    fn require_alike(&self, tables: &[Table], as_wished: bool) -> Result<(), SendError> {
        if self.options.terms.content != Content::Whole {
            return Ok(());
        }
        let Some((one, other)) = mixed(tables) else {
            return Ok(());
        };
        let (logged, unlogged) = match one.persistence {
            Persistence::Permanent => (one, other),
            Persistence::Unlogged => (other, one),
        };
        Err(SendError::Mixed {
            ancestor: one.target().to_string(),
            logged: logged.name.to_string(),
            unlogged: unlogged.name.to_string(),
            as_wished,
        })
    }

    /// What large tables may be split by where page ranges are expensive.
    fn read_keys(
        &self,
        client: &mut Client,
        entry: &Entry,
        tables: &[Table],
    ) -> Result<Candidates, SendError> {
        let large: Vec<_> = planner::large(tables, self.cut()).collect();
        let has_rows = self.options.terms.content.has_rows();
        if !has_rows || self.cut().tid_ranges || large.is_empty() {
            return Ok(Candidates::new());
        }
        enter(client, entry)?;
        let candidates = catalog::candidates(client, tables, &large)?;
        entry.leave(client)?;
        Ok(candidates)
    }

    /// What belongs to the database itself is no part of a selection.
    fn read_properties(
        &self,
        client: &mut Client,
    ) -> Result<Option<DatabaseProperties>, SendError> {
        let all = self.options.selection.includes_everything()
            && self.options.terms.content.has_objects();
        let read = all.then(|| catalog::properties(client)).transpose();
        Ok(read?)
    }

    /// All that may not be read is named at once, before the first lock would name one of it.
    fn require_privileges(&self, client: &mut Client, choice: &Choice) -> Result<(), SendError> {
        let content = self.options.terms.content;
        let unreadable = privileges::unreadable(client, choice, content)?;
        if unreadable.is_empty() {
            return Ok(());
        }
        let rows = client.query("SELECT current_user")?;
        Err(SendError::Unreadable {
            role: rows[0].text(0)?.to_owned(),
            unreadable,
        })
    }

    pub(super) fn choose(&self, client: &mut Client) -> Result<Choice, SendError> {
        Ok(choice::choose(client, &self.options.selection)?)
    }
}

/// What is read in the snapshot.
pub(super) struct Read {
    pub(super) tables: Vec<Table>,
    pub(super) refresh: Vec<Refresh>,
    pub(super) database: Option<DatabaseProperties>,
    pub(super) roles: Vec<Role>,
    pub(super) tablespaces: Vec<String>,
    pub(super) extensions: Vec<Extension>,
    pub(super) left_out: Vec<Skipped>,
    pub(super) unused_renames: Vec<String>,
}

fn no_rows() -> Skipped {
    Skipped {
        object: "rows, sequence values, large objects and contents of materialized views"
            .to_owned(),
        reason: "--schema-only moves objects alone".to_owned(),
    }
}

/// A standby has the files of no unlogged table: better to stop now than at its chunk.
fn require_readable(client: &mut Client, tables: &[Table]) -> Result<(), SendError> {
    let unlogged = |table: &&Table| table.persistence == Persistence::Unlogged;
    match tables.iter().find(unlogged) {
        Some(table) if server::is_standby(client)? => Err(SendError::UnloggedOnStandby {
            table: table.name.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Two tables that are written through the same ancestor, only one of them unlogged. Which of its
/// partitions a chunk's rows are in on the target nobody knows: a crash there would empty some of
/// them and leave their journal row, or the other way round.
fn mixed(tables: &[Table]) -> Option<(&Table, &Table)> {
    let mut firsts = BTreeMap::new();
    let through = tables.iter().filter(|table| table.through.is_some());
    let mut pairs = through.map(|table| (*firsts.entry(table.target()).or_insert(table), table));
    pairs.find(|(first, table)| first.persistence != table.persistence)
}
