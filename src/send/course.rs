//! What a session does about the snapshot: go on in it, prove that a new one shows what is
//! committed, or take one.

use super::files::recorded_plan;
use super::record::AGREED_PLAN;
use super::session::Context;
use super::{OnLostSnapshot, SendError};
use crate::source::keeper::Keeper;
use crate::wire::message::{Moment, TargetState};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Nothing on the target depends on a snapshot, and there is none.
    Begin,
    /// In the recorded snapshot, or without any, as all rows are there.
    GoOn,
    /// The recorded snapshot lives; what is committed is of an earlier one.
    Prove,
    /// The recorded snapshot is gone, or a new one is being taken.
    Renew,
    /// The recorded snapshot is gone, and the user wants to stop then.
    Stop,
}

/// The instant that the journal is of, where there is one.
pub(super) fn moment(state: &TargetState) -> Option<&Moment> {
    match state {
        TargetState::Begun { moment, .. } => Some(moment),
        _ => None,
    }
}

/// Judges by the record, the keeper and what recv says; a keeper that lives is in touch after it.
pub(super) fn chart(context: &mut Context, state: &TargetState) -> Result<Course, SendError> {
    let Some(prepared) = &context.record.prepared else {
        return Ok(Course::Begin);
    };
    if context.preparing.is_under_way() {
        return Ok(Course::Renew);
    }
    let offer = &prepared.offer;
    if context.keeper.is_none() {
        let found = Keeper::find(context.state.path());
        // Another one's snapshot was never recorded, and one that is exported is of no use to one
        // session alone.
        let single = context.options.snapshot.is_single();
        context.keeper = found.filter(|keeper| keeper.kept().snapshot == offer.snapshot && !single);
    }
    let journal = moment(state);
    let current = journal.is_none_or(|moment| *moment == offer.snapshot.moment());
    if current {
        // A renewal is through, or was never begun.
        context.state.remove(AGREED_PLAN)?;
    }
    let lives = context.keeper.is_some();
    if current && (lives || has_all(context, state)?) {
        return Ok(Course::GoOn);
    }
    Ok(match context.options.on_lost_snapshot {
        OnLostSnapshot::Stop => Course::Stop,
        _ if lives => Course::Prove,
        _ if journal.is_some() => Course::Renew,
        _ => Course::Begin,
    })
}

/// Whether every chunk is committed, durably or not: recv believes its journal then.
fn has_all(context: &Context, state: &TargetState) -> Result<bool, SendError> {
    let TargetState::Begun {
        committed,
        data_durable,
        ..
    } = state
    else {
        return Ok(false);
    };
    let Some(prepared) = &context.record.prepared else {
        return Ok(false);
    };
    let plan = recorded_plan(&context.state, &prepared.offer)?;
    Ok(*data_durable || plan.chunks.len() == *committed as usize)
}
