//! Lifetime value as it has come in: the cumulative margin of a cohort, per customer, to date.

/// What a cohort has brought, in major units per customer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Realised {
    pub ltv: f64,
    pub discounted: Option<f64>,
    /// Periods after which the cumulative margin had paid `cac`; `None` while it has not.
    pub payback: Option<f64>,
}

/// `margins[k]`: margin per customer at age k; `discount` per period.
pub(super) fn realised(margins: &[f64], discount: Option<f64>, cac: Option<f64>) -> Realised {
    let mut cumulative = 0.0;
    let paid = |margin: &f64| {
        cumulative += margin;
        cac.is_some_and(|cac| cumulative >= cac)
    };
    let payback = margins.iter().position(paid).map(|age| age as f64 + 1.0);
    let discounted = discount.map(|d| {
        let factor = |k: usize| libm::pow(1.0 + d, -(k as f64));
        margins.iter().enumerate().map(|(k, margin)| margin * factor(k)).sum()
    });
    Realised { ltv: margins.iter().sum(), discounted, payback }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulates_discounts_and_pays_back() {
        let got = realised(&[10.0, 5.0, -2.0, 4.0], Some(0.25), Some(15.0));
        assert_eq!((got.ltv, got.payback), (17.0, Some(2.0)));
        assert!((got.discounted.unwrap() - (10.0 + 4.0 - 1.28 + 2.048)).abs() < 1e-12);
        assert_eq!(realised(&[10.0], None, Some(11.0)).payback, None);
        assert_eq!(realised(&[], None, None), Realised { ltv: 0.0, discounted: None, payback: None });
    }
}
