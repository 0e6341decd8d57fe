//! What the journal must have. Entries are committed asynchronously: a crash of the server may take
//! back what this process counts as restored.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::pg::Client;
use crate::runtime::lock;
use crate::sink::journal::{Contents, Journal, JournalError};

/// The steps that this process knows as committed. Names and no numbers: what others write
/// meanwhile does not stand for what is gone.
#[derive(Debug)]
pub(super) struct Entries(Mutex<BTreeSet<String>>);

impl Entries {
    /// Those that the journal had when it was read.
    pub(super) fn new(steps: BTreeSet<String>) -> Self {
        Self(Mutex::new(steps))
    }

    /// The server has answered COMMIT to these.
    pub(super) fn add(&self, steps: impl IntoIterator<Item = String>) {
        lock(&self.0).extend(steps);
    }

    /// Reads the journal; nothing if the server has taken back what must be there.
    pub(super) fn find(
        &self,
        journal: &Journal,
        client: &mut Client,
    ) -> Result<Option<Contents>, JournalError> {
        // Before the journal: what is added later need not be in it.
        let known = lock(&self.0).clone();
        let contents = journal.read(client)?;
        Ok(known.is_subset(&contents.steps).then_some(contents))
    }
}
