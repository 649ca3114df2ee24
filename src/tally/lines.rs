//! Integer series by cell and period, kept as differences.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::timeline::segments::CellId;

/// For each cell that was ever touched: `width` series over `periods`, stored as differences so that a range costs two
/// additions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    width: usize,
    periods: usize,
    cells: BTreeMap<CellId, Vec<i128>>,
}

/// The series of one cell, to add to.
pub struct Line<'a> {
    width: usize,
    differences: &'a mut [i128],
}

impl Line<'_> {
    /// Adds `amount` to `field` over the periods `[from, to)`.
    pub fn add(&mut self, field: usize, from: usize, to: usize, amount: i128) {
        if amount != 0 && from < to {
            self.differences[from * self.width + field] += amount;
            self.differences[to * self.width + field] -= amount;
        }
    }
}

impl Lines {
    pub fn new(width: usize, periods: usize) -> Lines {
        Lines { width, periods, cells: BTreeMap::new() }
    }

    pub fn line(&mut self, cell: CellId) -> Line<'_> {
        let (width, periods) = (self.width, self.periods);
        let differences = self.cells.entry(cell).or_insert_with(|| vec![0; width * (periods + 1)]);
        Line { width, differences }
    }

    pub fn merge(&mut self, from: Lines) {
        for (cell, differences) in from.cells {
            match self.cells.entry(cell) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(differences);
                }
                std::collections::btree_map::Entry::Occupied(mut place) => {
                    place.get_mut().iter_mut().zip(differences).for_each(|(into, d)| *into += d);
                }
            }
        }
    }

    /// Cells that were touched, in order.
    pub fn cells(&self) -> impl Iterator<Item = CellId> {
        self.cells.keys().copied()
    }

    /// How many integers are held.
    pub fn held(&self) -> u64 {
        self.cells.values().map(|d| d.len() as u64).sum()
    }

    /// The most integers that `cells` cells can need.
    pub fn bound(width: usize, periods: usize, cells: u64) -> u64 {
        (width * (periods + 1)) as u64 * cells
    }

    /// The sums of a cell: `[period][field]`; zeros for a cell that nobody touched.
    pub fn sums(&self, cell: CellId) -> Vec<Vec<i128>> {
        let mut running = vec![0; self.width];
        let Some(differences) = self.cells.get(&cell) else { return vec![running; self.periods] };
        let period = |row: &[i128]| {
            running.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
            running.clone()
        };
        differences.chunks(self.width).take(self.periods).map(period).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_sum_up_and_merge_as_if_added_to_one() {
        let (mut a, mut b) = (Lines::new(2, 4), Lines::new(2, 4));
        a.line(3).add(0, 1, 3, 5);
        b.line(3).add(0, 2, 4, 7);
        b.line(1).add(1, 0, 4, -1);
        a.merge(b);
        assert_eq!(a.sums(3), [[0, 0], [5, 0], [12, 0], [7, 0]]);
        assert_eq!(a.sums(1), vec![vec![0, -1]; 4]);
        assert_eq!(a.sums(9), vec![vec![0, 0]; 4]);
        assert_eq!(a.cells().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(a.held(), Lines::bound(2, 4, 2));
    }
}
