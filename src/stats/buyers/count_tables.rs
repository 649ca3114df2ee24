//! Counted histories, prepared for a likelihood: tables of the distinct frequencies and times, and cells that point into
//! them. A logarithm is then computed once for each distinct time instead of once for each cell.

use rayon::prelude::*;

use super::{BuyerCell, BuyerHistories};

/// A history as indices into the tables of distinct frequencies and times, with its customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexedCell {
    pub frequency: u32,
    pub recency: u32,
    pub age: u32,
    pub customers: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct CountTables {
    /// Distinct frequencies, ascending, and the customers of each.
    pub frequencies: Vec<u32>,
    pub frequency_customers: Vec<f64>,
    /// Distinct times (recencies and ages) in units, ascending.
    pub times: Vec<f64>,
    /// Customers, and their repeat transactions, by age: indexed like `times`.
    pub age_customers: Vec<f64>,
    pub age_repeats: Vec<f64>,
    /// In order of frequency, age and recency; equal cells are merged.
    pub rows: Vec<IndexedCell>,
    pub customers: u64,
    pub repeaters: u64,
    /// Customers left out: their last transaction lies beyond their age, or they bought again at age 0.
    pub impossible: u64,
}

impl CountTables {
    pub(super) fn of(buyers: &BuyerHistories) -> CountTables {
        let mut counted = CountTables::default();
        if !(buyers.per_unit > 0.0 && buyers.per_unit.is_finite()) {
            return counted;
        }
        let possible = |c: &BuyerCell| c.recency <= c.age && if c.frequency == 0 { c.recency == 0 } else { c.age > 0 };
        let mut cells: Vec<BuyerCell> =
            buyers.cells.iter().filter(|c| c.customers > 0 && possible(c)).copied().collect();
        let lost = buyers.cells.iter().filter(|c| !possible(c));
        counted.impossible = lost.map(|c| u64::from(c.customers)).sum();
        cells.par_sort_unstable_by_key(|c| (c.frequency, c.age, c.recency, c.customers));

        let frequencies = Distinct::of(cells.iter().map(|c| c.frequency));
        let times = Distinct::of(cells.iter().flat_map(|c| [c.recency, c.age]));
        counted.frequency_customers = vec![0.0; frequencies.values.len()];
        counted.age_customers = vec![0.0; times.values.len()];
        counted.age_repeats = vec![0.0; times.values.len()];
        counted.rows.reserve(cells.len());
        for cell in &cells {
            let row = IndexedCell {
                frequency: frequencies.index(cell.frequency),
                recency: times.index(cell.recency),
                age: times.index(cell.age),
                customers: cell.customers,
            };
            let customers = f64::from(row.customers);
            counted.customers += u64::from(row.customers);
            counted.repeaters += if cell.frequency > 0 { u64::from(row.customers) } else { 0 };
            counted.frequency_customers[row.frequency as usize] += customers;
            counted.age_customers[row.age as usize] += customers;
            counted.age_repeats[row.age as usize] += customers * f64::from(cell.frequency);
            match counted.rows.last_mut() {
                Some(last)
                    if (last.frequency, last.age, last.recency) == (row.frequency, row.age, row.recency)
                        && last.customers.checked_add(row.customers).is_some() =>
                {
                    last.customers += row.customers;
                }
                _ => counted.rows.push(row),
            }
        }
        counted.times = times.values.iter().map(|t| f64::from(*t) / buyers.per_unit).collect();
        counted.frequencies = frequencies.values;
        counted
    }

    /// Repeat transactions per unit of time, over all customers.
    pub(super) fn rate(&self) -> f64 {
        let repeats: f64 = self.age_repeats.iter().sum();
        let time: f64 = self.age_customers.iter().zip(&self.times).map(|(n, t)| n * t).sum();
        repeats / time
    }

    /// The mean age of the customers, in units.
    pub(super) fn mean_age(&self) -> f64 {
        self.age_customers.iter().zip(&self.times).map(|(n, t)| n * t).sum::<f64>() / self.customers as f64
    }

    /// A systematic sample of about `rows` rows: good enough to find a starting point.
    pub(super) fn thinned(&self, rows: usize) -> CountTables {
        let step = self.rows.len().div_ceil(rows.max(1)).max(1);
        let mut thin =
            CountTables { frequencies: self.frequencies.clone(), times: self.times.clone(), ..CountTables::default() };
        thin.frequency_customers = vec![0.0; self.frequencies.len()];
        thin.age_customers = vec![0.0; self.times.len()];
        thin.age_repeats = vec![0.0; self.times.len()];
        for row in self.rows.iter().step_by(step) {
            let (customers, frequency) = (f64::from(row.customers), self.frequencies[row.frequency as usize]);
            thin.customers += u64::from(row.customers);
            thin.repeaters += if frequency > 0 { u64::from(row.customers) } else { 0 };
            thin.frequency_customers[row.frequency as usize] += customers;
            thin.age_customers[row.age as usize] += customers;
            thin.age_repeats[row.age as usize] += customers * f64::from(frequency);
            thin.rows.push(*row);
        }
        thin
    }

    /// The reason why no model can be fitted; `None` if one can.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        match (self.customers, self.repeaters) {
            (0, _) => Some("there are no customers to fit a model to"),
            (1, _) => Some("one customer is too few for a model"),
            (_, 0) => Some("no customer has bought again: how often customers buy cannot be estimated"),
            (_, 1) => Some("only one customer has bought again: too few for a model"),
            _ if self.rows.len() == 1 => {
                Some("all customers have the same history: differences between them cannot be estimated")
            }
            _ => None,
        }
    }
}

/// Distinct numbers, ascending, and the place of each.
struct Distinct {
    values: Vec<u32>,
    /// The place of each number below [`Distinct::DENSE`], indexed by the number.
    places: Vec<u32>,
}

impl Distinct {
    /// From this number on places are found by binary search, to keep the index small.
    const DENSE: u32 = 1 << 20;

    fn of(numbers: impl Iterator<Item = u32>) -> Distinct {
        let mut seen: Vec<bool> = vec![];
        let mut large: Vec<u32> = vec![];
        for n in numbers {
            if n < Distinct::DENSE {
                let place = n as usize;
                if place >= seen.len() {
                    seen.resize(place + 1, false);
                }
                seen[place] = true;
            } else {
                large.push(n);
            }
        }
        large.sort_unstable();
        large.dedup();
        let mut places = vec![0; seen.len()];
        let mut values = vec![];
        for (n, _) in seen.iter().enumerate().filter(|(_, seen)| **seen) {
            places[n] = values.len() as u32;
            values.push(n as u32);
        }
        values.extend(large);
        Distinct { values, places }
    }

    fn index(&self, n: u32) -> u32 {
        match self.places.get(n as usize) {
            Some(place) => *place,
            None => self.values.partition_point(|v| *v < n) as u32,
        }
    }
}
