//! Properties that hold for every history and every model.

use proptest::prelude::*;

use super::*;
use crate::stats::simulated::{self, TICKS, cohort};

pub(super) fn buyers(histories: impl IntoIterator<Item = (u32, u32, u32)>, per_unit: f64) -> BuyerHistories {
    let cell = |(frequency, recency, age)| BuyerCell { frequency, recency, age, customers: 1 };
    BuyerHistories { cells: histories.into_iter().map(cell).collect(), per_unit }
}

fn check<M: BuyerModel>(m: &M, x: u32, recency: f64, age: f64, t: f64) -> Result<(), TestCaseError> {
    let recency = if x == 0 { 0.0 } else { recency.min(age) };
    let h = PurchaseHistory::new(x, recency, age).unwrap();
    let alive = m.p_alive(&h);
    prop_assert!((0.0..=1.0).contains(&alive), "{}", alive);
    prop_assert!(m.ln_likelihood(&h).is_finite());
    // The same purchases observed for longer: P(alive) falls.
    let later = m.p_alive(&PurchaseHistory::new(x, recency, (age + t).min(1e9)).unwrap());
    prop_assert!(later <= alive * (1.0 + 1e-9), "{} after {}", later, alive);
    // Expected purchases are never negative, and grow with time.
    let (new, more) = (m.expected(t), m.expected(2.0 * t));
    prop_assert!(new >= 0.0 && more.is_finite() && more >= new * (1.0 - 1e-12), "{} then {}", new, more);
    let (known, longer) = (m.future(x, age, t), m.future(x, age, 2.0 * t));
    prop_assert!(known >= 0.0 && longer.is_finite() && longer >= known * (1.0 - 1e-12), "{} then {}", known, longer);
    prop_assert!(m.conditional(&h, t) <= known);
    let worth = m.discounted(x, age, t, 3, 0.01).unwrap();
    let undiscounted = m.future(x, age, 3.0 * t);
    prop_assert!(worth >= 0.0 && worth <= undiscounted * (1.0 + 1e-9), "{} of {}", worth, undiscounted);
    let p = m.pmf(x, t);
    prop_assert!((0.0..=1.0).contains(&p), "{}", p);
    Ok(())
}

/// Parameters over their whole range.
fn any_scale() -> impl Strategy<Value = f64> {
    (-10.0..10.0).prop_map(|e: f64| libm::pow(10.0, e))
}

proptest! {
    #![proptest_config(crate::properties::cases(400))]

    #[test]
    fn models_are_sane(
        p in prop::array::uniform4(any_scale()),
        x in prop_oneof![0u32..4, 0u32..1000, any::<u32>()],
        recency in 0.0..1e9f64,
        age in prop_oneof![Just(0.0), any_scale().prop_map(|t| t.min(1e9))],
        t in prop_oneof![Just(0.0), any_scale().prop_map(|t| t.min(1e9))],
    ) {
        // A customer may not buy again within no time.
        let x = if age == 0.0 { 0 } else { x };
        check(&BgNbd::of(&p).unwrap(), x, recency, age, t)?;
        check(&MbgNbd::of(&p).unwrap(), x, recency, age, t)?;
        check(&ParetoNbd::of(&p).unwrap(), x, recency, age, t)?;
    }

    /// Whatever the data, all figures of a fit are finite, and there is a model only if it converged.
    #[test]
    fn fits_never_fail(
        cells in prop::collection::vec((0u32..6, 0u32..40, 0u32..40, 0u32..9), 0..12),
        per_unit in prop_oneof![Just(7.0), Just(0.0), Just(f64::NAN), Just(1e-300)],
    ) {
        let cell = |(frequency, recency, age, customers)| BuyerCell { frequency, recency, age, customers };
        let buyers = BuyerHistories { cells: cells.into_iter().map(cell).collect(), per_unit };
        check_fit(&BgNbd::fit(&buyers))?;
        check_fit(&MbgNbd::fit(&buyers))?;
        check_fit(&ParetoNbd::fit(&buyers))?;
    }
}

