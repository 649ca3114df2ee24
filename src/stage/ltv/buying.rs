//! Lifetime value where customers come and go unseen: by fitted models of buying and of value.

use super::backtest::Tested;
use super::finish::{MethodRow, Push};
use super::fits::{Bought, CellFits, with};
use super::{BUYING, Buying, Ltv};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::MONTH_DAYS;
use crate::stats::buyers::{BgNbd, BuyerModel, MbgNbd, discounted};
use crate::stats::fit::Fit;
use crate::stats::gammagamma::GammaGamma;
use crate::stats::proportion::Z95;
use crate::tally::customer_movements::MovementColumn;
use crate::timeline::segments::ALL;
use crate::timeline::shape::Basis;

impl Buying {
    /// A month in units of the models' time.
    pub(super) fn month(&self) -> f64 {
        MONTH_DAYS / self.unit.days()
    }
}

impl Ltv {
    /// Models of buying that were asked for.
    pub(super) fn buying_models(&self) -> Vec<&'static str> {
        self.models.iter().copied().filter(|m| BUYING.contains(m)).collect()
    }

    /// No model of buying converged for everybody, so that what was realised has to do.
    pub(super) fn falls_back(&self, known: &StepOutputs) -> Result<bool> {
        let Some(buying) = &self.buying else { return Ok(false) };
        let fits = known.get(buying.full)?;
        Ok(fits.get(&ALL).is_none_or(|fits| fits.scoring(&self.buying_models()).is_none()))
    }

    /// The discount rate of a month.
    pub(super) fn monthly(&self) -> Option<f64> {
        self.spec.setting.discount_rate.map(|d| super::ratio::per_period(d, 12))
    }

    /// One row a segment value and model: the value of a new customer.
    pub(super) fn buying(
        &self,
        buying: &Buying,
        known: &StepOutputs,
        tested: &Tested,
        push: &mut Push<'_>,
    ) -> Result<()> {
        let (fits, heads) = (known.get(buying.full)?, known.get(self.counts.heads)?);
        let calibrated = known.get(buying.calibrated)?;
        let period = self.latest(known);
        let new = heads.sums(ALL)[period][MovementColumn::New as usize] as i64;
        let asked = self.buying_models();
        for (cell, fits) in fits.iter() {
            for name in fits.fitted() {
                let mut row =
                    MethodRow { customers: fits.customers, note: self.revenue_note(), ..MethodRow::default() };
                row.note.push(format!("of a new customer over {} months", self.horizon));
                if !asked.contains(&name) {
                    row.note.push(format!("stands in for {}, which did not converge", BgNbd::NAME));
                }
                self.value(buying, fits, name, &mut row);
                if *cell == ALL {
                    row.cac = self.cac(known, period, new);
                    if fits.scoring(&asked).is_some_and(|(scoring, _)| scoring == name) {
                        row.note.push("scores the customers".into());
                    }
                }
                row.holdout_error = tested.error(*cell, name);
                row.note.extend(tested.note.clone());
                row.note.extend(tested.verdict(*cell, name));
                let calibrated = calibrated.get(cell).and_then(|fits| fits.model(name));
                if tested.note.is_none() && calibrated.is_none() {
                    row.note.push("no backtest: nothing could be fitted up to the cut".into());
                }
                row.note.extend(self.warnings(known));
                push(*cell, period, name, row);
            }
        }
        Ok(())
    }

    /// What these data may not tell a model of buying.
    fn warnings(&self, known: &StepOutputs) -> Vec<String> {
        let mut warnings = vec!["a customer's first purchase in the data counts as the first ever".to_owned()];
        if known.shape.basis == Basis::Subscriptions {
            warnings.push("customers under contract do not come and go unseen: prefer sbg, bdw or survival".into());
        }
        warnings
    }

    /// (1 + E[X(horizon)]) × E[spend] × margin, with its interval by the delta method.
    fn value(&self, buying: &Buying, fits: &CellFits, name: &str, row: &mut MethodRow) {
        let (month, months) = (buying.month(), self.horizon);
        let notes = match name {
            BgNbd::NAME => notes(fits.bgnbd.as_ref()),
            MbgNbd::NAME => notes(fits.mbgnbd.as_ref()),
            _ => notes(fits.paretonbd.as_ref()),
        };
        row.note.extend(notes.iter().cloned());
        row.note.extend(fits.histories_note());
        let Some(model) = fits.model(name) else { return };
        let at_once = |transactions: f64| 1.0 + transactions;
        let horizon = month * f64::from(months);
        let transactions = at_once(with!(model, m => m.expected(horizon)));
        let Some(spend) = fits.spend(0, 0.0) else {
            row.note.extend(fits.gammagamma.notes.iter().map(|note| format!("gammagamma: {note}")));
            return;
        };
        let value = transactions * spend * self.margin();
        row.ltv = Some(value);
        let to_come = |d| discounted(|t| with!(model, m => m.expected(t)), month, months, d);
        row.discounted = self.monthly().and_then(to_come).map(|sum| at_once(sum) * spend * self.margin());
        let of_buying = match model {
            Bought::Geometric(_) => error(fits.bgnbd.as_ref(), |m| at_once(m.expected(horizon))),
            Bought::ModifiedGeometric(_) => error(fits.mbgnbd.as_ref(), |m| at_once(m.expected(horizon))),
            Bought::Pareto(_) => error(fits.paretonbd.as_ref(), |m| at_once(m.expected(horizon))),
        };
        let of_spend = fits.gammagamma.ln_std_error(|m: &GammaGamma| m.expected_spend(0, 0.0).unwrap_or(0.0));
        if let (Some(a), Some(b)) = (of_buying, of_spend) {
            let reach = Z95 * libm::sqrt(a * a + b * b);
            row.interval = (Some(value * libm::exp(-reach)), Some(value * libm::exp(reach)));
        }
    }
}

fn notes<M>(fit: Option<&Fit<M>>) -> &[String] {
    fit.map_or(&[], |fit| &fit.notes)
}

fn error<M: BuyerModel>(fit: Option<&Fit<M>>, value: impl Fn(&M) -> f64) -> Option<f64> {
    fit?.ln_std_error(value)
}
