//! Tables that the target has already: held against the source's before a row moves, so that nothing
//! is begun that cannot end well.

mod acting;
mod emptying;
mod fit;
mod of_extensions;
mod there;
mod way;

use std::collections::BTreeMap;

pub use acting::{AS_REPLICA, Acting, acting, hush, keep_triggers, may_be_replica};
pub use emptying::{Emptying, take_back};
use fit::fit;
pub use of_extensions::{OfExtensions, of_extensions};
use there::There;
use way::{Way, together, way};

use crate::chunk::{Adaptation, Plan, TableIndex};
use crate::pg::{Client, PgError};
use crate::schema::{Persistence, QualifiedName, Table, first_few, sql_name};

/// Problems in one line; the others are counted.
const TOLD: usize = 50;
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Why rows cannot be written into what the target has. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("cannot compare the target's tables with the source's")]
    Postgres(#[from] PgError),
    #[error("the target cannot take the rows: {}", first_few(.problems, TOLD, "; "))]
    Unfit { problems: Vec<String> },
}

/// What rows are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    pub name: QualifiedName,
    /// From before the migration.
    pub had_rows: bool,
}

/// What becomes of rows that the target's tables have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// A table with rows is refused.
    Refused,
    /// Others are added.
    Kept,
    /// They are to go before others come. An extension's stay: the source's are added to those that
    /// it has declared the user's there too, and any other table of one is refused if it has rows.
    Emptied,
}

/// How the target's tables stand beside the source's.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Tables whose rows must travel otherwise than planned.
    pub adaptations: Vec<Adaptation>,
    pub existing: Vec<Existing>,
    /// What is other than on the source: lines for the user.
    pub notes: Vec<String>,
}

/// Compares every table of the plan with what its rows are written to, and looks for keys in the
/// way; names all that does not fit at once.
pub fn compare(
    client: &mut Client,
    plan: &Plan,
    present: Present,
) -> Result<Comparison, CompareError> {
    let there = There::read(client)?;
    let mut comparing = Comparing {
        there: &there,
        planned: plan.persistences(),
        targets: BTreeMap::new(),
        problems: Vec::new(),
        comparison: Comparison::default(),
    };
    let tables = (0..).map(TableIndex).zip(&plan.tables);
    let tables = tables.filter(|(_, table)| !table.is_large_objects());
    let mut ways: Vec<_> = tables.filter_map(|(i, t)| comparing.way(i, t)).collect();
    together(&mut ways, &there);
    for way in ways {
        comparing.table(way);
    }
    comparing.look_for_rows(client, present)?;
    let targets = comparing.comparison.existing.iter().map(|e| &e.name);
    comparing.problems.extend(acting(client, targets)?.problems);
    match comparing.problems.is_empty() {
        true => Ok(comparing.comparison),
        false => Err(CompareError::Unfit {
            problems: comparing.problems,
        }),
    }
}

struct Comparing<'a> {
    there: &'a There,
    /// Whose chunks are journaled with what is unlogged.
    planned: BTreeMap<TableIndex, Persistence>,
    /// What is written to, each once, with what `SELECT … FROM` it shows the rows that count.
    targets: BTreeMap<QualifiedName, Looking>,
    problems: Vec<String>,
    comparison: Comparison,
}

struct Looking {
    from: String,
    of_extension: bool,
    /// An extension's table on both sides, to whose rows the source's are added in any case.
    is_added_to: bool,
}

impl Comparing<'_> {
    fn way<'t>(&mut self, index: TableIndex, table: &'t Table) -> Option<Way<'t>> {
        match way(table, self.there) {
            Ok(through) => Some(Way {
                index,
                table,
                through,
            }),
            Err(problem) => {
                self.problems.push(format!("{} {problem}", table.name));
                None
            }
        }
    }

    fn table(&mut self, way: Way<'_>) {
        let target = way.target();
        let Way {
            index,
            table,
            ref through,
        } = way;
        let Some(relation) = self.there.get(target) else {
            return self.problems.push(format!("{target} is not on the target"));
        };
        let fit = fit(table, relation);
        let say = |line: &String| format!("{target}: {line}");
        self.problems.extend(fit.problems.iter().map(say));
        self.comparison.notes.extend(fit.notes.iter().map(say));
        // Where it is none the table does not fit.
        let planned = self
            .planned
            .get(&index)
            .copied()
            .unwrap_or(table.persistence);
        let persistence = relation.persistence.unwrap_or(planned);
        if *through != table.through || fit.text_because.is_some() || persistence != planned {
            self.comparison.adaptations.push(Adaptation {
                table: index,
                text_because: fit.text_because,
                through: through.clone(),
                persistence,
            });
        }
        let looking = Looking {
            from: match through {
                Some(_) => sql_name(target),
                None => format!("ONLY {}{}", sql_name(target), table.condition_clause()),
            },
            of_extension: relation.of_extension,
            is_added_to: table.condition.is_some() && relation.of_extension,
        };
        self.targets.entry(target.clone()).or_insert(looking);
    }

    fn look_for_rows(&mut self, client: &mut Client, present: Present) -> Result<(), PgError> {
        for (name, looking) in std::mem::take(&mut self.targets) {
            if present == Present::Emptied && !looking.of_extension {
                let had_rows = false;
                self.comparison.existing.push(Existing { name, had_rows });
                continue;
            }
            let had_rows = match has_rows(client, &looking.from) {
                Err(error) if error.sqlstate() == Some(INSUFFICIENT_PRIVILEGE) => None,
                looked => Some(looked?),
            };
            match had_rows {
                _ if present == Present::Kept || looking.is_added_to => {}
                None => self.problems.push(format!(
                    "{name} may not be read by recv's role, which so cannot see whether it is empty (recv --append writes all the same)"
                )),
                Some(true) if present == Present::Emptied => self.problems.push(format!(
                    "{name} belongs to an extension on the target alone, so that --clean does not empty it, and is not empty (empty it by hand, or leave it out with send --exclude-table)"
                )),
                Some(true) => self.problems.push(format!(
                    "{name} is not empty on the target (recv --append adds rows to it, --clean on both sides empties it)"
                )),
                Some(false) => {}
            }
            let had_rows = had_rows.unwrap_or(true);
            self.comparison.existing.push(Existing { name, had_rows });
        }
        Ok(())
    }
}

fn has_rows(client: &mut Client, from: &str) -> Result<bool, PgError> {
    let rows = client.query(&format!("SELECT EXISTS (SELECT FROM {from})"))?;
    rows[0].bool(0)
}
