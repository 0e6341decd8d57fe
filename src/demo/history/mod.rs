//! History to move: rows and objects in the shapes of oVirt's and Momentum's databases.
//!
//! The same rows come out each time: timestamps and ids count up from fixed beginnings, and the
//! noise is `random()` after `setseed`.

use std::thread;

use super::compare::Database;
use super::programs::ProgramError;

/// Fewer rows than this leave tables empty, which shows nothing.
pub const MIN_ROWS: u64 = 10_000;

/// How large the history is, table by table; made from the number of rows in all.
#[derive(Debug, Clone)]
pub struct History {
    placeholders: Vec<(&'static str, u64)>,
}

/// A table's rows per thousand rows of history, about as the retention of a site with "Full" gives them.
const SHARES: [(&str, u64); 13] = [
    ("vm_samples", 120),
    ("disk_samples", 130),
    ("disk_hourly", 100),
    ("nic_samples", 90),
    ("nic_hourly", 50),
    ("host_nic_samples", 20),
    ("usage_samples", 50),
    ("host_samples", 20),
    ("storage_samples", 20),
    ("mail_1min", 60),
    ("mail_15min", 60),
    ("mail_1h", 110),
    ("mail_1d", 150),
];

/// oVirt's calendar has this many hours from the start.
const CALENDAR_ROWS: u64 = 350_641;

/// What each session begins with.
const SESSION: &str = include_str!("session.sql");

/// The scripts in their order: those of one step share no table and run side by side.
const STEPS: [&[&[&str]]; 3] = [
    &[
        &[include_str!("ovirt_tables.sql")],
        &[include_str!("momentum_tables.sql")],
    ],
    &[
        &[include_str!("ovirt_disks.sql")],
        &[
            include_str!("momentum_rows.sql"),
            include_str!("momentum_objects.sql"),
            include_str!("corners.sql"),
            include_str!("ovirt_machines.sql"),
        ],
    ],
    &[&[include_str!("ovirt_objects.sql")]],
];

impl History {
    /// A history of about `rows` rows over all its tables, at least [`MIN_ROWS`].
    pub fn of_rows(rows: u64) -> Self {
        let rows = rows.max(MIN_ROWS);
        let vms = (rows / 10_000).clamp(8, 2_000);
        let mut placeholders = vec![
            ("vms", vms),
            ("disks", vms * 2),
            ("hosts", (vms / 20).max(3)),
            ("calendar", (rows / 50).min(CALENDAR_ROWS)),
            ("audit", (rows / 100).min(200_000)),
        ];
        placeholders.extend(SHARES.map(|(name, share)| (name, rows * share / 1000)));
        Self { placeholders }
    }

    /// Fills an empty database, over two connections.
    pub fn fill(&self, database: &Database) -> Result<(), ProgramError> {
        for step in STEPS {
            self.side_by_side(database, step)?;
        }
        database.psql("VACUUM ANALYZE;").map(drop)
    }

    fn side_by_side(&self, database: &Database, step: &[&[&str]]) -> Result<(), ProgramError> {
        thread::scope(|scope| {
            let run = |scripts| scope.spawn(move || database.psql(&self.script(scripts)).map(drop));
            let sessions: Vec<_> = step.iter().map(|scripts| run(scripts)).collect();
            sessions
                .into_iter()
                .try_for_each(|session| match session.join() {
                    Ok(filled) => filled,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
        })
    }

    /// Scripts with every `:name` replaced by its number.
    fn script(&self, scripts: &[&str]) -> String {
        let mut text = SESSION.to_owned() + &scripts.concat();
        // The longest names first: one may begin with another.
        let mut longest_first = self.placeholders.clone();
        longest_first.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, value) in longest_first {
            text = text.replace(&format!(":{name}"), &value.to_string());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_a_thousand_with_the_look_ups_aside() {
        let sum: u64 = SHARES.iter().map(|(_, share)| share).sum();
        assert_eq!(sum, 980, "the calendar's rows are the other 20");
    }

    #[test]
    fn every_placeholder_is_replaced() {
        let history = History::of_rows(1_000_000);
        let scripts: Vec<&str> = STEPS.concat().concat();
        let text = history.script(&scripts);
        for (name, _) in &history.placeholders {
            assert!(!text.contains(&format!(":{name}")), "{name} is left");
        }
        assert!(text.contains("generate_series(0, 120000 - 1::bigint)"));
    }
}
