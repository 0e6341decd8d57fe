//! The snapshot is gone: the journal moves to a new one, once send has proved what stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use twox_hash::XxHash3_128;

use super::installation::offered_plan;
use super::record::{PLAN, RENEWED_PLAN};
use super::session::{Break, Context, Talk};
use super::{Options, RecvError, fetch};
use crate::chunk::{ChunkId, Digest, Plan, TableIndex};
use crate::pg::{Client, ConnInfo};
use crate::runtime::{blocking, dispose};
use crate::schema::Table;
use crate::sink::database;
use crate::sink::finish::DATA;
use crate::sink::journal::{Begun, Journal, JournalError, Renewal};
use crate::state::StateDir;
use crate::wire::message::{Greet, HeldPart, Offer, ToRecv, ToSend};

/// Parts in a message: some 35 bytes each.
const PARTS_TOLD: usize = 10_000;

type Held = BTreeMap<(ChunkId, u32), Digest>;

/// Tells send what is committed, hears which tables begin again, and moves the journal to the
/// offer's snapshot. The migration is to be installed anew after it.
pub(super) async fn renew(
    context: &mut Context,
    talk: &mut Talk,
    greet: &Greet,
    offer: &Offer,
) -> Result<(), Break> {
    let meter = Arc::clone(&context.display.meter);
    // What it builds is for the old snapshot's rows, and holds locks on them.
    dispose(context.migration.take()).await?;
    let renewing = Arc::new(Renewing {
        options: context.options.clone(),
        info: context.info.clone(),
        state: Arc::clone(&context.state),
        journal: Journal::new(&context.options.journal_schema, greet.id),
        offer: offer.clone(),
    });
    let settling = Arc::clone(&renewing);
    let settled = blocking(move || settling.settle_plan());
    let plans = fetch::Plans {
        file: RENEWED_PLAN,
        agreed: talk.unless_stopped(settled).await??,
    };
    meter.waiting_for(Some("plan and archive from send".into()));
    fetch::fetch(context, talk, offer, plans).await?;
    meter.waiting_for(Some("earlier sessions of recv to end".into()));
    let looking = Arc::clone(&renewing);
    let looked = blocking(move || looking.look());
    let (plan, held) = talk.unless_stopped(looked).await??;
    tell(talk, &held).await?;
    meter.waiting_for(Some("send to prove what is committed".into()));
    let ToRecv::Again { tables } = talk.hear().await? else {
        return Err(RecvError::Protocol("expected Again").into());
    };
    let tables = closed(&plan, tables)?;
    (context.display.say)(&renewed_line(&plan, &tables));
    // Tables that are emptied may be locked by others, who are then shown.
    meter.waiting_for(None);
    let written = blocking(move || renewing.write(&plan, &held, &tables));
    Ok(context.held_up.tell_during(talk, written).await??)
}

async fn tell(talk: &mut Talk, held: &Held) -> Result<(), Break> {
    let mut parts = held
        .iter()
        .map(|(&(chunk, part), &digest)| HeldPart {
            chunk,
            part,
            digest,
        })
        .peekable();
    loop {
        let some: Vec<_> = parts.by_ref().take(PARTS_TOLD).collect();
        let more = parts.peek().is_some();
        talk.say(&ToSend::Digests { parts: some, more }).await?;
        if !more {
            return Ok(());
        }
    }
}

fn closed(plan: &Plan, tables: Vec<TableIndex>) -> Result<BTreeSet<TableIndex>, RecvError> {
    let tables = BTreeSet::from_iter(tables);
    if tables.iter().any(|t| t.0 as usize >= plan.tables.len()) {
        return Err(RecvError::Protocol("a table outside the plan"));
    }
    Ok(plan.begin_again(&tables))
}

fn renewed_line(plan: &Plan, tables: &BTreeSet<TableIndex>) -> String {
    let (again, all) = (tables.len(), plan.tables.len());
    match again {
        0 => "new snapshot: all that is committed stays".to_owned(),
        again => format!("new snapshot: {again} of {all} tables begin again"),
    }
}

