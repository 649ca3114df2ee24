//! Properties that hold for any counts and parameters.

use proptest::prelude::*;

use super::bdw::{self, Bdw};
use super::sbg::{self, Sbg};
use super::{Renewal, RenewalModel};
use crate::stats::fit::{Fit, Parametric};
use crate::stats::optimizer::Objective;
use crate::stats::simulated;

fn renewals(most: usize) -> impl Strategy<Value = Vec<Renewal>> {
    let renewal = (0u64..2000, 0.0..1.0f64).prop_map(|(due, share)| Renewal { due, lost: (due as f64 * share) as u64 });
    proptest::collection::vec(renewal, 1..most)
}

/// A cohort whose sizes follow a model, rounded.
fn cohort(model: &impl RenewalModel, size: u64, length: u32) -> Vec<Renewal> {
    let left = (0..=length).map(|n| (size as f64 * model.survival(n)).round() as u64).collect();
    Renewal::of_cohorts(&[left]).unwrap()
}

/// A parameter, uniform in its logarithm.
fn scale(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (libm::log(low)..libm::log(high)).prop_map(libm::exp)
}

/// Compares the gradient with central differences of the value, and the Hessian with those of the gradient. Returns a
/// description of the first difference beyond rounding.
fn differs<const N: usize>(
    at: [f64; N],
    rounding: f64,
    log_likelihood: impl Fn(&[f64; N]) -> Objective<N>,
) -> Option<String> {
    const STEP: f64 = 1e-5;
    let here = log_likelihood(&at);
    let moved = |i: usize, by: f64| {
        let mut p = at;
        p[i] += by * at[i];
        log_likelihood(&p)
    };
    for i in 0..N {
        let (up, down, width) = (moved(i, STEP), moved(i, -STEP), 2.0 * STEP * at[i]);
        let slope = (up.value - down.value) / width;
        let size = here.value.abs() / at[i] + slope.abs();
        if (here.gradient[i] - slope).abs() > 1e-7 * size {
            return Some(format!("gradient {i} at {at:?}: {} {slope}", here.gradient[i]));
        }
        for j in i..N {
            let bend = (up.gradient[j] - down.gradient[j]) / width;
            let size = (up.gradient[j].abs() + here.value.abs() / at[j]) / at[i];
            // The rounding of the gradient, divided by the step.
            if (here.hessian[i][j] - bend).abs() > 1e-7 * size + rounding / STEP / at[i] {
                return Some(format!("hessian {i} {j} at {at:?}: {} {bend}", here.hessian[i][j]));
            }
        }
    }
    None
}

fn sane<M: Parametric>(fit: &Fit<M>) -> bool {
    let figures = fit.parameters.iter().flat_map(|p| [Some(p.estimate), p.std_error, p.low, p.high]);
    let figures =
        figures.chain([fit.log_likelihood, fit.gradient_norm]).flatten().chain(fit.covariance.iter().copied());
    figures.into_iter().all(f64::is_finite)
        && (fit.converged == fit.model.is_some())
        && (fit.converged || !fit.notes.is_empty())
}

