//! Gamma-Gamma: how much a customer spends per transaction.

use libm::{log, log1p, sqrt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::stats::fit::{Fit, Parametric};
use crate::stats::optimizer::{Objective, maximise};
use crate::stats::special::{digamma, ln_gamma, ln_rising, trigamma};

/// A spend and the number of customers who have it: `frequency` repeat transactions of `total` minor units together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpendCell {
    /// x: repeat transactions.
    pub frequency: u32,
    /// What they came to together, in minor units, after refunds.
    pub total: i64,
    /// How many customers these figures are of.
    pub customers: u32,
}

/// The counted spends that the model is fitted to. Their order does not matter, and equal cells may repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spends {
    /// The spends, each with its customers.
    pub cells: Vec<SpendCell>,
    /// Minor units in a major one, such as 100 cents in a dollar. The model's parameters are in major units.
    pub minor_per_major: f64,
}

/// Gamma-Gamma model of spend (Fader & Hardie 2013, note 025; Fader, Hardie & Lee 2005, J. Marketing Research 42:415).
///
/// The values of a customer's transactions are Gamma(p, ν) with a rate ν that varies over customers as Gamma(q, v). They do
/// not depend on how often the customer buys. The mean z̄ of x transactions has the density
/// Γ(px+q)/(Γ(px)Γ(q)) · v^q z̄^(px−1) x^(px) / (v + x z̄)^(px+q).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 3]", into = "[f64; 3]")]
pub struct GammaGamma {
    p: f64,
    q: f64,
    v: f64,
}

impl TryFrom<[f64; 3]> for GammaGamma {
    type Error = &'static str;

    fn try_from(parameters: [f64; 3]) -> Result<Self, Self::Error> {
        Self::of(&parameters).ok_or("p, q and v must be positive, and neither tiny nor huge")
    }
}

impl From<GammaGamma> for [f64; 3] {
    fn from(m: GammaGamma) -> [f64; 3] {
        [m.p, m.q, m.v]
    }
}

impl Parametric for GammaGamma {
    const NAMES: &'static [&'static str] = &["p", "q", "v"];
    const LIMITS: &'static [(&'static str, &'static str)] = &[
        ("what a customer spends varies beyond measure", "each customer always spends the same"),
        ("customers' means vary beyond measure", "customers do not differ in what they spend"),
        ("spends are too small to tell apart", "customers do not differ in what they spend"),
    ];

    fn of(parameters: &[f64]) -> Option<Self> {
        let [p, q, v]: [f64; 3] = parameters.try_into().ok()?;
        [p, q, v].iter().all(|x| (1e-10..=1e10).contains(x)).then_some(GammaGamma { p, q, v })
    }
}

impl GammaGamma {
    /// Fits the model by maximum likelihood to the repeat buyers whose total is positive. Others are left out and counted
    /// in a note.
    ///
    /// # Returns
    /// The fit. It has no model, and a note that says why, if fewer than two customers are left, if all spend the same, or
    /// if the search does not converge.
    pub fn fit(spends: &Spends) -> Fit<GammaGamma> {
        let rows = SpendTable::of(spends);
        let mut fit = match rows.refusal() {
            Some(why) => Fit::none(rows.customers, why),
            None => {
                let mean = rows.mean();
                // Shapes that are common in practice; v scales with the money, so that E[z] = pv/(q−1) is the mean.
                let starts = [[6.0, 4.0], [1.5, 2.0], [20.0, 10.0]].map(|[p, q]| [p, q, mean * (q - 1.0) / p]);
                let summit = maximise(&starts, rows.customers as f64, |parameters| Some(rows.likelihood(parameters)));
                Fit::of(summit, rows.customers)
            }
        };
        if rows.left_out > 0 {
            fit.notes.push(format!("{} repeat buyers left out: their spend is not positive", rows.left_out));
        }
        if fit.model.is_some_and(|m: GammaGamma| m.q <= 1.0) {
            fit.notes.push("q is 1 or less: spend varies so widely over customers that its mean is infinite".into());
        }
        fit
    }