/// What a renewal needs of the target; all of it blocks.
struct Renewing {
    options: Options,
    info: ConnInfo,
    state: Arc<StateDir>,
    journal: Journal,
    offer: Offer,
}

impl Renewing {
    fn connect(&self) -> Result<Client, RecvError> {
        let name = self.options.application_name();
        Ok(database::connect(&self.info, &name)?)
    }

    /// The offered plan, judged, and what is committed of it.
    fn look(&self) -> Result<(Plan, Held), RecvError> {
        let mut client = self.connect()?;
        let contents = self.journal.read_at_rest(&mut client)?;
        if contents.steps.contains(DATA) {
            return Err(RecvError::Protocol(
                "a new snapshot although all rows are there",
            ));
        }
        let begun = self.journal.begun(&mut client)?;
        let plan = offered_plan(&self.state, RENEWED_PLAN, &self.offer)?;
        if self.offer.archive.digest != begun.archive_digest
            || !same_work(&plan, &self.agreed_plan(&begun)?)
        {
            return Err(JournalError::Plan.into());
        }
        let parts = contents.parts.into_iter();
        Ok((plan, parts.map(|(key, part)| (key, part.digest)).collect()))
    }

    /// A crash after a renewal may have left the journal's plan under the other name. Its digest, where
    /// there is no copy here at all.
    fn settle_plan(&self) -> Result<Option<u128>, RecvError> {
        let mut client = self.connect()?;
        if !self.journal.exists(&mut client)? {
            return Err(RecvError::Protocol("a new snapshot of nothing"));
        }
        let begun = self.journal.begun(&mut client)?;
        let is_agreed = |bytes: &Vec<u8>| XxHash3_128::oneshot(bytes) == begun.plan_digest;
        if let Some(renewed) = self.state.read_bytes(RENEWED_PLAN)?.filter(is_agreed) {
            self.state.write_bytes(PLAN, &renewed)?;
        }
        let kept = self.state.read_bytes(PLAN)?.is_some_and(|b| is_agreed(&b));
        Ok((!kept).then_some(begun.plan_digest))
    }

    /// The plan that the journal is of: only what it names may be emptied.
    fn agreed_plan(&self, begun: &Begun) -> Result<Plan, RecvError> {
        let bytes = self.state.read_bytes(PLAN)?.unwrap_or_default();
        if XxHash3_128::oneshot(&bytes) != begun.plan_digest {
            return Err(JournalError::Plan.into());
        }
        Plan::decode(&bytes).map_err(|_| JournalError::Plan.into())
    }

    /// The one transaction; then the plan is the migration's own.
    fn write(
        &self,
        plan: &Plan,
        told: &Held,
        tables: &BTreeSet<TableIndex>,
    ) -> Result<(), RecvError> {
        let again = |chunk: &&crate::chunk::Chunk| {
            let mut parts = chunk.parts.iter();
            parts.any(|part| tables.contains(&part.table))
        };
        let chunks: Vec<_> = plan.chunks.iter().filter(again).map(|c| c.id).collect();
        let tables: Vec<&Table> = tables.iter().map(|&index| plan.table(index)).collect();
        let renewal = Renewal {
            offer: &self.offer,
            told,
            plan,
            tables: &tables,
            chunks: &chunks,
        };
        self.journal.renew(&mut self.connect()?, &renewal)?;
        let bytes = self.state.read_bytes(RENEWED_PLAN)?.unwrap_or_default();
        self.state.write_bytes(PLAN, &bytes)?;
        Ok(self.state.remove(RENEWED_PLAN)?)
    }
}

/// Whether two plans differ in nothing but where the source keeps a table's rows.
fn same_work(one: &Plan, other: &Plan) -> bool {
    let same_table = |(a, b): (&Table, &Table)| {
        let filenode = b.filenode;
        Table {
            filenode,
            ..a.clone()
        } == *b
    };
    one.chunks == other.chunks
        && one.tables.len() == other.tables.len()
        && one.tables.iter().zip(&other.tables).all(same_table)
}
