//! Acquisition costs and exchange rates, gathered from all files into small tables.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::exchange::{Rate, RateRow};
use crate::money;
use crate::rows::{Cost, ValueCode};
use crate::source::budget::Budget;

/// Bytes that the costs of a day and channel take, here and in the tables made from them.
const COST_BYTES: usize = 128;
/// Bytes that a rate takes, and a currency in addition to its name.
const RATE_BYTES: usize = 192;

/// Acquisition costs, summed by day and channel.
#[derive(Debug)]
pub(super) struct Costs<'a> {
    budget: &'a Budget,
    sums: Mutex<BTreeMap<(Day, ValueCode), CostSum>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct CostSum {
    rows: u64,
    amount: i128,
    /// The sum of the amounts without their signs.
    size: i128,
}

impl CostSum {
    fn add(&mut self, other: CostSum) {
        self.rows += other.rows;
        self.amount += other.amount;
        self.size += other.size;
    }
}

impl<'a> Costs<'a> {
    pub(super) fn new(budget: &'a Budget) -> Costs<'a> {
        Costs { budget, sums: Mutex::default() }
    }

    /// Adds rows, each of a day, a channel and an amount in minor units.
    ///
    /// # Errors
    /// Input: there are too many different days and channels.
    pub(super) fn add(&self, rows: impl Iterator<Item = (Day, ValueCode, i64)>) -> Result<()> {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let mut put = |key: (Day, ValueCode), sum: CostSum| {
            let known = sums.len();
            match sums.entry(key) {
                Entry::Occupied(mut before) => before.get_mut().add(sum),
                Entry::Vacant(_) if !self.budget.spend(COST_BYTES) => {
                    return Err(full("acquisition_costs", known, "days and channels", self.budget));
                }
                Entry::Vacant(place) => {
                    place.insert(sum);
                }
            }
            Ok(())
        };
        // Rows of one day and channel mostly stand one behind the other.
        let mut open: Option<((Day, ValueCode), CostSum)> = None;
        for (day, channel, amount) in rows {
            let amount = i128::from(amount);
            let row = CostSum { rows: 1, amount, size: amount.abs() };
            match &mut open {
                Some((key, sum)) if *key == (day, channel) => sum.add(row),
                _ => {
                    if let Some((key, sum)) = open.replace(((day, channel), row)) {
                        put(key, sum)?;
                    }
                }
            }
        }
        open.map_or(Ok(()), |(key, sum)| put(key, sum))
    }

    /// The sums, in order.
    ///
    /// # Errors
    /// Input: all of them together do not fit a money column.
    pub(super) fn finish(self) -> Result<Vec<Cost>> {
        let sums = self.sums.into_inner().unwrap_or_else(PoisonError::into_inner);
        if sums.values().map(|sum| sum.size).sum::<i128>() > money::MAX_MINOR {
            return Err(Error::input("the sum of acquisition_costs.amount does not fit DECIMAL(18)")
                .help("are the amounts in the unit that `money` says?"));
        }
        let mut costs: Vec<Cost> = sums
            .into_iter()
            .map(|((period_start, channel), sum)| {
                // The sum of all sizes fits, so each amount does.
                Cost { period_start, amount: sum.amount as i64, rows: sum.rows, channel }
            })
            .collect();
        costs.sort();
        Ok(costs)
    }
}

/// Exchange rates by currency and day.
#[derive(Debug)]
pub(super) struct RatesRead<'a> {
    budget: &'a Budget,
    rates: Mutex<BTreeMap<Arc<str>, BTreeMap<Day, OfDay>>>,
}

/// The least rate of a day, and the second least where rows contradict each other. Two are enough to report it.
type OfDay = (Rate, Option<Rate>);

