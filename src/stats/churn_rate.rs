//! Churn rates: over several periods, annual, and as an expected lifetime (DEFINITIONS §3).

/// How the rates of several periods are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailing {
    /// Σ churned / Σ opening.
    Ratio,
    /// The mean of the periods' rates.
    Mean,
}

/// The customers of a complete period who churned, out of those at its opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodCounts {
    /// Customers who churned in the period.
    pub churned: i64,
    /// Customers at its opening.
    pub opening: i64,
}

/// A trailing rate needs at least this many complete periods, unless fewer are requested.
const AT_LEAST: usize = 3;

/// The last `length` of `periods` (complete ones, oldest first). `None` if there are fewer than three, and fewer than
/// `length`.
pub fn window(periods: &[PeriodCounts], length: usize) -> Option<&[PeriodCounts]> {
    (periods.len() >= AT_LEAST.min(length)).then(|| &periods[periods.len().saturating_sub(length)..])
}

/// Σ churned and Σ opening of a window.
pub fn totals(window: &[PeriodCounts]) -> PeriodCounts {
    let sum = |of: fn(&PeriodCounts) -> i64| window.iter().map(of).sum();
    PeriodCounts { churned: sum(|p| p.churned), opening: sum(|p| p.opening) }
}

/// The trailing churn rate of a window; `None` where no period has an opening.
pub fn trailing(window: &[PeriodCounts], method: Trailing) -> Option<f64> {
    match method {
        Trailing::Ratio => rate(totals(window)),
        Trailing::Mean => {
            let rates: Vec<f64> = window.iter().filter_map(|p| rate(*p)).collect();
            (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
        }
    }
}

/// The churn rate of a period, churned / opening; `None` without an opening.
pub fn rate(of: PeriodCounts) -> Option<f64> {
    (of.opening > 0).then(|| of.churned as f64 / of.opening as f64)
}

/// The share of customers lost in a year of n periods at the rate `r`: 1 − (1 − r)ⁿ.
///
/// For n = 1 it is exactly `r`: the rounding of 1 − (1 − r) could move it past a benchmark's cut point.
pub fn annual(r: f64, periods_per_year: i32) -> f64 {
    if periods_per_year == 1 {
        return r;
    }
    1.0 - libm::pow(1.0 - r, periods_per_year.into())
}

/// The expected number of periods until churn at a constant rate, 1/r; `None` unless the rate is positive.
pub fn expected_lifetime(r: f64) -> Option<f64> {
    (r > 0.0).then(|| 1.0 / r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handbooks_examples() {
        // 10 % a month loses almost half in 6 months, 3 % less than a fifth; 2 % a month lasts 50 months.
        assert!((annual(0.10, 6) - 0.468_559).abs() < 1e-9);
        assert!((annual(0.03, 6) - 0.167_028).abs() < 1e-6);
        assert_eq!(expected_lifetime(0.02), Some(50.0));
        assert_eq!(expected_lifetime(0.0), None);
    }

    #[test]
    fn windows_want_three_periods_unless_told() {
        let p = |churned, opening| PeriodCounts { churned, opening };
        let periods = [p(1, 10), p(3, 10), p(0, 0), p(1, 5)];
        assert_eq!(window(&periods[..2], 6), None);
        assert_eq!(window(&periods[..1], 1), Some(&periods[..1]));
        assert_eq!(window(&periods, 2), Some(&periods[2..]));
        assert_eq!(trailing(&periods, Trailing::Ratio), Some(0.2));
        let mean = trailing(&periods, Trailing::Mean).unwrap();
        assert!((mean - 0.2).abs() < 1e-12);
        assert_eq!(trailing(&[p(0, 0)], Trailing::Mean), None);
    }
}
