//! What recv remembers of a migration between runs, beside the journal.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::RecvError;
use crate::pg::{Client, PgError};
use crate::report::{Ending, Outcome};
use crate::schema::roles::RoleMap;
use crate::state::{StateDir, StateError};

/// The record itself.
pub(super) const FILE: &str = "migration";
/// Send's plan, as offered.
pub(super) const PLAN: &str = "plan";
/// The same plan in a new snapshot, until the journal is of that snapshot too.
pub(super) const RENEWED_PLAN: &str = "plan.renewed";
/// Send's archive of the schema, as offered.
pub(super) const ARCHIVE: &str = "schema.dump";

/// Where the migration goes.
pub(super) const TARGET: &str = "target";

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

/// The database that the journal was made in, so that no other one is taken for it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) display: String,
    pub(super) database: String,
    pub(super) system_identifier: String,
    pub(super) journal_schema: String,
    /// By which names the archive's statements go there.
    #[serde(default)]
    pub(super) role_map: RoleMap,
}

impl Target {
    pub(super) fn look(
        client: &mut Client,
        display: String,
        journal_schema: &str,
    ) -> Result<Self, PgError> {
        let rows = client.query(
            "SELECT current_database(), (SELECT system_identifier FROM pg_control_system())",
        )?;
        let row = &rows[0];
        Ok(Self {
            display,
            database: row.text(0)?.to_owned(),
            system_identifier: row.text(1)?.to_owned(),
            journal_schema: journal_schema.to_owned(),
            role_map: RoleMap::default(),
        })
    }

    pub(super) fn with_roles(mut self, role_map: &RoleMap) -> Self {
        self.role_map = role_map.clone();
        self
    }

    /// Refuses another database, or another journal's name, than the migration went into.
    pub(super) fn must_be(&self, client: &mut Client, schema: &str) -> Result<(), RecvError> {
        let found = Self::look(client, self.display.clone(), schema)?;
        let found = found.with_roles(&self.role_map);
        match found == *self {
            true => Ok(()),
            false => Err(RecvError::OtherTarget {
                display: self.display.clone(),
                schema: self.journal_schema.clone(),
            }),
        }
    }

    /// Refuses another server than the migration's, whatever its databases are called.
    pub(super) fn must_be_on(&self, client: &mut Client, migration: &str) -> Result<(), RecvError> {
        let found = Self::look(client, self.display.clone(), &self.journal_schema)?;
        match found.system_identifier == self.system_identifier {
            true => Ok(()),
            false => Err(RecvError::OtherServer {
                database: self.database.clone(),
                display: self.display.clone(),
                migration: migration.to_owned(),
            }),
        }
    }
}