proptest! {
    #![proptest_config(crate::properties::cases(256))]

    #[test]
    fn likelihoods_have_the_slopes_they_say(counts in renewals(12), alpha in scale(0.01, 100.0), beta in scale(0.01, 100.0), c in scale(0.2, 4.0)) {
        // Digamma functions round to about 1e-15, and 1/(1 − r) of it counts for each that is lost.
        let model = Bdw { alpha, beta, c };
        let at_stake = |(n, r): (u32, &Renewal)| r.due as f64 + r.lost as f64 / -libm::expm1(model.ln_kept((n - 1).into(), n.into()));
        let rounding = 1e-15 * (1..).zip(&counts).map(at_stake).sum::<f64>();
        prop_assert_eq!(differs([alpha, beta], rounding, |p| sbg::log_likelihood(&counts, p)), None);
        prop_assert_eq!(differs([alpha, beta, c], rounding, |p| bdw::log_likelihood(&counts, p).unwrap()), None);
        let (two, three) = (sbg::log_likelihood(&counts, &[alpha, beta]), bdw::log_likelihood(&counts, &[alpha, beta, 1.0]).unwrap());
        prop_assert!((two.value - three.value).abs() <= 1e-10 * two.value.abs());
        for i in 0..2 {
            prop_assert!((two.gradient[i] - three.gradient[i]).abs() <= 1e-9 * (two.gradient[i].abs() + two.value.abs()));
        }
    }

    /// The hazards' likelihood is that of the lost and the survivors of one cohort: Σ lost·ln(S(n−1) − S(n)) + left·ln S.
    #[test]
    fn hazards_make_the_usual_likelihood(alpha in scale(0.05, 20.0), beta in scale(0.05, 20.0), c in scale(0.4, 2.5), size in 10u64..5000) {
        let model = Bdw { alpha, beta, c };
        let counts = cohort(&Sbg { alpha: 1.0, beta: 2.0 }, size, 9);
        let lost = (1..).zip(&counts).map(|(n, r)| r.lost as f64 * libm::log(model.survival(n - 1) - model.survival(n)));
        let left = (counts[8].due - counts[8].lost) as f64;
        let usual = lost.sum::<f64>() + left * libm::log(model.survival(9));
        let got = bdw::log_likelihood(&counts, &[alpha, beta, c]).unwrap().value;
        prop_assert!((got - usual).abs() <= 1e-8 * usual.abs(), "{} {}", got, usual);
    }

    #[test]
    fn shares_are_shares(alpha in scale(1e-9, 1e9), beta in scale(1e-9, 1e9), c in scale(1e-5, 30.0), from in 0u32..20_000, more in 0u32..20_000, d in scale(1e-9, 10.0)) {
        fn check(model: &impl RenewalModel, from: u32, more: u32, d: f64) -> Result<(), TestCaseError> {
            let kept = model.kept(from, from + more);
            prop_assert!((0.0..=1.0).contains(&kept));
            prop_assert!(model.kept(from, from + more + 1) <= kept);
            let whole = model.kept(0, from) * kept;
            prop_assert!((model.survival(from + more) - whole).abs() <= 1e-9 * whole + f64::MIN_POSITIVE, "S(m + n) = S(m) S(n | m)");
            let r = model.retention(from + 1);
            prop_assert!((r - model.kept(from, from + 1)).abs() < 1e-12);
            if let Some(derl) = model.derl(from, d) {
                prop_assert!(derl.is_finite() && derl >= r * (1.0 - 1e-12) && derl <= (1.0 + 1.0 / d) * (1.0 + 1e-9), "{}", derl);
                // One payment, then the same again a term later.
                let next = model.derl(from + 1, d).unwrap();
                prop_assert!((derl - r * (1.0 + next / (1.0 + d))).abs() < 1e-9 * derl + 1e-300);
            }
            Ok(())
        }
        let sbg = Sbg { alpha, beta };
        check(&sbg, from, more, d)?;
        check(&Bdw { alpha, beta, c }, from, more, d)?;
        prop_assert!(sbg.derl(from, d).is_some());
        prop_assert!(sbg.retention(from + 2) >= sbg.retention(from + 1));
    }

    #[test]
    fn fits_of_anything_are_sane(counts in renewals(9)) {
        prop_assert!(sane(&Sbg::fit(&counts)));
        prop_assert!(sane(&Bdw::fit(&counts)));
    }

    #[test]
    fn fits_find_what_made_the_data(alpha in scale(0.2, 5.0), beta in scale(0.5, 20.0), c in scale(0.6, 1.6)) {
        let size = 1_000_000_000_000;
        let sbg = Sbg::fit(&cohort(&Sbg { alpha, beta }, size, 8)).model.unwrap();
        prop_assert!((sbg.alpha / alpha - 1.0).abs() < 1e-5 && (sbg.beta / beta - 1.0).abs() < 1e-5, "{:?}", sbg);
        let bdw = Bdw::fit(&cohort(&Bdw { alpha, beta, c }, size, 10)).model.unwrap();
        let near = |got: f64, made: f64| (got / made - 1.0).abs() < 1e-3;
        prop_assert!(near(bdw.alpha, alpha) && near(bdw.beta, beta) && near(bdw.c, c), "{:?}", bdw);
    }

    /// Late entry: the likelihood of any part of a cohort's renewals has the same maximum, if the data follow the model.
    #[test]
    fn late_entry_is_no_bias(alpha in scale(0.5, 3.0), beta in scale(1.0, 10.0), skipped in 1usize..4) {
        let mut counts = cohort(&Sbg { alpha, beta }, 1_000_000_000_000, 12);
        counts[..skipped].fill(Renewal::default());
        let fit = Sbg::fit(&counts);
        prop_assert_eq!(fit.customers, counts[skipped].due);
        let sbg = fit.model.unwrap();
        prop_assert!((sbg.alpha / alpha - 1.0).abs() < 1e-4 && (sbg.beta / beta - 1.0).abs() < 1e-4, "{:?}", sbg);
    }
}

/// How often the 95 % intervals contain the true parameters, over twenty seeds. Each has twelve cohorts of 20,000 customers in
/// all; with fewer, the α and β of the BdW are hardly determined. For correct intervals 14 times or fewer would have a
/// probability of one in three thousand.
fn recovers<M: Parametric>(truth: &[f64], fit: fn(&[Renewal]) -> Fit<M>) {
    let all = [truth[0], truth[1], truth.get(2).copied().unwrap_or(1.0)];
    let mut held = vec![0; truth.len()];
    for seed in 0..20 {
        let counts = simulated::renewals(seed, 20_000, 12, all);
        let fit = fit(&counts.into_iter().map(|(due, lost)| Renewal { due, lost }).collect::<Vec<_>>());
        assert!(fit.converged, "{truth:?}: {:?}", fit.notes);
        for ((held, truth), p) in held.iter_mut().zip(truth).zip(&fit.parameters) {
            *held += u32::from(p.low.unwrap() <= *truth && *truth <= p.high.unwrap());
        }
    }
    assert!(held.iter().all(|h| *h >= 15), "{truth:?}: {held:?} of 20");
}

#[test]
fn fits_recover_what_was_simulated() {
    recovers(&[0.668, 3.806], Sbg::fit);
    recovers(&[0.456, 0.779, 1.283], Bdw::fit);
}
