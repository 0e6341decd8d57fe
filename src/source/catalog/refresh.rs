//! In which order materialized views can be refreshed: each after those that it reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::pg::{Client, PgError};
use crate::schema::{Oid, QualifiedName};

const MATVIEWS: &str = include_str!("matviews.sql");

struct View {
    name: QualifiedName,
    populated: bool,
    reads: BTreeSet<Oid>,
}

/// The populated materialized views, each after every one that it reads, directly or through views.
pub fn refresh_order(client: &mut Client) -> Result<Vec<QualifiedName>, PgError> {
    let mut views: BTreeMap<Oid, View> = BTreeMap::new();
    for row in client.query(MATVIEWS)? {
        let view = views.entry(Oid(row.parse(0)?)).or_insert(View {
            name: QualifiedName::new(row.text(1)?, row.text(2)?),
            populated: row.bool(3)?,
            reads: BTreeSet::new(),
        });
        view.reads.insert(Oid(row.parse(4)?));
    }
    Ok(order(&views))
}

fn order(views: &BTreeMap<Oid, View>) -> Vec<QualifiedName> {
    let mut seen = BTreeSet::new();
    let mut ordered = Vec::new();
    for &oid in views.keys() {
        visit(oid, views, &mut seen, &mut ordered);
    }
    ordered
}

/// Depth first; PostgreSQL itself limits how deep views nest.
fn visit(
    oid: Oid,
    views: &BTreeMap<Oid, View>,
    seen: &mut BTreeSet<Oid>,
    out: &mut Vec<QualifiedName>,
) {
    let Some(view) = views.get(&oid).filter(|_| seen.insert(oid)) else {
        return;
    };
    for &read in &view.reads {
        visit(read, views, seen, out);
    }
    if view.populated {
        out.push(view.name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_comes_after_what_it_reads_even_through_plain_views() {
        let view = |name: &str, populated, reads: &[u32]| View {
            name: QualifiedName::new("s", name),
            populated,
            reads: reads.iter().copied().map(Oid).collect(),
        };
        let views = BTreeMap::from([
            (Oid(1), view("top", true, &[2])),
            (Oid(2), view("plain", false, &[3])),
            (Oid(3), view("bottom", true, &[0])),
            (Oid(4), view("empty", false, &[])),
        ]);
        let names: Vec<_> = order(&views).into_iter().map(|n| n.name).collect();
        assert_eq!(names, ["bottom", "top"]);
    }
}
