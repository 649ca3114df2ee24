//! DEFINITIONS §6: who bought how often, up to when, and what came after.
//!
//! Where the text leaves room:
//!  - Only activity makes a transaction; all activity of a day is one, or with `order_id` each order of it, dated by its
//!    first row of activity, and each row without an order. x, t_x, T are of those before a day: as_of, or the day after
//!    `calibrate_until`, which is never later than as_of.
//!  - `calibrate_until` by default: the day before the start of the stage's period that holds observed_from + ⌊2/3 of
//!    the days of the window⌋.
//!  - Money before the first transaction belongs to none. After it the net amount of a day without a transaction goes to
//!    the latest day before it that has one, a refund too. What the first of several orders of the first day cost is not known: their
//!    mean, half-even to the minor unit.
//!  - The holdout is told by the stage's period, the first one cut to begin with the holdout. Customers: who had bought
//!    before it; segments as they were then (`latest`: of the day before).
//!  - Rivals: `last_period` repeats what those customers did in the last complete period that ended by the cut, in a
//!    period of which the holdout has a part only by its share of days. `ratio` multiplies that with (1 − r)^k in the
//!    k-th period of the holdout, r being the segment value's churn_rate_trailing of the last complete period before the
//!    cut. No such period (or rate): no such rival.
//!  - A row of model_calibration: x up to 49; the last is 50 or more.

use std::collections::BTreeMap;

use super::churn::trailing_rate;
use super::cohort::orders;
use super::{Book, Lens, Person, Range, Slice, all, half_even, revenue_in};
use crate::days::Day;
use crate::scenario::{At, Segment};

/// How a stage counts.
#[derive(Clone, Copy)]
pub struct Counting {
    pub by_order: bool,
    pub calibrate_until: Option<Day>,
}

/// The purchases of a customer before a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bought {
    pub x: i64,
    /// t_x and T in days.
    pub recency: i64,
    pub age: i64,
    /// What the repeat transactions came to.
    pub cents: i128,
}

/// Of one segment value in one period of the holdout, or of all.
pub type Done = BTreeMap<(Slice, Option<Day>), (i64, i128)>;

impl Counting {
    fn transactions(self, book: &Book, person: &Person, range: Range) -> i64 {
        if self.by_order {
            return orders(book, person, range);
        }
        (range.0..range.1)
            .filter(|day| person.transactions.iter().any(|t| t.day == *day && book.is_activity(t)))
            .count() as i64
    }

    pub fn before(self, book: &Book, person: &Person, until: Day) -> Option<Bought> {
        let earliest = person.transactions.iter().map(|t| t.day).min()?;
        let with_some: Vec<Day> =
            (earliest..until).filter(|day| self.transactions(book, person, (*day, day + 1)) > 0).collect();
        let (first, last) = (*with_some.first()?, *with_some.last()?);
        let on_first = self.transactions(book, person, (first, first + 1));
        let end_of_first = *with_some.get(1).unwrap_or(&until);
        let of_first = revenue_in(person, (first, end_of_first));
        let rest = of_first - half_even(of_first, i128::from(on_first));
        Some(Bought {
            x: self.transactions(book, person, (first, until)) - 1,
            recency: last - first,
            age: until - 1 - first,
            cents: revenue_in(person, (end_of_first, until)) + rest,
        })
    }

    /// The first day of the holdout.
    pub fn cut(self, book: &Book, lens: &Lens) -> Day {
        match self.calibrate_until {
            Some(last) => (last + 1).min(book.as_of),
            None => {
                let day = book.observed_from + (book.as_of - book.observed_from) * 2 / 3;
                lens.ranges.iter().find(|r| r.0 <= day && day < r.1).expect("a day of the window").0
            }
        }
    }
}

/// The value of a customer as it was known before a day.
pub fn value_then(book: &Book, person: &Person, dimension: Option<&Segment>, day: Day) -> Slice {
    let Some(segment) = dimension else { return all() };
    let value = if segment.at == At::Latest {
        book.value_before(person, segment.attribute, day)
    } else {
        book.fixed_value(person, segment)
    };
    Slice { segment: segment.name, value }
}

/// What those who had bought before the cut did after it: transactions and cents, by period and in all.
pub fn holdout(book: &Book, lens: &Lens, counting: Counting) -> Done {
    let cut = counting.cut(book, lens);
    let mut done = Done::new();
    for dimension in book.dimensions() {
        for person in book.people.values().filter(|p| counting.before(book, p, cut).is_some()) {
            let slice = value_then(book, person, dimension, cut);
            for range in periods_of(book, lens, cut) {
                let transactions = counting.transactions(book, person, range.1);
                let cents = revenue_in(person, range.1);
                for period in [Some(range.0), None] {
                    let cell = done.entry((slice.clone(), period)).or_default();
                    *cell = (cell.0 + transactions, cell.1 + cents);
                }
            }
        }
    }
    done
}

/// Start of each period that reaches into the holdout, and the part of it that does.
fn periods_of(book: &Book, lens: &Lens, cut: Day) -> Vec<(Day, Range)> {
    let part = |r: &Range| (r.0, (r.0.max(cut), r.1.min(book.as_of)));
    lens.ranges.iter().map(part).filter(|(_, r)| r.0 < r.1).collect()
}

/// What a rival expects: transactions and cents, by segment value and period, and in all.
pub fn rival(
    book: &Book,
    lens: &Lens,
    counting: Counting,
    shrinks: bool,
) -> BTreeMap<(Slice, Option<Day>), (f64, f64)> {
    let cut = counting.cut(book, lens);
    let mut expected: BTreeMap<(Slice, Option<Day>), (f64, f64)> = BTreeMap::new();
    let Some(last) = lens.ranges.iter().rposition(|r| book.complete(*r) && r.1 <= cut) else { return expected };
    for dimension in book.dimensions() {
        let mut before: BTreeMap<Slice, (i64, i128)> = BTreeMap::new();
        for person in book.people.values().filter(|p| counting.before(book, p, cut).is_some()) {
            let sum = before.entry(value_then(book, person, dimension, cut)).or_default();
            let range = lens.ranges[last];
            *sum = (sum.0 + counting.transactions(book, person, range), sum.1 + revenue_in(person, range));
        }
        for (slice, (transactions, cents)) in before {
            let rate = if shrinks { trailing_rate(book, lens, dimension, &slice, last) } else { Some(0.0) };
            let Some(rate) = rate else { continue };
            for (k, (start, (from, to))) in (1..).zip(periods_of(book, lens, cut)) {
                let whole = (lens.period.after(start, 1) - start) as f64;
                let factor = f64::powi(1.0 - rate, k) * (to - from) as f64 / whole;
                for period in [Some(start), None] {
                    let cell = expected.entry((slice.clone(), period)).or_default();
                    *cell = (cell.0 + transactions as f64 * factor, cell.1 + cents as f64 * factor);
                }
            }
        }
    }
    expected
}
