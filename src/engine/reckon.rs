//! How large the tallies of a plan can become, before any customer is seen.

use std::sync::Arc;

use super::known::{Known, NodeId};
use super::plan::{FoldSpec, Plan, Work};
use crate::error::Result;
use crate::timeline::shape::Shape;

/// What a cell of a tally takes at most, in bytes: a sum over customers is an `i128`.
pub const CELL_BYTES: u64 = 16;

/// A fold of a plan and the most cells that its tally can have.
pub struct Reckoned<'a> {
    /// From 0.
    pub round: usize,
    pub spec: &'a FoldSpec,
    pub cells: u64,
}

/// Every fold in the order of the plan, for data of a given shape in which everything occurs that can.
pub fn reckon(plan: &Plan, shape: Arc<Shape>) -> Result<Vec<Reckoned<'_>>> {
    let mut known = Known::new(shape, plan.nodes.len());
    let mut reckoned = vec![];
    for round in 0..=plan.rounds() {
        for (i, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.round == round) {
            let value = match &node.work {
                Work::Derive(make) => make(&known)?,
                Work::Fold { spec, make, .. } => {
                    let fold = make(&known)?;
                    reckoned.push(Reckoned { round, spec, cells: fold.cells(&known.shape) });
                    fold.finish(fold.fullest(&known.shape))?
                }
            };
            plan.learn(&mut known, NodeId(i), value)?;
        }
    }
    Ok(reckoned)
}
