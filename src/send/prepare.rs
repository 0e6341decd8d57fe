//! Before the first row: snapshot, catalog, plan, archive. Done once per migration and recorded,
//! so that a restarted send offers exactly the same again.

use std::path::{Path, PathBuf};

use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_128;

use super::record::{ARCHIVE, PLAN, Prepared, Record};
use super::{Options, SendError};
use crate::chunk::Plan;
use crate::pg::{Client, ConnInfo, session};
use crate::planner::{self, Cut};
use crate::report::Meter;
use crate::runtime::tools::Tool;
use crate::schema::quote_literal;
use crate::source::dump::{DumpOptions, dump_schema};
use crate::source::keeper::{Keeper, Spec};
use crate::source::{catalog, server, tail};
use crate::state::StateDir;
use crate::wire::message::{BlobInfo, Offer, Snapshot, SourceInfo};

/// What preparing needs; all of it blocks.
pub(super) struct Preparation<'a> {
    pub(super) options: &'a Options,
    pub(super) info: &'a ConnInfo,
    pub(super) source: &'a SourceInfo,
    pub(super) pg_dump: &'a Tool,
    pub(super) meter: &'a Meter,
    pub(super) stop: &'a watch::Receiver<bool>,
}

impl Preparation<'_> {
    /// Takes a snapshot and everything that is read in it, and records it in the state directory.
    pub(super) fn run(
        &self,
        state: &StateDir,
        record: &mut Record,
    ) -> Result<(Keeper, Plan), SendError> {
        // A keeper without a record is left from a run that died while preparing.
        if let Some(stale) = Keeper::find(state.path()) {
            stale.release()?;
        }
        self.meter.phase("snapshot");
        let keeper = self.start_keeper(state.path())?;
        let snapshot = keeper.kept().snapshot.clone();
        let mut client = session::open(self.info, &self.options.application_name(), "UTF8")?;
        let baseline = tail::baseline(&mut client)?;
        self.meter.phase("catalog");
        let (plan, refresh) = self.read_catalog(&mut client, &snapshot)?;
        self.meter.phase("schema dump");
        let (archive, dump_major) = self.dump(state.path(), &snapshot)?;
        let bytes = postcard::to_stdvec(&plan).expect("a plan is plain data");
        state.write_bytes(PLAN, &bytes)?;
        let offer = Offer {
            plan: BlobInfo {
                bytes: bytes.len() as u64,
                digest: xxh3_128(&bytes),
            },
            archive,
            snapshot,
            dump_major,
            refresh,
            omit: self.options.omit,
        };
        record.prepared = Some(Prepared { offer, baseline });
        record.save(state)?;
        Ok((keeper, plan))
    }

    fn start_keeper(&self, dir: &Path) -> Result<Keeper, SendError> {
        let spec = Spec {
            source: self.options.source.clone(),
            migration: self.options.migration.clone(),
            keep_seconds: self.options.keep_snapshot.as_secs(),
        };
        let keeper = Keeper::start(dir, &spec, &mut |what| {
            self.meter.waiting_for(Some(what.to_owned()));
            !*self.stop.borrow()
        });
        self.meter.waiting_for(None);
        Ok(keeper?)
    }

    fn read_catalog(
        &self,
        client: &mut Client,
        snapshot: &Snapshot,
    ) -> Result<(Plan, Vec<crate::schema::QualifiedName>), SendError> {
        client.execute(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            quote_literal(&snapshot.name)
        ))?;
        let tables = catalog::tables(client)?;
        let refresh = catalog::refresh_order(client)?;
        client.execute("COMMIT")?;
        let cut = Cut {
            chunk_bytes: self.options.chunk_bytes,
            tid_ranges: server::has_tid_range_scan(self.source.server_version),
        };
        Ok((planner::plan(tables, cut), refresh))
    }

    fn dump(&self, dir: &Path, snapshot: &Snapshot) -> Result<(BlobInfo, u32), SendError> {
        let path = dir.join(ARCHIVE);
        let options = DumpOptions {
            exclude_schemas: Vec::new(),
        };
        let env = self.info.tool_env();
        dump_schema(self.pg_dump, &env, &snapshot.name, &options, &path)?;
        Ok((describe_file(&path)?, self.pg_dump.major))
    }
}

fn describe_file(path: &Path) -> Result<BlobInfo, SendError> {
    let failed = |source| SendError::File {
        path: PathBuf::from(path),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let bytes = std::fs::read(path).map_err(failed)?;
    Ok(BlobInfo {
        bytes: bytes.len() as u64,
        digest: xxh3_128(&bytes),
    })
}

/// Reads the recorded plan back, and makes sure that it is the one that was offered.
pub(super) fn recorded_plan(state: &StateDir, offer: &Offer) -> Result<Plan, SendError> {
    let damaged = || SendError::Record {
        path: state.path().join(PLAN),
    };
    let bytes = state.read_bytes(PLAN)?.ok_or_else(damaged)?;
    if xxh3_128(&bytes) != offer.plan.digest {
        return Err(damaged());
    }
    postcard::from_bytes(&bytes).map_err(|_| damaged())
}
