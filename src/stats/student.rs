//! Student's t distribution, and the confidence interval of a mean.

use libm::sqrt;

use super::proportion::Z95;
use super::special::beta_regularised;

/// From this number of degrees of freedom on the expansion about the normal quantile is exact to the last digits.
const MANY: f64 = 1000.0;

/// The 97.5 % quantile of Student's t distribution with `df` ≥ 1 degrees of freedom (Student 1908, Biometrika 6:1–25);
/// `None` for fewer.
///
/// It solves P(|T| > t) = I_{df/(df+t²)}(df/2, ½) = 0.05 by bisection (Abramowitz & Stegun 26.7.1). For many degrees of
/// freedom it is the expansion 26.7.5.
pub fn t95(df: f64) -> Option<f64> {
    if df.is_nan() || df < 1.0 {
        return None;
    }
    if df >= MANY {
        return Some(expanded(df));
    }
    // The quantile is 12.706… for one degree of freedom, and falls as they increase.
    let (mut low, mut high) = (Z95, 12.75);
    for _ in 0..60 {
        let t = 0.5 * (low + high);
        let (square, all) = (t * t, df + t * t);
        if beta_regularised(0.5 * df, 0.5, df / all, square / all) > 0.05 { low = t } else { high = t }
    }
    Some(0.5 * (low + high))
}

fn expanded(df: f64) -> f64 {
    let (x, x2) = (Z95, Z95 * Z95);
    let one = x * (x2 + 1.0) / 4.0;
    let two = x * ((5.0 * x2 + 16.0) * x2 + 3.0) / 96.0;
    let three = x * (((3.0 * x2 + 19.0) * x2 + 17.0) * x2 - 15.0) / 384.0;
    let four = x * ((((79.0 * x2 + 776.0) * x2 + 1482.0) * x2 - 1920.0) * x2 - 945.0) / 92160.0;
    x + (one + (two + (three + four / df) / df) / df) / df
}

/// The 95 % t interval of the mean of n values.
///
/// # Parameters
/// - `n`, `sum`, `squares`: the number of values, their sum and the sum of their squares, as exact integers.
///
/// # Returns
/// The lower and the upper end, in the unit of the values; `None` for fewer than two values, and where n·`squares` or `sum`²
/// exceed the integers.
pub fn mean_interval(n: i128, sum: i128, squares: i128) -> Option<(f64, f64)> {
    let t = t95((n - 1) as f64)?;
    let count = n as f64;
    // n Σx² − (Σx)² is n(n − 1) s², without cancellation.
    let spread = n.checked_mul(squares)?.checked_sub(sum.checked_mul(sum)?)?;
    let half = t * sqrt(spread as f64 / (count * count * (count - 1.0)));
    let mean = sum as f64 / count;
    Some((mean - half, mean + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.t.ppf(0.975, df)` of SciPy 1.17.1, which also agrees with the tables that are printed (NIST/SEMATECH
    /// e-Handbook of Statistical Methods, 1.3.6.7.2).
    #[test]
    fn agrees_with_scipy() {
        for (df, want) in [
            (1.0, 12.706_204_736_174_694),
            (2.0, 4.302_652_729_749_462),
            (3.0, 3.182_446_305_283_708),
            (4.0, 2.776_445_105_197_793),
            (5.0, 2.570_581_835_636_315),
            (6.0, 2.446_911_851_144_979),
            (10.0, 2.228_138_851_986_274),
            (30.0, 2.042_272_456_301_238),
            (100.0, 1.983_971_518_523_552),
            (500.0, 1.964_719_837_467_368),
            (999.0, 1.962_341_461_133_449),
            (1000.0, 1.962_339_080_826_408),
            (5000.0, 1.960_438_551_706_507),
            (1e6, 1.959_966_356_814_107),
        ] {
            assert!((t95(df).unwrap() - want).abs() <= 1e-12 * want, "{df}: {:?}", t95(df));
        }
        assert!((t95(1e18).unwrap() - Z95).abs() < 1e-15);
        assert_eq!((t95(0.0), t95(-1.0), t95(f64::NAN)), (None, None, None));
    }

    /// One and two degrees of freedom have closed forms: tan(0.475 π), and 0.95·√(2/(1 − 0.95²)).
    #[test]
    fn agrees_with_closed_forms_and_with_itself() {
        assert!((t95(1.0).unwrap() - libm::tan(0.475 * std::f64::consts::PI)).abs() < 1e-11);
        assert!((t95(2.0).unwrap() - 0.95 * sqrt(2.0 / (1.0 - 0.95 * 0.95))).abs() < 1e-12);
        let below = t95(MANY - 1e-6).unwrap();
        assert!((below - t95(MANY).unwrap()).abs() < 1e-8, "both ways meet: {below}");
    }

    /// 2, 3, 4, 5, 3, 2, 1: mean 20/7, s² = 38/21, t = 2.4469 at six degrees of freedom; the ends by SciPy 1.17.1.
    #[test]
    fn a_mean_worked_by_hand() {
        let (low, high) = mean_interval(7, 20, 68).unwrap();
        assert!(
            (low - 1.613_053_842_357_251).abs() < 1e-12 && (high - 4.101_231_871_928_463).abs() < 1e-12,
            "{low} {high}"
        );
        assert_eq!(mean_interval(1, 5, 25), None);
        assert_eq!(mean_interval(3, 6, 12), Some((2.0, 2.0)));
    }
}
