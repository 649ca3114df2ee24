//! A customer's purchases as purchase models (BG/NBD, Pareto/NBD, Gamma-Gamma) take them: frequency, recency, age,
//! spend (DEFINITIONS §6).

use super::rows::DayRow;
use super::shape::Shape;
use super::view::View;
use crate::calendar::{Day, Period};
use crate::money::div_half_even;

/// What counts as one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionUnit {
    /// All activities of a day.
    ByDay,
    /// An order, dated by its first row.
    ByOrder,
}

/// The day up to which purchases count, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    AsOf,
    Day(Day),
    /// So many millionths of the observed window, rounded down to the start of a period.
    Share(u32, Period),
}

impl Until {
    /// The day, at most as_of.
    pub fn day(self, shape: &Shape) -> Day {
        match self {
            Until::AsOf => shape.as_of,
            Until::Day(day) => day.min(shape.as_of),
            Until::Share(millionths, period) => {
                let span = i64::from(shape.as_of.0) - i64::from(shape.observed_from.0);
                let days = span * i64::from(millionths) / 1_000_000;
                let grid = &shape.frame(period).grid;
                grid.start(grid.at(shape.observed_from.plus(days as i32)))
            }
        }
    }
}

/// A customer's purchases up to a day. Times are in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchases {
    /// x: the number of transactions after the first.
    pub frequency: u32,
    /// t_x: the time from the first to the last transaction.
    pub recency: u32,
    /// T: the time from the first transaction to the last observed day.
    pub age: u32,
    /// Net revenue of the transactions after the first, in minor units; a refund nets against the latest day of
    /// activity before it.
    pub spend: i64,
}

impl TransactionUnit {
    /// The number of transactions of a day.
    pub fn on(self, view: &View<'_>, day: &DayRow) -> i64 {
        match self {
            TransactionUnit::ByDay => i64::from(day.active > 0),
            TransactionUnit::ByOrder => view.orders(day),
        }
    }

    /// The purchases before a day; `None` if there are none.
    pub fn before(self, view: &View<'_>, until: Day) -> Option<Purchases> {
        let days = view.days();
        let days = &days[..days.partition_point(|d| d.day < until)];
        let first = days.iter().position(|d| self.on(view, d) > 0)?;
        // Money before the first transaction (a refund of an earlier purchase) belongs to no transaction.
        let days = &days[first..];
        let of_first = self.on(view, &days[0]);
        let (mut transactions, mut last, mut spend, mut first_net) = (0, days[0].day, 0i128, 0i128);
        for day in days {
            let on_day = self.on(view, day);
            transactions += on_day;
            if on_day > 0 {
                last = day.day;
            }
            if transactions == of_first {
                first_net += i128::from(day.net);
            } else {
                spend += i128::from(day.net);
            }
        }
        // The money of orders of one day is known as a sum: the first order counts as the mean of its day.
        spend += first_net - div_half_even(first_net, i128::from(of_first));
        Some(Purchases {
            frequency: u32::try_from(transactions - 1).unwrap_or(u32::MAX),
            recency: (last.0 - days[0].day.0) as u32,
            age: (until.0 - 1 - days[0].day.0) as u32,
            spend: i64::try_from(spend).unwrap_or(if spend < 0 { i64::MIN } else { i64::MAX }),
        })
    }
}