fn check_fit<M>(fit: &Fit<M>) -> Result<(), TestCaseError> {
    prop_assert_eq!(fit.model.is_some(), fit.converged);
    prop_assert!(fit.converged || !fit.notes.is_empty());
    let numbers = fit.parameters.iter().flat_map(|p| [Some(p.estimate), p.std_error, p.low, p.high]);
    let all =
        numbers.flatten().chain(fit.log_likelihood).chain(fit.gradient_norm).chain(fit.covariance.iter().copied());
    for number in all {
        prop_assert!(number.is_finite());
    }
    Ok(())
}

fn sums_to_one<M: BuyerModel>(m: &M) {
    let (t, counts) = (39.0, 0..4000);
    let (total, mean) = counts.fold((0.0, 0.0), |(total, mean), n| {
        let p = m.pmf(n, t);
        (total + p, mean + f64::from(n) * p)
    });
    assert!((total - 1.0).abs() < 1e-9, "{}: {total}", M::NAME);
    assert!((mean / m.expected(t) - 1.0).abs() < 1e-9, "{}: {mean}", M::NAME);
}

/// P(X(t) = n) and E[X(t)] are computed in different ways and must agree.
#[test]
fn counts_are_a_distribution_with_the_expected_mean() {
    for p in [[0.243, 4.414, 0.793, 2.426], [3.0, 2.0, 0.1, 5.0], [0.5, 10.0, 1.0, 0.5]] {
        sums_to_one(&BgNbd::of(&p).unwrap());
        sums_to_one(&MbgNbd::of(&p).unwrap());
        sums_to_one(&ParetoNbd::of(&p).unwrap());
    }
}

#[test]
fn nonsense_is_refused_and_times_are_forgiven() {
    for (x, recency, age) in [(0, 1.0, 2.0), (1, 3.0, 2.0), (1, -1.0, 2.0), (1, 0.0, f64::NAN), (1, 0.0, f64::INFINITY)]
    {
        assert_eq!(PurchaseHistory::new(x, recency, age), None);
    }
    assert!(BgNbd::of(&[1.0, 1.0, 1.0]).is_none());
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
        assert!(MbgNbd::of(&[1.0, 1.0, bad, 1.0]).is_none());
        assert!(ParetoNbd::of(&[1.0, 1.0, 1.0, bad]).is_none());
    }
    let m = ParetoNbd::of(&[1.0; 4]).unwrap();
    for t in [-1.0, f64::NAN, f64::NEG_INFINITY, 0.0] {
        assert_eq!((m.expected(t), m.future(3, t, t)), (0.0, 0.0));
    }
    assert!(m.expected(f64::MAX).is_finite());
    assert_eq!(m.discounted(1, 1.0, 1.0, 12, -1.0), None);
    assert_eq!(m.discounted(1, 1.0, 1.0, 12, f64::NAN), None);
}

fn note<M: BuyerModel>(cells: &[(u32, u32, u32, u32)]) -> Vec<String> {
    let cell =
        |&(frequency, recency, age, customers): &(u32, u32, u32, u32)| BuyerCell { frequency, recency, age, customers };
    let fit = M::fit(&BuyerHistories { cells: cells.iter().map(cell).collect(), per_unit: 7.0 });
    assert!(!fit.converged && fit.model.is_none());
    fit.notes
}

