//! The beta-discrete-Weibull model (BdW): as the shifted-beta-geometric, but each customer's probability of leaving may
//! also change with the number of renewals, in the same way for all.

use libm::{expm1, log, log1p, pow};
use serde::{Deserialize, Serialize};

use crate::stats::fit::{Fit, Parametric};
use crate::stats::optimizer::{Objective, maximise};
use crate::stats::renewals::sbg::PARAMETERS;
use crate::stats::renewals::{Renewal, RenewalModel, customers, ln_beta_step, refusal};
use crate::stats::special::{digamma, trigamma};

/// The BdW: S(n) = B(α, β + nᶜ)/B(α, β) (Fader, Hardie, Liu, Davin & Steenburgh 2018, "How to project customer retention"
/// revisited, Journal of Interactive Marketing 43:1). With c > 1 a given customer becomes more likely to leave the longer
/// they stay, with c < 1 less likely; c = 1 is the shifted-beta-geometric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bdw {
    /// α of the beta distribution, positive.
    pub alpha: f64,
    /// β of the beta distribution, positive.
    pub beta: f64,
    /// The power of n, positive.
    pub c: f64,
}

/// The range of c: 2³² renewals to the greatest power are still a finite float.
const POWERS: std::ops::RangeInclusive<f64> = 1e-6..=30.0;

const STARTS: [[f64; 3]; 5] = [[1.0, 1.0, 1.0], [0.5, 5.0, 1.0], [0.2, 1.0, 2.0], [5.0, 20.0, 0.5], [20.0, 100.0, 1.0]];

impl Parametric for Bdw {
    const NAMES: &'static [&'static str] = &["alpha", "beta", "c"];
    const LIMITS: &'static [(&'static str, &'static str)] = &[
        ("all who would ever leave have left", "customers do not differ"),
        ("the first renewal decides, hardly anybody leaves later", "customers do not differ"),
        ("the first renewal decides, hardly anybody leaves later", "hardly anybody goes on at the second renewal"),
    ];

    fn of(parameters: &[f64]) -> Option<Bdw> {
        let &[alpha, beta, c] = parameters else { return None };
        let known = PARAMETERS.contains(&alpha) && PARAMETERS.contains(&beta) && POWERS.contains(&c);
        known.then_some(Bdw { alpha, beta, c })
    }
}

impl Bdw {
    /// Fits the model by maximum likelihood, as [`Sbg::fit`](super::sbg::Sbg::fit); at least three renewals must have been
    /// observed.
    pub fn fit(renewals: &[Renewal]) -> Fit<Bdw> {
        if let Some(refusal) = refusal(renewals, Self::NAMES.len()) {
            return refusal;
        }
        let customers = customers(renewals);
        Fit::of(maximise(&STARTS, customers as f64, |p| log_likelihood(renewals, p)), customers)
    }
}

impl RenewalModel for Bdw {
    fn ln_kept(&self, from: f64, to: f64) -> f64 {
        let start = pow(from, self.c);
        // toᶜ − fromᶜ, without the difference where both are large.
        let step = if from > 0.0 { start * expm1(self.c * log1p((to - from) / from)) } else { pow(to, self.c) };
        ln_beta_step(self.alpha, self.beta + start, step)
    }

    fn tail_exponent(&self) -> f64 {
        self.alpha * self.c
    }

    fn log_time_rate(&self) -> f64 {
        self.c.max(1.0)
    }
}

/// ψ(z) − ψ(z + a) and ψ′(z) − ψ′(z + a), to a small relative error: recurrence upwards, then differences of the asymptotic
/// series (Abramowitz & Stegun 6.3.18, 6.4.12) term by term. Computed apart, their rounding would show once they are
/// multiplied by nᶜ.
fn polygamma_gaps(a: f64, mut z: f64) -> [f64; 2] {
    const LARGE: f64 = 16.0;
    let (mut first, mut second) = (0.0, 0.0);
    while z < LARGE {
        let gap = a / (z + a) / z;
        first -= gap;
        second += gap * (1.0 / z + 1.0 / (z + a));
        z += 1.0;
    }
    let (ln, w) = (log1p(a / z), 1.0 / (z * z));
    // 1 − (z/(z + a))ᵐ.
    let gap = |m: f64| -expm1(-m * ln);
    let series = gap(2.0) / 12.0
        - w * (gap(4.0) / 120.0 - w * (gap(6.0) / 252.0 - w * (gap(8.0) / 240.0 - w * gap(10.0) / 132.0)));
    first -= ln + gap(1.0) / 2.0 / z + w * series;
    let series = gap(3.0) / 6.0
        - w * (gap(5.0) / 30.0 - w * (gap(7.0) / 42.0 - w * (gap(9.0) / 30.0 - w * 5.0 * gap(11.0) / 66.0)));
    second += (gap(1.0) + (gap(2.0) / 2.0 + series / z) / z) / z;
    [first, second]
}

