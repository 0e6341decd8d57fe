//! Making the migration on the target: database, journal, tables, builder. All of it blocks.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use twox_hash::XxHash3_128;

use super::builder::{Builder, Site};
use super::entries::Entries;
use super::intake::Intake;
use super::migration::Migration;
use super::record::{ARCHIVE, PLAN, TARGET, Target};
use super::room::Room;
use super::{Options, RecvError, comparing};
use crate::chunk::Plan;
use crate::pg::{Client, ConnInfo};
use crate::phase::{DumpId, Schedule, pre_data_batches};
use crate::runtime::Brake;
use crate::runtime::tools::{self, Tools};
use crate::schema::{QualifiedName, Table};
use crate::sink::archive::{Archive, RestoreOptions};
use crate::sink::clean::{CLEANED, Cleaning};
use crate::sink::database::{self, DatabaseError};
use crate::sink::ddl::{self, Restorer, Schema};
use crate::sink::existing::{self, CompareError, Existing};
use crate::sink::foresight::{self, DIFFERS, SKIPPED};
use crate::sink::journal::{Contents, Journal, JournalError};
use crate::sink::objects::{self, Whose};
use crate::sink::{extensions, finish, roles};
use crate::state::StateDir;
use crate::wire::message::{Greet, Offer};

/// Index builds may take this share of the memory that is free before them.
const INDEX_MEMORY_SHARE: u64 = 4;
/// From the server's default to what more gains little upon.
const WORK_MEM_MIB: std::ops::RangeInclusive<u64> = 64..=ddl::MAX_WORK_MEM_MIB;

/// What installing needs; all of it blocks.
pub(super) struct Installation {
    pub(super) options: Options,
    pub(super) info: ConnInfo,
    pub(super) room: Option<Room>,
    /// Prints a line for the user.
    pub(super) say: Arc<dyn Fn(&str) + Send + Sync>,
    pub(super) state: Arc<StateDir>,
    pub(super) greet: Greet,
    pub(super) offer: Offer,
    /// Entries of the schema that are there before the data, and their number.
    pub(super) progress: UnboundedSender<(u64, u64)>,
    /// Ends it early.
    pub(super) brake: Arc<Brake>,
}

impl Installation {
    /// Makes or finds database, journal and schema, and starts the builder.
    pub(super) fn run(&self) -> Result<Migration, RecvError> {
        let plan = Arc::new(offered_plan(&self.state, PLAN, &self.offer)?);
        let journal = Journal::new(&self.options.journal_schema, self.greet.id);
        let mut client = self.database()?;
        database::judge(
            &mut client,
            &self.greet.source,
            self.options.allow_downgrade,
        )?;
        let schema = Arc::new(self.schema(client.server_version())?);
        journal.require_apart(&plan, &schema.toc)?;
        let cleaning = match journal.exists(&mut client)? {
            true => self.go_on(&mut client, &journal, &schema, &plan)?,
            false => self.begin(&mut client, &journal, &schema, &plan)?,
        };
        if let Some(cleaning) = cleaning {
            cleaning.run()?;
        }
        if self.offer.make_roles {
            roles::make(&mut client, &journal, &self.offer.roles)?;
        }
        self.pre_data(&journal, &schema)?;
        if !self.offer.data_only {
            self.require_tables(&mut client, &journal, &plan)?;
        }
        let contents = journal.read(&mut client)?;
        if !contents.steps.contains(finish::DATA) {
            let unfit = self.judge_extensions(&mut client, &plan)?;
            extensions::make_way(&mut client, &journal, &contents.steps, &plan, &unfit)?;
        }
        let as_replica = self.judge_acting(&mut client, &plan)?;
        let migration = self.migration(plan, journal, schema, contents);
        Ok(Migration {
            as_replica,
            ..migration
        })
    }

