//! `--clean`: what stands in the way on the target is dropped, where send wishes it and recv's own
//! user lets it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::RecvError;
use super::installation::Installation;
use crate::chunk::Plan;
use crate::sink::clean::{Cleaning, Doomed};
use crate::sink::database;
use crate::sink::ddl::Schema;
use crate::sink::journal::Journal;

/// For a user who reads what is to go.
const PAUSE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);

impl Installation {
    /// Where cleaning is wished: what drops, once it is known that all of it can go. Says what that
    /// is, and leaves a moment to interrupt.
    pub(super) fn rehearsed(
        &self,
        journal: &Journal,
        schema: &Arc<Schema>,
        plan: &Arc<Plan>,
    ) -> Result<Option<Cleaning>, RecvError> {
        if !self.offer.clean {
            return Ok(None);
        }
        if !self.options.clean {
            return Err(RecvError::CleanNotAllowed);
        }
        let client = database::connect(&self.info, &self.options.application_name())?;
        let (schema, plan) = (Arc::clone(schema), Arc::clone(plan));
        let mut cleaning = Cleaning::new(client, journal.clone(), schema, plan);
        let closer = cleaning.closer()?;
        self.brake.add(move || closer.close());
        let doomed = cleaning.rehearse()?;
        self.announce(&doomed)?;
        Ok(Some(cleaning))
    }

    fn announce(&self, doomed: &Doomed) -> Result<(), RecvError> {
        let Doomed {
            objects,
            tables,
            rows,
        } = doomed;
        if objects.is_empty() {
            (self.say)("--clean: nothing stands in the way on the target");
            return Ok(());
        }
        for object in objects {
            tracing::info!(object, "is dropped by --clean");
        }
        let (count, seconds) = (objects.len(), PAUSE.as_secs());
        (self.say)(&format!(
            "--clean: {count} objects of the target will be dropped in {seconds} s, {tables} tables with about {rows} rows among them; Ctrl-C prevents it"
        ));
        let deadline = Instant::now() + PAUSE;
        while Instant::now() < deadline {
            if self.brake.is_pulled() {
                return Err(RecvError::Stopped);
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}
