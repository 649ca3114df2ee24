//! The shifted-beta-geometric model (sBG): each customer has a constant probability of leaving at each renewal, drawn once
//! from a beta distribution. Retention rises with age, because those who are likely to leave leave first.

use libm::log1p;
use serde::{Deserialize, Serialize};

use crate::stats::fit::{Fit, Parametric};
use crate::stats::optimizer::{Objective, maximise};
use crate::stats::renewals::{Renewal, RenewalModel, customers, ln_beta_step, refusal};

/// The sBG: S(n) = B(α, β + n)/B(α, β), r(n) = (β + n − 1)/(α + β + n − 1) (Fader & Hardie 2007, Journal of Interactive
/// Marketing 21:76). α/(α + β) is the mean probability of leaving at the first renewal. The smaller α + β, the more
/// customers differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sbg {
    /// α of the beta distribution, positive.
    pub alpha: f64,
    /// β of the beta distribution, positive.
    pub beta: f64,
}

/// Parameters outside this range are no estimates, and figures are not computed for them.
pub(super) const PARAMETERS: std::ops::RangeInclusive<f64> = 1e-10..=1e10;

/// If both parameters are above this, customers are practically alike.
const ALIKE: f64 = 1e4;

const STARTS: [[f64; 2]; 4] = [[1.0, 1.0], [0.5, 5.0], [5.0, 0.5], [20.0, 100.0]];

impl Parametric for Sbg {
    const NAMES: &'static [&'static str] = &["alpha", "beta"];
    const LIMITS: &'static [(&'static str, &'static str)] = &[
        ("all who would ever leave have left", "customers do not differ"),
        ("the first renewal decides, hardly anybody leaves later", "customers do not differ"),
    ];

    fn of(parameters: &[f64]) -> Option<Sbg> {
        let &[alpha, beta] = parameters else { return None };
        (PARAMETERS.contains(&alpha) && PARAMETERS.contains(&beta)).then_some(Sbg { alpha, beta })
    }
}

impl Sbg {
    /// Fits the model by maximum likelihood, LL = Σ lost·ln(1 − r(n)) + (due − lost)·ln r(n). For cohorts observed from their
    /// start this is the likelihood of Fader & Hardie; customers who are observed later, or not to the end, need no special
    /// treatment.
    ///
    /// # Parameters
    /// - `renewals`: the counts; `renewals[0]` is the first renewal. A renewal that nobody was observed at has zeros.
    ///
    /// # Returns
    /// The fit. It has no model, and a note that says why, if nobody or everybody is lost, if fewer than two renewals have
    /// been observed, or if retention does not rise with age.
    ///
    /// # Example
    /// "High end" customers, 1,000 at the start, over seven years (Fader & Hardie 2007, table 1). The paper prints
    /// α = 0.668, β = 3.806, LL = −1611.2, and 37.8 % left after twelve years.
    /// ```
    /// use tenure::stats::renewals::{Renewal, RenewalModel, sbg::Sbg};
    ///
    /// let cohort = vec![1000, 869, 743, 653, 593, 551, 517, 491];
    /// let fit = Sbg::fit(&Renewal::of_cohorts(&[cohort]).unwrap());
    /// let model = fit.model.expect("converged");
    /// assert!((model.alpha - 0.668).abs() < 1e-3 && (model.beta - 3.806).abs() < 1e-3);
    /// assert!((fit.log_likelihood.unwrap() + 1611.2).abs() < 0.05);
    /// assert!((model.survival(12) - 0.378).abs() < 5e-4);
    /// ```
    pub fn fit(renewals: &[Renewal]) -> Fit<Sbg> {
        if let Some(refusal) = refusal(renewals, Self::NAMES.len()) {
            return refusal;
        }
        let customers = customers(renewals);
        let fit: Fit<Sbg> =
            Fit::of(maximise(&STARTS, customers as f64, |p| Some(log_likelihood(renewals, p))), customers);
        if !fit.converged && fit.parameters.iter().all(|p| p.estimate > ALIKE) {
            return fit.with_note("retention does not rise with age: all customers leave at one rate, or ever faster");
        }
        fit
    }

