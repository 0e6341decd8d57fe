//! Send's state directory while no send is at work: what it knows, and how it is given up, reset
//! or cleaned up. All of it blocks.

use std::path::Path;

use super::record::{AGREED_PLAN, ARCHIVE, FILE, PLAN, RENEWED_ARCHIVE, RENEWED_PLAN, Record};
use super::{SendError, release_keeper};
use crate::state::{ABORTED, Aborted, PlanFigures, Standing, StateDir, StateError, glance};
use crate::transport::auth::PIN_FILE;

/// What the directory knows; another process may hold it.
pub fn standing(dir: &Path) -> Result<Standing, StateError> {
    if let Some(aborted) = glance::<Aborted>(dir, ABORTED)? {
        return Ok(Standing::Aborted(aborted));
    }
    let record = glance::<Record>(dir, FILE)?;
    let Some(record) = record.filter(|r| r.prepared.is_some() || r.finished.is_some()) else {
        let paired = dir.join(PIN_FILE).exists();
        return Ok(if paired {
            Standing::Paired
        } else {
            Standing::Unpaired
        });
    };
    Ok(match record.finished {
        Some(finished) => Standing::Finished(finished.exit),
        None => Standing::Begun(PlanFigures::read(&dir.join(PLAN))),
    })
}

/// Gives a migration up that no send works on: ends the keeper, and notes it. Whether there was a
/// keeper.
pub fn abort(state: &StateDir, by: &str) -> Result<bool, SendError> {
    let held = release_keeper(state.path())?;
    if let Some(aborted) = standing(state.path())?.aborted(by) {
        aborted.save(state)?;
    }
    Ok(held)
}

/// Forgets the migration, but not whom it is paired with: the next send begins anew. Whether a
/// snapshot was held until then.
pub fn reset(state: &StateDir) -> Result<bool, SendError> {
    let held = release_keeper(state.path())?;
    let plans = [PLAN, RENEWED_PLAN, AGREED_PLAN];
    // The record first: without it the rest counts for nothing.
    let files = [FILE, ARCHIVE, RENEWED_ARCHIVE, ABORTED];
    for file in files.into_iter().chain(plans) {
        state.remove(file)?;
    }
    Ok(held)
}