#[test]
fn degenerate_data_are_told_in_words() {
    assert_eq!(note::<BgNbd>(&[]), ["there are no customers to fit a model to"]);
    assert_eq!(note::<BgNbd>(&[(1, 0, 0, 5)])[0], "there are no customers to fit a model to");
    assert!(note::<BgNbd>(&[(1, 0, 0, 5)])[1].starts_with("5 customers left out"));
    assert_eq!(note::<MbgNbd>(&[(3, 7, 70, 1)]), ["one customer is too few for a model"]);
    assert!(note::<ParetoNbd>(&[(0, 0, 70, 10), (0, 0, 0, 10)])[0].starts_with("no customer has bought again"));
    assert!(note::<ParetoNbd>(&[(0, 0, 70, 10), (2, 6, 70, 1)])[0].starts_with("only one customer"));
    assert!(note::<BgNbd>(&[(3, 7, 70, 4), (3, 7, 70, 5)])[0].starts_with("all customers have the same history"));
    // Every customer bought on the last day, so nobody is silent.
    let loyal: Vec<_> = (1..30).map(|x| (x, 70, 70, 10)).collect();
    for (notes, parameter) in
        [(note::<BgNbd>(&loyal), "a"), (note::<MbgNbd>(&loyal), "a"), (note::<ParetoNbd>(&loyal), "s")]
    {
        assert!(notes[0].contains("hardly any") && notes[0].contains(parameter), "{notes:?}");
    }
    // All customers buy at one rate, about 20 times in 70 days.
    let regular: Vec<_> = [(18, 5), (19, 9), (20, 10), (21, 9), (22, 5)].map(|(x, n)| (x, 69, 70, n)).to_vec();
    assert!(note::<BgNbd>(&regular).iter().any(|n| n.contains("same rate") || n.contains("hardly any")));
}

/// The derivatives, which the optimiser and the standard errors use, against central differences.
#[test]
fn derivatives_are_exact() {
    let seen = cohort(3, 300, |c, age| simulated::geometric(c, 0, [0.5, 6.0, 0.8, 2.5], age));
    let counted = CountTables::of(&buyers(seen.into_iter().chain([(500, 9, 300_000), (2, 0, 70)]), TICKS));
    for p in [[0.3, 4.0, 0.8, 2.4], [2.0, 60.0, 0.05, 0.3], [0.02, 0.5, 20.0, 300.0], [1.3, 7.0, 2.0, 7.0]] {
        crate::stats::optimizer::check_derivatives(&p, |p| geometric::likelihood::<0>(&counted, p));
        crate::stats::optimizer::check_derivatives(&p, |p| geometric::likelihood::<1>(&counted, p));
        crate::stats::optimizer::check_derivatives(&p, |p| {
            silence_integral::likelihood(&counted, &silence_integral::SilenceIntegral::of(&counted), p)
        });
    }
}

/// The sum over cells is the sum of the customers' own likelihoods.
#[test]
fn a_fit_adds_up_its_customers() {
    let seen = cohort(4, 200, |c, age| simulated::pareto(c, [0.5, 6.0, 0.8, 12.0], age));
    let counted = CountTables::of(&buyers(seen.iter().copied(), TICKS));
    let p = [0.7, 5.0, 0.9, 3.0];
    let sum = |of: &dyn Fn(&PurchaseHistory) -> f64| -> f64 {
        seen.iter()
            .map(|h| of(&PurchaseHistory::new(h.0, f64::from(h.1) / TICKS, f64::from(h.2) / TICKS).unwrap()))
            .sum()
    };
    let (bg, mbg, pareto) = (BgNbd::of(&p).unwrap(), MbgNbd::of(&p).unwrap(), ParetoNbd::of(&p).unwrap());
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * a.abs(), "{a} and {b}");
    close(sum(&|h| bg.ln_likelihood(h)), geometric::likelihood::<0>(&counted, &p).unwrap().value);
    close(sum(&|h| mbg.ln_likelihood(h)), geometric::likelihood::<1>(&counted, &p).unwrap().value);
    close(
        sum(&|h| pareto.ln_likelihood(h)),
        silence_integral::likelihood(&counted, &silence_integral::SilenceIntegral::of(&counted), &p).unwrap().value,
    );
    for p in [[0.7, 1e7, 0.9, 3.0], [0.7, 1e-6, 0.9, 3e6], [1e-4, 5.0, 40.0, 0.01], [900.0, 2e5, 1e-5, 1e-5]] {
        let pareto = ParetoNbd::of(&p).unwrap();
        let counted =
            silence_integral::likelihood(&counted, &silence_integral::SilenceIntegral::of(&counted), &p).unwrap().value;
        close(sum(&|h| pareto.ln_likelihood(h)), counted);
    }
}

