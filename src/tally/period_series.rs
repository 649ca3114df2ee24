//! Integer series by cell and period, kept as differences.

use serde::{Deserialize, Serialize};

use crate::timeline::segments::CellId;

/// For each cell that was ever touched: `width` series over periods, stored as differences so that a range costs two
/// additions.
///
/// Periods before `first` (history before the observed window, which no table shows) are not kept, so that one customer
/// who signed up in 1900 costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodSeries {
    width: usize,
    first: usize,
    periods: usize,
    /// By the number of the cell; empty for those that nobody touched.
    cells: Vec<Vec<i128>>,
}

/// The series of one cell, to add to.
pub struct Line<'a> {
    width: usize,
    first: usize,
    differences: &'a mut [i128],
}

impl Line<'_> {
    /// Adds `amount` to `field` over the periods `[from, to)`.
    pub fn add(&mut self, field: usize, from: usize, to: usize, amount: i128) {
        let (from, to) = (from.saturating_sub(self.first), to.saturating_sub(self.first));
        if amount != 0 && from < to {
            self.differences[from * self.width + field] += amount;
            self.differences[to * self.width + field] -= amount;
        }
    }
}

impl PeriodSeries {
    /// Series over the periods `first..periods`.
    pub fn new(width: usize, first: usize, periods: usize) -> PeriodSeries {
        PeriodSeries { width, first, periods, cells: vec![] }
    }

    pub fn line(&mut self, cell: CellId) -> Line<'_> {
        let (width, first, kept) = (self.width, self.first, self.periods - self.first);
        let cell = cell as usize;
        if cell >= self.cells.len() {
            self.cells.resize(cell + 1, vec![]);
        }
        let differences = &mut self.cells[cell];
        if differences.is_empty() {
            *differences = vec![0; width * (kept + 1)];
        }
        Line { width, first, differences }
    }

    pub fn merge(&mut self, from: PeriodSeries) {
        if self.cells.len() < from.cells.len() {
            self.cells.resize(from.cells.len(), vec![]);
        }
        for (into, from) in self.cells.iter_mut().zip(from.cells) {
            if into.is_empty() {
                *into = from;
            } else {
                into.iter_mut().zip(from).for_each(|(into, d)| *into += d);
            }
        }
    }

    /// Cells that were touched, in order.
    pub fn cells(&self) -> impl Iterator<Item = CellId> {
        (0..).zip(&self.cells).filter(|(_, differences)| !differences.is_empty()).map(|(cell, _)| cell)
    }

    /// How many integers are held.
    pub fn size(&self) -> u64 {
        self.cells.iter().map(|d| d.len() as u64).sum()
    }

    /// The most integers that `cells` cells can need for so many kept periods.
    pub fn bound(width: usize, kept: usize, cells: u64) -> u64 {
        (width * (kept + 1)) as u64 * cells
    }

    /// The sums of a cell: `[period][field]`; zeros for a cell that nobody touched, and before the first period kept.
    pub fn sums(&self, cell: CellId) -> Vec<Vec<i128>> {
        let mut running = vec![0; self.width];
        let touched = self.cells.get(cell as usize).filter(|differences| !differences.is_empty());
        let Some(differences) = touched else { return vec![running; self.periods] };
        let before = vec![running.clone(); self.first];
        let period = |row: &[i128]| {
            running.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
            running.clone()
        };
        let kept = self.periods - self.first;
        before.into_iter().chain(differences.chunks(self.width).take(kept).map(period)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_sum_up_and_merge_as_if_added_to_one() {
        let (mut a, mut b) = (PeriodSeries::new(2, 0, 4), PeriodSeries::new(2, 0, 4));
        a.line(3).add(0, 1, 3, 5);
        b.line(3).add(0, 2, 4, 7);
        b.line(1).add(1, 0, 4, -1);
        a.merge(b);
        assert_eq!(a.sums(3), [[0, 0], [5, 0], [12, 0], [7, 0]]);
        assert_eq!(a.sums(1), vec![vec![0, -1]; 4]);
        assert_eq!(a.sums(9), vec![vec![0, 0]; 4]);
        assert_eq!(a.cells().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(a.size(), PeriodSeries::bound(2, 4, 2));
        let mut late = PeriodSeries::new(1, 2, 4);
        late.line(0).add(0, 0, 4, 5);
        late.line(0).add(0, 0, 1, 9);
        assert_eq!(late.sums(0), [[0], [0], [5], [5]]);
    }
}
