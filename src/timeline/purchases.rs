//! A customer's purchases as models of buying see them: how often, how lately, since when (DEFINITIONS §6).

use super::rows::DayRow;
use super::shape::Shape;
use super::view::View;
use crate::calendar::{Day, Period};
use crate::money::div_half_even;

/// What is one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionUnit {
    /// All activities of a day.
    ByDay,
    /// An order, dated by its first row.
    ByOrder,
}

/// Up to which day customers are looked at (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    AsOf,
    Day(Day),
    /// So many millionths of the window, down to the start of a period.
    Share(u32, Period),
}

impl Until {
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

/// A customer's purchases up to a day, as the models see them; times in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchases {
    /// x: transactions after the first.
    pub frequency: u32,
    /// t_x: from the first to the last.
    pub recency: u32,
    /// T: from the first to the last observed day.
    pub age: u32,
    /// Net revenue of the transactions after the first, in minor units; a refund nets against the latest day of
    /// activity before it.
    pub spend: i64,
}

impl TransactionUnit {
    /// How many transactions a day holds.
    pub fn on(self, view: &View<'_>, day: &DayRow) -> i64 {
        match self {
            TransactionUnit::ByDay => i64::from(day.active > 0),
            TransactionUnit::ByOrder => view.orders(day),
        }
    }

    /// The purchases before a day; `None` for who had made none.
    pub fn before(self, view: &View<'_>, until: Day) -> Option<Purchases> {
        let days = view.days();
        let days = &days[..days.partition_point(|d| d.day < until)];
        let first = days.iter().position(|d| self.on(view, d) > 0)?;
        // Money before the first transaction belongs to none.
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
        // Orders of one day cannot be told apart by money: those of the first day count at their mean.
        spend += first_net - div_half_even(first_net, i128::from(of_first));
        Some(Purchases {
            frequency: u32::try_from(transactions - 1).unwrap_or(u32::MAX),
            recency: (last.0 - days[0].day.0) as u32,
            age: (until.0 - 1 - days[0].day.0) as u32,
            spend: i64::try_from(spend).unwrap_or(if spend < 0 { i64::MIN } else { i64::MAX }),
        })
    }
}
