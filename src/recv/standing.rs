//! The answer to send's greeting: what the target's journal and our own record say.

use std::collections::BTreeSet;

use super::finishing::sweep;
use super::record::{Finished, PLAN};
use super::session::{Break, Context, Talk};
use super::{Options, RecvError};
use crate::chunk::Plan;
use crate::pg::ConnInfo;
use crate::runtime::blocking;
use crate::sink::database::{self, DatabaseError};
use crate::sink::finish;
use crate::sink::journal::Journal;
use crate::wire::message::{Greet, Standing, TargetState};

/// Judges whether send's migration is ours, and says how far it is.
pub(super) async fn judge(
    context: &mut Context,
    talk: &Talk,
    greet: &Greet,
) -> Result<Standing, Break> {
    adopt(context, greet)?;
    // Send may answer with a new snapshot: now or, where the link is lost before that, next time.
    if let Some(migration) = &context.migration {
        migration.builder.open_data();
    }
    let look = Look {
        options: context.options.clone(),
        info: context.info.clone(),
        greet: greet.clone(),
        finished: context.record.finished.clone(),
        chunks: planned(context),
    };
    let looked = talk.unless_stopped(blocking(move || look.run())).await?;
    let (server_version, state) = looked?;
    (context.display.say)(&first_line(&context.options.migration, &state));
    Ok(Standing {
        pgpipe: env!("CARGO_PKG_VERSION").into(),
        target: context.info.to_string(),
        server_version,
        jobs: u16::try_from(context.budget.jobs).unwrap_or(u16::MAX),
        window_log: context.budget.window_log,
        state,
    })
}

/// Chunks of the plan, as an earlier process received it where this one has not; only to be shown.
fn planned(context: &Context) -> usize {
    if let Some(migration) = &context.migration {
        return migration.plan.chunks.len();
    }
    let bytes = context.state.read_bytes(PLAN).ok().flatten();
    let plan = bytes.and_then(|bytes| Plan::decode(&bytes).ok());
    plan.map_or(0, |plan| plan.chunks.len())
}

/// The first greeting names the migration; no other is let in after it.
fn adopt(context: &mut Context, greet: &Greet) -> Result<(), RecvError> {
    if greet.migration != context.options.migration {
        let (ours, theirs) = (context.options.migration.clone(), greet.migration.clone());
        return Err(RecvError::Name { ours, theirs });
    }
    match context.record.id {
        Some(id) if id == greet.id => Ok(()),
        Some(_) => Err(RecvError::OtherMigration {
            migration: greet.migration.clone(),
            path: context.state.path().to_owned(),
        }),
        None => {
            context.record.id = Some(greet.id);
            Ok(context.record.save(&context.state)?)
        }
    }
}

/// A look at the target; blocks.
struct Look {
    options: Options,
    info: ConnInfo,
    greet: Greet,
    finished: Option<Finished>,
    /// Of the plan, where it is known.
    chunks: usize,
}

impl Look {
    /// The server's version, and what its journal says.
    fn run(self) -> Result<(u32, TargetState), RecvError> {
        let name = self.options.application_name();
        let journal = Journal::new(&self.options.journal_schema, self.greet.id);
        let mut client = match database::connect(&self.info, &name) {
            Err(DatabaseError::Missing { .. }) if self.options.create_db => {
                let server = database::connect_to_server(&self.info, &name)?;
                return Ok((server.server_version(), TargetState::New));
            }
            other => other?,
        };
        let version = client.server_version();
        if let Some(Finished { report, exit, .. }) = self.finished {
            sweep(&mut client, &self.options, self.greet.id)?;
            return Ok((version, TargetState::Finished { report, exit }));
        }
        if !journal.exists(&mut client)? {
            return Ok((version, TargetState::New));
        }
        let contents = journal.read(&mut client)?;
        let committed: BTreeSet<_> = contents.parts.keys().map(|(chunk, _)| chunk).collect();
        let state = TargetState::Begun {
            committed: committed.len() as u32,
            chunks: self.chunks as u32,
            data_durable: contents.steps.contains(finish::DATA),
            moment: journal.begun(&mut client)?.moment,
        };
        Ok((version, state))
    }
}

fn first_line(name: &str, state: &TargetState) -> String {
    match state {
        TargetState::New => format!("migration {name}: new"),
        TargetState::Begun {
            committed,
            data_durable: false,
            ..
        } => {
            format!("migration {name}: continuing, {committed} chunks committed")
        }
        TargetState::Begun { .. } => format!("migration {name}: continuing, all rows are there"),
        TargetState::Finished { .. } => format!("migration {name}: finished; nothing to do"),
    }
}
