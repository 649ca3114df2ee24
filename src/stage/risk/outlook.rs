//! What past dates say of a later one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::stats::logistic::{Logistic, LogisticCell};
use crate::tally::risk::{ChurnOutcome, RiskTally};
use crate::timeline::risk_features::{Cutoff, FeatureSpec};

/// Fewer dates teach nothing.
pub(super) const LEAST_CUTS: usize = 3;
/// Only so many of the last are learned from, and so many are in the backtest.
pub(super) const TAUGHT: usize = 12;
/// The penalty on the weights: a prior of mean 0 and standard deviation 1.
const RIDGE: f64 = 1.0;

/// The model that scores, and what is usual under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RiskModel {
    pub model: Logistic,
    /// By sign: the mean weight of the customers that were learned from.
    pub usual: Vec<f64>,
    /// The share of them that left.
    pub rate: f64,
}

/// Numbers of the cuts that a prediction on a day may learn from: of which it was known by then who left.
pub(super) fn known_before(cuts: &[Cutoff], day: Day) -> Vec<usize> {
    let known: Vec<usize> = (0..cuts.len()).filter(|i| cuts[*i].ends <= day).collect();
    let last = known[known.len().saturating_sub(TAUGHT)..].to_vec();
    if last.len() < LEAST_CUTS { vec![] } else { last }
}

/// The outcomes of some cuts by the levels of all signs.
pub(super) fn pooled(tally: &RiskTally, cuts: &[usize]) -> BTreeMap<u32, ChurnOutcome> {
    let mut pooled: BTreeMap<u32, ChurnOutcome> = BTreeMap::new();
    for cut in cuts {
        for ((_, kind), outcome) in tally.kinds.range((*cut as u8, 0)..=(*cut as u8, u32::MAX)) {
            *pooled.entry(*kind).or_default() += *outcome;
        }
    }
    pooled
}

/// The numbers of a kind's levels, of these signs, among all levels.
pub(super) fn levels_of(watch: &FeatureSpec, kind: u32, features: &[usize]) -> Vec<usize> {
    let (levels, offsets) = (watch.levels(kind), watch.offsets());
    features.iter().map(|sign| offsets[*sign] + levels[*sign]).collect()
}

/// A model of some of the signs, by number.
pub(super) fn fit(watch: &FeatureSpec, pooled: &BTreeMap<u32, ChurnOutcome>, features: &[usize]) -> Option<Logistic> {
    let mut alike: BTreeMap<Vec<usize>, ChurnOutcome> = BTreeMap::new();
    for (kind, outcome) in pooled {
        *alike.entry(levels_of(watch, *kind, features)).or_default() += *outcome;
    }
    let cell =
        |(levels, o): (Vec<usize>, ChurnOutcome)| LogisticCell { levels, customers: o.customers, events: o.left };
    let cells: Vec<LogisticCell> = alike.into_iter().map(cell).collect();
    Logistic::fit(&cells, watch.features.iter().map(|sign| sign.levels()).sum(), RIDGE)
}

impl RiskModel {
    /// What a run on that day would say; `None` where too little was known by then.
    pub(super) fn at(day: Day, watch: &FeatureSpec, cuts: &[Cutoff], tally: &RiskTally) -> Option<RiskModel> {
        let pooled = pooled(tally, &known_before(cuts, day));
        let all: Vec<usize> = (0..watch.features.len()).collect();
        let model = fit(watch, &pooled, &all)?;
        let mut sum = ChurnOutcome::default();
        let mut usual = vec![0.0; all.len()];
        for (kind, outcome) in &pooled {
            sum += *outcome;
            for (mean, level) in usual.iter_mut().zip(levels_of(watch, *kind, &all)) {
                *mean += model.weights[level] * outcome.customers as f64;
            }
        }
        let customers = sum.customers as f64;
        usual.iter_mut().for_each(|mean| *mean /= customers);
        Some(RiskModel { model, usual, rate: sum.left as f64 / customers })
    }
}
