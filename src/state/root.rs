//! Where state lives when nobody says.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

const SYSTEM_ROOT: &str = "/var/lib/pgpipe";

/// `/var/lib/pgpipe` where this user may write or create it, else `$XDG_STATE_HOME/pgpipe`, else
/// `~/.local/state/pgpipe`.
pub fn default_root(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let system = Path::new(SYSTEM_ROOT);
    if is_usable(system) {
        return system.to_owned();
    }
    user_root(env)
}

/// Writable, or missing from a directory in which it could be made.
fn is_usable(root: &Path) -> bool {
    let writable = |path: &Path| access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    if root.exists() {
        return root.is_dir() && writable(root);
    }
    root.parent().is_some_and(writable)
}

/// A relative `XDG_STATE_HOME` is ignored, as its specification asks.
fn user_root(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let xdg = env("XDG_STATE_HOME").map(PathBuf::from);
    if let Some(base) = xdg.filter(|base| base.is_absolute()) {
        return base.join("pgpipe");
    }
    let home = env("HOME").filter(|home| !home.is_empty());
    home.map(PathBuf::from)
        .or_else(std::env::home_dir)
        .unwrap_or_default()
        .join(".local/state/pgpipe")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_root_follows_the_environment() {
        let env = |name: &str| (name == "XDG_STATE_HOME").then(|| "/x".to_owned());
        assert_eq!(user_root(&env), Path::new("/x/pgpipe"));
        let env = |name: &str| match name {
            "XDG_STATE_HOME" => Some("relative".to_owned()),
            _ => Some("/home/u".to_owned()),
        };
        assert_eq!(user_root(&env), Path::new("/home/u/.local/state/pgpipe"));
    }

    #[test]
    fn a_root_is_usable_if_it_can_be_made() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_usable(dir.path()));
        assert!(is_usable(&dir.path().join("new")));
        assert!(!is_usable(&dir.path().join("no/where")));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(!is_usable(&file));
    }
}
