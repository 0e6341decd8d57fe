//! Installing a migration from within a session: nothing is lost where the link goes meanwhile.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::RecvError;
use super::installation::Installation;
use super::migration::Migration;
use super::session::{Break, Context, Ended, Talk};
use crate::runtime::{blocking, dispose};
use crate::transport::talk::Parting;
use crate::wire::message::{Greet, Offer, ToSend};

/// Makes the migration's schema and starts its builder, or goes on with
/// both where this process has done that.
pub(super) async fn install(
    context: &mut Context,
    talk: &mut Talk,
    greet: &Greet,
    offer: &Offer,
) -> Result<(), Break> {
    context.display.meter.phase("schema");
    let agreed = context.migration.as_ref().map(|known| &known.offer);
    if agreed.is_some_and(|agreed| agreed != offer) {
        // The journal judges whether this one is.
        dispose(context.migration.take()).await?;
    }
    let jobs = context.migration.as_ref().map(|known| known.greet.jobs);
    if jobs.is_some_and(|jobs| jobs != greet.jobs) {
        // As many workers as another send wants.
        dispose(context.migration.take()).await?;
    }
    if let Some(known) = &mut context.migration {
        known.greet = greet.clone();
        known.builder.close_data();
        return Ok(());
    }
    let migration = make(context, talk, greet, offer).await?;
    show(context, &migration);
    context.migration = Some(migration);
    Ok(())
}

/// Goes on without the link, which is missed when its end is told; any other parting ends it.
async fn make(
    context: &mut Context,
    talk: &mut Talk,
    greet: &Greet,
    offer: &Offer,
) -> Result<Migration, Break> {
    let (progress, mut progressed) = mpsc::unbounded_channel();
    let installation = planned(context, greet, offer, progress);
    let brake = Arc::clone(&installation.brake);
    let mut installing = Box::pin(blocking(move || installation.run()));
    let mut stop = context.display.stop.clone();
    let mut linked = true;
    loop {
        let told = tokio::select! {
            _ = stop.wait_for(|&stop| stop), if !linked => Err(Parting::StoppedHere.into()),
            installed = &mut installing => return Ok(installed?),
            heard = talk.hear(), if linked => match heard {
                Ok(_) => Err(RecvError::Protocol("a message out of turn").into()),
                Err(parting) => Err(Break::from(parting)),
            },
            Some(progress) = progressed.recv(), if linked => tell(talk, progress).await,
            held_up = context.held_up.news(), if linked => {
                talk.say(&held_up).await.map_err(Break::from)
            }
        };
        match told {
            Ok(()) => {}
            Err(Break::Ended(Ended::Lost(_))) => linked = false,
            Err(broke) => {
                brake.pull();
                context.migration = installing.await.ok(); // dropped where that may block
                return Err(broke);
            }
        }
    }
}

fn planned(
    context: &Context,
    greet: &Greet,
    offer: &Offer,
    progress: mpsc::UnboundedSender<(u64, u64)>,
) -> Installation {
    Installation {
        options: context.options.clone(),
        info: context.info.clone(),
        room: context.room.clone(),
        say: Arc::clone(&context.display.say_of_server),
        state: Arc::clone(&context.state),
        brake: Arc::default(),
        greet: greet.clone(),
        offer: offer.clone(),
        progress,
    }
}

async fn tell(talk: &mut Talk, (done, total): (u64, u64)) -> Result<(), Break> {
    let phase = "schema".to_owned();
    Ok(talk.say(&ToSend::Progress { phase, done, total }).await?)
}

/// What is there already counts as done.
fn show(context: &Context, migration: &Migration) {
    let (meter, plan) = (&context.display.meter, &migration.plan);
    meter.plan(
        plan.bytes(),
        plan.chunks.len() as u64,
        plan.tables.len() as u64,
    );
    let committed = migration.committed();
    let chunks = committed.iter().filter_map(|&id| plan.chunk(id));
    let bytes = chunks.map(|chunk| chunk.bytes).sum();
    meter.resume(bytes, committed.len() as u64);
    meter.index_total(migration.builder.watch().borrow().total);
}