    /// The expected spend per transaction of a customer with x transactions of mean m: p(v + x·m)/(p·x + q − 1). It lies
    /// between the customer's own mean and the mean of all customers.
    ///
    /// # Parameters
    /// - `frequency`: x. With 0 the result is the mean of all customers, p·v/(q−1).
    /// - `mean`: m in major units; ignored for x = 0. A mean of 0, which has no likelihood under the model, is accepted.
    ///
    /// # Returns
    /// Major units; `None` where q ≤ 1, because then the customers' means have no finite mean, and for a negative `mean`.
    ///
    /// # Example
    /// The parameters that Fader & Hardie print for CDNOW (2013, note 025). Published figures, from parameters with more
    /// digits, are 24.65 for a customer with two repeat transactions of 22.35 on average, and 35.17 for one without any:
    /// ```
    /// use tenure::stats::fit::Parametric;
    /// use tenure::stats::gammagamma::GammaGamma;
    ///
    /// let model = GammaGamma::of(&[6.25, 3.74, 15.44]).unwrap();
    /// assert!((model.expected_spend(2, 22.35).unwrap() - 24.65).abs() < 0.05);
    /// assert!((model.expected_spend(0, 0.0).unwrap() - 35.17).abs() < 0.05);
    /// ```
    pub fn expected_spend(&self, frequency: u32, mean: f64) -> Option<f64> {
        let x = f64::from(frequency);
        let known = if frequency == 0 { Some(0.0) } else { (mean >= 0.0).then_some(x * mean) };
        known
            .filter(|_| self.q > 1.0)
            .map(|total| self.p * (self.v + total) / (self.p * x + self.q - 1.0))
            .filter(|e| e.is_finite())
    }

    /// ln of the density of the mean of x ≥ 1 transactions, per major unit; `None` unless x and the mean are positive.
    pub fn ln_likelihood(&self, frequency: u32, mean: f64) -> Option<f64> {
        let (x, GammaGamma { p, q, v }) = (f64::from(frequency), *self);
        let total = x * mean;
        (frequency > 0 && mean > 0.0 && total.is_finite())
            .then(|| ln_rising(p * x, q) - ln_gamma(q) - q * log1p(total / v) - p * x * log1p(v / total) - log(mean))
    }
}

/// Pearson's correlation of frequency and mean spend over the repeat buyers. The model assumes that they are independent.
/// `None` if either does not vary.
pub fn correlation(spends: &Spends) -> Option<f64> {
    let rows = SpendTable::of(spends);
    let n: f64 = rows.rows.iter().map(|r| r.customers).sum();
    let x = |r: &SpendRow| f64::from(rows.frequencies[r.frequency as usize]);
    let mean = |of: &dyn Fn(&SpendRow) -> f64| rows.rows.iter().map(|r| r.customers * of(r)).sum::<f64>() / n;
    let (mx, mz) = (mean(&x), mean(&|r| r.total / x(r)));
    let product = |a: &dyn Fn(&SpendRow) -> f64, b: &dyn Fn(&SpendRow) -> f64| mean(&|r| a(r) * b(r));
    let (dx, dz) = (|r: &SpendRow| x(r) - mx, |r: &SpendRow| r.total / x(r) - mz);
    let (xx, zz, xz) = (product(&dx, &dx), product(&dz, &dz), product(&dx, &dz));
    (xx > 0.0 && zz > 0.0).then(|| (xz / sqrt(xx) / sqrt(zz)).clamp(-1.0, 1.0)).filter(|c| c.is_finite())
}

/// Repeat buyers of one frequency (an index) and one total in major units, with the logarithm of the total.
struct SpendRow {
    frequency: u32,
    total: f64,
    ln_total: f64,
    customers: f64,
}

#[derive(Default)]
struct SpendTable {
    /// Distinct frequencies, ascending, and the customers of each.
    frequencies: Vec<u32>,
    frequency_customers: Vec<f64>,
    rows: Vec<SpendRow>,
    /// Σ ln z̄, the part of the log-likelihood that does not depend on the parameters.
    ln_means: f64,
    customers: u64,
    left_out: u64,
}

impl SpendTable {
    fn of(spends: &Spends) -> SpendTable {
        let mut rows = SpendTable::default();
        let scale = spends.minor_per_major;
        if !(scale > 0.0 && scale.is_finite()) {
            return rows;
        }
        let repeat = |c: &&SpendCell| c.frequency > 0 && c.customers > 0;
        let mut cells: Vec<SpendCell> = spends.cells.iter().filter(repeat).copied().collect();
        rows.left_out = cells.iter().filter(|c| c.total <= 0).map(|c| u64::from(c.customers)).sum();
        cells.retain(|c| c.total > 0);
        cells.par_sort_unstable();
        for cell in cells {
            if rows.frequencies.last() != Some(&cell.frequency) {
                rows.frequencies.push(cell.frequency);
                rows.frequency_customers.push(0.0);
            }
            let place = rows.frequencies.len() - 1;
            let (customers, total) = (f64::from(cell.customers), cell.total as f64 / scale);
            let ln_total = log(total);
            rows.frequency_customers[place] += customers;
            rows.customers += u64::from(cell.customers);
            rows.ln_means += customers * (ln_total - log(f64::from(cell.frequency)));
            rows.rows.push(SpendRow { frequency: place as u32, total, ln_total, customers });
        }
        rows
    }

