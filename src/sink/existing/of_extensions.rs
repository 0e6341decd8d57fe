//! Tables that extensions have made on the target, of whatever version: held against the source's
//! before rows come into them.

use std::collections::BTreeSet;

use super::fit::{Fit, fit};
use super::there::There;
use crate::chunk::Plan;
use crate::pg::{Client, PgError};
use crate::schema::QualifiedName;

/// How they stand beside the source's: lines, each of a table.
#[derive(Debug, Default)]
pub struct OfExtensions {
    /// Why rows cannot be written.
    pub problems: Vec<(QualifiedName, String)>,
    /// What is other than on the source, though they can.
    pub notes: Vec<(QualifiedName, String)>,
}

impl OfExtensions {
    /// Those that cannot take the source's rows.
    pub fn unfit(&self) -> BTreeSet<QualifiedName> {
        let problems = self.problems.iter();
        problems.map(|(name, _)| name.clone()).collect()
    }
}

/// Compares every such table that rows come into.
pub fn of_extensions(client: &mut Client, plan: &Plan) -> Result<OfExtensions, PgError> {
    let mut compared = OfExtensions::default();
    let mut tables = plan.tables_with_rows();
    tables.retain(|table| table.condition.is_some());
    if tables.is_empty() {
        return Ok(compared);
    }
    let there = There::read(client)?;
    for table in tables {
        let fit = match there.get(table.target()) {
            Some(relation) if relation.kind.takes_rows() => fit(table, relation),
            _ => not_a_table(),
        };
        let named = |line| (table.name.clone(), line);
        compared
            .problems
            .extend(fit.problems.into_iter().map(named));
        compared.notes.extend(fit.notes.into_iter().map(named));
    }
    Ok(compared)
}

fn not_a_table() -> Fit {
    Fit {
        problems: vec!["is not a table on the target".to_owned()],
        ..Fit::default()
    }
}
