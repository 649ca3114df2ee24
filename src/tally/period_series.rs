//! Integer series by cell and period, stored as differences.

use serde::{Deserialize, Serialize};

use crate::timeline::segments::CellId;

/// `width` integer series over periods, for each cell that something was added to. They are stored as differences, so that
/// adding to a range of periods takes two additions.
///
/// Periods before `first` (history before the observed window, which no table shows) are not stored, so that a customer who
/// signed up in 1900 takes no memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodSeries {
    width: usize,
    first: usize,
    periods: usize,
    /// Indexed by cell; empty for a cell that nothing was added to.
    cells: Vec<Vec<i128>>,
}

/// The series of one cell, to add to.
pub struct CellSeries<'a> {
    width: usize,
    first: usize,
    differences: &'a mut [i128],
}

impl CellSeries<'_> {
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
    /// `width` series over the periods `first..periods`, all 0.
    pub fn new(width: usize, first: usize, periods: usize) -> PeriodSeries {
        PeriodSeries { width, first, periods, cells: vec![] }
    }

    /// The series of a cell, to add to.
    pub fn series(&mut self, cell: CellId) -> CellSeries<'_> {
        let (width, first, kept) = (self.width, self.first, self.periods - self.first);
        let cell = cell as usize;
        if cell >= self.cells.len() {
            self.cells.resize(cell + 1, vec![]);
        }
        let differences = &mut self.cells[cell];
        if differences.is_empty() {
            *differences = vec![0; width * (kept + 1)];
        }
        CellSeries { width, first, differences }
    }

    /// Adds the series of other customers. Both must have been made with the same numbers.
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

    /// The cells that something was added to, ascending.
    pub fn cells(&self) -> impl Iterator<Item = CellId> {
        (0..).zip(&self.cells).filter(|(_, differences)| !differences.is_empty()).map(|(cell, _)| cell)
    }

    /// The number of integers in memory.
    pub fn size(&self) -> u64 {
        self.cells.iter().map(|d| d.len() as u64).sum()
    }

    /// The greatest number of integers that `cells` cells take, for so many stored periods.
    pub fn bound(width: usize, kept: usize, cells: u64) -> u64 {
        (width * (kept + 1)) as u64 * cells
    }

    /// The values of a cell's series: `[period][field]`. They are 0 for a cell that nothing was added to, and before the
    /// first stored period.
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
        a.series(3).add(0, 1, 3, 5);
        b.series(3).add(0, 2, 4, 7);
        b.series(1).add(1, 0, 4, -1);
        a.merge(b);
        assert_eq!(a.sums(3), [[0, 0], [5, 0], [12, 0], [7, 0]]);
        assert_eq!(a.sums(1), vec![vec![0, -1]; 4]);
        assert_eq!(a.sums(9), vec![vec![0, 0]; 4]);
        assert_eq!(a.cells().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(a.size(), PeriodSeries::bound(2, 4, 2));
        let mut late = PeriodSeries::new(1, 2, 4);
        late.series(0).add(0, 0, 4, 5);
        late.series(0).add(0, 0, 1, 9);
        assert_eq!(late.sums(0), [[0], [0], [5], [5]]);
    }
}
