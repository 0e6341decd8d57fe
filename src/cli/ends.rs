//! `pgpipe stop` and `pgpipe abort`: the end of what works on this host.

use std::time::{Duration, Instant};

use super::place::{Place, Side, root};
use super::{AbortOptions, Exit, MigrationOptions, StopOptions, fail};
use crate::control::{self, Ending, Request};
use crate::report::one_line;
use crate::state::{ABORTED, Aborted, Standing, StateDir, StateError, glance};
use crate::wire::Role;
use crate::{recv, send};

/// How long a process may take to end. Its goodbye to a peer that is gone takes half of it.
const END_LIMIT: Duration = Duration::from_secs(30);
/// Between two words about what is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// Who gave up a migration that no process works on.
const BY: &str = "pgpipe abort on this host";

/// Asks the live process to stop, and waits for its end.
pub(super) fn stop(options: &StopOptions) -> Exit {
    let place = match find(&options.migration) {
        Ok(place) => place,
        Err(line) => return fail(&line),
    };
    match ended(&place, Request::Stop) {
        Ok(ended) if ended.is_empty() => {
            println!("migration {}: nothing is at work on this host", place.name);
            Exit::Done
        }
        Ok(_) => {
            println!(
                "migration {}: stopped; the same commands go on from there",
                place.name
            );
            Exit::Done
        }
        Err(line) => fail(&line),
    }
}

/// Gives the migration up: the live process rolls back, tells its peer and ends the keeper; without
/// one the keeper is ended here.
pub(super) fn abort(options: &AbortOptions) -> Exit {
    let place = match find(&options.migration) {
        Ok(place) => place,
        Err(line) => return fail(&line),
    };
    let ended = ended(&place, Request::Abort);
    let sides: Vec<_> = place
        .sides
        .iter()
        .map(|s| give_up(&place.name, s))
        .collect();
    for said in sides.iter().flatten() {
        println!("{said}");
    }
    let failed = sides.into_iter().filter_map(Result::err);
    match ended
        .err()
        .into_iter()
        .chain(failed)
        .reduce(|a, b| format!("{a}; {b}"))
    {
        None => Exit::Done,
        Some(line) => fail(&line),
    }
}

fn find(options: &MigrationOptions) -> Result<Place, String> {
    Place::find(&root(options.state.as_deref()), &options.migration)
}

/// Asks every process at work here, and waits for all of them; those that ended.
fn ended(place: &Place, request: Request) -> Result<Vec<u32>, String> {
    let mut endings: Vec<Ending> = Vec::new();
    for side in &place.sides {
        let asked = control::request(&side.dir, request);
        let asked = asked.map_err(|error| side.silent(&error))?;
        // Both sides of a clone are one process.
        endings.extend(asked.filter(|new| endings.iter().all(|known| known.pid != new.pid)));
    }
    let deadline = Instant::now() + END_LIMIT;
    endings
        .iter()
        .try_for_each(|ending| wait(ending, deadline))?;
    Ok(endings.iter().map(|ending| ending.pid).collect())
}

fn wait(ending: &Ending, deadline: Instant) -> Result<(), String> {
    let pid = ending.pid;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if ending.wait(left.min(PATIENCE)) {
            return Ok(());
        }
        if left.is_zero() {
            let seconds = END_LIMIT.as_secs();
            return Err(format!("process {pid} has not ended within {seconds} s"));
        }
        eprintln!("pgpipe: waiting for process {pid} to end");
    }
}

/// What is left of one side and what is not, once nothing is at work there.
fn give_up(name: &str, side: &Side) -> Result<String, String> {
    // Whoever ended a moment ago has let the lock go.
    let root = side.dir.ancestors().nth(2).unwrap_or(&side.dir);
    let held = match StateDir::open(root, name, side.role) {
        Ok(state) => note(&state, side.role)?,
        // Root may not write there, and need not: that user's own process has noted it.
        Err(StateError::Owner { .. }) if is_given_up(side) => let_go(side)?,
        Err(error) => return Err(give_up_unheard(side, &one_line(&error))),
    };
    let aborted = glance(&side.dir, ABORTED).map_err(|error| one_line(&error))?;
    let standing = side.standing().map_err(|error| one_line(&error))?;
    Ok(match side.role {
        Role::Send => send_is_left(name, side, held, aborted.as_ref(), &standing),
        Role::Recv => recv_is_left(name, side, aborted.as_ref(), &standing),
    })
}

