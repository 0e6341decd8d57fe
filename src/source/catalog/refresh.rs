//! In which order materialized views can be refreshed: each after those that it reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::pg::{Client, PgError};
use crate::schema::{Oid, QualifiedName};
use crate::source::choice::Choice;
use crate::wire::message::Refresh;

const MATVIEWS: &str = include_str!("matviews.sql");

struct View {
    name: QualifiedName,
    populated: bool,
    reads: BTreeSet<Oid>,
}

/// The populated materialized views that are chosen, each with every one that it reads, directly or
/// through views, and after all of them.
pub fn refresh_order(client: &mut Client, choice: &Choice) -> Result<Vec<Refresh>, PgError> {
    let mut views: BTreeMap<Oid, View> = BTreeMap::new();
    for row in client.query(MATVIEWS)? {
        let oid = Oid(row.parse(0)?);
        let view = views.entry(oid).or_insert(View {
            name: QualifiedName::new(row.text(1)?, row.text(2)?),
            populated: row.bool(3)? && choice.has(oid),
            reads: BTreeSet::new(),
        });
        view.reads.insert(Oid(row.parse(4)?));
    }
    Ok(order(&views))
}

fn order(views: &BTreeMap<Oid, View>) -> Vec<Refresh> {
    let mut order = Order {
        views,
        needs: BTreeMap::new(),
        out: Vec::new(),
    };
    for &oid in views.keys() {
        order.visit(oid);
    }
    order.out
}

struct Order<'a> {
    views: &'a BTreeMap<Oid, View>,
    /// Of each view that was visited: the places of those that must be there before its readers are.
    needs: BTreeMap<Oid, BTreeSet<u32>>,
    out: Vec<Refresh>,
}

impl Order<'_> {
    /// Depth first; PostgreSQL itself limits how deep views nest.
    fn visit(&mut self, oid: Oid) -> BTreeSet<u32> {
        if let Some(known) = self.needs.get(&oid) {
            return known.clone();
        }
        let Some(view) = self.views.get(&oid) else {
            return BTreeSet::new();
        };
        // Views that read one another cannot be; were they, this ends.
        self.needs.insert(oid, BTreeSet::new());
        let mut needs = BTreeSet::new();
        for &read in &view.reads {
            needs.extend(self.visit(read));
        }
        if view.populated {
            let place = u32::try_from(self.out.len()).expect("fewer views than OIDs");
            self.out.push(Refresh {
                view: view.name.clone(),
                after: needs.into_iter().collect(),
            });
            needs = BTreeSet::from([place]);
        }
        self.needs.insert(oid, needs.clone());
        needs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(name: &str, populated: bool, reads: &[u32]) -> View {
        View {
            name: QualifiedName::new("s", name),
            populated,
            reads: reads.iter().copied().map(Oid).collect(),
        }
    }

    #[test]
    fn a_view_comes_after_what_it_reads_even_through_plain_views() {
        let views = BTreeMap::from([
            (Oid(1), view("top", true, &[2, 5])),
            (Oid(2), view("plain", false, &[3, 4])),
            (Oid(3), view("bottom", true, &[0])),
            (Oid(4), view("empty", false, &[])),
            (Oid(5), view("beside", true, &[3])),
            (Oid(6), view("alone", true, &[])),
        ]);
        let ordered = order(&views);
        let told: Vec<_> = ordered
            .iter()
            .map(|r| (r.view.name.as_str(), r.after.as_slice()))
            .collect();
        let expected: [(&str, &[u32]); 4] = [
            ("bottom", &[]),
            ("beside", &[0]),
            ("top", &[0, 1]),
            ("alone", &[]),
        ];
        assert_eq!(told, expected);
    }
}
