//! From the table of contents to nodes: what each entry waits for and which tables it locks.

use std::collections::{HashMap, HashSet};

use crate::phase::stage::{self, Stage};
use crate::phase::toc::{DumpId, Entry, Toc};
use crate::schema::Oid;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) id: DumpId,
    pub(super) stage: Stage,
    /// Positions of nodes, each before this one.
    pub(super) deps: Vec<usize>,
    /// Tables of the plan that it depends on.
    pub(super) gates: Vec<Oid>,
    /// What it locks while it runs.
    pub(super) tables: Vec<DumpId>,
    pub(super) exclusive: bool,
    /// Of the tables in `gates`.
    pub(super) bytes: u64,
    pub(super) on_plain_table: bool,
}

impl Node {
    /// Whether it reads rows to make an index, rather than attach one or make one of a partitioned table.
    pub(super) fn is_build(&self) -> bool {
        self.stage == Stage::Indexes && !self.exclusive && self.bytes > 0
    }
}

/// The nodes of all scheduled entries, in the archive's order.
///
/// A dependency that stands later in the archive is dropped, so that no cycle can block the run;
/// pg_dump sorts topologically, there is none.
pub(super) fn build(toc: &Toc, gates: &HashMap<Oid, u64>) -> Vec<Node> {
    let tables = Tables::new(toc);
    let stages = stage::stages(toc);
    let mut positions = HashMap::new();
    let mut nodes = Vec::new();
    for entry in toc.entries.iter().filter(|e| stage::is_scheduled(e)) {
        let deps = entry.deps.iter().filter_map(|dep| positions.get(dep));
        let deps = deps.copied().collect();
        positions.insert(entry.id, nodes.len());
        let stage = stages.get(&entry.id).copied().unwrap_or(Stage::Rest);
        nodes.push(node(entry, stage, deps, &tables, gates));
    }
    nodes
}

fn node(
    entry: &Entry,
    stage: Stage,
    deps: Vec<usize>,
    tables: &Tables,
    gates: &HashMap<Oid, u64>,
) -> Node {
    let own = tables.of(entry);
    let oids = own.iter().filter_map(|id| tables.oids.get(id));
    let gated: Vec<_> = oids
        .copied()
        .filter(|oid| gates.contains_key(oid))
        .collect();
    let plain = !gated.is_empty() && own.iter().all(|id| !tables.partitioned.contains(id));
    Node {
        id: entry.id,
        stage,
        deps,
        bytes: gated.iter().filter_map(|oid| gates.get(oid)).sum(),
        gates: gated,
        exclusive: match &*entry.desc {
            "INDEX" => false,
            // Built in two steps where it can be; if not, the server makes it wait its turn.
            "CONSTRAINT" => !plain,
            _ => true,
        },
        tables: if stage == Stage::ForeignKeys {
            tables.families(&own)
        } else {
            own
        },
        on_plain_table: plain,
    }
}

/// The tables of the archive and how they hang together.
struct Tables {
    oids: HashMap<DumpId, Oid>,
    partitioned: HashSet<DumpId>,
    /// Each table's representative: tables that inherit, are partitions, or use one another's row
    /// types share one. A foreign key locks a whole partition tree, which its entry does not name.
    family: HashMap<DumpId, DumpId>,
}

impl Tables {
    fn new(toc: &Toc) -> Self {
        let entries = toc.entries.iter().filter(|e| e.is_table());
        let mut tables = Self {
            oids: entries.map(|e| (e.id, e.oid)).collect(),
            partitioned: HashSet::new(),
            family: HashMap::new(),
        };
        let entries: HashMap<_, _> = toc.entries.iter().map(|e| (e.id, e)).collect();
        for entry in &toc.entries {
            if entry.is_table() {
                tables.join(entry.id, &tables.of(entry));
            } else if entry.desc == "TABLE ATTACH" {
                tables.attach(&entries, entry);
            }
        }
        tables
    }

    /// The tables among an entry's dependencies.
    fn of(&self, entry: &Entry) -> Vec<DumpId> {
        let deps = entry.deps.iter().copied();
        deps.filter(|dep| self.oids.contains_key(dep)).collect()
    }

    /// A `TABLE ATTACH` depends on the partition and on its parent, and does not say which is which.
    /// The partition's own entry depends on the parent's, in 12 and later.
    fn attach(&mut self, entries: &HashMap<DumpId, &Entry>, attach: &Entry) {
        let both = self.of(attach);
        for child in both.iter().filter_map(|id| entries.get(id)) {
            let parents = both.iter().filter(|id| child.deps.contains(id));
            self.partitioned.extend(parents);
        }
        if let Some((first, others)) = both.split_first() {
            self.join(*first, others);
        }
    }

    fn join(&mut self, table: DumpId, others: &[DumpId]) {
        for other in others {
            let (a, b) = (self.root(table), self.root(*other));
            if a != b {
                self.family.insert(a, b);
            }
        }
    }

    fn root(&self, mut table: DumpId) -> DumpId {
        while let Some(parent) = self.family.get(&table) {
            table = *parent;
        }
        table
    }

    fn families(&self, tables: &[DumpId]) -> Vec<DumpId> {
        let roots: HashSet<_> = tables.iter().map(|t| self.root(*t)).collect();
        roots.into_iter().collect()
    }
}
