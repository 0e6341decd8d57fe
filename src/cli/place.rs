//! The state directories of a migration on this host: send's, recv's, or both.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::control::{self, Live};
use crate::state::{self, Standing, StateError};
use crate::wire::Role;
use crate::{recv, send};

/// One side's directory.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) role: Role,
    pub(super) dir: PathBuf,
}

impl Side {
    /// The process at work here, if one is; the line to print where it does not answer.
    pub(super) fn live(&self) -> Result<Option<Live>, String> {
        control::find(&self.dir).map_err(|error| self.silent(&error))
    }

    pub(super) fn silent(&self, error: &io::Error) -> String {
        let (role, dir) = (self.role.as_str(), self.dir.display());
        format!("{role} in {dir} does not answer: {error}")
    }

    pub(super) fn standing(&self) -> Result<Standing, StateError> {
        match self.role {
            Role::Send => send::idle::standing(&self.dir),
            Role::Recv => recv::idle::standing(&self.dir),
        }
    }
}

/// A migration as this host has it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) sides: Vec<Side>,
}

impl Place {
    fn look(root: &Path, name: &str) -> Self {
        let sides = [Role::Send, Role::Recv].map(|role| Side {
            role,
            dir: root.join(name).join(role.as_str()),
        });
        Self {
            name: name.to_owned(),
            sides: sides.into_iter().filter(|s| s.dir.is_dir()).collect(),
        }
    }

    /// The migration of this name; the line to print where there is none.
    pub(super) fn find(root: &Path, name: &str) -> Result<Self, String> {
        fs::read_dir(root).map_err(|error| unreadable(root, &error))?;
        let place = Self::look(root, name);
        match place.sides.is_empty() {
            false => Ok(place),
            true => Err(format!(
                "there is no migration {name} in {}; is --state right, and the user?",
                root.display()
            )),
        }
    }

    /// All migrations under a root, by name.
    pub(super) fn all(root: &Path) -> Result<Vec<Self>, String> {
        let failed = |error| unreadable(root, &error);
        let entries = fs::read_dir(root).map_err(failed)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let names: Vec<_> = names.collect::<io::Result<_>>().map_err(failed)?;
        let places = names.into_iter().flatten();
        let mut places: Vec<_> = places.map(|name| Self::look(root, &name)).collect();
        places.retain(|place| !place.sides.is_empty());
        places.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(places)
    }
}

fn unreadable(root: &Path, error: &io::Error) -> String {
    format!(
        "cannot look into the state directory {}: {error}; is --state right, and the user?",
        root.display()
    )
}

/// `--state`, or where it is by default.
pub(super) fn root(given: Option<&Path>) -> PathBuf {
    let default = || state::default_root(&|name| std::env::var(name).ok());
    given.map_or_else(default, Path::to_owned)
}
