//! Plan and archive as files of the state directory, and how recv knows them again.

use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;

use super::SendError;
use super::record::{PLAN, RENEWED_PLAN};
use crate::chunk::{Plan, PlanError};
use crate::state::StateDir;
use crate::wire::message::{BlobInfo, Offer};

/// Makes a file durable, and describes it.
pub(super) fn describe_file(path: &Path) -> Result<BlobInfo, SendError> {
    let failed = |source| SendError::File {
        path: PathBuf::from(path),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(describe(&std::fs::read(path).map_err(failed)?))
}

fn describe(bytes: &[u8]) -> BlobInfo {
    BlobInfo {
        bytes: bytes.len() as u64,
        digest: XxHash3_128::oneshot(bytes),
    }
}

/// Writes a plan, and describes what was written. One that neither side could read back is not written.
pub(super) fn write_plan(state: &StateDir, file: &str, plan: &Plan) -> Result<BlobInfo, SendError> {
    let bytes = plan.encode()?;
    state.write_bytes(file, &bytes)?;
    Ok(describe(&bytes))
}

/// Reads the recorded plan back, and makes sure that it is the one that was offered. One of a new
/// snapshot gets its usual name here: it was written before the record was.
pub(super) fn recorded_plan(state: &StateDir, offer: &Offer) -> Result<Plan, SendError> {
    let damaged = || SendError::Record {
        path: state.path().join(PLAN),
    };
    for file in [PLAN, RENEWED_PLAN] {
        let bytes = state.read_bytes(file)?.unwrap_or_default();
        if XxHash3_128::oneshot(&bytes) == offer.plan.digest {
            if file != PLAN {
                state.write_bytes(PLAN, &bytes)?;
            }
            return Plan::decode(&bytes).map_err(|error| match error {
                PlanError::TooLarge => error.into(),
                PlanError::Malformed => damaged(),
            });
        }
    }
    Err(damaged())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};
    use crate::wire::Role;

    /// recv would refuse it when the snapshot has been held, and the schema dumped, for nothing.
    #[test]
    fn a_plan_that_is_too_large_is_not_written() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::open(root.path(), "m", Role::Send).unwrap();
        let mut plan = plan_of(vec![table(1, 900)], 100);
        assert!(write_plan(&state, PLAN, &plan).is_ok());
        plan.tables[0].columns = vec![String::new(); 3_000_000];
        let error = write_plan(&state, RENEWED_PLAN, &plan).unwrap_err();
        assert!(error.to_string().contains("--chunk-size"), "{error}");
        assert_eq!(state.read_bytes(RENEWED_PLAN).unwrap(), None);
    }
}
