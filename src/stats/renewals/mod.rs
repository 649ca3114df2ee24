//! Models of customers under contract, who renew or are lost at the end of each term: how many will be left, and how much
//! longer each will pay.
//!
//! Time is the number of renewals n = 1, 2 …. S(n) is the share of customers who made n renewals, and r(n) = S(n)/S(n−1) the
//! share of those due at the n-th renewal who make it. Contracts of different lengths need a fit each, because a renewal
//! means a different time for each of them.
//!
//! - [`sbg`]: the shifted-beta-geometric model;
//! - [`bdw`]: the beta-discrete-Weibull model, with one more parameter.

pub mod bdw;
mod residual;
pub mod sbg;

use libm::{exp, expm1, log1p};

use crate::stats::fit::Fit;

/// What happened at the n-th renewal, summed over all customers and cohorts that were observed at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Customers due at it.
    pub due: u64,
    /// Of these, those who did not renew.
    pub lost: u64,
}

impl Renewal {
    /// Counts of the renewals, the first one first, from cohorts: each gives how many customers there were at the start,
    /// after the first renewal, after the second, and so on.
    ///
    /// Returns `None` if a cohort grows, or beyond 2⁶⁴ customers.
    pub fn of_cohorts(cohorts: &[Vec<u64>]) -> Option<Vec<Renewal>> {
        let longest = cohorts.iter().map(Vec::len).max().unwrap_or(0);
        let mut renewals = vec![Renewal::default(); longest.saturating_sub(1)];
        for cohort in cohorts {
            for (renewal, step) in renewals.iter_mut().zip(cohort.windows(2)) {
                renewal.due = renewal.due.checked_add(step[0])?;
                renewal.lost = renewal.lost.checked_add(step[0].checked_sub(step[1])?)?;
            }
        }
        Some(renewals)
    }

    pub(crate) fn kept(self) -> f64 {
        self.due.saturating_sub(self.lost) as f64
    }
}

/// The number of customers behind the counts: those due at the first renewal, and at each later one those beyond the
/// customers left by the one before. Customers who enter late while others drop out of observation cannot be told apart.
fn customers(renewals: &[Renewal]) -> u64 {
    let mut left = 0;
    let came =
        renewals.iter().map(|r| r.due.saturating_sub(std::mem::replace(&mut left, r.due.saturating_sub(r.lost))));
    came.fold(0, u64::saturating_add)
}

/// The reason why a model of so many parameters cannot be fitted to the counts, as a fit without a model.
fn refusal<M>(renewals: &[Renewal], parameters: usize) -> Option<Fit<M>> {
    let seen = renewals.iter().filter(|r| r.due > 0);
    let no = |note: String| Some(Fit::none(customers(renewals), note));
    if let Some(n) = renewals.iter().position(|r| r.lost > r.due) {
        return no(format!("more customers are lost at renewal {} than were due", n + 1));
    }
    match seen.clone().count() {
        0 => no("no renewal has been observed".into()),
        _ if seen.clone().all(|r| r.lost == 0) => {
            no("no customer has been lost yet: when customers leave cannot be estimated".into())
        }
        _ if seen.clone().all(|r| r.lost == r.due) => {
            no("all customers were lost at the first observed renewal".into())
        }
        n if n < parameters => no(format!("renewals observed: {n}; the model needs at least {parameters}")),
        _ => None,
    }
}

/// A model of renewals in which customers differ in how likely they are to leave.
pub trait RenewalModel {
    /// ln(S(to)/S(from)): the logarithm of the share of those there after `from` renewals who are there after `to` ≥ `from`.
    /// Both may be any real numbers ≥ 0.
    fn ln_kept(&self, from: f64, to: f64) -> f64;

    /// The exponent of S for large n: S(n) ~ n^−exponent.
    fn tail_exponent(&self) -> f64;

    /// How fast S varies with ln n, compared with the sBG (1): quadrature over ln n takes panels shorter by this factor.
    fn log_time_rate(&self) -> f64;

    /// S(n): the share of customers who make at least n renewals.
    fn survival(&self, n: u32) -> f64 {
        self.kept(0, n)
    }

    /// S(to)/S(from): of those who made `from` renewals, the share who make `to`; 1 unless to > from.
    fn kept(&self, from: u32, to: u32) -> f64 {
        if to > from { exp(self.ln_kept(from.into(), to.into())) } else { 1.0 }
    }

    /// r(n), n ≥ 1: the share of those due at the n-th renewal who make it. 0 counts as 1.
    fn retention(&self, n: u32) -> f64 {
        self.kept(n.saturating_sub(1), n.max(1))
    }

    /// The discounted expected residual lifetime of a customer who has made n renewals, just before the next one:
    /// Σ S(n + k)/S(n) · (1 + d)^−(k−1), k = 1, 2 … The next payment is not discounted (Fader & Hardie 2010, Marketing
    /// Science 29:85, whose n-th period follows n − 1 renewals).
    ///
    /// # Parameters
    /// - `renewals`: n.
    /// - `discount`: d, the discount rate of one term.
    ///
    /// # Returns
    /// A number of payments. `None` if the rate is negative or not finite, and if the sum is infinite or cannot be computed:
    /// without discount it is finite only if S falls faster than 1/n.
    ///
    /// # Example
    /// "High end" customers of Fader & Hardie after seven renewals, at a rate of 10 % a year; they print 7.53:
    /// ```
    /// use tenure::stats::renewals::{RenewalModel, sbg::Sbg};
    ///
    /// let model = Sbg { alpha: 0.668, beta: 3.806 };
    /// assert!((model.derl(7, 0.10).unwrap() - 7.53).abs() < 5e-3);
    /// ```
    fn derl(&self, renewals: u32, discount: f64) -> Option<f64> {
        residual::sum(self, renewals.into(), discount)
    }

