//! Lifetime value at a constant churn rate: what a customer brings in a period, for as many periods as are expected.

/// One period's figures, in major units per period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub ltv: f64,
    pub discounted: Option<f64>,
}

/// The rate per period that compounds to `yearly`: (1 + D)^(1/n) − 1.
pub(crate) fn per_period(yearly: f64, periods_per_year: i32) -> f64 {
    libm::pow(1.0 + yearly, 1.0 / f64::from(periods_per_year)) - 1.0
}

/// arpa·m / r, and arpa·m·(1 + d) / (r + d): a first payment now, then one at each period's start while the customer
/// stays. `None` where nobody leaves.
pub(crate) fn ratio(margin_per_period: f64, churn_rate: f64, discount: Option<f64>) -> Option<Ratio> {
    (churn_rate > 0.0).then(|| Ratio {
        ltv: margin_per_period / churn_rate,
        discounted: discount.map(|d| margin_per_period * (1.0 + d) / (churn_rate + d)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_example() {
        // arpa 50, margin .8, churn .05, discount 10 % a year, months.
        let value = ratio(50.0 * 0.8, 0.05, Some(per_period(0.10, 12))).unwrap();
        assert!((value.ltv - 800.0).abs() < 1e-9);
        assert!((value.discounted.unwrap() - 695.46).abs() < 0.005);
        assert_eq!(ratio(40.0, 0.0, None), None);
    }
}
