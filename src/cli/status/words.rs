//! The picture in words.

use super::picture::{Keeper, Migration, Picture, SidePicture};
use crate::report::{printable, units};

/// One or more lines for each side of each migration.
pub(super) fn words(picture: &Picture) -> String {
    if picture.migrations.is_empty() {
        return "no migrations here".to_owned();
    }
    let migrations: Vec<_> = picture.migrations.iter().map(migration).collect();
    migrations.join("\n")
}

fn migration(migration: &Migration) -> String {
    let mut lines = Vec::new();
    for side in &migration.sides {
        lines.push(format!(
            "migration {}: {} {}",
            migration.name,
            side.role,
            state(side)
        ));
        lines.extend(figures(side).map(|line| format!("  {line}")));
        lines.extend(side.waiting_for.as_ref().map(|what| {
            let what = printable(what);
            format!("  waiting for {what}")
        }));
        lines.extend(side.keeper.as_ref().map(|k| format!("  {}", keeper(k))));
        lines.extend(
            side.hint
                .as_ref()
                .map(|hint| format!("  {}", printable(hint))),
        );
    }
    lines.join("\n")
}

fn state(side: &SidePicture) -> String {
    match (side.pid, side.exit) {
        (Some(pid), _) => {
            let phase = side.phase.as_deref().unwrap_or("between phases");
            format!("{} (process {pid}): {}", side.state, printable(phase))
        }
        (None, Some(exit)) => format!("{} with exit code {exit}", side.state),
        (None, None) => side.state.to_owned(),
    }
}

fn figures(side: &SidePicture) -> Option<String> {
    let mut parts = Vec::new();
    match (side.bytes_done, side.bytes_total) {
        (Some(done), Some(total)) if total > 0 => {
            parts.push(format!("{} of {}", units::size(done), units::size(total)));
        }
        (None, Some(total)) => parts.push(units::size(total)),
        _ => {}
    }
    parts.extend(side.rate.map(|rate| units::rate(rate as f64)));
    let left = |eta: u64| format!("{} left", units::seconds(eta as f64));
    parts.extend(side.eta_seconds.filter(|eta| *eta > 0).map(left));
    parts.extend(counted("chunks", side.chunks_done, side.chunks_total));
    parts.extend(counted("indexes", side.index_done, side.index_total));
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn counted(what: &str, done: Option<u64>, total: Option<u64>) -> Option<String> {
    let total = total.filter(|total| *total > 0)?;
    Some(match done {
        Some(done) => format!("{what} {done} of {total}"),
        None => format!("{total} {what}"),
    })
}

fn keeper(keeper: &Keeper) -> String {
    let who = if keeper.single {
        "send itself"
    } else {
        "keeper"
    };
    let mut line = format!(
        "{who} (process {}): snapshot of {}, {} old",
        keeper.pid,
        printable(&keeper.snapshot_time),
        units::seconds(keeper.age_seconds as f64)
    );
    line += match keeper.locked {
        true => ", holds a lock on every table",
        false => {
            ", holds NO locks (too few lock slots): each reader checks that its table was not rewritten"
        }
    };
    if keeper.single {
        line += ", ends with it";
    }
    if let Some(ids) = keeper.held_transaction_ids {
        line += &format!(", holds back {} transaction ids", units::count(ids));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_without_locks_says_so() {
        let mut shown = Keeper {
            pid: 7,
            snapshot_time: "2026-01-01T00:00:00Z".into(),
            snapshot_lsn: "0/1".into(),
            age_seconds: 61,
            locked: true,
            single: false,
            held_transaction_ids: Some(1234),
        };
        let line = keeper(&shown);
        assert!(line.contains("a lock on every table"), "{line}");
        assert!(line.ends_with("holds back 1,234 transaction ids"), "{line}");
        (shown.locked, shown.held_transaction_ids) = (false, None);
        assert!(keeper(&shown).contains("NO locks"));
    }
}
