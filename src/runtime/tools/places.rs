//! Where packages put PostgreSQL's programs.

use std::path::{Path, PathBuf};

/// PATH; Debian's and Ubuntu's directories, those of the PostgreSQL project's RPMs, a build's own.
pub(super) fn usual() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .collect();
    dirs.extend(versioned(Path::new("/usr/lib/postgresql"), ""));
    dirs.extend(versioned(Path::new("/usr"), "pgsql-"));
    dirs.push("/usr/local/pgsql/bin".into());
    let mut unique: Vec<PathBuf> = Vec::with_capacity(dirs.len());
    for dir in dirs {
        if !unique.contains(&dir) {
            unique.push(dir);
        }
    }
    unique
}

/// `bin` of the subdirectories of `parent` that start with `prefix`, sorted by name.
fn versioned(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let named = entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix));
    let mut dirs: Vec<_> = named.map(|e| e.path().join("bin")).collect();
    dirs.retain(|dir| dir.is_dir());
    dirs.sort();
    dirs
}