/// First and second derivatives of ln S(n) by α, β and c, without the terms that do not depend on n.
#[derive(Clone, Copy)]
struct LogSurvivalDerivatives {
    first: [f64; 3],
    second: [[f64; 3]; 3],
}

impl LogSurvivalDerivatives {
    /// The derivatives of ln Γ(β + u) − ln Γ(α + β + u), where u = nᶜ.
    fn at(n: usize, &[alpha, beta, c]: &[f64; 3]) -> LogSurvivalDerivatives {
        let n = n as f64;
        let (u, ln) = if n > 0.0 { (pow(n, c), log(n)) } else { (0.0, 0.0) };
        // The first and second derivative of u by c.
        let (du, ddu) = (u * ln, u * ln * ln);
        let (upper, upper2) = (digamma(alpha + beta + u), trigamma(alpha + beta + u));
        let [gap, gap2] = polygamma_gaps(alpha, beta + u);
        LogSurvivalDerivatives {
            first: [-upper, gap, gap * du],
            second: [
                [-upper2, -upper2, -upper2 * du],
                [-upper2, gap2, gap2 * du],
                [-upper2 * du, gap2 * du, gap2 * du * du + gap * ddu],
            ],
        }
    }
}

/// The log-likelihood with exact derivatives; `None` outside the range of parameters that the model computes with.
pub(super) fn log_likelihood(renewals: &[Renewal], parameters: &[f64; 3]) -> Option<Objective<3>> {
    let model = Bdw::of(parameters)?;
    let mut s = Objective::ZERO;
    let mut before = LogSurvivalDerivatives::at(0, parameters);
    for (n, renewal) in renewals.iter().enumerate() {
        let after = LogSurvivalDerivatives::at(n + 1, parameters);
        let (lost, kept) = (renewal.lost as f64, renewal.kept());
        // ℓ = ln r(n); lost·ln(1 − eˡ) + kept·ℓ by ℓ, once and twice.
        let l = model.ln_kept(n as f64, n as f64 + 1.0);
        let left = -expm1(l);
        let (once, twice) = match renewal.lost {
            0 => (kept, 0.0),
            _ => (kept - lost * (1.0 - left) / left, -lost * (1.0 - left) / (left * left)),
        };
        s.value += kept * l + if renewal.lost > 0 { lost * log(left) } else { 0.0 };
        let slope: [f64; 3] = std::array::from_fn(|i| after.first[i] - before.first[i]);
        for i in 0..3 {
            s.gradient[i] += once * slope[i];
            for j in i..3 {
                s.hessian[i][j] += once * (after.second[i][j] - before.second[i][j]) + twice * slope[i] * slope[j];
            }
        }
        before = after;
    }
    Some(s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::renewals::sbg::Sbg;
    use crate::stats::renewals::tests::{HIGH_END, REGULAR, near, renewals, seven_years};

    /// Estimates, standard errors and LL by mpmath 1.3: Newton's method on differences of the likelihood written with
    /// S(n) − S(n−1).
    #[test]
    fn high_end_and_regular_customers() {
        for (left, estimates, errors, ll) in [
            (
                HIGH_END,
                [0.214_253_339_281, 1.426_574_874_86, 1.723_564_848_74],
                [0.059_579_706_44, 0.381_408_614_7, 0.301_043_281_7],
                -1_605.314_213_21,
            ),
            (
                REGULAR,
                [0.455_613_989_372, 0.779_325_508_388, 1.283_451_285_78],
                [0.167_041_427_5, 0.282_709_917_4, 0.298_095_071_2],
                -1_679.602_832_91,
            ),
        ] {
            let fit = Bdw::fit(&seven_years(&left));
            assert!(fit.converged && fit.gradient_norm.unwrap() < 1e-8, "{:?}", fit.notes);
            for (parameter, (estimate, error)) in fit.parameters.iter().zip(estimates.iter().zip(errors)) {
                near(parameter.estimate, *estimate, 1e-8);
                near(parameter.std_error.unwrap(), error, 1e-7);
            }
            near(fit.log_likelihood.unwrap(), ll, 1e-7);
            // Nearer to the years to come than the model without c.
            let (bdw, sbg) = (fit.model.unwrap(), Sbg::fit(&seven_years(&left)).model.unwrap());
            let miss = |model: &dyn RenewalModel| {
                (8..13).map(|n| (model.survival(n) - left[n as usize] as f64 / 1e3).abs()).sum::<f64>()
            };
            assert!(miss(&bdw) < miss(&sbg), "{} {}", miss(&bdw), miss(&sbg));
        }
    }

    #[test]
    fn with_power_one_it_is_shifted_beta_geometric() {
        for (alpha, beta) in [(0.668, 3.806), (0.01, 0.02), (30.0, 500.0), (1e-6, 1e6), (1e6, 3.0)] {
            let (bdw, sbg) = (Bdw { alpha, beta, c: 1.0 }, Sbg { alpha, beta });
            for n in [1, 2, 3, 7, 100, 20_000] {
                near(bdw.retention(n) / sbg.retention(n), 1.0, 1e-13);
                near(bdw.ln_kept(3.0, f64::from(n) + 3.0) / sbg.ln_kept(3.0, f64::from(n) + 3.0), 1.0, 1e-12);
                assert_eq!(bdw.derl(n, 0.1).map(|x| (x * 1e9).round()), sbg.derl(n, 0.1).map(|x| (x * 1e9).round()));
            }
            assert_eq!(bdw.expected_lifetime().is_some(), sbg.expected_lifetime().is_some());
        }
    }

    #[test]
    fn what_cannot_be_fitted_says_why() {
        let note = |counts: &[(u64, u64)]| {
            let fit = Bdw::fit(&renewals(counts));
            assert!(fit.model.is_none() && !fit.converged, "{:?}", fit.parameters);
            assert!(fit.parameters.iter().all(|p| p.estimate.is_finite() && p.std_error.is_none()));
            fit.notes.join("; ")
        };
        assert_eq!(note(&[(10, 3), (7, 2)]), "renewals observed: 2; the model needs at least 3");
        assert_eq!(note(&[(10, 3), (7, 8), (1, 1)]), "more customers are lost at renewal 2 than were due");
        assert!(note(&[(1000, 300), (700, 0), (700, 0), (700, 0)]).starts_with("not converged"));
        assert!(note(&[(625, 125), (500, 100), (400, 80), (320, 64)]).starts_with("not converged"));
        assert_eq!(Bdw::of(&[1.0, 1.0]), None);
        assert_eq!(Bdw::of(&[1.0, 1.0, 31.0]), None);
        assert_eq!(Bdw::of(&[1.0, f64::NAN, 1.0]), None);
    }

    /// mpmath 1.3 with 40 digits.
    #[test]
    fn gaps_of_the_polygammas() {
        for (a, z, first, second) in GAPS {
            let got = polygamma_gaps(a, z);
            assert!((got[0] / first - 1.0).abs() < 1e-14 && (got[1] / second - 1.0).abs() < 1e-14, "{a} {z}: {got:?}");
        }
    }

    const GAPS: [(f64, f64, f64, f64); 7] = [
        (0.668, 3.806, -0.182_890_260_266_423_38, 0.049_907_270_132_217_14),
        (1e-09, 2.5, -4.903_577_559_821_328e-10, 2.362_040_515_297_745e-10),
        (5.0, 1000000000.0, -4.999_999_99e-9, 4.999_999_98e-18),
        (1000000000.0, 1e-08, -100_000_021.300_481_48, 1.000_000_000_000_000_2e16),
        (0.5, 15.9, -0.031_940_739_355_319_31, 0.002_039_902_566_377_425_5),
        (30.0, 1000000000000.0, -2.999_999_999_956_5e-11, 2.999_999_999_913e-23),
        (12.5, 16.0, -0.591_244_316_251_209_3, 0.028_783_292_157_266_775),
    ];
}
