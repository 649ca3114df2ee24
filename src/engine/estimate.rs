//! How large the tallies of a plan can become, before any customer is seen.

use std::sync::Arc;

use super::plan::{AnyFold, FoldSpec, Plan, Work};
use super::step_outputs::{NodeId, StepOutputs};
use crate::error::Result;
use crate::timeline::shape::Shape;

/// What a cell of a tally takes at most, in bytes: a sum over customers is an `i128`.
pub const CELL_BYTES: u64 = 16;
/// What the cells of result tables take beside each cell of a tally that they are made of: some four columns of counts,
/// rates and intervals, 16 bytes each.
pub(super) const TABLE_BYTES: u64 = 64;

/// A fold of a plan and the most cells that its tally can have.
pub struct CellEstimate<'a> {
    /// From 0.
    pub round: usize,
    pub spec: &'a FoldSpec,
    pub cells: u64,
    /// Whether result tables are made of the cells, about one by one.
    is_tabled: bool,
    key: Option<&'static str>,
}

impl CellEstimate<'_> {
    /// Bytes that one tally can take.
    pub fn tally_bytes(&self) -> u64 {
        self.cells.saturating_mul(CELL_BYTES)
    }

    /// Bytes of a tally and its tables that data will take where every value has customers in every period: about what
    /// real data do. `None` where they mostly take much less than they can.
    pub fn expected_bytes(&self) -> Option<u64> {
        self.is_tabled.then(|| self.cells.saturating_mul(CELL_BYTES + TABLE_BYTES))
    }

    /// What makes it smaller, in words.
    pub fn remedy(&self) -> String {
        remedy(self.key)
    }
}

/// What a user can lower where a fold's tally is too large. `key`: of the stage, beside its period and segments.
pub(super) fn remedy(key: Option<&str>) -> String {
    let key = key.map(|key| format!("`{key}` of the stage, or ")).unwrap_or_default();
    format!("lower {key}the `cap` of the segments, choose a longer `period`, or raise --memory-limit")
}

/// Every fold in the order of the plan, for data of a given shape in which everything occurs that can. `customers`: so
/// many there are, where that is known.
pub fn estimate(plan: &Plan, shape: Arc<Shape>, customers: Option<u64>) -> Result<Vec<CellEstimate<'_>>> {
    let mut known = StepOutputs::new(shape, plan.nodes.len());
    let mut reckoned = vec![];
    for round in 0..=plan.rounds() {
        for (i, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.round == round) {
            let value = match &node.work {
                Work::Derive(make) => make(&known)?,
                Work::Fold { spec, make, .. } => {
                    let fold = make(&known)?;
                    let cells = cells(&*fold, &known.shape, customers);
                    let (is_tabled, key) = (fold.is_tabled(), fold.key_to_lower());
                    reckoned.push(CellEstimate { round, spec, cells, is_tabled, key });
                    fold.finish(fold.max_tally(&known.shape))?
                }
            };
            plan.store_output(&mut known, NodeId(i), value)?;
        }
    }
    Ok(reckoned)
}

/// The most cells that a tally of so many customers can have.
pub(super) fn cells(fold: &dyn AnyFold, shape: &Shape, customers: Option<u64>) -> u64 {
    let bound = fold.cells(shape);
    customers.map_or(bound, |customers| bound.min(fold.cells_of_one(shape).saturating_mul(customers)))
}
