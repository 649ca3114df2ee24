//! What winning customers costs: of stages `ltv` and `acquisition`.

use crate::money::minor_per_major;
use crate::timeline::shape::{CostRow, Frame, Shape};

/// The costs of a period of the window, by the day that each stands for: none of before its first record or from as_of on.
pub(super) fn costs<'a>(shape: &'a Shape, frame: &Frame, period: usize) -> &'a [CostRow] {
    let before = |boundary: usize| shape.costs.partition_point(|cost| cost.day < frame.boundary(boundary));
    let (from, to) = (before(period), before(period + 1));
    shape.costs.get(from..to).unwrap_or_default()
}

/// Their sum in minor units; `None` of no costs: then nobody knows what was spent.
pub(super) fn sum<'a>(costs: impl IntoIterator<Item = &'a CostRow>) -> Option<i128> {
    let amounts = costs.into_iter().map(|cost| i128::from(cost.amount));
    amounts.fold(None, |sum, amount| Some(sum.unwrap_or_default() + amount))
}

/// Cost of each new customer in major units; `None` where nobody was won.
pub(super) fn per_new_customer(spend: i128, new: i64, digits: u8) -> Option<f64> {
    (new > 0).then(|| spend as f64 / minor_per_major(digits) / new as f64)
}

/// Periods until a customer's margin has paid for acquiring them; `None` where there is no margin.
pub(super) fn payback(cac: f64, margin_per_period: f64) -> Option<f64> {
    (margin_per_period > 0.0).then(|| cac / margin_per_period)
}
