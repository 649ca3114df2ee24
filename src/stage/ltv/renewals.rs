//! Lifetime value under contract, by fitted renewals: `sbg` and `bdw`.

use super::backtest::Tested;
use super::finish::{MethodRow, Push};
use super::survival::paid;
use super::{Ltv, RENEWING};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::money::minor_per_major;
use crate::stats::fit::Fit;
use crate::stats::proportion::Z95;
use crate::stats::renewals::bdw::Bdw;
use crate::stats::renewals::sbg::Sbg;
use crate::stats::renewals::{Renewal, RenewalModel};
use crate::tally::renewals::RenewalCounts;
use crate::timeline::renewal_events::BillingInterval;
use crate::timeline::segments::CellId;

/// A fit of either model of renewals, with what is computed of it.
pub(super) struct Fitted {
    pub cell: CellId,
    pub interval: BillingInterval,
    /// `sbg month`, `bdw year`.
    pub method: String,
    pub fit: AnyFit,
    /// To renewals before the cut alone.
    pub calibrated: AnyFit,
}

pub(super) enum AnyFit {
    Sbg(Fit<Sbg>),
    Bdw(Fit<Bdw>),
}

impl AnyFit {
    /// S(0), S(1) … of so many payments; empty unless the fit converged.
    fn shares(&self, payments: u32) -> Vec<f64> {
        let survival = |t: u32| match self {
            AnyFit::Sbg(fit) => fit.model.map(|m| m.survival(t)),
            AnyFit::Bdw(fit) => fit.model.map(|m| m.survival(t)),
        };
        (0..payments).map_while(survival).collect()
    }

    /// The standard error of ln Σ S(t).
    fn ln_std_error(&self, payments: u32) -> Option<f64> {
        match self {
            AnyFit::Sbg(fit) => fit.ln_std_error(|m| (0..payments).map(|t| m.survival(t)).sum()),
            AnyFit::Bdw(fit) => fit.ln_std_error(|m| (0..payments).map(|t| m.survival(t)).sum()),
        }
    }

    fn customers(&self) -> u64 {
        match self {
            AnyFit::Sbg(fit) => fit.customers,
            AnyFit::Bdw(fit) => fit.customers,
        }
    }

    /// 1 − r(n): the chance of being lost at the n-th renewal; `None` unless the fit converged.
    pub(super) fn lost_at(&self, n: u32) -> Option<f64> {
        match self {
            AnyFit::Sbg(fit) => fit.model.map(|m| 1.0 - m.retention(n)),
            AnyFit::Bdw(fit) => fit.model.map(|m| 1.0 - m.retention(n)),
        }
    }

    fn notes(&self) -> &[String] {
        match self {
            AnyFit::Sbg(fit) => &fit.notes,
            AnyFit::Bdw(fit) => &fit.notes,
        }
    }
}

impl Ltv {
    /// The fits of `sbg` and `bdw`, one per billing interval and segment value.
    pub(super) fn renewal_fits(&self, known: &StepOutputs) -> Result<Vec<Fitted>> {
        let mut fits = vec![];
        let Some(renewals) = self.renewals else { return Ok(fits) };
        for ((cell, interval), renewing) in known.get(renewals)?.iter() {
            let of = |method: &str, counts: &[Renewal]| {
                if method == "sbg" { AnyFit::Sbg(Sbg::fit(counts)) } else { AnyFit::Bdw(Bdw::fit(counts)) }
            };
            let all: Vec<_> = renewing.numbers.iter().map(|n| Renewal { due: n.due, lost: n.lost }).collect();
            let earlier = |n: &RenewalCounts| Renewal { due: n.due - n.later_due, lost: n.lost - n.later_lost };
            let earlier: Vec<_> = renewing.numbers.iter().map(earlier).collect();
            for name in RENEWING.into_iter().filter(|name| self.has(name)) {
                let method = format!("{name} {}", interval.name());
                let (fit, calibrated) = (of(name, &all), of(name, &earlier));
                fits.push(Fitted { cell: *cell, interval: *interval, method, fit, calibrated });
            }
        }
        Ok(fits)
    }

    pub(super) fn renewals(
        &self,
        known: &StepOutputs,
        fits: &[Fitted],
        tested: &Tested,
        push: &mut Push<'_>,
    ) -> Result<()> {
        let Some(renewals) = self.renewals else { return Ok(()) };
        let tally = known.get(renewals)?;
        let (period, major) = (self.latest(known), minor_per_major(self.spec.setting.digits));
        for Fitted { cell, interval, method, fit, .. } in fits {
            let renewing = &tally[&(*cell, *interval)];
            let per_year = interval.per_year();
            let payments = (f64::from(self.horizon) / 12.0 * per_year).ceil().clamp(1.0, 100_000.0) as u32;
            let rate = self.spec.setting.discount_rate.map(|d| libm::pow(1.0 + d, 1.0 / per_year) - 1.0);
            let payment = (renewing.live > 0).then(|| renewing.amount as f64 / renewing.live as f64 / major);
            let margin = payment.map(|p| p * self.margin());
            let shares = fit.shares(payments);
            let converged = !shares.is_empty();
            let (sum, discounted) = paid(&shares, rate);
            let value = margin.filter(|_| converged).map(|m| m * sum);
            let interval = fit.ln_std_error(payments).map(|s| between(sum, payments, Z95 * s));
            let end = |of: fn((f64, f64)) -> f64| margin.zip(interval).filter(|_| converged).map(|(m, i)| m * of(i));
            let mut note = self.revenue_note();
            note.push(format!("{payments} payments within the horizon"));
            note.extend(fit.notes().iter().cloned());
            note.extend(tested.note.clone());
            if payment.is_none() {
                note.push("no subscription of this interval is live".into());
            }
            let row = MethodRow {
                customers: fit.customers() as i64,
                arpa: payment,
                lifetime: converged.then_some(sum),
                ltv: value,
                discounted: margin.zip(discounted).filter(|_| converged).map(|(m, d)| m * d),
                interval: (end(|i| i.0), end(|i| i.1)),
                holdout_error: tested.error(*cell, method),
                note,
                ..MethodRow::default()
            };
            push(*cell, period, method, row);
        }
        Ok(())
    }
}

/// The ends of an interval of Σ S(t) over so many payments, `reach` to both sides in its logarithm near the estimate, but
/// symmetric in the logit of the share paid: nobody pays more than all.
fn between(sum: f64, payments: u32, reach: f64) -> (f64, f64) {
    let all = f64::from(payments);
    let share = sum / all;
    if share >= 1.0 {
        return (sum, sum);
    }
    let logit = libm::log(share / (1.0 - share));
    let at = |moved: f64| all / (1.0 + libm::exp(-(logit + moved)));
    (at(-reach / (1.0 - share)), at(reach / (1.0 - share)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pays_more_than_all() {
        let (low, high) = between(35.0, 36, 0.1);
        assert!(low < 35.0 && high > 35.0 && high < 36.0, "{low} {high}");
        // A small share is as if in the logarithm alone.
        let (low, high) = between(1.0, 1_000_000, 0.1);
        assert!((low - libm::exp(-0.1)).abs() < 1e-6 && (high - libm::exp(0.1)).abs() < 1e-6);
        assert_eq!(between(1.0, 1, 0.0), (1.0, 1.0));
    }
}
