//! What `status` shows, as plain data: `--json` prints it, the words are made of it.
//!
//! The field names are a contract (README.md); fields may be added.

use serde::Serialize;

use crate::cli::place::{Place, Side};
use crate::control::Live;
use crate::report::one_line;
use crate::source::keeper;
use crate::state::Standing;
use crate::wire::Role;

/// Of a send that is stopped.
const NO_KEEPER: &str = "no snapshot is held: start send again as before to go on; while rows are missing it takes a \
    new one, and proves in it what is on the target (--on-lost-snapshot)";

/// Everything under a state root.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    pub(super) migrations: Vec<Migration>,
}

#[derive(Debug, Serialize)]
pub(super) struct Migration {
    pub(super) name: String,
    pub(super) sides: Vec<SidePicture>,
}

/// One side, at work or not. Figures are null where they are not known.
#[derive(Debug, Serialize)]
pub(super) struct SidePicture {
    pub(super) role: &'static str,
    /// `running`, `stopping`, `stopped`, `aborted`, `finished`, `paired`, `unpaired`, `damaged`, or
    /// `silent`: at work, and does not answer.
    pub(super) state: &'static str,
    pub(super) directory: String,
    pub(super) pid: Option<u32>,
    pub(super) phase: Option<String>,
    pub(super) waiting_for: Option<String>,
    pub(super) bytes_done: Option<u64>,
    pub(super) bytes_total: Option<u64>,
    /// Bytes per second.
    pub(super) rate: Option<u64>,
    pub(super) eta_seconds: Option<u64>,
    pub(super) rows: Option<u64>,
    pub(super) chunks_done: Option<u64>,
    pub(super) chunks_total: Option<u64>,
    pub(super) index_done: Option<u64>,
    pub(super) index_total: Option<u64>,
    pub(super) elapsed_seconds: Option<u64>,
    /// Of a side that has finished.
    pub(super) exit: Option<u8>,
    /// Of send, while its snapshot is held.
    pub(super) keeper: Option<Keeper>,
    /// What to do next, or what is wrong.
    pub(super) hint: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Keeper {
    pub(super) pid: u32,
    pub(super) snapshot_time: String,
    pub(super) snapshot_lsn: String,
    pub(super) age_seconds: u64,
    /// Whether it holds a lock on every table.
    pub(super) locked: bool,
    /// Whether it is send itself, in its only session.
    pub(super) single: bool,
    /// Transaction ids that vacuum on the source cannot pass because of it.
    pub(super) held_transaction_ids: Option<u64>,
}

impl Picture {
    pub(super) fn look(places: &[Place]) -> Self {
        let migrations = places.iter().map(|place| Migration {
            name: place.name.clone(),
            sides: place.sides.iter().map(|s| look(&place.name, s)).collect(),
        });
        Self {
            migrations: migrations.collect(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        let mut sides = self.migrations.iter().flat_map(|m| &m.sides);
        sides.any(|side| side.pid.is_some())
    }
}

fn look(name: &str, side: &Side) -> SidePicture {
    let mut picture = match side.live() {
        Ok(Some(live)) => running(side, live),
        Ok(None) => idle(name, side),
        Err(line) => SidePicture {
            hint: Some(line),
            ..empty(side, "silent")
        },
    };
    if side.role == Role::Send {
        picture.keeper = keeper::standing(&side.dir).map(Keeper::from);
        if picture.state == "stopped" && picture.keeper.is_none() {
            picture.hint = Some(NO_KEEPER.to_owned());
        }
    }
    picture
}

fn running(side: &Side, live: Live) -> SidePicture {
    SidePicture {
        pid: Some(live.pid),
        phase: live.phase,
        waiting_for: live.waiting_for,
        bytes_done: Some(live.bytes_done),
        bytes_total: Some(live.bytes_total),
        rate: live.rate,
        eta_seconds: live.eta_seconds,
        rows: Some(live.rows),
        chunks_done: Some(live.chunks_done),
        chunks_total: Some(live.chunks_total),
        index_done: Some(live.index_done),
        index_total: Some(live.index_total),
        elapsed_seconds: Some(live.elapsed_seconds),
        ..empty(side, if live.stopping { "stopping" } else { "running" })
    }
}

fn idle(name: &str, side: &Side) -> SidePicture {
    let role = side.role.as_str();
    let hint = |text: String| Some(text);
    match side.standing() {
        Err(error) => SidePicture {
            hint: hint(one_line(&error)),
            ..empty(side, "damaged")
        },
        Ok(Standing::Unpaired) => SidePicture {
            hint: hint(format!(
                "never met its {}; start both",
                side.role.peer().as_str()
            )),
            ..empty(side, "unpaired")
        },
        Ok(Standing::Paired) => SidePicture {
            hint: hint(format!(
                "nothing is begun; start {role} on both hosts' sides"
            )),
            ..empty(side, "paired")
        },
        Ok(Standing::Begun(plan)) => SidePicture {
            bytes_total: known(plan.bytes),
            chunks_total: known(plan.chunks),
            hint: hint(format!("start {role} again as before to go on")),
            ..empty(side, "stopped")
        },
        Ok(Standing::Aborted(aborted)) => SidePicture {
            chunks_done: aborted.committed,
            chunks_total: known(aborted.chunks),
            hint: hint(format!(
                "by {}; pgpipe reset {name} makes way for a new run",
                aborted.by
            )),
            ..empty(side, "aborted")
        },
        Ok(Standing::Finished(exit)) => SidePicture {
            exit: Some(exit),
            hint: hint(format!("pgpipe cleanup {name} removes its directory")),
            ..empty(side, "finished")
        },
    }
}

fn known(figure: u64) -> Option<u64> {
    (figure > 0).then_some(figure)
}

fn empty(side: &Side, state: &'static str) -> SidePicture {
    SidePicture {
        role: side.role.as_str(),
        state,
        directory: side.dir.display().to_string(),
        pid: None,
        phase: None,
        waiting_for: None,
        bytes_done: None,
        bytes_total: None,
        rate: None,
        eta_seconds: None,
        rows: None,
        chunks_done: None,
        chunks_total: None,
        index_done: None,
        index_total: None,
        elapsed_seconds: None,
        exit: None,
        keeper: None,
        hint: None,
    }
}

impl From<keeper::Standing> for Keeper {
    fn from(standing: keeper::Standing) -> Self {
        Self {
            pid: standing.kept.pid,
            snapshot_time: standing.kept.snapshot.time,
            snapshot_lsn: standing.kept.snapshot.lsn.to_string(),
            age_seconds: standing.age_seconds,
            locked: standing.kept.locked,
            single: standing.kept.single,
            held_transaction_ids: standing.held_xids,
        }
    }
}
