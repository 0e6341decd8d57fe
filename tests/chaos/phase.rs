//! How far a migration is, by what the two sides show.

use serde_json::Value;

/// The order is that of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Until recv makes the schema: pairing, snapshot, plan.
    Before,
    Schema,
    Data,
    Index,
    Finish,
}

impl Phase {
    /// The furthest phase that the lines of `--progress json` name.
    pub(crate) fn shown(output: &str) -> Self {
        let named = output.lines().filter_map(Self::of_line);
        named.max().unwrap_or(Self::Before)
    }

    fn of_line(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        match line.get("phase")?.as_str()? {
            "schema" => Some(Self::Schema),
            "data" => Some(Self::Data),
            "indexes and keys" => Some(Self::Index),
            "sequences" | "statistics" => Some(Self::Finish),
            _ => None,
        }
    }
}