/// How often the 95 % intervals contain the true parameter, over twenty seeded cohorts of 2,000 customers. For correct
/// intervals 14 times or fewer would have a probability of one in three thousand.
fn recovers<M: BuyerModel>(truth: [f64; 4], draw: impl Fn(u64) -> Vec<(u32, u32, u32)>) {
    let mut held = [0; 4];
    for seed in 0..20 {
        let fit = M::fit(&buyers(draw(seed), TICKS));
        assert!(fit.converged, "{}: {:?}", M::NAME, fit.notes);
        for ((held, truth), p) in held.iter_mut().zip(truth).zip(&fit.parameters) {
            *held += u32::from(p.low.unwrap() <= truth && truth <= p.high.unwrap());
        }
    }
    assert!(held.iter().all(|h| *h >= 15), "{}: {held:?} of 20", M::NAME);
}

#[test]
fn fits_recover_what_was_simulated() {
    let p = [0.8, 6.0, 0.8, 2.5];
    recovers::<BgNbd>(p, |seed| cohort(seed, 2000, |c, age| simulated::geometric(c, 0, p, age)));
    recovers::<MbgNbd>(p, |seed| cohort(seed, 2000, |c, age| simulated::geometric(c, 1, p, age)));
    let p = [0.8, 6.0, 0.8, 12.0];
    recovers::<ParetoNbd>(p, |seed| cohort(seed, 2000, |c, age| simulated::pareto(c, p, age)));
}

/// The order and grouping of the cells, and the number of threads, do not change a single bit.
#[test]
fn fits_depend_on_the_counts_alone() {
    let seen = cohort(5, 30_000, |c, age| {
        let (x, recency, age) = simulated::geometric(c, 1, [0.8, 6.0, 0.8, 2.5], age);
        (x, recency / 1000, age / 1000)
    });
    let there = buyers(seen.iter().copied(), 10.0);
    let back = buyers(seen.iter().rev().copied(), 10.0);
    let on = |threads, b: &BuyerHistories| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| (MbgNbd::fit(b), ParetoNbd::fit(b)))
    };
    let expected = on(1, &there);
    assert!(expected.0.converged && expected == on(3, &back) && expected == on(2, &there));
}

/// Functions that are prepared for many customers give the same as the model does for one.
#[test]
fn alive_as_if_computed_one_by_one() {
    for p in [[0.5, 10.0, 0.6, 11.0], [2.0, 30.0, 0.2, 0.1], [0.01, 0.1, 5.0, 300.0], [40.0, 2000.0, 30.0, 9000.0]] {
        let m = ParetoNbd::of(&p).unwrap();
        for x in [0, 1, 7, 300] {
            let prepared = m.alive(x, 730, 7.0, usize::MAX);
            for (recency, age) in [(0, 0), (0, 1), (0, 730), (1, 1), (3, 500), (699, 700), (100, 730), (730, 730)] {
                let recency = if x == 0 { 0 } else { recency };
                let alone =
                    m.p_alive(&PurchaseHistory::new(x, f64::from(recency) / 7.0, f64::from(age) / 7.0).unwrap());
                let got = prepared(recency, age).unwrap();
                let close = (got - alone).abs() <= 1e-10 * alone || alone < 1e-290;
                assert!(close, "{p:?} {x} {recency} {age}: {got} for {alone}");
            }
            assert_eq!(prepared(1, 731), None);
            assert_eq!(m.alive(x, 730, 7.0, 1)(0, 730), m.alive(x, 9, 7.0, 9)(0, 730));
        }
    }
}
