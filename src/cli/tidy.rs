//! `pgpipe reset` and `pgpipe cleanup`: what a migration left, taken back or thrown away.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::place::{Place, Side, root};
use super::{CleanupOptions, Exit, ResetOptions, fail};
use crate::recv::idle::{Reset, Target};
use crate::report::{one_line, printable};
use crate::state::StateDir;
use crate::wire::Role;
use crate::{recv, send};

/// Makes way for a new run between the same two sides.
pub(super) fn reset(options: &ResetOptions) -> Exit {
    let root = root(options.state.as_deref());
    let place = match Place::find(&root, &options.name) {
        Ok(place) => place,
        Err(line) => return fail(&line),
    };
    if let Some(line) = at_work(&place) {
        return fail(&line);
    }
    let consequences = place.sides.iter().map(|side| match side.role {
        Role::Send => "its snapshot is released and its plan forgotten",
        Role::Recv => "the tables and rows that it made on the target are dropped, and tables that were empty before it are emptied",
    });
    let consequences: Vec<_> = consequences.collect();
    let question = format!("reset {}: {}", place.name, consequences.join(", and "));
    if let Err(exit) = confirm(&question, options.yes) {
        return exit;
    }
    // The target first: were the snapshot gone before, a failure there would leave less to go on with.
    let reset = place.sides.iter().rev().try_for_each(|side| {
        let state = open(&root, &place.name, side)?;
        match side.role {
            Role::Send => reset_send(&place.name, &state),
            Role::Recv => reset_recv(&place.name, &state, options),
        }
    });
    match reset {
        Ok(()) => Exit::Done,
        Err(line) => fail(&line),
    }
}

fn reset_send(name: &str, state: &StateDir) -> Result<(), String> {
    let held = send::idle::reset(state).map_err(|error| one_line(&error))?;
    if held {
        println!("migration {name}: the snapshot is released");
    }
    println!("migration {name}: send begins anew; it stays paired with its recv");
    Ok(())
}

fn reset_recv(name: &str, state: &StateDir, options: &ResetOptions) -> Result<(), String> {
    let target = Target {
        conninfo: options.target.clone(),
        journal_schema: options.journal_schema.clone(),
        pg_bin: options.pg_bin.clone(),
    };
    match recv::idle::reset(state, name, &target).map_err(|error| one_line(&error))? {
        Reset::NoJournal => {
            println!("migration {name}: the target has no journal of it; nothing was removed there")
        }
        Reset::Removed {
            target,
            objects,
            emptied,
            mixed,
        } => {
            println!(
                "migration {name}: removed from {target}: {objects} objects and the journal; the database itself stays"
            );
            if emptied > 0 {
                println!("migration {name}: {emptied} tables are empty again, as they were");
            }
            for table in mixed {
                println!(
                    "left: rows in {}: they cannot be told from those that others have put there",
                    printable(&table)
                );
            }
        }
        Reset::Kept { removed, left } => {
            println!("migration {name}: {removed} objects were removed from the target");
            for why in &left {
                println!("left: {}", printable(why));
            }
            return Err(format!(
                "{} objects of migration {name} are left, since others need them; remove those, then run this again",
                left.len()
            ));
        }
    }
    println!("migration {name}: recv begins anew; it stays paired with its send");
    Ok(())
}

/// Removes what a migration that is over has left on this host, and its journal if that was kept.
pub(super) fn cleanup(options: &CleanupOptions) -> Exit {
    let root = root(options.state.as_deref());
    let place = match Place::find(&root, &options.name) {
        Ok(place) => place,
        Err(line) => return fail(&line),
    };
    if let Some(line) = at_work(&place).or_else(|| unfinished(&place, options.force)) {
        return fail(&line);
    }
    let question = format!("cleanup {}: its state directory is removed", place.name);
    if let Err(exit) = confirm(&question, options.yes) {
        return exit;
    }
    let cleaned = place.sides.iter().try_for_each(|side| {
        let state = open(&root, &place.name, side)?;
        clean(&place.name, side, &state, options)
    });
    // Of both roles, or with files that are not ours.
    let _ = fs::remove_dir(root.join(&place.name));
    match cleaned {
        Ok(()) => Exit::Done,
        Err(line) => fail(&line),
    }
}

fn clean(
    name: &str,
    side: &Side,
    state: &StateDir,
    options: &CleanupOptions,
) -> Result<(), String> {
    match (side.role, &options.target) {
        (Role::Send, _) => {
            if send::release_keeper(&side.dir).map_err(|error| one_line(&error))? {
                println!("migration {name}: the snapshot is released");
            }
        }
        (Role::Recv, Some(conninfo)) => {
            let target = Target {
                conninfo: conninfo.clone(),
                journal_schema: options.journal_schema.clone(),
                pg_bin: None,
            };
            let dropped = recv::idle::drop_journal(state, name, &target);
            match dropped.map_err(|error| one_line(&error))? {
                true => println!("migration {name}: the journal on the target is dropped"),
                false => println!("migration {name}: the target has no journal of it"),
            }
        }
        (Role::Recv, None) => {}
    }
    fs::remove_dir_all(&side.dir)
        .map_err(|error| format!("cannot remove {}: {error}", side.dir.display()))?;
    println!("migration {name}: removed {}", side.dir.display());
    Ok(())
}

fn open(root: &Path, name: &str, side: &Side) -> Result<StateDir, String> {
    StateDir::open(root, name, side.role).map_err(|error| one_line(&error))
}

fn at_work(place: &Place) -> Option<String> {
    let name = &place.name;
    place.sides.iter().find_map(|side| match side.live() {
        Ok(live) => live.map(|live| {
            let (role, pid) = (live.role.as_str(), live.pid);
            format!(
                "{role} of migration {name} is at work (process {pid}); `pgpipe stop --migration {name}` first"
            )
        }),
        Err(line) => Some(line),
    })
}

fn unfinished(place: &Place, force: bool) -> Option<String> {
    let name = &place.name;
    let is_open =
        |side: &&Side| !matches!(side.standing(), Ok(standing) if !standing.is_under_way());
    let side = place.sides.iter().find(is_open).filter(|_| !force)?;
    let consequence = match side.role {
        Role::Send => "its snapshot is released and nobody can go on with it",
        Role::Recv => {
            "nobody can go on with it, and what is on the target stays there for you to remove"
        }
    };
    Some(format!(
        "migration {name} is not finished; abort it first, or use --force: {consequence}"
    ))
}

/// Asks on a terminal; without one only `--yes` will do.
fn confirm(question: &str, yes: bool) -> Result<(), Exit> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        eprintln!("pgpipe: {question}; --yes is needed where nobody can be asked");
        return Err(Exit::Usage);
    }
    eprint!("{question}. Go on? [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => {
            eprintln!("pgpipe: nothing was done");
            Err(Exit::Failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_read_is_not_taken_for_finished() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("m/recv");
        fs::create_dir_all(&dir).unwrap();
        let place = Place::find(root.path(), "m").unwrap();
        assert!(unfinished(&place, false).is_none());
        fs::write(dir.join("migration"), "torn").unwrap();
        assert!(unfinished(&place, false).unwrap().contains("--force"));
        assert!(unfinished(&place, true).is_none());
    }
}
