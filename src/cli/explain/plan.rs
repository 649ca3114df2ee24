//! How a pipeline is computed: the walks over the customers, the lenses, and the folds of each walk.

use serde::Serialize;

use crate::config::Pipeline;
use crate::engine::plan::FoldSpec;
use crate::error::Result;
use crate::job::{self, RunPlan};

#[derive(Serialize)]
pub(super) struct PlanDoc {
    /// The most walks over the customers that the run may take, including the one that writes per-customer tables. A run
    /// takes fewer where a fold turns out to have nothing to do.
    pub walks: usize,
    pub lenses: Vec<String>,
    pub folds: Vec<FoldDoc>,
    /// The days of observation that `cells` is counted for.
    pub window_days: i32,
    /// True if the pipeline file does not fix the window.
    pub window_assumed: bool,
}

#[derive(Serialize)]
pub(super) struct FoldDoc {
    /// The latest walk in which it is folded, from 1.
    pub walk: usize,
    pub fold: &'static str,
    pub params: String,
    /// Position in `lenses`, from 1.
    pub lens: usize,
    /// The most cells that each thread's tally can hold, if every segment has as many values as its cap allows.
    pub cells: u64,
    /// The stages that share it; empty if every run folds it.
    pub stages: Vec<String>,
}

pub(super) fn plan(pipeline: &Pipeline, run_plan: &RunPlan) -> Result<PlanDoc> {
    let reckoning = run_plan.estimate(pipeline)?;
    let of_every_run = job::run_plan(pipeline, Some(&[]))?;
    let alone: Vec<(&str, RunPlan)> = run_plan
        .specs
        .iter()
        .map(|(_, spec)| Ok((spec.name.as_str(), job::run_plan(pipeline, Some(std::slice::from_ref(&spec.name)))?)))
        .collect::<Result<_>>()?;
    // Compared without their node numbers, which differ from plan to plan.
    let same = |a: &FoldSpec, b: &FoldSpec| (a.kind, &a.params, a.lens) == (b.kind, &b.params, b.lens);
    let folds_it = |run_plan: &RunPlan, spec: &FoldSpec| run_plan.plan.folds().any(|(_, other)| same(spec, other));
    let lenses = run_plan.plan.lenses();
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
        walks: run_plan.walks(),
        lenses: lenses.iter().map(ToString::to_string).collect(),
        folds: folds.collect(),
        window_days: reckoning.days,
        window_assumed: reckoning.assumed,
    })
}