    fn refusal(&self) -> Option<&'static str> {
        let first = self.rows.first();
        let alike = |r: &SpendRow| first.is_some_and(|f| (r.total, r.frequency) == (f.total, f.frequency));
        match self.customers {
            0 => Some("no repeat buyer has a positive spend"),
            1 => Some("only one repeat buyer has a positive spend: too few for a model"),
            _ if self.rows.iter().all(alike) => {
                Some("all repeat buyers spend the same: differences between them cannot be estimated")
            }
            _ => None,
        }
    }

    /// The mean over customers of their mean spend, in major units.
    fn mean(&self) -> f64 {
        let sum: f64 =
            self.rows.iter().map(|r| r.customers * r.total / f64::from(self.frequencies[r.frequency as usize])).sum();
        sum / self.customers as f64
    }

    /// The log-likelihood with exact derivatives, one logarithm per row. With S = x·z̄, ln f = ln (px)_q − ln Γ(q) + q ln v + px ln S − (px+q) ln(v+S) − ln z̄.
    fn likelihood(&self, parameters: &[f64; 3]) -> Objective<3> {
        let [p, q, v] = *parameters;
        let mut s = Objective::ZERO;
        let n = self.customers as f64;
        s.value = -self.ln_means - n * ln_gamma(q);
        s.gradient[1] -= n * digamma(q);
        s.hessian[1][1] -= n * trigamma(q);
        for (x, n) in self.frequencies.iter().zip(&self.frequency_customers) {
            let x = f64::from(*x);
            let (own, both) = (p * x, p * x + q);
            let bend = trigamma(both);
            s.value += n * ln_rising(own, q);
            s.gradient[0] += n * x * (digamma(both) - digamma(own));
            s.gradient[1] += n * digamma(both);
            s.hessian[0][0] += n * x * x * (bend - trigamma(own));
            s.hessian[0][1] += n * x * bend;
            s.hessian[1][1] += n * bend;
        }
        let ln_v = log(v);
        let rows = Objective::sum_over(&self.rows, |s, row| {
            let (n, x) = (row.customers, f64::from(self.frequencies[row.frequency as usize]));
            let all = v + row.total;
            // ln((v+S)/v) and ln((v+S)/S); the smaller one would lose digits as a difference of logarithms.
            let (over_v, over_s) = if v < row.total {
                let small = log1p(v / row.total);
                (row.ln_total - ln_v + small, small)
            } else {
                let small = log1p(row.total / v);
                (small, ln_v - row.ln_total + small)
            };
            let own = p * x;
            s.value -= n * (q * over_v + own * over_s);
            s.gradient[0] -= n * x * over_s;
            s.gradient[1] -= n * over_v;
            s.gradient[2] += n * (q * row.total - own * v) / (v * all);
            s.hessian[0][2] -= n * x / all;
            s.hessian[1][2] += n * row.total / (v * all);
            s.hessian[2][2] += n * ((own + q) / (all * all) - q / (v * v));
        });
        s.plus(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::optimizer::check_derivatives;
    use crate::stats::simulated::{Chance, spend};

    fn spends(cells: &[(u32, i64, u32)]) -> Spends {
        let cell = |&(frequency, total, customers): &(u32, i64, u32)| SpendCell { frequency, total, customers };
        Spends { cells: cells.iter().map(cell).collect(), minor_per_major: 100.0 }
    }

    fn simulated(seed: u64, customers: u32, p: [f64; 3]) -> Spends {
        let mut chance = Chance::new(seed);
        let cells: Vec<_> = (0..customers).map(|i| 1 + i % 7).map(|x| (x, spend(&mut chance, p, x), 1)).collect();
        spends(&cells)
    }

    /// mpmath 1.3 at 30 digits, the density as Fader & Hardie write it.
    #[test]
    fn densities() {
        for (p, x, mean, want) in [
            ([6.25, 3.74, 15.44], 2, 24.5, -3.6166029434378784),
            ([0.3, 1.2, 200.0], 1, 0.05, -0.6240637140594333),
            ([50.0, 20.0, 5.0], 300, 17.0, -3.113761406753504),
            ([2.0, 0.5, 1e-3], 7, 1e5, -20.957983886547392),
        ] {
            let got = GammaGamma::of(&p).unwrap().ln_likelihood(x, mean).unwrap();
            assert!((got - want).abs() < 1e-11 * want.abs(), "{p:?} {x} {mean}: {got} for {want}");
        }
        let m = GammaGamma::of(&[6.25, 3.74, 15.44]).unwrap();
        assert_eq!(
            (m.ln_likelihood(0, 1.0), m.ln_likelihood(1, 0.0), m.ln_likelihood(1, f64::NAN)),
            (None, None, None)
        );
    }

    #[test]
    fn derivatives_are_exact_and_the_parts_add_up() {
        let data = simulated(1, 200, [4.0, 3.0, 20.0]);
        let rows = SpendTable::of(&data);
        for p in [[4.0, 3.0, 20.0], [0.3, 0.8, 700.0], [60.0, 9.0, 0.4]] {
            check_derivatives(&p, |p| Some(rows.likelihood(p)));
            let m = GammaGamma::of(&p).unwrap();
            let one =
                |c: &SpendCell| m.ln_likelihood(c.frequency, c.total as f64 / 100.0 / f64::from(c.frequency)).unwrap();
            let sum: f64 = data.cells.iter().map(one).sum();
            assert!((rows.likelihood(&p).value / sum - 1.0).abs() < 1e-12);
        }
    }

    /// For correct 95 % intervals 14 of 20 or fewer would have a probability of one in three thousand.
    #[test]
    fn fits_recover_what_was_simulated() {
        let truth = [4.0, 3.0, 20.0];
        let mut held = [0; 3];
        for seed in 0..20 {
            let fit = GammaGamma::fit(&simulated(seed, 1500, truth));
            assert!(fit.converged && fit.notes.is_empty(), "{:?}", fit.notes);
            for ((held, truth), p) in held.iter_mut().zip(truth).zip(&fit.parameters) {
                *held += u32::from(p.low.unwrap() <= truth && truth <= p.high.unwrap());
            }
        }
        assert!(held.iter().all(|h| *h >= 15), "{held:?} of 20");
    }

    #[test]
    fn expected_spend_lies_between_ones_own_mean_and_that_of_all() {
        let m = GammaGamma::of(&[6.25, 3.74, 15.44]).unwrap();
        let all = m.expected_spend(0, f64::NAN).unwrap();
        assert!((all - 6.25 * 15.44 / 2.74).abs() < 1e-12);
        for mean in [1.0, 35.0, 1000.0] {
            let (few, many) = (m.expected_spend(1, mean).unwrap(), m.expected_spend(50, mean).unwrap());
            assert!((few - mean).abs() > (many - mean).abs() && (few < all) == (mean < all));
        }
        // Customers who paid nothing are expected to go on paying little, not the mean of all.
        assert!(m.expected_spend(3, 0.0).unwrap() < 0.25 * all);
        assert_eq!(m.expected_spend(3, -1.0), None);
        assert_eq!(GammaGamma::of(&[6.25, 1.0, 15.44]).unwrap().expected_spend(3, 10.0), None);
        assert!(GammaGamma::of(&[6.25, 1.0]).is_none() && GammaGamma::of(&[6.25, 1.0, 0.0]).is_none());
    }

    #[test]
    fn degenerate_data_are_told_in_words() {
        let notes = |cells: &[(u32, i64, u32)]| {
            let fit = GammaGamma::fit(&spends(cells));
            assert!(!fit.converged && fit.model.is_none());
            fit.notes
        };
        assert_eq!(notes(&[]), ["no repeat buyer has a positive spend"]);
        assert_eq!(notes(&[(0, 500, 9)]), ["no repeat buyer has a positive spend"]);
        let zero = notes(&[(2, 0, 3), (1, -5, 4)]);
        assert!(zero[0].starts_with("no repeat buyer") && zero[1].starts_with("7 repeat buyers left out"), "{zero:?}");
        assert!(notes(&[(2, 100, 1)])[0].starts_with("only one"));
        assert!(notes(&[(2, 100, 8), (2, 100, 1)])[0].starts_with("all repeat buyers spend the same"));
        // Everybody always spends 10.00: nothing varies, neither within customers nor between them.
        let steady: Vec<_> = (1..40).map(|x| (x, 1000 * i64::from(x), 10)).collect();
        assert!(notes(&steady)[0].starts_with("not converged"), "{:?}", notes(&steady));
        let bad = Spends { minor_per_major: 0.0, ..spends(&[(2, 100, 8)]) };
        assert!(!GammaGamma::fit(&bad).converged);
        assert_eq!(correlation(&bad), None);
        // The largest amounts and counts there are.
        let huge = GammaGamma::fit(&spends(&[(u32::MAX, i64::MAX, u32::MAX), (1, 1, u32::MAX), (3, 50, 7)]));
        assert!(huge.parameters.iter().all(|p| p.estimate.is_finite()));
    }

    #[test]
    fn correlation_of_frequency_and_value() {
        // Customers (x, mean): (1, 1.00) twice, (2, 3.00), (3, 2.00); numpy.corrcoef.
        let got = correlation(&spends(&[(1, 100, 2), (2, 600, 1), (3, 600, 1)])).unwrap();
        assert!((got - 0.6363636363636364).abs() < 1e-15, "{got}");
        assert_eq!(correlation(&spends(&[(2, 100, 5), (2, 300, 1)])), None);
        assert_eq!(correlation(&spends(&[])), None);
    }
}
