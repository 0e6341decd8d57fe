//! Whether rows fit into a table that is there.

use super::there::{Column, Relation};
use crate::schema::{ColumnType, Format, Persistence, Table};

/// Nobody knows which partition of the target a chunk's rows go to: a crash there would empty some and
/// leave their journal row, or the other way round.
const MIXED: &str = "has unlogged partitions and others, of which a crash would leave what the journal does not say: \
    ALTER TABLE … SET LOGGED or SET UNLOGGED";

/// What a comparison of one table says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fit {
    /// Why its rows cannot be written.
    pub(super) problems: Vec<String>,
    /// What is not as on the source, though they can.
    pub(super) notes: Vec<String>,
    /// Why a table that was to travel in binary must travel as text.
    pub(super) text_because: Option<String>,
}

/// Holds a table of the source against what its rows are written to.
pub(super) fn fit(table: &Table, there: &Relation) -> Fit {
    let mut fit = Fit::default();
    if there.is_secured {
        fit.problems.push(
            "row security applies to recv's role, which needs BYPASSRLS or the table".to_owned(),
        );
    }
    match there.persistence {
        None => fit.problems.push(MIXED.to_owned()),
        Some(Persistence::Unlogged) if table.persistence == Persistence::Permanent => {
            fit.notes.push("is unlogged on the target alone".to_owned());
        }
        Some(_) => {}
    }
    fit.compare_columns(table, &there.columns);
    fit
}

impl Fit {
    fn compare_columns(&mut self, table: &Table, there: &[Column]) {
        let find = |name: &String| there.iter().find(|c| c.name == *name);
        let missing: Vec<_> = table.columns.iter().filter(|n| find(n).is_none()).collect();
        let found: Vec<_> = table.columns.iter().filter_map(find).collect();
        self.complain(missing, "missing on the target");
        self.complain(names(&found, |c| c.is_generated), "generated on the target");
        let closed = names(&found, |c| !c.is_writable);
        self.complain(closed, "closed to recv's role, which needs INSERT");
        self.compare_others(table, there);
        let types = table.likeness.iter().flat_map(|l| &l.types);
        for (name, kind) in table.columns.iter().zip(types) {
            if let Some(column) = find(name) {
                self.compare_types(table.format, name, kind, &column.kind);
            }
        }
    }

    /// Columns that the source has not, or computes.
    fn compare_others(&mut self, table: &Table, there: &[Column]) {
        let others = there.iter().filter(|c| !c.is_generated);
        let others: Vec<_> = others
            .filter(|c| !table.columns.contains(&c.name))
            .collect();
        let needed = names(&others, |c| !c.may_be_left_out);
        self.complain(needed, "only on the target, NOT NULL and without a default");
        if let Some(left) = listed(names(&others, |c| c.may_be_left_out)) {
            let note = format!("{left} only on the target: left to the default");
            self.notes.push(note);
        }
    }

    fn compare_types(&mut self, format: Format, name: &str, here: &ColumnType, there: &ColumnType) {
        if here.name != there.name {
            let (here, there) = (&here.name, &there.name);
            let note = format!("column {name} is {here} on the source and {there} on the target");
            self.notes.push(note);
        }
        if here.form != there.form && format == Format::Binary {
            let because = || format!("column {name} is {} on the target", there.name);
            self.text_because.get_or_insert_with(because);
        }
    }

    fn complain(&mut self, columns: impl IntoIterator<Item = impl AsRef<str>>, what: &str) {
        if let Some(columns) = listed(columns) {
            self.problems.push(format!("{columns} {what}"));
        }
    }
}

fn names(columns: &[&Column], are: impl Fn(&Column) -> bool) -> Vec<String> {
    let columns = columns.iter().filter(|column| are(column));
    columns.map(|column| column.name.clone()).collect()
}

fn listed(columns: impl IntoIterator<Item = impl AsRef<str>>) -> Option<String> {
    let columns: Vec<_> = columns.into_iter().map(|c| c.as_ref().to_owned()).collect();
    match columns.as_slice() {
        [] => None,
        [one] => Some(format!("column {one} is")),
        several => Some(format!("columns {} are", several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::tests::table;
    use crate::schema::Likeness;
    use crate::sink::existing::there::Kind;

    fn kind(name: &str) -> ColumnType {
        ColumnType {
            name: name.to_owned(),
            form: name.split('(').next().unwrap_or_default().to_owned(),
        }
    }

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.into(),
            kind: kind(type_name),
            is_generated: false,
            may_be_left_out: true,
            is_writable: true,
        }
    }

    fn fit_of(here: &[(&str, &str)], there: Vec<Column>) -> Fit {
        let table = Table {
            columns: here.iter().map(|(name, _)| (*name).to_owned()).collect(),
            likeness: Some(Likeness {
                types: here.iter().map(|(_, type_name)| kind(type_name)).collect(),
                ancestors: Vec::new(),
            }),
            ..table(1, 1)
        };
        let relation = Relation {
            kind: Kind::Table,
            persistence: Some(Persistence::Permanent),
            is_secured: false,
            of_extension: false,
            columns: there,
            ancestors: Vec::new(),
        };
        fit(&table, &relation)
    }

    #[test]
    fn order_is_nothing_and_modifiers_are_told() {
        let here = [("a", "int4"), ("b", "numeric(9,2)")];
        let alike = vec![column("b", "numeric(9,2)"), column("a", "int4")];
        assert_eq!(fit_of(&here, alike), Fit::default());
        let narrower = vec![column("b", "numeric(5,2)"), column("a", "int8")];
        let fit = fit_of(&here, narrower);
        assert!(fit.problems.is_empty());
        assert_eq!(fit.notes.len(), 2);
        let because = fit.text_because.unwrap();
        assert_eq!(because, "column a is int8 on the target");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let generated = Column {
            is_generated: true,
            ..column("b", "int4")
        };
        let needed = Column {
            may_be_left_out: false,
            ..column("n", "int4")
        };
        let computed = Column {
            name: "c".into(),
            ..generated.clone()
        };
        let there = vec![generated, needed, computed, column("o", "int4")];
        let fit = fit_of(&[("a", "int4"), ("x", "int4"), ("b", "int4")], there);
        assert_eq!(
            fit.problems,
            [
                "columns a, x are missing on the target",
                "column b is generated on the target",
                "column n is only on the target, NOT NULL and without a default",
            ]
        );
        assert_eq!(
            fit.notes,
            ["column o is only on the target: left to the default"]
        );
    }
}