    /// Holds the journal against the offer; what is still to be cleaned away.
    fn go_on(
        &self,
        client: &mut Client,
        journal: &Journal,
        schema: &Arc<Schema>,
        plan: &Arc<Plan>,
    ) -> Result<Option<Cleaning>, RecvError> {
        let begun = journal.begun(client)?;
        if begun.plan_digest != self.offer.plan.digest {
            return Err(JournalError::Plan.into());
        }
        if begun.moment != self.offer.snapshot.moment() {
            return Err(JournalError::Moment.into());
        }
        if plan.has_large_objects() {
            objects::unlink(client, journal, Whose::BegunAgain)?;
        }
        if journal.made(client)?.contains(CLEANED) {
            return Ok(None);
        }
        let existing = journal.existing(client)?;
        self.rehearsed(journal, self.mess(schema, plan, &existing))
    }

    /// Makes the journal, where nothing is in the way; what is to be cleaned away.
    fn begin(
        &self,
        client: &mut Client,
        journal: &Journal,
        schema: &Arc<Schema>,
        plan: &Arc<Plan>,
    ) -> Result<Option<Cleaning>, RecvError> {
        let existing = self.judge_tables(client, schema, plan)?;
        if plan.has_large_objects() {
            database::require_temporary(client)?;
        }
        self.require_names(client, plan)?;
        for line in foresight::of_rows(client, schema, plan, &self.greet.source)? {
            (self.say)(&line);
        }
        let cleaning = self.rehearsed(journal, self.mess(schema, plan, &existing))?;
        let room = self.room.as_ref();
        if let Some(warning) = room.and_then(|room| room.warning(plan.bytes())) {
            (self.say)(&warning);
        }
        let target = Target::look(client, self.info.to_string(), journal.schema())?;
        let target = target.with_roles(&self.offer.role_map);
        self.state.write(TARGET, &target)?;
        let (name, source) = (&self.options.migration, &self.greet.source);
        journal.create(client, name, source, &self.offer, &existing)?;
        Ok(cleaning)
    }

    /// Refuses tables that stand in the way, or that rows do not fit into; what rows are written to
    /// where none is made.
    fn judge_tables(
        &self,
        client: &mut Client,
        schema: &Schema,
        plan: &Plan,
    ) -> Result<Vec<Existing>, RecvError> {
        if !self.offer.data_only {
            self.require_text(client, schema)?;
            self.foresee(client, schema)?;
            if !self.offer.clean {
                database::require_absent(client, plan)?;
            }
            return Ok(Vec::new());
        }
        if plan.has_large_objects() && !self.options.append {
            database::require_no_objects(client)?;
        }
        let present = comparing::present(&self.options, self.offer.clean)?;
        let compared = existing::compare(client, plan, present)?;
        if !compared.adaptations.is_empty() {
            return Err(RecvError::Unsettled);
        }
        for note in compared.notes {
            (self.say)(&note);
        }
        Ok(compared.existing)
    }

    /// Says what tables that the target's extensions have made are other than on the source; which of
    /// them cannot take the rows. All else arrives without these.
    fn judge_extensions(
        &self,
        client: &mut Client,
        plan: &Plan,
    ) -> Result<BTreeSet<QualifiedName>, RecvError> {
        if self.offer.data_only {
            // Compared already.
            return Ok(BTreeSet::new());
        }
        let compared = existing::of_extensions(client, plan)?;
        for (table, note) in &compared.notes {
            (self.say)(&format!("{DIFFERS}{table}: {note}"));
        }
        for (table, problem) in &compared.problems {
            (self.say)(&format!("{SKIPPED}rows of {table}, if any: {problem}"));
        }
        Ok(compared.unfit())
    }

    /// Whether triggers and keys of the target's own tables are kept from acting; says which do act.
    fn judge_acting(&self, client: &mut Client, plan: &Plan) -> Result<bool, RecvError> {
        if !self.offer.data_only {
            return Ok(false);
        }
        let tables = plan.tables.iter().filter(|t| !t.is_large_objects());
        let targets: BTreeSet<_> = tables.map(Table::target).collect();
        let acting = existing::acting(client, targets.into_iter())?;
        if !acting.problems.is_empty() {
            let problems = acting.problems;
            return Err(CompareError::Unfit { problems }.into());
        }
        for note in acting.notes {
            (self.say)(&note);
        }
        Ok(acting.as_replica)
    }

