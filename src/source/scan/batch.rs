//! The rows of one batch that satisfy the filter, and what is found out about them while their columns are read.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::source::columns::Faults;
use crate::source::{Reason, SourceReport};

/// The rows of a batch after the filter.
pub(super) struct FilteredBatch<'a> {
    /// The columns of the layout, each of `n` values.
    pub columns: &'a [ArrayRef],
    pub n: usize,
    /// Rows that cannot be used, and why.
    pub faults: Faults,
    /// Rows dated at or after a configured as_of, in order.
    pub late: Vec<usize>,
    /// True if the instants of the rows are wall-clock times of the calendar's zone.
    pub wall_clock: bool,
    pub counted: CountedRows,
    /// Rows of the file before the batch.
    first_row: u64,
    /// For each row, which row of the batch it was before the filter; `None` if the filter left out none.
    numbers: Option<Vec<u32>>,
}

/// Rows that the report counts. An empty vector counts none; flags count only where the row stays.
#[derive(Default)]
pub(super) struct CountedRows {
    pub amounts_rounded: Vec<bool>,
    pub rates_rounded: Vec<bool>,
    pub cancel_kinds_unknown: Vec<bool>,
    pub referred_to_self: Vec<bool>,
    /// Amounts of other currencies, of rows that stay.
    pub converted: u64,
}

impl<'a> FilteredBatch<'a> {
    pub(super) fn new(
        columns: &'a [ArrayRef],
        n: usize,
        first_row: u64,
        numbers: Option<Vec<u32>>,
    ) -> FilteredBatch<'a> {
        let (faults, counted) = (Faults::default(), CountedRows::default());
        FilteredBatch { columns, n, faults, late: vec![], wall_clock: false, counted, first_row, numbers }
    }

    /// The number of a row in its file, from 1.
    pub(super) fn number(&self, row: usize) -> u64 {
        self.first_row + self.numbers.as_ref().map_or(row, |numbers| numbers[row] as usize) as u64 + 1
    }

    /// Marks a row that cannot be used, with its value in `array`.
    pub(super) fn mark(&mut self, row: usize, reason: Reason, label: &Arc<str>, array: &ArrayRef) {
        self.faults.mark_value(row, reason, label, array);
    }

    /// True if nothing found so far takes the row out.
    pub(super) fn is_used(&self, row: usize) -> bool {
        !self.faults.contains(row) && self.late.binary_search(&row).is_err()
    }

    /// Which rows stay; `None` if all do.
    pub(super) fn keep(&self) -> Option<Vec<bool>> {
        if self.faults.is_empty() && self.late.is_empty() {
            return None;
        }
        let mut keep = vec![true; self.n];
        self.faults.rows().for_each(|row| keep[row] = false);
        self.late.iter().for_each(|row| keep[*row] = false);
        Some(keep)
    }
}

impl CountedRows {
    /// `keep`: which rows stay; `None` if all do.
    pub(super) fn add_to(&self, report: &mut SourceReport, keep: Option<&[bool]>) {
        let count = |flags: &[bool]| match keep {
            None => flags.iter().filter(|flag| **flag).count() as u64,
            Some(keep) => flags.iter().zip(keep).filter(|(flag, stays)| **flag && **stays).count() as u64,
        };
        report.amounts_rounded += count(&self.amounts_rounded);
        report.rates_rounded += count(&self.rates_rounded);
        report.cancel_kinds_unknown += count(&self.cancel_kinds_unknown);
        report.referred_to_self += count(&self.referred_to_self);
        report.converted += self.converted;
    }
}
