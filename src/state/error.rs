//! What can go wrong with the state directory.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::runtime::passing;

/// Every variant names the file or directory; nothing is repaired silently.
#[derive(Debug, Error)]
pub enum StateError {
    #[error("cannot {action} `{}`{}", path.display(), later(source))]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "migration name `{name}` cannot be a directory; use up to {limit} letters, digits, \
         dots, dashes and underscores, a letter or digit first"
    )]
    Name { name: String, limit: usize },
    #[error(
        "`{}` is in use by {}; wait for it, stop it, or take another --migration",
        path.display(),
        holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked { path: PathBuf, holder: Option<i32> },
    #[error(
        "others may write to `{}` (mode {mode:03o}); make sure that nobody has, then chmod go= it",
        path.display()
    )]
    Writable { path: PathBuf, mode: u32 },
    #[error(
        "`{}` belongs to another user (uid {owner}); {}",
        path.display(),
        instead(*owner)
    )]
    Owner { path: PathBuf, owner: u32 },
    #[error("`{}` is damaged ({what}); restore it, or reset the migration", path.display())]
    Torn { path: PathBuf, what: &'static str },
    #[error("`{}` is not pgpipe's {kind} file; move it away or give another --state", path.display())]
    Foreign { path: PathBuf, kind: String },
    #[error(
        "`{}` has format version {version}, this pgpipe knows {known}; go on with the pgpipe \
         that wrote it",
        path.display()
    )]
    Version {
        path: PathBuf,
        version: u32,
        known: u32,
    },
    #[error("`{}` does not hold what it should; go on with the pgpipe that wrote it", path.display())]
    Body {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("cannot encode what belongs in `{}`", path.display())]
    Encode {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("pair file `{}` does not hold a pairing code", path.display())]
    PairFile {
        path: PathBuf,
        source: crate::wire::handshake::PairCodeError,
    },
    #[error(
        "no pairing code in `{}` after {seconds} s; start recv with the same --pair-file, or \
         copy its file here",
        path.display()
    )]
    NoPairFile { path: PathBuf, seconds: u64 },
}

/// What to do where the same may go well later.
fn later(source: &io::Error) -> &'static str {
    match passing::is_passing(source) {
        true if passing::is_full(source) => " now; make room there, and start again",
        true => " now; start again when that has passed",
        false => "",
    }
}

/// What to do about another user's directory; root can be that user.
fn instead(owner: u32) -> String {
    let own = "use a state directory of your own (--state)";
    match rustix::process::geteuid().is_root() {
        true => {
            format!("run this as that user (for example with sudo -u '#{owner}'), or {own}")
        }
        false => own.to_owned(),
    }
}

impl StateError {
    /// Whether the same may go well later: a disk is full, or the like.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if passing::is_passing(source))
    }
}

/// For `map_err`: what was tried, on which path.
pub(super) fn io_error(
    action: &'static str,
    path: impl AsRef<Path>,
) -> impl FnOnce(io::Error) -> StateError {
    move |source| StateError::Io {
        action,
        path: path.as_ref().to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn room_is_asked_for_only_where_it_is_missing() {
        let told = |errno: Errno| {
            let error = io_error("write", "/x/plan")(errno.into());
            (error.is_passing(), error.to_string())
        };
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            let line = "cannot write `/x/plan` now; make room there, and start again";
            assert_eq!(told(errno), (true, line.to_owned()), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN] {
            let line = "cannot write `/x/plan` now; start again when that has passed";
            assert_eq!(told(errno), (true, line.to_owned()), "{errno}");
        }
        assert_eq!(
            told(Errno::ACCESS),
            (false, "cannot write `/x/plan`".to_owned())
        );
    }
}
