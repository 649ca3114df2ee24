//! The models of buying and of value, fitted to counts, by segment value.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::money::minor_per_major;
use crate::stage::TimeUnit;
use crate::stats::buyers::{BgNbd, BuyerCell, BuyerHistories, BuyerModel, MbgNbd, ParetoNbd};
use crate::stats::fit::Fit;
use crate::stats::gammagamma::{GammaGamma, SpendCell, Spends, correlation};
use crate::tally::buyers::{BuyerCounts, BuyersTally};
use crate::timeline::segments::CellId;

/// What is fitted, and how the counts are to be read.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    models: Vec<&'static str>,
    unit: TimeUnit,
    digits: u8,
}

impl Asked {
    pub(super) fn new(models: &[&'static str], unit: TimeUnit, digits: u8) -> Asked {
        Asked { models: models.to_vec(), unit, digits }
    }
}

/// The fits to the buyers of one cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CellFits {
    /// All buyers.
    pub customers: i64,
    /// One in so many customers is in the counts of histories, and in those of spends.
    pub sampling_factor: [u64; 2],
    pub bgnbd: Option<Fit<BgNbd>>,
    pub mbgnbd: Option<Fit<MbgNbd>>,
    pub paretonbd: Option<Fit<ParetoNbd>>,
    pub gammagamma: Fit<GammaGamma>,
}

pub(super) type BuyerFits = BTreeMap<CellId, CellFits>;

/// A model of buying that converged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bought {
    Geometric(BgNbd),
    ModifiedGeometric(MbgNbd),
    Pareto(ParetoNbd),
}

/// Does something with the model, whichever it is.
macro_rules! with {
    ($bought:expr, $model:ident => $body:expr) => {
        match $bought {
            Bought::Geometric($model) => $body,
            Bought::ModifiedGeometric($model) => $body,
            Bought::Pareto($model) => $body,
        }
    };
}
pub(super) use with;

/// Registers the fits to a tally.
pub(super) fn plan(plan: &mut Plan, buyers: Ref<BuyersTally>, asked: Asked) -> Ref<BuyerFits> {
    plan.derive(&[buyers.id()], move |known| {
        let tally = known.get(buyers)?;
        Ok(tally.par_iter().map(|(cell, group)| (*cell, fit(group, &asked))).collect::<BuyerFits>())
    })
}

fn fit(group: &BuyerCounts, asked: &Asked) -> CellFits {
    let cells = group.histories.kinds().into_iter().map(|(kind, weight)| BuyerCell {
        frequency: kind.frequency,
        recency: kind.recency,
        age: kind.age,
        customers: u32::try_from(weight.customers).unwrap_or(u32::MAX),
    });
    let buyers = BuyerHistories { cells: cells.collect(), per_unit: asked.unit.days() };
    let spends = group.spends.kinds().into_iter().map(|(kind, customers)| SpendCell {
        frequency: kind.frequency,
        total: kind.total,
        customers: u32::try_from(customers).unwrap_or(u32::MAX),
    });
    let spends = Spends { cells: spends.collect(), minor_per_major: minor_per_major(asked.digits) };
    let asked_for = |name: &str| asked.models.contains(&name);
    let bgnbd = asked_for(BgNbd::NAME).then(|| BgNbd::fit(&buyers));
    let mut gammagamma = GammaGamma::fit(&spends);
    if let Some(correlation) = correlation(&spends) {
        gammagamma.notes.push(format!("frequency and mean spend correlate at {correlation:.3}, taken for independent"));
    }
    // Where BG/NBD has no answer its sibling steps in.
    let steps_in = bgnbd.as_ref().is_some_and(|fit| !fit.converged);
    CellFits {
        customers: group.customers,
        sampling_factor: [group.histories.sampling_factor(), group.spends.sampling_factor()],
        mbgnbd: (asked_for(MbgNbd::NAME) || steps_in).then(|| MbgNbd::fit(&buyers)),
        paretonbd: asked_for(ParetoNbd::NAME).then(|| ParetoNbd::fit(&buyers)),
        bgnbd,
        gammagamma,
    }
}

impl CellFits {
    /// A fitted model by name, if it converged.
    pub(super) fn model(&self, name: &str) -> Option<Bought> {
        match name {
            BgNbd::NAME => self.bgnbd.as_ref()?.model.map(Bought::Geometric),
            MbgNbd::NAME => self.mbgnbd.as_ref()?.model.map(Bought::ModifiedGeometric),
            ParetoNbd::NAME => self.paretonbd.as_ref()?.model.map(Bought::Pareto),
            _ => None,
        }
    }

    /// The names of what was fitted: the models of buying, those that stepped in included.
    pub(super) fn fitted(&self) -> impl Iterator<Item = &'static str> {
        let [bg, mbg, pareto] = [self.bgnbd.is_some(), self.mbgnbd.is_some(), self.paretonbd.is_some()];
        [(BgNbd::NAME, bg), (MbgNbd::NAME, mbg), (ParetoNbd::NAME, pareto)]
            .into_iter()
            .filter_map(|(name, is_there)| is_there.then_some(name))
    }

    /// The model that scores customers: the first asked for that converged, BG/NBD's place taken by MBG/NBD where it did
    /// not.
    pub(super) fn scoring(&self, models: &[&'static str]) -> Option<(&'static str, Bought)> {
        let stand_in = |name: &'static str| if name == BgNbd::NAME { [name, MbgNbd::NAME] } else { [name, name] };
        models.iter().flat_map(|name| stand_in(name)).find_map(|name| Some((name, self.model(name)?)))
    }

    /// Spend a transaction that is expected of a customer, in major units, after x repeat transactions that came to
    /// `total` (below zero counts as nothing).
    pub(super) fn spend(&self, frequency: u32, total: f64) -> Option<f64> {
        let mean = if frequency == 0 { 0.0 } else { total.max(0.0) / f64::from(frequency) };
        self.gammagamma.model?.expected_spend(frequency, mean)
    }

    /// What a reader of a fit to counted histories has to know, beside the fit's own notes.
    pub(super) fn histories_note(&self) -> Option<String> {
        sampled(self.sampling_factor[0])
    }

    /// The same of a fit to counted spends.
    pub(super) fn spends_note(&self) -> Option<String> {
        sampled(self.sampling_factor[1])
    }
}

fn sampled(sampling_factor: u64) -> Option<String> {
    (sampling_factor > 1).then(|| format!("fitted to a fixed sample, one in {sampling_factor} customers"))
}