    /// Refuses SQL that only a database without an encoding can hold, where the target has one.
    fn require_text(&self, client: &Client, schema: &Schema) -> Result<(), RecvError> {
        let encoding = database::encoding(client);
        if !self.greet.source.is_unchecked_for(encoding) {
            return Ok(());
        }
        Ok(database::require_text(encoding, schema.stray_entries()?)?)
    }

    /// Refuses names that the rows' sessions, whose encoding is the target's, could not say in UTF-8.
    fn require_names(&self, client: &Client, plan: &Plan) -> Result<(), RecvError> {
        let encoding = database::encoding(client);
        if !self.greet.source.is_unchecked_for(encoding) || encoding == "UTF8" {
            return Ok(());
        }
        let names = plan.tables.iter().map(Table::sql_name);
        Ok(database::require_ascii(encoding, names)?)
    }

    /// What stands in the way, or will be missing, before anything is made.
    fn foresee(&self, client: &mut Client, schema: &Schema) -> Result<(), RecvError> {
        if !self.offer.omit.tablespaces {
            database::require_tablespaces(client, &self.offer.tablespaces)?;
        }
        for line in foresight::lines(client, schema, &self.offer, &self.greet.source)? {
            (self.say)(&line);
        }
        Ok(())
    }

    /// Connects to the target database, which is made where it is missing and the user said so.
    fn database(&self) -> Result<Client, RecvError> {
        let name = self.options.application_name();
        let client = match database::connect(&self.info, &name) {
            Err(DatabaseError::Missing { .. }) if self.options.create_db => {
                database::create(&self.info, &name, &self.greet.source)?;
                database::connect(&self.info, &name)?
            }
            other => other?,
        };
        let closer = client.closer()?;
        self.brake.add(move || closer.close());
        Ok(client)
    }

    fn schema(&self, server_version: u32) -> Result<Schema, RecvError> {
        let found = Tools::find(self.options.pg_bin.as_deref());
        let pg_restore = found.pick_restore(self.offer.dump_major, tools::major(server_version))?;
        let path: PathBuf = self.state.path().join(ARCHIVE);
        let omit = self.offer.omit;
        let options = RestoreOptions {
            no_owner: omit.owner,
            no_privileges: omit.privileges,
            no_tablespaces: omit.tablespaces,
        };
        let roles = &self.offer.role_map;
        let archive = Archive::open(&pg_restore.path, &path, options)?;
        let bare = Archive::open(
            &pg_restore.path,
            &path,
            RestoreOptions {
                no_owner: true,
                ..options
            },
        )?;
        let (archive, bare) = (
            archive.with_roles(roles.clone()),
            bare.with_roles(roles.clone()),
        );
        Ok(match self.offer.data_only {
            true => Schema::without_entries(archive, bare),
            false => Schema::new(archive, bare)?,
        })
    }

    /// Types, tables, views, functions: everything that must exist before rows can move.
    fn pre_data(&self, journal: &Journal, schema: &Arc<Schema>) -> Result<(), RecvError> {
        let batches = pre_data_batches(&schema.toc);
        if batches.is_empty() {
            return Ok(());
        }
        let total: usize = batches.iter().map(Vec::len).sum();
        let mut count = 0;
        let name = self.options.application_name();
        let mut restorer =
            Restorer::connect(&self.info, &name, journal.clone(), Arc::clone(schema), None)?;
        let closer = restorer.closer()?;
        self.brake.add(move || closer.close());
        let steps = journal.read(restorer.client())?.steps;
        let (done, _) = ddl::restored(&steps);
        for batch in batches {
            if self.brake.is_pulled() {
                return Err(RecvError::Stopped);
            }
            let missing: Vec<DumpId> = batch
                .iter()
                .copied()
                .filter(|id| !done.contains(id))
                .collect();
            if !missing.is_empty() {
                restorer.batch(&missing)?;
            }
            count += batch.len();
            let _ = self.progress.send((count as u64, total as u64));
        }
        Ok(restorer.end_tables(&steps)?)
    }