impl<'a> RatesRead<'a> {
    pub(super) fn new(budget: &'a Budget) -> RatesRead<'a> {
        RatesRead { budget, rates: Mutex::default() }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Input: there are too many different currencies and days.
    pub(super) fn add(&self, rows: impl Iterator<Item = RateRow>) -> Result<()> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = None;
        for row in rows {
            if before.as_ref() == Some(&row) {
                continue;
            }
            before = Some(row.clone());
            let RateRow { currency, day, rate } = row;
            if !rates.contains_key(&currency) {
                self.spend(RATE_BYTES + currency.len(), &rates)?;
                rates.insert(currency.clone(), BTreeMap::new());
            }
            let is_new = !rates.get(&currency).is_some_and(|days| days.contains_key(&day));
            if is_new {
                self.spend(RATE_BYTES, &rates)?;
            }
            let days = rates.entry(currency).or_default();
            let (least, next) = days.entry(day).or_insert((rate, None));
            if rate < *least {
                (*least, *next) = (rate, Some(*least));
            } else if rate > *least && next.is_none_or(|next| rate < next) {
                *next = Some(rate);
            }
        }
        Ok(())
    }

    fn spend(&self, bytes: usize, rates: &BTreeMap<Arc<str>, BTreeMap<Day, OfDay>>) -> Result<()> {
        if self.budget.spend(bytes) {
            return Ok(());
        }
        let known = rates.values().map(BTreeMap::len).sum();
        Err(full("exchange_rates", known, "currencies and days", self.budget))
    }

    /// Takes out all rates, in order. Where rows of a day contradict each other, the day has two.
    pub(super) fn take(&self) -> Vec<RateRow> {
        let rates = std::mem::take(&mut *self.rates.lock().unwrap_or_else(PoisonError::into_inner));
        let of_currency = |(currency, days): (Arc<str>, BTreeMap<Day, OfDay>)| {
            days.into_iter().flat_map(move |(day, (least, next))| {
                let row = |rate| RateRow { currency: currency.clone(), day, rate };
                [Some(row(least)), next.map(row)].into_iter().flatten()
            })
        };
        rates.into_iter().flat_map(of_currency).collect()
    }
}

/// The error about a table that does not fit its memory.
fn full(source: &str, rows: usize, what: &str, budget: &Budget) -> Error {
    Error::input(format!(
        "source {source} has too many rows of different {what}: the first {rows} do not fit the {budget} that small \
         tables may take"
    ))
    .help(format!("check the mapping and the filter of sources.{source}, or raise --memory-limit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::ExactDecimal;

    fn rate(units: i128) -> Rate {
        Rate::new(ExactDecimal { unscaled: units, scale: 0 }).unwrap().0
    }

    #[test]
    fn costs_are_summed_by_day_and_channel_and_their_rows_counted() {
        let budget = Budget::new(usize::MAX);
        let costs = Costs::new(&budget);
        costs.add([(Day(1), 0, 5), (Day(1), 0, -2), (Day(1), 1, 7), (Day(1), 0, 1)].into_iter()).unwrap();
        costs.add([(Day(0), 0, 9)].into_iter()).unwrap();
        let found: Vec<_> =
            costs.finish().unwrap().into_iter().map(|c| (c.period_start.0, c.channel, c.amount, c.rows)).collect();
        assert_eq!(found, [(0, 0, 9, 1), (1, 0, 4, 3), (1, 1, 7, 1)]);
    }

    #[test]
    fn the_sum_of_all_costs_has_to_fit_whatever_their_signs() {
        let budget = Budget::new(usize::MAX);
        let half = (money::MAX_MINOR / 2 + 1) as i64;
        let costs = Costs::new(&budget);
        costs.add([(Day(1), 0, half), (Day(1), 0, -half)].into_iter()).unwrap();
        assert!(costs.finish().unwrap_err().what.contains("DECIMAL(18)"));
    }

    #[test]
    fn of_contradicting_rates_the_two_least_stay_whatever_came_first() {
        let row = |of: i128| RateRow { currency: "USD".into(), day: Day(3), rate: rate(of) };
        for order in [[5, 2, 9, 7, 2], [2, 5, 7, 9, 9], [9, 7, 5, 2, 2], [7, 5, 2, 9, 5]] {
            let budget = Budget::new(usize::MAX);
            let rates = RatesRead::new(&budget);
            order.into_iter().for_each(|of| rates.add([row(of)].into_iter()).unwrap());
            assert_eq!(rates.take(), [row(2), row(5)], "{order:?}");
        }
    }

    #[test]
    fn more_than_fits_is_an_error_and_equal_rows_take_no_room() {
        let budget = Budget::new(2 * COST_BYTES);
        let costs = Costs::new(&budget);
        costs.add((0..1000).map(|row| (Day(row / 500), 0, 1))).unwrap();
        let error = costs.add([(Day(9), 0, 1)].into_iter()).unwrap_err();
        assert!(error.what.contains("acquisition_costs") && error.what.contains("the first 2 "), "{}", error.what);
        let budget = Budget::new(3 * RATE_BYTES + 3);
        let rates = RatesRead::new(&budget);
        let row = |day| RateRow { currency: "USD".into(), day: Day(day), rate: rate(1) };
        rates.add((0..1000).map(|n| row(n % 2))).unwrap();
        let error = rates.add([row(2)].into_iter()).unwrap_err();
        assert!(error.what.contains("exchange_rates") && error.what.contains("the first 2 "), "{}", error.what);
    }
}