    /// The parameters (α, β) of the beta distribution of the probability of leaving among customers who have made so many
    /// renewals. Its mean falls with each renewal.
    pub fn posterior(&self, renewals: u32) -> (f64, f64) {
        (self.alpha, self.beta + f64::from(renewals))
    }
}

impl RenewalModel for Sbg {
    fn ln_kept(&self, from: f64, to: f64) -> f64 {
        ln_beta_step(self.alpha, self.beta + from, to - from)
    }

    fn tail_exponent(&self) -> f64 {
        self.alpha
    }

    fn log_time_rate(&self) -> f64 {
        1.0
    }

    fn retention(&self, n: u32) -> f64 {
        let before = self.beta + f64::from(n.max(1) - 1);
        before / (self.alpha + before)
    }
}

/// The log-likelihood with exact derivatives.
pub(super) fn log_likelihood(renewals: &[Renewal], &[alpha, beta]: &[f64; 2]) -> Objective<2> {
    let mut s = Objective::ZERO;
    for (n, renewal) in renewals.iter().enumerate().filter(|(_, r)| r.due > 0) {
        let (lost, kept) = (renewal.lost as f64, renewal.kept());
        let b = beta + n as f64;
        let all = alpha + b;
        s.value -= lost * log1p(b / alpha) + kept * log1p(alpha / b);
        s.gradient[0] += (lost * (b / alpha) - kept) / all;
        s.gradient[1] += (kept * (alpha / b) - lost) / all;
        let both = (lost + kept) / (all * all);
        s.hessian[0][0] += both - lost / (alpha * alpha);
        s.hessian[0][1] += both;
        s.hessian[1][1] += both - kept / (b * b);
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::renewals::tests::{HIGH_END, REGULAR, near, renewals, seven_years};

    #[track_caller]
    fn fitted(renewals: &[Renewal]) -> (Fit<Sbg>, Sbg) {
        let fit = Sbg::fit(renewals);
        let model = fit.model.unwrap_or_else(|| panic!("{:?}", fit.notes));
        (fit, model)
    }

    /// Fader & Hardie 2007, tables 1 and 2 for High End; the seventh-year DERL of their 2010 paper.
    #[test]
    fn high_end_customers() {
        let (fit, model) = fitted(&seven_years(&HIGH_END));
        near(model.alpha / 0.668, 1.0, 1e-3);
        near(model.beta / 3.806, 1.0, 1e-3);
        near(fit.log_likelihood.unwrap(), -1611.158, 5e-4);
        for (year, share) in (8..).zip([0.460, 0.436, 0.414, 0.395, 0.378]) {
            near(model.survival(year), share, 5e-4);
        }
        near(model.derl(7, 0.10).unwrap(), 7.530, 5e-4);
        assert_eq!((fit.customers, fit.converged, fit.notes.len()), (1000, true, 0));
        assert!(fit.gradient_norm.unwrap() < 1e-8);
        // All digits, and standard errors from the Hessian, by mpmath 1.3: Newton's method on differences of the
        // likelihood written with S(n) − S(n−1).
        near(model.alpha, 0.668_088_351_106, 1e-9);
        near(model.beta, 3.806_094_964_06, 1e-8);
        near(fit.parameters[0].std_error.unwrap(), 0.103_734_931_1, 1e-8);
        near(fit.parameters[1].std_error.unwrap(), 0.785_531_691_8, 1e-8);
    }

    #[test]
    fn regular_customers() {
        let (fit, model) = fitted(&seven_years(&REGULAR));
        near(model.alpha / 0.704, 1.0, 1e-3);
        near(model.beta / 1.182, 1.0, 1e-3);
        near(fit.log_likelihood.unwrap(), -1680.265, 5e-4);
        for (year, share) in (8..).zip([0.220, 0.204, 0.191, 0.180, 0.170]) {
            near(model.survival(year), share, 5e-4);
        }
        near(fit.parameters[0].std_error.unwrap(), 0.065_598_964_23, 1e-8);
        near(fit.parameters[1].std_error.unwrap(), 0.152_475_631_7, 1e-8);
    }

    /// Four cohorts of 10,000, each a year younger (Fader & Hardie 2007, their multi-cohort note).
    #[test]
    fn several_cohorts_at_once() {
        let left = [10_000, 8_000, 6_480, 5_307, 4_391];
        let cohorts: Vec<Vec<u64>> = (2..=5).rev().map(|n| left[..n].to_vec()).collect();
        let (fit, model) = fitted(&Renewal::of_cohorts(&cohorts).unwrap());
        near(model.alpha / 3.80, 1.0, 1e-2);
        near(model.beta / 15.19, 1.0, 1e-2);
        near(model.alpha, 3.798_125_807_92, 1e-7);
        near(fit.log_likelihood.unwrap(), -40_255.837_280_7, 1e-6);
        assert_eq!(fit.customers, 40_000);
    }

    #[test]
    fn figures_of_a_model() {
        let model = Sbg { alpha: 2.0, beta: 6.0 };
        // The chance of leaving is 2/8, then 2/9, 2/10 …
        for (n, left) in [(1, 2.0 / 8.0), (2, 2.0 / 9.0), (3, 2.0 / 10.0)] {
            near(model.retention(n), 1.0 - left, 1e-15);
            near(model.kept(n - 1, n), 1.0 - left, 1e-14);
        }
        near(model.survival(3), 6.0 / 8.0 * 7.0 / 9.0 * 8.0 / 10.0, 1e-15);
        near(model.kept(1, 3), 7.0 / 9.0 * 8.0 / 10.0, 1e-15);
        assert_eq!((model.survival(0), model.kept(3, 3), model.kept(3, 1), model.retention(0)), (1.0, 1.0, 1.0, 0.75));
        // (α + β − 1)/(α − 1) terms, and a customer who made n renewals is a new one with β + n.
        near(model.expected_lifetime().unwrap(), 7.0, 1e-12);
        assert_eq!(model.posterior(4), (2.0, 10.0));
        let (alpha, beta) = model.posterior(4);
        near(model.kept(4, 9), Sbg { alpha, beta }.survival(5), 1e-15);
        near(model.derl(4, 0.1).unwrap(), Sbg { alpha, beta }.derl(0, 0.1).unwrap(), 1e-13);
        for alpha in [0.3, 1.0] {
            assert_eq!(Sbg { alpha, beta: 6.0 }.expected_lifetime(), None, "some stay for ever");
        }
    }

    #[test]
    fn what_cannot_be_fitted_says_why() {
        let note = |counts: &[(u64, u64)]| {
            let fit = Sbg::fit(&renewals(counts));
            assert!(fit.model.is_none() && !fit.converged && fit.covariance.is_empty());
            let finite = fit.parameters.iter().all(|p| p.estimate.is_finite() && p.std_error.is_none());
            assert!(finite && fit.log_likelihood.is_none_or(f64::is_finite));
            fit.notes.join("; ")
        };
        assert_eq!(note(&[]), "no renewal has been observed");
        assert_eq!(note(&[(0, 0), (0, 0)]), "no renewal has been observed");
        assert_eq!(note(&[(10, 2), (8, 9)]), "more customers are lost at renewal 2 than were due");
        assert_eq!(note(&[(10, 0), (9, 0)]), "no customer has been lost yet: when customers leave cannot be estimated");
        assert_eq!(note(&[(10, 10)]), "all customers were lost at the first observed renewal");
        assert_eq!(note(&[(10, 3)]), "renewals observed: 1; the model needs at least 2");
        for counts in [[(1000, 200), (800, 160), (640, 128)], [(1000, 100), (900, 180), (720, 288)]] {
            assert!(note(&counts).ends_with("all customers leave at one rate, or ever faster"), "{}", note(&counts));
        }
        assert!(note(&[(1000, 300), (700, 0), (700, 0)]).ends_with("all who would ever leave have left"));
        assert!(note(&[(1000, 1000), (700, 0)]).ends_with("hardly anybody leaves later"));
    }
}
