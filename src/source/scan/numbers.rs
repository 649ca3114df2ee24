//! Numbers that are no money: quantities and scores.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::source::Reason;
use crate::source::columns::{Faults, amounts};

/// The values of a column in units of 10^-`digits`, and the rows that hold no such number, with the reason that an amount
/// would have. The caller decides what the rows are marked with.
pub(super) fn numbers(array: &ArrayRef, digits: u8, label: &Arc<str>) -> (Vec<i64>, Vec<(usize, Reason)>) {
    let mut faults = Faults::default();
    let numbers = amounts::read(array, digits, label, &mut faults).units;
    (numbers, faults.iter().map(|fault| (fault.row, fault.reason)).collect())
}
