//! Which of the target's tables a table's rows are written to.

use std::collections::HashSet;

use super::there::{Kind, Relation, There};
use crate::chunk::TableIndex;
use crate::schema::{QualifiedName, Table};

/// Where the rows of a table of the plan are written to.
pub(super) struct Way<'a> {
    pub(super) index: TableIndex,
    pub(super) table: &'a Table,
    /// What [`Table::through`] is to be.
    pub(super) through: Option<QualifiedName>,
}

impl Way<'_> {
    pub(super) fn target(&self) -> &QualifiedName {
        self.through.as_ref().unwrap_or(&self.table.name)
    }
}

/// Where the rows of one partition go through an ancestor, those of all others below it do so too:
/// what came directly could not be told from what came through it when it is counted.
pub(super) fn together(ways: &mut [Way<'_>], there: &There) {
    let used: HashSet<_> = ways.iter().filter_map(|way| way.through.clone()).collect();
    for way in ways {
        let relation = there.get(way.target());
        let above = relation.into_iter().flat_map(|r| r.ancestors.iter().rev());
        if let Some(topmost) = above.map(|a| &a.name).find(|name| used.contains(*name)) {
            way.through = Some(topmost.clone());
        }
    }
}

/// What [`Table::through`] is to be: none for the table of the same name. Or why there is no way.
///
/// A partition that the target has not, or has elsewhere, goes through the topmost ancestor that
/// the target has: the server finds each row's own place below that.
pub(super) fn way(table: &Table, there: &There) -> Result<Option<QualifiedName>, String> {
    let own = there.get(&table.name);
    match own {
        Some(own) if own.kind == Kind::Partitioned => Ok(Some(table.name.clone())),
        Some(own) if own.kind == Kind::Table => Ok(own_way(table, own, there)),
        Some(other) => Err(format!("is {} on the target", kind(other))),
        None => match topmost(table, there) {
            Some((name, relation)) if relation.kind.takes_rows() => Ok(Some(name.clone())),
            Some((name, other)) => Err(format!(
                "is not on the target, and {name} above it is {}",
                kind(other)
            )),
            None => Err("is not on the target".to_owned()),
        },
    }
}

/// Of a table that is there under its own name.
fn own_way(table: &Table, own: &Relation, there: &There) -> Option<QualifiedName> {
    let above = table.likeness.as_ref().map(|l| &*l.ancestors);
    if above.unwrap_or_default() == own.ancestors {
        return table.through.clone();
    }
    if own.ancestors.is_empty() {
        return None;
    }
    let above = topmost(table, there).filter(|(_, relation)| relation.kind.takes_rows());
    above.map(|(name, _)| name.clone())
}

fn topmost<'a>(table: &'a Table, there: &'a There) -> Option<(&'a QualifiedName, &'a Relation)> {
    let ancestors = table.likeness.iter().flat_map(|l| l.ancestors.iter().rev());
    ancestors
        .filter_map(|ancestor| Some((&ancestor.name, there.get(&ancestor.name)?)))
        .next()
}

fn kind(relation: &Relation) -> &'static str {
    match relation.kind {
        Kind::Table => "a table",
        Kind::Partitioned => "a partitioned table",
        Kind::ForeignTable => "a foreign table",
        Kind::View => "a view",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::table;
    use crate::schema::{Ancestor, Likeness, Persistence};

    fn name(name: &str) -> QualifiedName {
        QualifiedName::new("public", name)
    }

    fn below(names: &[(&str, &str)]) -> Vec<Ancestor> {
        let ancestor = |&(ancestor, bound): &(&str, &str)| Ancestor {
            name: name(ancestor),
            key: "RANGE (a)".into(),
            bound: bound.into(),
        };
        names.iter().map(ancestor).collect()
    }

    fn relation(kind: Kind, ancestors: Vec<Ancestor>) -> Relation {
        Relation {
            kind,
            persistence: Some(Persistence::Permanent),
            is_secured: false,
            of_extension: false,
            columns: Vec::new(),
            ancestors,
        }
    }

    /// The way of `t1`, a partition of `mid` in `root`.
    fn way_of(relations: Vec<(&str, Relation)>) -> Result<Option<QualifiedName>, String> {
        let leaf = Table {
            likeness: Some(Likeness {
                types: Vec::new(),
                ancestors: below(&[("mid", "FROM (1) TO (2)"), ("root", "DEFAULT")]),
            }),
            ..table(1, 1)
        };
        let relations = relations.into_iter().map(|(n, r)| (name(n), r)).collect();
        way(&leaf, &There { relations })
    }

    #[test]
    fn what_is_there_just_so_is_written_to() {
        let alike = below(&[("mid", "FROM (1) TO (2)"), ("root", "DEFAULT")]);
        assert_eq!(way_of(vec![("t1", relation(Kind::Table, alike))]), Ok(None));
        let alone = relation(Kind::Table, Vec::new());
        let root = relation(Kind::Partitioned, Vec::new());
        assert_eq!(way_of(vec![("t1", alone), ("root", root)]), Ok(None));
    }

    #[test]
    fn what_is_elsewhere_goes_through_the_topmost_ancestor() {
        let other = below(&[("root", "FROM (1) TO (9)")]);
        let root = || relation(Kind::Partitioned, Vec::new());
        let mid = relation(Kind::Partitioned, Vec::new());
        let ways = [
            vec![("t1", relation(Kind::Table, other)), ("root", root())],
            vec![("mid", mid), ("root", root())],
            vec![("root", relation(Kind::Table, Vec::new()))],
        ];
        for way in ways {
            assert_eq!(way_of(way), Ok(Some(name("root"))));
        }
        let itself = vec![("t1", root()), ("root", root())];
        assert_eq!(way_of(itself), Ok(Some(name("t1"))));
    }

    #[test]
    fn partitions_of_one_ancestor_go_together() {
        let below_root = || below(&[("root", "FROM (1) TO (9)")]);
        let relations = [
            ("t1", relation(Kind::Table, below_root())),
            ("t2", relation(Kind::Table, Vec::new())),
            ("root", relation(Kind::Partitioned, Vec::new())),
        ];
        let relations = relations.into_iter().map(|(n, r)| (name(n), r)).collect();
        let tables = [table(1, 1), table(2, 1), table(3, 1)];
        let way = |at: usize, through| Way {
            index: TableIndex(at as u32),
            table: &tables[at],
            through,
        };
        let mut ways = [way(0, None), way(1, None), way(2, Some(name("root")))];
        together(&mut ways, &There { relations });
        let through = ways.map(|way| way.through);
        assert_eq!(through, [Some(name("root")), None, Some(name("root"))]);
    }

    #[test]
    fn what_takes_no_rows_is_named() {
        assert_eq!(way_of(vec![]), Err("is not on the target".into()));
        let view = relation(Kind::View, Vec::new());
        assert_eq!(
            way_of(vec![("t1", view)]),
            Err("is a view on the target".into())
        );
        let foreign = relation(Kind::ForeignTable, Vec::new());
        assert!(way_of(vec![("root", foreign)]).is_err());
    }
}
