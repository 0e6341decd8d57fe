//! What each entry waits for beside its turn: gates that are closed, and entries that are not settled.
//! Counted, so that nobody looks through tens of thousands of entries for those that may run.

use std::collections::HashMap;

use super::graph::Node;
use crate::schema::Oid;

#[derive(Debug, Clone)]
pub(super) struct Waits {
    /// By position: how many.
    left: Vec<usize>,
    behind_gate: HashMap<Oid, Vec<usize>>,
    /// By position: those that depend on it.
    dependents: Vec<Vec<usize>>,
}

impl Waits {
    /// With every gate closed and nothing settled.
    pub(super) fn new(nodes: &[Node]) -> Self {
        let mut waits = Self {
            left: Vec::with_capacity(nodes.len()),
            behind_gate: HashMap::new(),
            dependents: vec![Vec::new(); nodes.len()],
        };
        for (position, node) in nodes.iter().enumerate() {
            waits.left.push(node.gates.len() + node.deps.len());
            for gate in &node.gates {
                waits.behind_gate.entry(*gate).or_default().push(position);
            }
            for dep in &node.deps {
                waits.dependents[*dep].push(position);
            }
        }
        waits
    }

    pub(super) fn are_over(&self, position: usize) -> bool {
        self.left[position] == 0
    }

    /// The positions that wait for nothing more now that the gate is open.
    pub(super) fn open(&mut self, gate: Oid) -> Vec<usize> {
        let behind = self.behind_gate.remove(&gate).unwrap_or_default();
        self.less(behind)
    }

    /// The positions that wait for nothing more now that this one is settled, once.
    pub(super) fn settle(&mut self, position: usize) -> Vec<usize> {
        let dependents = std::mem::take(&mut self.dependents[position]);
        self.less(dependents)
    }

    fn less(&mut self, mut positions: Vec<usize>) -> Vec<usize> {
        for &position in &positions {
            self.left[position] -= 1;
        }
        positions.retain(|&position| self.left[position] == 0);
        positions
    }
}
