//! Where the target's own tables make rows travel otherwise than planned.

use serde::{Deserialize, Serialize};

use super::{Plan, TableIndex};
use crate::schema::{Format, QualifiedName};

/// What becomes of one table in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptation {
    pub table: TableIndex,
    /// Why it must travel as text, if it did not.
    pub text_because: Option<String>,
    /// [`crate::schema::Table::through`] from now on.
    pub through: Option<QualifiedName>,
}

impl Plan {
    /// Adapts these tables. False, with nothing done, where one of them is not in the plan.
    pub fn adapt(&mut self, adaptations: &[Adaptation]) -> bool {
        let is_known = |a: &Adaptation| {
            let table = self.tables.get(a.table.0 as usize);
            table.is_some_and(|table| !table.is_large_objects())
        };
        if !adaptations.iter().all(is_known) {
            return false;
        }
        for adaptation in adaptations {
            let table = &mut self.tables[adaptation.table.0 as usize];
            table.through.clone_from(&adaptation.through);
            if let Some(reason) = &adaptation.text_because {
                table.format = Format::Text;
                table.text_because = Some(reason.clone());
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::{plan_of, table};

    #[test]
    fn what_is_not_in_the_plan_changes_nothing() {
        let mut plan = plan_of(vec![table(1, 5), table(2, 5)], 100);
        let before = plan.clone();
        let to_root = |index| Adaptation {
            table: TableIndex(index),
            text_because: Some("column a is bigint on the target".into()),
            through: Some(QualifiedName::new("public", "root")),
        };
        assert!(!plan.adapt(&[to_root(0), to_root(2)]));
        assert_eq!(plan, before);
        assert!(plan.adapt(&[to_root(1)]));
        assert_eq!(plan.tables[0], before.tables[0]);
        assert_eq!(plan.tables[1].format, Format::Text);
        assert_eq!(plan.tables[1].sql_target(), "\"public\".\"root\"");
    }
}
