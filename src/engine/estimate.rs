//! Estimates how large the tallies of a plan can become, before any customer is read.

use std::sync::Arc;

use super::plan::{AnyFold, FoldSpec, NodeWork, Plan};
use super::step_outputs::{NodeId, StepOutputs};
use crate::error::Result;
use crate::timeline::shape::Shape;

/// The most bytes that a cell of a tally takes: a sum over customers is an `i128`.
pub const CELL_BYTES: u64 = 16;
/// Bytes that result tables take for each cell of the tally that they are made of: about four columns of counts, rates
/// and confidence bounds, 16 bytes each.
pub(super) const TABLE_BYTES: u64 = 64;

/// A fold of a plan, with an upper bound of the cells of its tally.
pub struct CellEstimate<'a> {
    /// The walk that the fold takes part in, from 0.
    pub round: usize,
    pub spec: &'a FoldSpec,
    /// An upper bound of the number of cells.
    pub cells: u64,
    /// [`Fold::is_tabled`](super::plan::Fold::is_tabled).
    is_tabled: bool,
    key: Option<&'static str>,
}

impl CellEstimate<'_> {
    /// The most bytes that one tally can take.
    pub fn tally_bytes(&self) -> u64 {
        self.cells.saturating_mul(CELL_BYTES)
    }

    /// Bytes that a tally and its tables are expected to take: the upper bound, which real data come close to where
    /// every segment value has customers in every period. `None` for folds that mostly stay far below their bound.
    pub fn expected_bytes(&self) -> Option<u64> {
        self.is_tabled.then(|| self.cells.saturating_mul(CELL_BYTES + TABLE_BYTES))
    }

    /// What the user can do to make the tally smaller: the help of an error.
    pub fn remedy(&self) -> String {
        remedy(self.key)
    }
}

/// What the user can do where a fold's tally is too large. `key`: the option of the stage that makes it smaller, beside
/// its period and segments.
pub(super) fn remedy(key: Option<&str>) -> String {
    let key = key.map(|key| format!("`{key}` of the stage, or ")).unwrap_or_default();
    format!("lower {key}the `cap` of the segments, choose a longer `period`, or raise --memory-limit")
}

/// Estimates every fold, in the order of the plan, for the largest data of a given shape. `customers`: their number, if
/// it is known.
///
/// # Errors
/// Those of the plan's derivations, and of making its folds.
pub fn estimate(plan: &Plan, shape: Arc<Shape>, customers: Option<u64>) -> Result<Vec<CellEstimate<'_>>> {
    let mut outputs = StepOutputs::new(shape, plan.nodes.len());
    let mut estimates = vec![];
    for round in 0..=plan.rounds() {
        for (i, node) in plan.nodes.iter().enumerate().filter(|(_, node)| node.round == round) {
            let value = match &node.work {
                NodeWork::Derive(make) => make(&outputs)?,
                NodeWork::Fold { spec, make, .. } => {
                    let fold = make(&outputs)?;
                    let cells = cells(&*fold, &outputs.shape, customers);
                    let (is_tabled, key) = (fold.is_tabled(), fold.key_to_lower());
                    estimates.push(CellEstimate { round, spec, cells, is_tabled, key });
                    fold.finish(fold.max_tally(&outputs.shape))?
                }
            };
            plan.store_output(&mut outputs, NodeId(i), value)?;
        }
    }
    Ok(estimates)
}

/// An upper bound of the cells of a tally of `customers` customers.
pub(super) fn cells(fold: &dyn AnyFold, shape: &Shape, customers: Option<u64>) -> u64 {
    let bound = fold.cells(shape);
    customers.map_or(bound, |customers| bound.min(fold.cells_of_one(shape).saturating_mul(customers)))
}
