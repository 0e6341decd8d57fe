//! Large objects, as they are read for a plan.

use super::SendError;
use super::prepare::Preparation;
use crate::pg::Client;
use crate::planner::objects::Bucket;
use crate::report::ObjectError;
use crate::schema::quote_literal;
use crate::source::catalog::objects;
use crate::wire::message::Snapshot;

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
        snapshot: &Snapshot,
    ) -> Result<Objects, SendError> {
        client.execute(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            quote_literal(&snapshot.name)
        ))?;
        let mut read = Objects::default();
        if objects::exist(client)? {
            read.buckets = objects::buckets(client, self.options.chunk_bytes)?;
            read.left_behind.extend(objects::unreadable(client)?);
        }
        client.execute("COMMIT")?;
        for error in &read.left_behind {
            tracing::warn!(object = error.object, "{}", error.message);
        }
        Ok(read)
    }
}
