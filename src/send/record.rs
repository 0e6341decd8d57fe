//! What send remembers of a migration between runs, in its state directory.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Options, Sharing, Terms};
use crate::report::{ObjectError, Skipped};
use crate::selection::Selection;
use crate::source::changes::Baseline;
use crate::state::{StateDir, StateError};
use crate::wire::message::{Offer, SourceInfo};

/// The record itself.
pub(super) const FILE: &str = "migration";
/// The serialised plan; its digest stands in the offer.
pub(super) const PLAN: &str = "plan";
/// The plan that the journal is of, while a new snapshot's is to take its place: recv may have lost it.
pub(super) const AGREED_PLAN: &str = "plan.agreed";
/// The same plan in a new snapshot, until the record names it.
pub(super) const RENEWED_PLAN: &str = "plan.renewed";
/// The schema in a new snapshot, to be compared with the recorded one.
pub(super) const RENEWED_ARCHIVE: &str = "schema.renewed";
/// pg_dump's archive of the schema.
pub(super) const ARCHIVE: &str = "schema.dump";

/// A migration as send knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: Uuid,
    pub(super) system_identifier: String,
    pub(super) database: String,
    #[serde(default)]
    pub(super) selection: Selection,
    #[serde(default)]
    pub(super) terms: Terms,
    #[serde(default)]
    pub(super) sharing: Sharing,
    /// From the moment that snapshot, plan and archive are complete.
    pub(super) prepared: Option<Prepared>,
    pub(super) finished: Option<Finished>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Prepared {
    pub(super) offer: Offer,
    pub(super) baseline: Baseline,
    /// What the source's role may not read.
    pub(super) left_behind: Vec<ObjectError>,
    /// What the selection leaves out, for the report.
    #[serde(default)]
    pub(super) left_out: Vec<Skipped>,
    /// `--map-role` of roles that nothing in the database was seen to name.
    #[serde(default)]
    pub(super) unused_renames: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Finished {
    pub(super) report: String,
    pub(super) exit: u8,
}

impl Record {
    pub(super) fn new(source: &SourceInfo, options: &Options) -> Self {
        Self {
            id: Uuid::new_v4(),
            system_identifier: source.system_identifier.clone(),
            database: source.database.clone(),
            selection: options.selection.clone(),
            terms: options.terms.clone(),
            sharing: options.snapshot,
            prepared: None,
            finished: None,
        }
    }

    pub(super) fn load(state: &StateDir) -> Result<Option<Self>, StateError> {
        state.read(FILE)
    }

    pub(super) fn save(&self, state: &StateDir) -> Result<(), StateError> {
        state.write(FILE, self)
    }

    pub(super) fn is_of(&self, source: &SourceInfo) -> bool {
        self.system_identifier == source.system_identifier && self.database == source.database
    }
}