    /// Σ S(n), n = 0, 1 …: the number of terms that a new customer is expected to stay, the first one included; `None` if
    /// infinite.
    fn expected_lifetime(&self) -> Option<f64> {
        self.derl(0, 0.0).map(|more| 1.0 + more)
    }
}

/// ln B(a, z + h) − ln B(a, z) for a, z > 0, h ≥ 0, to a small relative error however small a and h are beside z.
///
/// It equals −Δₐ Δₕ ln Γ(z), where Δ are differences. They are applied to Γ's recurrence and to Stirling's formula term by
/// term; with 1 + q = (z + a)(z + h) / (z(z + a + h)) nothing large is left to cancel.
fn ln_beta_step(a: f64, z: f64, h: f64) -> f64 {
    const LARGE: f64 = 16.0;
    let ln_q = |z: f64| log1p(a / z * (h / (z + a + h)));
    let (mut z, mut below) = (z, 0.0);
    while z < LARGE {
        below += ln_q(z);
        z += 1.0;
    }
    let (ln_a, ln_h, ln_q) = (log1p(a / z), log1p(h / z), ln_q(z));
    // Δₐ Δₕ z⁻ᵐ · zᵐ.
    let power = |m: f64| expm1(-m * ln_a) * expm1(-m * ln_h) - exp(-m * (ln_a + ln_h - ln_q)) * expm1(-m * ln_q);
    let w = 1.0 / (z * z);
    // Stirling's remainder, 1/12z − 1/360z³ + 1/1260z⁵ − …
    let rest = power(1.0) / 12.0
        - w * (power(3.0) / 360.0 - w * (power(5.0) / 1260.0 - w * (power(7.0) / 1680.0 - w * power(9.0) / 1188.0)));
    let stirling = h * log1p(a / (z + h)) + a * log1p(h / (z + a)) - (z - 0.5) * ln_q + rest / z;
    (-below - stirling).min(0.0)
}

#[cfg(test)]
mod laws;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Share of customers left after 0, 1 … 12 years in tenths of a percent (Fader & Hardie 2007, table 1; data of Berry &
    /// Linoff 2004).
    pub(crate) const HIGH_END: [u64; 13] = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394];
    pub(crate) const REGULAR: [u64; 13] = [1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173];

    /// The first seven renewals, as the paper fits them; with 1,000 customers.
    pub(crate) fn seven_years(left: &[u64; 13]) -> Vec<Renewal> {
        Renewal::of_cohorts(&[left[..8].to_vec()]).unwrap()
    }

    #[track_caller]
    pub(crate) fn near(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
    }

    pub(crate) fn renewals(counts: &[(u64, u64)]) -> Vec<Renewal> {
        counts.iter().map(|&(due, lost)| Renewal { due, lost }).collect()
    }

    #[test]
    fn cohorts_add_up() {
        let cohorts = [vec![100, 80, 70], vec![50, 40], vec![9], vec![]];
        assert_eq!(Renewal::of_cohorts(&cohorts).unwrap(), renewals(&[(150, 30), (80, 10)]));
        assert_eq!(Renewal::of_cohorts(&[]), Some(vec![]));
        assert_eq!(Renewal::of_cohorts(&[vec![5, 6]]), None, "a cohort does not grow");
        assert_eq!(Renewal::of_cohorts(&[vec![u64::MAX, 0], vec![1, 0]]), None);
    }

    #[test]
    fn customers_are_counted_once() {
        assert_eq!(customers(&renewals(&[(150, 30), (80, 10), (100, 5)])), 180, "30 came in at the third");
        assert_eq!(customers(&renewals(&[(0, 0), (7, 7)])), 7);
        assert_eq!(customers(&renewals(&[(u64::MAX, u64::MAX), (9, 9)])), u64::MAX);
        assert_eq!(customers(&[]), 0);
    }

    /// ln Γ(z+h) + ln Γ(z+a) − ln Γ(z) − ln Γ(z+a+h) by mpmath 1.3 with 60 digits and more.
    #[test]
    fn steps_of_the_beta_function() {
        for (a, z, h, expected) in [
            (0.668, 3.806, 1.0, -0.161_704_094_193_980_13),
            (1e-9, 2.5, 1e-7, -4.903_577_441_719_306_4e-17),
            (1e-10, 1e-10, 1.0, -std::f64::consts::LN_2),
            (1e9, 1e-8, 3.0, -79.897_331_062_231_64),
            (5.0, 1e9, 0.001, -4.999_999_989_997_5e-12),
            (0.5, 15.9, 0.25, -0.007_922_108_230_193_656),
            (1e6, 1e6, 1e6, -523_248.287_605_611_84),
            (3.0, 0.1, 1e250, -1_728.404_157_313_994_6),
            (1e-6, 40.0, 1e5, -7.836_993_000_295_032e-6),
            (12.5, 16.0, 7.75, -3.890_798_825_706_022_4),
        ] {
            for (a, h) in [(a, h), (h, a)] {
                let got = ln_beta_step(a, z, h);
                assert!((got / expected - 1.0).abs() < 1e-13, "{a} {z} {h}: {got:e} {expected:e}");
            }
            assert_eq!(ln_beta_step(a, z, 0.0), 0.0);
        }
    }
}
