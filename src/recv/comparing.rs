//! A data-only migration writes into tables that the target has: these and the plan are held against
//! one another before anything is done, and the plan is suited to them.

use super::record::PLAN;
use super::session::{Break, Context, Talk};
use super::{Options, RecvError, fetch};
use crate::chunk::Adaptation;
use crate::pg::ConnInfo;
use crate::runtime::blocking;
use crate::sink::database;
use crate::sink::existing::{self, Present};
use crate::sink::journal::Journal;
use crate::wire::message::{Greet, Offer, ToRecv, ToSend};

/// The offer that is gone on with: as it came, or as send makes it once it knows which tables are
/// others here.
pub(super) async fn agree(
    context: &Context,
    talk: &mut Talk,
    greet: &Greet,
    offer: Offer,
) -> Result<Offer, Break> {
    if !offer.data_only {
        return match context.options.append {
            true => Err(RecvError::NothingToAppendTo.into()),
            false => Ok(offer),
        };
    }
    if context.migration.is_some() {
        return Ok(offer);
    }
    let look = Look {
        options: context.options.clone(),
        info: context.info.clone(),
        greet: greet.clone(),
        plan: super::installation::offered_plan(&context.state, PLAN, &offer)?,
        clean: offer.clean,
    };
    let looked = talk.unless_stopped(blocking(move || look.run())).await?;
    let tables = looked?;
    if tables.is_empty() {
        return Ok(offer);
    }
    talk.say(&ToSend::Adapt { tables }).await?;
    let meter = &context.display.meter;
    meter.waiting_for(Some("the plan for these tables from send".into()));
    let ToRecv::Offer(adapted) = talk.hear().await? else {
        return Err(RecvError::Protocol("expected Offer").into());
    };
    fetch::fetch(context, talk, &adapted, fetch::Plans::OFFERED).await?;
    Ok(adapted)
}

/// What becomes of rows that are there, as send wishes it (`clean`) and recv's user lets it.
pub(super) fn present(options: &Options, clean: bool) -> Result<Present, RecvError> {
    match (clean, options.append) {
        (true, _) if !options.clean => Err(RecvError::CleanNotAllowed),
        (true, _) => Ok(Present::Emptied),
        (false, true) => Ok(Present::Kept),
        (false, false) => Ok(Present::Refused),
    }
}

/// A look at the target; blocks.
struct Look {
    options: Options,
    info: ConnInfo,
    greet: Greet,
    plan: crate::chunk::Plan,
    clean: bool,
}

impl Look {
    /// What is to be adapted; nothing where a journal says that it has been.
    fn run(self) -> Result<Vec<Adaptation>, RecvError> {
        let options = &self.options;
        let mut client = database::connect(&self.info, &options.application_name())?;
        let downgrade = options.allow_downgrade;
        database::judge(&mut client, &self.greet.source, downgrade)?;
        let journal = Journal::new(&options.journal_schema, self.greet.id);
        if journal.exists(&mut client)? {
            return Ok(Vec::new());
        }
        let present = present(options, self.clean)?;
        let compared = existing::compare(&mut client, &self.plan, present)?;
        Ok(compared.adaptations)
    }
}
