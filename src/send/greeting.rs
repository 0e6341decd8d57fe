//! The first words: who calls, and how far the target is.

use super::course::{self, Course};
use super::session::{Break, Context, Talk};
use super::{OnLostSnapshot, SendError};
use crate::wire::message::{Greet, Standing, TargetState, ToRecv, ToSend};

/// Greets recv, settles what both sides can afford, and says how far the migration is.
pub(super) async fn greet(context: &mut Context, talk: &mut Talk) -> Result<Standing, Break> {
    let greet = Greet {
        pgpipe: env!("CARGO_PKG_VERSION").into(),
        migration: context.options.migration.clone(),
        id: context.record.id,
        source: context.source.clone(),
        jobs: u16::try_from(context.budget.jobs).unwrap_or(u16::MAX),
    };
    talk.say(&ToRecv::Greet(greet)).await?;
    context
        .display
        .meter
        .waiting_for(Some("recv to look at the target".into()));
    let ToSend::Standing(standing) = talk.hear().await? else {
        return Err(SendError::Protocol("expected Standing").into());
    };
    context.display.meter.waiting_for(None);
    context.agreed = context
        .budget
        .agree(usize::from(standing.jobs), standing.window_log);
    let course = course::chart(context, &standing.state)?;
    (context.display.say)(&first_line(context, &standing, course));
    if context.agreed.jobs < context.budget.jobs {
        let (jobs, wanted) = (context.agreed.jobs, context.budget.jobs);
        (context.display.say)(&format!(
            "recv takes {jobs} chunks at a time: {jobs} of {wanted} jobs are used"
        ));
    }
    Ok(standing)
}

fn first_line(context: &Context, standing: &Standing, course: Course) -> String {
    let name = &context.options.migration;
    match &standing.state {
        TargetState::New => format!(
            "migration {name}: new, {} → {}",
            context.source.display, standing.target
        ),
        TargetState::Begun {
            committed,
            chunks,
            data_durable,
            ..
        } => format!(
            "migration {name}: continuing, {committed}{} chunks committed{}",
            // A recv whose plan file is gone cannot tell.
            match chunks {
                0 => String::new(),
                chunks => format!(" of {chunks}"),
            },
            if *data_durable {
                ", all rows are there"
            } else {
                snapshot(context, course)
            }
        ),
        TargetState::Finished { .. } => format!("migration {name}: finished; nothing to do"),
    }
}

fn snapshot(context: &Context, course: Course) -> &'static str {
    let restart = context.options.on_lost_snapshot == OnLostSnapshot::Restart;
    match course {
        Course::GoOn if context.keeper.is_none() => ", no snapshot is needed",
        Course::GoOn => ", snapshot alive",
        Course::Begin | Course::Stop => ", snapshot gone",
        Course::Prove | Course::Renew if restart => {
            ", snapshot gone: its tables begin again in a new one"
        }
        Course::Prove | Course::Renew => ", snapshot gone: they are to be proved in a new one",
    }
}