/// Ends the keeper and writes down that the migration is given up; whether there was a keeper.
fn note(state: &StateDir, role: Role) -> Result<bool, String> {
    match role {
        Role::Send => send::idle::abort(state, BY).map_err(|error| one_line(&error)),
        Role::Recv => {
            recv::idle::abort(state, BY).map_err(|error| one_line(&error))?;
            Ok(false)
        }
    }
}

/// Whether nobody will go on here, as far as can be seen without the lock.
fn is_given_up(side: &Side) -> bool {
    let is_settled = side.standing().is_ok_and(|s| !s.is_under_way());
    is_settled && matches!(side.live(), Ok(None))
}

/// Ends the keeper, if there is one; whether there was.
fn let_go(side: &Side) -> Result<bool, String> {
    match side.role {
        Role::Send => send::release_keeper(&side.dir).map_err(|error| one_line(&error)),
        Role::Recv => Ok(false),
    }
}

/// What cannot be noted: what is held on the source is let go all the same.
fn give_up_unheard(side: &Side, line: &str) -> String {
    match let_go(side) {
        Ok(true) => format!("{line}; its snapshot is released all the same"),
        _ => line.to_owned(),
    }
}

fn send_is_left(
    name: &str,
    side: &Side,
    held: bool,
    aborted: Option<&Aborted>,
    standing: &Standing,
) -> String {
    let gone = match (held, aborted) {
        (true, _) | (_, Some(_)) => {
            "the snapshot is released, nothing is held on the source: no lock, no open transaction"
        }
        _ => "no snapshot is held",
    };
    let mut lines = vec![format!("migration {name}: {gone}")];
    if let Some(aborted) = aborted {
        if !aborted.peer_told {
            lines.push("recv was not told: run `pgpipe abort` on its host too".to_owned());
        }
        lines.push(format!(
            "left on the target: {}; `pgpipe reset {name}` on recv's host removes them",
            committed(aborted)
        ));
    }
    lines.extend(directory_is_left(name, side, standing));
    lines.join("\n")
}

fn recv_is_left(name: &str, side: &Side, aborted: Option<&Aborted>, standing: &Standing) -> String {
    let mut lines = vec![format!(
        "migration {name}: nothing is at work on the target: no open transaction"
    )];
    if let Some(aborted) = aborted {
        if !aborted.peer_told {
            lines.push(
                "send was not told and may hold its snapshot: run `pgpipe abort` on its host too"
                    .to_owned(),
            );
        }
        lines.push(format!(
            "left on the target: {}; `pgpipe reset {name}` with recv's --target removes them",
            committed(aborted)
        ));
    }
    lines.extend(directory_is_left(name, side, standing));
    lines.join("\n")
}

fn committed(aborted: &Aborted) -> String {
    let chunks = match (aborted.committed, aborted.chunks) {
        (_, 0) => "the chunks that were committed".to_owned(),
        (Some(committed), chunks) => format!("{committed} of {chunks} chunks"),
        (None, chunks) => format!("what was committed of {chunks} chunks"),
    };
    format!("{chunks}, what was made for them, and the journal")
}

fn directory_is_left(name: &str, side: &Side, standing: &Standing) -> Option<String> {
    let dir = side.dir.display();
    match standing {
        Standing::Unpaired | Standing::Paired => None,
        _ => Some(format!(
            "left on this host: {dir}; `pgpipe reset {name}` makes way for a new run, \
             `pgpipe cleanup {name}` removes it"
        )),
    }
}