    /// Without its table no row can be stored: better to stop now than at the first chunk.
    fn require_tables(
        &self,
        client: &mut Client,
        journal: &Journal,
        plan: &Plan,
    ) -> Result<(), RecvError> {
        let there = database::tables(client)?;
        let made = plan.tables_with_rows().into_iter();
        let mut made = made.filter(|t| !t.is_large_objects());
        let Some(table) = made.find(|t| !there.contains(&t.name)) else {
            return Ok(());
        };
        let errors = journal.read(client)?.errors;
        let name = format!(" {}", table.name.name);
        let refused = errors
            .into_iter()
            .find(|e| e.object.starts_with("TABLE ") && e.object.ends_with(&name));
        let unknown = match table.condition.is_some() {
            true => "its extension is missing there, or of a version without it",
            false => "no such entry in the schema",
        };
        let message = refused.map_or_else(|| unknown.to_owned(), |e| e.message);
        Err(RecvError::Table {
            table: table.name.to_string(),
            message,
        })
    }

    fn migration(
        &self,
        plan: Arc<Plan>,
        journal: Journal,
        schema: Arc<Schema>,
        contents: Contents,
    ) -> Migration {
        let gates = plan.tables_with_rows();
        let gates = gates.into_iter().map(|t| (t.oid, t.bytes));
        let (done, built) = ddl::restored(&contents.steps);
        let mut schedule = Schedule::new(&schema.toc, gates)
            .with_jobs(self.options.index_jobs)
            .restore(done, built);
        if contents.steps.contains(finish::DATA) {
            schedule.end_data();
        }
        let intake = Intake::new(&plan);
        let committed = contents.committed(&plan).into_iter();
        // All before a builder looks what is left.
        for table in committed.flat_map(|id| intake.commit(id)) {
            schedule.open_gate(plan.table(table).oid);
        }
        // What a crash has emptied since the data's end is not missed: it is listed at the end.
        if schedule.has_data_ended() {
            plan.tables.iter().for_each(|t| schedule.open_gate(t.oid));
        }
        let entries = Arc::new(Entries::new(contents.steps));
        let site = self.site(&plan, &journal, schema, &entries);
        Migration {
            greet: self.greet.clone(),
            offer: self.offer.clone(),
            intake: Arc::new(intake),
            plan,
            journal,
            as_replica: false,
            moving: None,
            writers: Arc::clone(&site.writers),
            builder: Builder::start(site, schedule),
            entries,
        }
    }

    /// Where the builder works, and on what.
    fn site(
        &self,
        plan: &Arc<Plan>,
        journal: &Journal,
        schema: Arc<Schema>,
        entries: &Arc<Entries>,
    ) -> Site {
        let jobs = self.options.index_jobs;
        let is_local = self.info.is_local();
        Site {
            info: self.info.clone(),
            name: self.options.application_name(),
            journal: journal.clone(),
            plan: Arc::clone(plan),
            schema,
            jobs,
            work_mem_mib: is_local.then(|| work_mem_mib(jobs)).flatten(),
            refresh: self.offer.refresh.clone(),
            entries: Arc::clone(entries),
            writers: Arc::default(),
        }
    }
}

/// The plan as it was received, if it is the one that was offered.
pub(super) fn offered_plan(state: &StateDir, file: &str, offer: &Offer) -> Result<Plan, RecvError> {
    let bytes = state.read_bytes(file)?.unwrap_or_default();
    if XxHash3_128::oneshot(&bytes) != offer.plan.digest {
        return Err(RecvError::Protocol(
            "the plan is not the one that was offered",
        ));
    }
    let plan = Plan::decode(&bytes)?;
    if !plan.is_sound() {
        return Err(RecvError::Protocol("the plan contradicts itself"));
    }
    Ok(plan)
}

/// A share of the free memory for each index build, where the server is on this host.
fn work_mem_mib(jobs: usize) -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let available = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = available.trim().strip_suffix(" kB")?.parse().ok()?;
    let share = kib / 1024 / INDEX_MEMORY_SHARE / jobs.max(1) as u64;
    Some(share.clamp(*WORK_MEM_MIB.start(), *WORK_MEM_MIB.end()))
}
