//! Which tables must begin again together.

use std::collections::BTreeSet;

use super::{Plan, TableIndex};
use crate::schema::QualifiedName;

impl Plan {
    /// The tables that begin again where these do: also those that share a chunk with one of them,
    /// as a chunk is committed or not, and those that are written through the same ancestor, as
    /// that is what can be emptied.
    pub fn begin_again(&self, tables: &BTreeSet<TableIndex>) -> BTreeSet<TableIndex> {
        let mut closed = tables.clone();
        loop {
            let before = closed.len();
            self.add_sharing(&mut closed);
            self.add_related(&mut closed);
            if closed.len() == before {
                return closed;
            }
        }
    }

    fn add_sharing(&self, closed: &mut BTreeSet<TableIndex>) {
        for chunk in self.chunks.iter().filter(|chunk| chunk.parts.len() > 1) {
            if chunk.parts.iter().any(|part| closed.contains(&part.table)) {
                closed.extend(chunk.parts.iter().map(|part| part.table));
            }
        }
    }

    fn add_related(&self, closed: &mut BTreeSet<TableIndex>) {
        let through = |table: &TableIndex| self.table(*table).through.as_ref();
        let ancestors: BTreeSet<&QualifiedName> = closed.iter().filter_map(through).collect();
        if ancestors.is_empty() {
            return;
        }
        let all = (0..self.tables.len() as u32).map(TableIndex);
        closed.extend(all.filter(|table| through(table).is_some_and(|a| ancestors.contains(a))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};
    use crate::schema::Table;

    fn again(plan: &Plan, table: u32) -> Vec<u32> {
        let closed = plan.begin_again(&BTreeSet::from([TableIndex(table)]));
        closed.into_iter().map(|table| table.0).collect()
    }

    #[test]
    fn tables_of_one_chunk_begin_again_together() {
        let plan = plan_of(vec![table(1, 300), table(2, 5), table(3, 6)], 100);
        assert_eq!(again(&plan, 0), [0]);
        assert_eq!(again(&plan, 1), [1, 2]);
    }

    #[test]
    fn so_do_those_written_through_one_ancestor_and_what_shares_with_them() {
        let through = |table: Table| Table {
            through: Some(QualifiedName::new("public", "root")),
            ..table
        };
        let tables = vec![
            through(table(1, 300)),
            table(2, 300),
            through(table(3, 5)),
            table(5, 5),
        ];
        let plan = plan_of(tables, 100);
        assert_eq!(again(&plan, 0), [0, 2, 3]);
        assert_eq!(again(&plan, 1), [1]);
    }
}
