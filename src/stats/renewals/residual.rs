//! The sum Σ S(n + k)/S(n) · (1 + d)^−(k−1), k = 1, 2 …, to full precision even where it converges slowly.

use std::f64::consts::LN_2;

use libm::{exp, log, log1p};

use crate::stats::renewals::RenewalModel;

/// A remainder below this share of the sum is neglected.
const NOTHING: f64 = 1e-15;
/// So many terms are added one by one.
const TERMS: u32 = 4_096;
/// The limit of ln k times [`RenewalModel::log_time_rate`], so that powers of k stay finite floats.
const FARTHEST: f64 = 600.0;

/// Gauss–Legendre with twelve nodes: the positive ones and their weights.
const NODES: [(f64, f64); 6] = [
    (0.125_233_408_511_468_9, 0.249_147_045_813_402_77),
    (0.367_831_498_998_180_2, 0.233_492_536_538_354_8),
    (0.587_317_954_286_617_5, 0.203_167_426_723_065_92),
    (0.769_902_674_194_304_7, 0.160_078_328_543_346_22),
    (0.904_117_256_370_474_9, 0.106_939_325_995_318_43),
    (0.981_560_634_246_719_2, 0.047_175_336_386_511_83),
];

/// The sum for a customer who has made n renewals, at `discount` d; `None` if it is infinite or cannot be computed.
///
/// The terms f(k) are positive and fall, under a discount at least as fast as its powers, so that the terms after f(k) sum to
/// at most about f(k)/d. Terms are added until that can be neglected. If d is small or 0, what is left after 4,096 terms
/// follows from Gregory's formula, Σ f(k) = ∫ f + f(K)/2 − (f(K+1) − f(K−1))/24 + O(f‴). The integral is computed over
/// panels of ln k, in which f is smooth, until the remainder can be neglected or, without discount, is that of a power.
pub(super) fn sum<M: RenewalModel + ?Sized>(model: &M, n: f64, discount: f64) -> Option<f64> {
    let power = model.tail_exponent();
    if !(0.0..f64::INFINITY).contains(&discount) || (discount == 0.0 && power <= 1.0) {
        return None;
    }
    let ln_v = -log1p(discount);
    let f = |k: f64| exp(model.ln_kept(n, n + k) + (k - 1.0) * ln_v);
    // The sum of the terms after f(k). Without discount it is that of a power which falls at the same rate at k.
    let rest = |k: f64, f: f64| match model.ln_kept(n + k, n + k + 1.0) {
        _ if f == 0.0 => 0.0,
        _ if discount > 0.0 => f * (1.0 + 1.0 / discount),
        fall => f / -fall * power / (power - 1.0),
    };
    let mut sum = 0.0;
    for k in 1..TERMS {
        let term = f(k.into());
        sum += term;
        if rest(k.into(), term) <= NOTHING * sum {
            return Some(sum);
        }
    }
    let start = f64::from(TERMS);
    sum += f(start) / 2.0 - (f(start + 1.0) - f(start - 1.0)) / 24.0;
    let half = LN_2 / 2.0 / model.log_time_rate();
    let mut from = log(start);
    while from * model.log_time_rate() < FARTHEST {
        let at = |x: f64| exp(from + half * (1.0 + x));
        let weigh = |(x, weight): &(f64, f64)| weight * (at(-x) * f(at(-x)) + at(*x) * f(at(*x)));
        sum += half * NODES.iter().map(weigh).sum::<f64>();
        from += 2.0 * half;
        let (k, last) = (exp(from), f(exp(from)));
        if rest(k, last) <= NOTHING * sum {
            return Some(sum);
        }
        let steepness = -model.ln_kept(n + k, 2.0 * (n + k)) / LN_2;
        if discount == 0.0 && (steepness / power - 1.0).abs() < 1e-13 {
            return Some(sum + last * (n + k) / (power - 1.0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::stats::renewals::RenewalModel;
    use crate::stats::renewals::bdw::Bdw;
    use crate::stats::renewals::sbg::Sbg;

    /// α, β, c, n, d, the sum: by mpmath 1.3 with 25 digits and more, 2,000 terms and Euler and Maclaurin's formula with
    /// three derivatives beyond them.
    const SUMS: [(f64, f64, f64, u32, f64, f64); 12] = [
        (0.668, 3.806, 1.0, 7, 0.1, 7.529_949_530_910_97),
        (0.668, 3.806, 1.0, 0, 0.1, 5.414_856_048_374_04),
        (0.704, 1.182, 1.0, 3, 0.01, 18.658_857_984_327_72),
        (0.668, 3.806, 1.0, 7, 1e-6, 1_249.314_127_400_588),
        (0.214_253, 1.426_575, 1.723_565, 7, 0.1, 8.318_881_326_201_52),
        (0.214_253, 1.426_575, 1.723_565, 0, 0.0001, 479.735_705_989_644_66),
        (3.0, 20.0, 0.5, 1, 1e-7, 493.327_845_065_415_9),
        (2.5, 7.0, 1.0, 0, 0.0, 7.0 / 1.5),
        (2.5, 7.0, 1.0, 10, 0.0, 17.0 / 1.5),
        (1.001, 7.0, 1.0, 10, 0.0, 17_000.0),
        (0.9, 2.0, 1.5, 4, 0.0, 12.917_370_115_626_22),
        (30.0, 50.0, 0.2, 2, 0.0, 14_830.652_319_890_198),
    ];

    #[test]
    fn sums_to_the_last_digits() {
        for (alpha, beta, c, n, d, expected) in SUMS {
            let got = Bdw { alpha, beta, c }.derl(n, d).unwrap();
            assert!((got / expected - 1.0).abs() < 1e-11, "{alpha} {beta} {c} {n} {d}: {got} {expected}");
            if c == 1.0 {
                let got = Sbg { alpha, beta }.derl(n, d).unwrap();
                assert!((got / expected - 1.0).abs() < 1e-11, "{alpha} {beta} {n} {d}: {got} {expected}");
            }
        }
    }

    #[test]
    fn what_has_no_sum_has_none() {
        let model = Sbg { alpha: 0.668, beta: 3.806 };
        for d in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            assert_eq!(model.derl(7, d), None, "{d}");
        }
        assert!((model.derl(7, 1e300).unwrap() - model.retention(8)).abs() < 1e-15, "only the next payment counts");
        assert_eq!(Bdw { alpha: 0.5, beta: 1.0, c: 2.0 }.derl(0, 0.0), None, "falls as 1/n");
        assert!(Bdw { alpha: 0.5, beta: 1.0, c: 2.1 }.derl(0, 0.0).is_some());
        // Customers all but alike, of whom one in two leaves each time: 1/2 + 1/4 + …
        let alike = Sbg { alpha: 1e10, beta: 1e10 };
        assert!((alike.derl(0, 0.0).unwrap() - 1.0).abs() < 1e-9);
        assert!((alike.derl(0, 0.25).unwrap() - 0.5 / (1.0 - 0.5 / 1.25)).abs() < 1e-9);
    }
}
