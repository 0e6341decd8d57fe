//! Large objects, as they are read for a plan.

use super::SendError;
use super::prepare::Preparation;
use super::taking::enter;
use crate::pg::Client;
use crate::planner::objects::Bucket;
use crate::report::{ObjectError, Skipped};
use crate::source::catalog::objects;
use crate::source::entry::Entry;

/// What a snapshot shows.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Those that are moved.
    pub(super) buckets: Vec<Bucket>,
    /// Those that the source's role may not read.
    pub(super) left_behind: Vec<ObjectError>,
}

impl Preparation {
    pub(super) fn read_objects(
        &self,
        client: &mut Client,
        entry: &Entry,
    ) -> Result<Objects, SendError> {
        let has_rows = self.options.terms.content.has_rows();
        if !has_rows || !self.options.selection.includes_everything() {
            return Ok(Objects::default());
        }
        enter(client, entry)?;
        let mut read = Objects::default();
        if objects::exist(client)? {
            read.buckets = objects::buckets(client, self.options.chunk_bytes)?;
            read.left_behind.extend(objects::unreadable(client)?);
        }
        entry.leave(client)?;
        for error in &read.left_behind {
            tracing::warn!(object = error.object, "{}", error.message);
        }
        Ok(read)
    }

    /// A selection has no large objects, as in pg_dump: told, so that nobody takes them for moved.
    pub(super) fn objects_left_out(
        &self,
        client: &mut Client,
    ) -> Result<Option<Skipped>, SendError> {
        let all = self.options.selection.includes_everything();
        Ok(match !all && objects::exist(client)? {
            true => Some(Skipped {
                object: "large objects".to_owned(),
                reason: "--schema and --table leave them out, as pg_dump does".to_owned(),
            }),
            false => None,
        })
    }
}
