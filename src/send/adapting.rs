//! The plan of a data-only migration suits itself to the tables that the target has.

use std::sync::Arc;

use super::SendError;
use super::files::{recorded_plan, write_plan};
use super::offering::Ready;
use super::record::RENEWED_PLAN;
use super::session::{Break, Context};
use crate::chunk::{Adaptation, Plan};

/// Writes the adapted plan, then the record that names it: whichever a crash leaves is offered next.
/// No journal is of the one before.
pub(super) fn adapt(
    context: &mut Context,
    ready: &mut Ready,
    adaptations: &[Adaptation],
) -> Result<(), Break> {
    let mut plan = Plan::clone(&ready.plan);
    if !ready.offer.data_only || ready.renewal || !plan.adapt(adaptations) {
        return Err(SendError::Protocol("tables that are not to be adapted").into());
    }
    ready.offer.plan = write_plan(&context.state, RENEWED_PLAN, &plan)?;
    let prepared = context.record.prepared.as_mut();
    prepared.expect("it was offered").offer = ready.offer.clone();
    context.record.save(&context.state)?;
    // Two of them in memory are enough.
    drop(plan);
    ready.plan = Arc::new(recorded_plan(&context.state, &ready.offer)?);
    Ok(())
}
