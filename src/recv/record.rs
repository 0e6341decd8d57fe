//! What recv remembers of a migration between runs, beside the journal.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::report::{Ending, Outcome};
use crate::state::{StateDir, StateError};

const FILE: &str = "migration";
/// Send's plan, as offered.
pub(super) const PLAN: &str = "plan";
/// The same plan in a new snapshot, until the journal is of that snapshot too.
pub(super) const RENEWED_PLAN: &str = "plan.renewed";
/// Send's archive of the schema, as offered.
pub(super) const ARCHIVE: &str = "schema.dump";

/// A migration as recv's state directory knows it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: Option<Uuid>,
    pub(super) finished: Option<Finished>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Finished {
    pub(super) report: String,
    pub(super) exit: u8,
    /// Send has the report; until then recv answers.
    pub(super) acknowledged: bool,
}

impl Record {
    pub(super) fn load(state: &StateDir) -> Result<Self, StateError> {
        Ok(state.read(FILE)?.unwrap_or_default())
    }

    pub(super) fn save(&self, state: &StateDir) -> Result<(), StateError> {
        state.write(FILE, self)
    }
}

impl Finished {
    /// Nothing where the exit code is of another version of pgpipe.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        Some(Outcome {
            ending: Ending::from_code(self.exit)?,
            report: serde_json::from_str(&self.report).ok(),
        })
    }
}
