//! `--clean`: what stands in the way on the target is dropped, or tables of its own are emptied, where
//! send wishes it and recv's own user lets it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::RecvError;
use super::installation::Installation;
use crate::chunk::Plan;
use crate::sink::clean::{Cleaning, Doomed, Mess};
use crate::sink::database;
use crate::sink::ddl::Schema;
use crate::sink::existing::Existing;
use crate::sink::journal::Journal;

/// For a user who reads what is to go.
const PAUSE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

impl Installation {
    /// What is in the way: rows, where they come into tables that are there.
    pub(super) fn mess(
        &self,
        schema: &Arc<Schema>,
        plan: &Arc<Plan>,
        existing: &[Existing],
    ) -> Mess {
        if !self.offer.data_only {
            return Mess::Objects(Arc::clone(schema), Arc::clone(plan));
        }
        // Noted as empty: what had rows and keeps them is an extension's.
        let emptied = existing.iter().filter(|table| !table.had_rows);
        Mess::Rows(emptied.map(|table| table.name.clone()).collect())
    }

    /// Where cleaning is wished: what drops, once it is known that all of it can go. Says what that
    /// is, and leaves a moment to interrupt.
    pub(super) fn rehearsed(
        &self,
        journal: &Journal,
        mess: Mess,
    ) -> Result<Option<Cleaning>, RecvError> {
        if !self.offer.clean {
            return Ok(None);
        }
        if !self.options.clean {
            return Err(RecvError::CleanNotAllowed);
        }
        let client = database::connect(&self.info, &self.options.application_name())?;
        let mut cleaning = Cleaning::new(client, journal.clone(), mess);
        let closer = cleaning.closer()?;
        self.brake.add(move || closer.close());
        let doomed = cleaning.rehearse()?;
        self.announce(&doomed)?;
        Ok(Some(cleaning))
    }

    fn announce(&self, doomed: &Doomed) -> Result<(), RecvError> {
        if doomed.objects.is_empty() && doomed.large_objects == 0 {
            (self.say)("--clean: nothing stands in the way on the target");
            return Ok(());
        }
        if doomed.large_objects > 0 {
            (self.say)(&format!(
                "--clean: of {} large objects of the target those go that have the OID of one of the source's",
                doomed.large_objects
            ));
        }
        let (what, done) = self.told(doomed);
        for object in &doomed.objects {
            tracing::info!(object, "is {done} by --clean");
        }
        (self.say)(&format!("--clean: {what}; Ctrl-C prevents it"));
        let deadline = Instant::now() + PAUSE;
        while Instant::now() < deadline {
            if self.brake.is_pulled() {
                return Err(RecvError::Stopped);
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// What is going to happen, and the word for it.
    fn told(&self, doomed: &Doomed) -> (String, &'static str) {
        let Doomed {
            objects,
            tables,
            rows,
            ..
        } = doomed;
        let (count, seconds) = (objects.len(), PAUSE.as_secs());
        match self.offer.data_only {
            true => (
                format!(
                    "{tables} tables of the target with about {rows} rows will be emptied in {seconds} s"
                ),
                "emptied",
            ),
            false => (
                format!(
                    "{count} objects of the target will be dropped in {seconds} s, {tables} tables with about {rows} rows among them"
                ),
                "dropped",
            ),
        }
    }
}
