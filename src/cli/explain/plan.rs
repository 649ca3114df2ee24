//! How a pipeline is computed: walks over the customers, lenses, and what is folded in each walk.

use serde::Serialize;

use crate::config::Pipeline;
use crate::engine::plan::FoldSpec;
use crate::error::Result;
use crate::job::{self, RunPlan};

#[derive(Serialize)]
pub(super) struct PlanDoc {
    /// How often the customers are walked over at most, the writing of per-customer tables included: where a fold turns
    /// out to have nothing to look for, those that wait for it come earlier.
    pub walks: usize,
    pub lenses: Vec<String>,
    pub folds: Vec<FoldDoc>,
    /// Length of the window that the cells are counted for.
    pub window_days: i32,
    /// The file does not say the window.
    pub window_assumed: bool,
}

#[derive(Serialize)]
pub(super) struct FoldDoc {
    /// From 1, at the latest.
    pub walk: usize,
    pub fold: &'static str,
    pub params: String,
    /// From 1, into `lenses`.
    pub lens: usize,
    /// At most, in each thread's tally, with as many values of each segment as its cap allows.
    pub cells: u64,
    /// The stages that share it; none: every run folds it.
    pub stages: Vec<String>,
}

pub(super) fn plan(pipeline: &Pipeline, blueprint: &RunPlan) -> Result<PlanDoc> {
    let reckoning = blueprint.estimate(pipeline)?;
    let of_every_run = job::blueprint(pipeline, Some(&[]))?;
    let alone: Vec<(&str, RunPlan)> = blueprint
        .specs
        .iter()
        .map(|(_, spec)| Ok((spec.name.as_str(), job::blueprint(pipeline, Some(std::slice::from_ref(&spec.name)))?)))
        .collect::<Result<_>>()?;
    // Nodes are numbered differently in another plan; all else says whether it is the same fold.
    let same = |a: &FoldSpec, b: &FoldSpec| (a.kind, &a.params, a.lens) == (b.kind, &b.params, b.lens);
    let folds_it = |blueprint: &RunPlan, spec: &FoldSpec| blueprint.plan.folds().any(|(_, other)| same(spec, other));
    let lenses = blueprint.plan.lenses();
    let folds = reckoning.folds.iter().map(|fold| FoldDoc {
        walk: fold.round + 1,
        fold: fold.spec.kind,
        params: fold.spec.params.clone(),
        lens: lenses.iter().position(|l| *l == fold.spec.lens).map_or(0, |i| i + 1),
        cells: fold.cells,
        stages: if folds_it(&of_every_run, fold.spec) {
            vec![]
        } else {
            alone.iter().filter(|(_, b)| folds_it(b, fold.spec)).map(|(name, _)| (*name).to_owned()).collect()
        },
    });
    Ok(PlanDoc {
        walks: blueprint.walks(),
        lenses: lenses.iter().map(ToString::to_string).collect(),
        folds: folds.collect(),
        window_days: reckoning.days,
        window_assumed: reckoning.assumed,
    })
}
