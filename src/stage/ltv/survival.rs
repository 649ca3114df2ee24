//! Lifetime value by how long customers were seen to stay.

use super::Ltv;
use super::finish::{MethodRow, Push};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stats::proportion::Z95;
use crate::stats::survival::EventTable;
use crate::stats::survival::kaplan_meier::{Confidence, Curve};
use crate::tally::customer_movements::MovementColumn;
use crate::tally::live_at_close::CloseColumn;
use crate::tally::spell_durations::event_table_of;
use crate::timeline::segments::ALL;

/// The curve is used as long as so many are at risk.
const AT_RISK: u64 = 10;

/// Σ S(t) over payments, and the same discounted by `rate` a payment; the first is made at once.
pub(super) fn paid(shares: &[f64], rate: Option<f64>) -> (f64, Option<f64>) {
    let discounted = rate.map(|d| {
        let factor = |t: usize| libm::pow(1.0 + d, -(t as f64));
        shares.iter().enumerate().map(|(t, share)| share * factor(t)).sum()
    });
    (shares.iter().sum(), discounted)
}

/// S(0), S(1) … as long as enough are at risk, at most so many.
fn shares(curve: &Curve, most: u32) -> Vec<f64> {
    let thin = curve.rows.iter().find(|r| r.at_risk < AT_RISK).map_or(u32::MAX, |r| r.time);
    let last = curve.rows.last().map_or(0, |r| r.time);
    let at = |t: u32| curve.rows[..curve.rows.partition_point(|r| r.time <= t)].last().map_or(1.0, |r| r.survival);
    std::iter::once(1.0).chain((1..most).take_while(|t| *t < thin && *t <= last).map(at)).collect()
}

/// The standard error of Σ S(t): √Σ A²·d/(n(n − d)) over the times of the curve, A the sum from that time on (Irwin 1949,
/// as for the restricted mean).
fn std_error(curve: &Curve, shares: &[f64]) -> f64 {
    let from = |t: u32| shares.iter().skip(t as usize).sum::<f64>();
    let term = |n: f64, d: f64, rest: f64| if n > d { rest * rest * d / (n * (n - d)) } else { 0.0 };
    let within = curve.rows.iter().filter(|r| (r.time as usize) < shares.len());
    libm::sqrt(within.map(|r| term(r.at_risk as f64, r.events as f64, from(r.time))).sum())
}

/// True if the curve starts at the beginning of spells. If not, it describes only customers who had stayed so long.
fn from_the_start(life: &EventTable) -> bool {
    life.counts().first().is_some_and(|m| m.time == 0)
}

impl Ltv {
    /// Σ arpa·m·S(t) of the Kaplan–Meier curve of first spells, in periods.
    pub(super) fn survival(&self, known: &StepOutputs, push: &mut Push<'_>) -> Result<()> {
        let Some((lives, standing)) = self.lives else { return Ok(()) };
        let (lives, standing, heads) = (known.get(lives)?, known.get(standing)?, known.get(self.counts.heads)?);
        let (period, unit) = (self.latest(known), self.spec.period.name());
        let most = periods_in(self.horizon, self.spec.period.per_year());
        let new = heads.sums(ALL)[period][MovementColumn::New as usize] as i64;
        for cell in lives.cells() {
            let life = event_table_of(&lives, cell)?;
            let curve = Curve::new(&life, Confidence::LogLog);
            let sums = &standing.sums(cell)[period];
            let arpa = self.arpa(sums[CloseColumn::Customers as usize] as i64, sums[CloseColumn::Money as usize]);
            let shares = shares(&curve, most);
            let enough = from_the_start(&life) && curve.rows.first().is_some_and(|r| r.at_risk >= AT_RISK);
            let margin = arpa.filter(|_| enough).map(|a| a * self.margin());
            let (sum, discounted) = paid(&shares, self.discount());
            let reach = Z95 * std_error(&curve, &shares);
            let cac = (cell == ALL).then(|| self.cac(known, period, new)).flatten();
            let payback = cac.zip(margin).and_then(|(cac, margin)| {
                let mut so_far = 0.0;
                let paid_back = shares.iter().position(|share| {
                    so_far += share * margin;
                    so_far >= cac
                });
                paid_back.map(|t| t as f64 + 1.0)
            });
            let mut note = self.revenue_note();
            if enough {
                let why = if shares.len() as u32 == most { "the horizon" } else { "fewer than 10 are at risk beyond" };
                note.push(format!("{} {unit}s: {why}", shares.len()));
                note.push("what customers bring after they left and came back is not counted".into());
            } else {
                note.push(format!("fewer than {AT_RISK} spells were seen from their beginning"));
            }
            note.extend(curve.notes.iter().cloned());
            if arpa.is_none() {
                note.push("nobody is live at the closing".into());
            }
            let value = |s: f64| margin.map(|m| m * s);
            let row = MethodRow {
                customers: curve.customers as i64,
                arpa,
                lifetime: enough.then_some(sum),
                ltv: value(sum),
                discounted: margin.zip(discounted).map(|(m, d)| m * d),
                // At least the first payment, at most all.
                interval: (value((sum - reach).max(1.0)), value((sum + reach).min(shares.len() as f64))),
                cac,
                payback,
                note,
                ..MethodRow::default()
            };
            push(cell, period, "survival", row);
        }
        Ok(())
    }
}

/// Periods that begin within so many months, at least one.
fn periods_in(months: u32, per_year: i32) -> u32 {
    (u64::from(months) * per_year as u64).div_ceil(12).clamp(1, 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::survival::ObservedSpell;

    #[test]
    fn a_first_payment_is_made_at_once() {
        assert_eq!(paid(&[1.0, 0.5, 0.25], Some(1.0)), (1.75, Some(1.0 + 0.25 + 0.0625)));
        assert_eq!(paid(&[1.0], None), (1.0, None));
        assert_eq!((periods_in(36, 12), periods_in(18, 1), periods_in(1, 1), periods_in(1, 365)), (36, 2, 1, 31));
    }

    #[test]
    fn payments_are_those_of_the_restricted_mean() {
        // Of 40, ten leave at 1, ten at 2; twenty are last seen at 3.
        let spell = |end, event, customers| ObservedSpell { entry: 0, end, event, customers };
        let life = EventTable::from_spells([spell(1, true, 10), spell(2, true, 10), spell(3, false, 20)]).unwrap();
        let curve = Curve::new(&life, Confidence::LogLog);
        let paid_for = shares(&curve, 3);
        assert_eq!(paid_for, [1.0, 0.75, 0.5]);
        let mean = curve.restricted_mean(Some(3)).unwrap();
        assert!((paid_for.iter().sum::<f64>() - mean.mean).abs() < 1e-12);
        assert!((std_error(&curve, &paid_for) - mean.std_error).abs() < 1e-12);
        assert!(from_the_start(&life));
        // Nobody is extrapolated, nor used where few are at risk.
        assert_eq!(shares(&curve, 100), [1.0, 0.75, 0.5, 0.5]);
        let few = EventTable::from_spells([spell(1, true, 4), spell(2, true, 4), spell(3, false, 3)]).unwrap();
        assert_eq!(shares(&Curve::new(&few, Confidence::LogLog), 100).len(), 2);
    }
}
