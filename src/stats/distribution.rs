//! Tails of distributions, for p-values.

use libm::{erfc, exp, floor, lgamma, log, sqrt};

/// P(χ² ≥ `statistic`) with `df` degrees of freedom, which is the p-value of a chi-squared test.
///
/// For a whole number of degrees the upper incomplete gamma function is a finite sum of positive terms (Abramowitz &
/// Stegun 1964, 26.4.4 and 26.4.5): with y = statistic / 2
/// - df even: Q = Σ e⁻ʸ yᵏ/k!, k = 0 … df/2 − 1;
/// - df odd: Q = erfc(√y) + Σ e⁻ʸ yᵏ/Γ(k + 1), k = ½, 1½ … df/2 − 1.
///
/// The sum has no cancellation; a result below the smallest float is 0. `None` for no degrees of freedom, and for a
/// statistic that is negative or not finite.
pub fn chi_squared_tail(statistic: f64, df: u64) -> Option<f64> {
    if df == 0 || !(0.0..f64::INFINITY).contains(&statistic) {
        return None;
    }
    let y = statistic / 2.0;
    if y == 0.0 {
        return Some(1.0);
    }
    let (lowest, head) = if df % 2 == 1 { (0.5, erfc(sqrt(y))) } else { (0.0, 0.0) };
    let last = df as f64 / 2.0 - 1.0;
    if last < lowest {
        return Some(head);
    }
    // From the largest term outwards, until terms no longer count. The first term may be below the smallest float.
    let peak = lowest + floor((y - lowest).clamp(0.0, last - lowest));
    let largest = exp(peak * log(y) - y - lgamma(peak + 1.0));
    let mut sum = largest;
    let (mut term, mut k) = (largest, peak);
    while k > lowest && term > sum * f64::EPSILON {
        term *= k / y;
        k -= 1.0;
        sum += term;
    }
    (term, k) = (largest, peak);
    while k < last && term > sum * f64::EPSILON {
        k += 1.0;
        term *= y / k;
        sum += term;
    }
    Some((head + sum).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `mpmath.gammainc(df/2, statistic/2, regularized=True)` with 50 digits.
    #[test]
    fn the_tail_agrees_with_many_digits() {
        for (statistic, df, expected) in EXPECTED {
            let got = chi_squared_tail(statistic, df).unwrap();
            // The exponent's own rounding grows with its size.
            let tolerance = 1e-14 + 1e-15 * (statistic + df as f64);
            assert!((got / expected - 1.0).abs() < tolerance, "{statistic} {df}: {got:e} {expected:e}");
        }
        assert_eq!(chi_squared_tail(2352.872538, 2), Some(0.0), "1.2e-511 is below the smallest float");
    }

    const EXPECTED: [(f64, u64, f64); 14] = [
        (16.792941, 1, 4.168_809_085_644_587e-5),
        (3.841_458_820_694_12, 1, 0.050_000_000_000_000_177),
        (0.001, 1, 0.974_772_879_369_960_4),
        (1400.0, 1, 2.101_014_516_264_217_5e-306),
        (5.99, 2, 0.050_036_627_086_586_28),
        (322.5991, 5, 1.381_469_959_333_716_8e-67),
        (7.0, 3, 0.071_897_772_496_465_13),
        (1000.0, 7, 1.204_426_773_519_018_8e-211),
        (0.5, 40, 1.0),
        (90.0, 99, 0.729_834_410_284_651_1),
        (2000.0, 2000, 0.495_794_755_819_784_5),
        (1700.0, 2000, 0.999_999_702_918_74),
        (2500.0, 2001, 1.203_245_714_300_252_8e-13),
        (1e5, 100_000, 0.499_405_291_895_206_7),
    ];

    #[test]
    fn the_tail_is_a_probability_that_falls() {
        for df in [1, 2, 3, 4, 5, 10, 99, 100, 2_001, 100_000] {
            let mut before = 1.0;
            for step in 0..400 {
                let p = chi_squared_tail(f64::from(step * step) / 40.0, df).unwrap();
                assert!((0.0..=before + 1e-14 + 1e-15 * df as f64).contains(&p), "{df} {step}: {p}");
                before = p;
            }
            assert_eq!(chi_squared_tail(0.0, df), Some(1.0));
            assert_eq!(chi_squared_tail(f64::MAX, df), Some(0.0));
            let tiny = chi_squared_tail(f64::MIN_POSITIVE, df).unwrap();
            assert!((1.0 - tiny).abs() < 1e-12, "{tiny}");
        }
    }

    #[test]
    fn no_degrees_no_tail() {
        assert_eq!(chi_squared_tail(1.0, 0), None);
        assert_eq!(chi_squared_tail(-1.0, 1), None);
        assert_eq!(chi_squared_tail(f64::NAN, 1), None);
        assert_eq!(chi_squared_tail(f64::INFINITY, 1), None);
    }
}
