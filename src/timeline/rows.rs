//! The rows of one customer, and functions that combine rows which no figure can tell apart.

use serde::{Deserialize, Serialize};

pub use super::day_totals::{DayRow, DaySum};
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::money::MAX_MINOR;
pub use crate::rows::AnswerKind;
use crate::rows::{PackedId, ValueCode};

/// An order, and the day of its first active row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderRow {
    pub order: PackedId,
    pub day: Day,
}

/// What a customer used on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseRow {
    pub day: Day,
    /// Thousandths; each row counts 1000 where `usage.quantity` is not mapped.
    pub quantity: i64,
}

impl UseRow {
    /// Adds another row of the same day. Quantities are not negative, so that a saturated sum does not depend on the
    /// order of rows.
    pub fn add(&mut self, other: UseRow) {
        self.quantity = self.quantity.saturating_add(other.quantity);
    }
}

/// An answer to a survey, or an invitation that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnswerRow {
    pub day: Day,
    pub instant: i64,
    pub kind: AnswerKind,
    /// Hundredths of a point; `None`: not answered. Exit surveys have none.
    pub score: Option<i32>,
    /// A code of [`Labels::reasons`](super::labels::Labels). It is the last field, and so the last to be compared,
    /// because the numbers of codes depend on threads.
    pub reason: ValueCode,
}

/// A customer's row of source `customers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberRow {
    /// The row's canonical bytes. Of conflicting rows of one customer the greatest counts.
    pub canonical: Box<[u8]>,
    pub signed_up: Day,
    /// A code of [`Labels::channels`](super::labels::Labels).
    pub channel: ValueCode,
    /// `referred_by` names somebody else.
    pub referred: bool,
    /// Segment and value, for each segment on this source.
    pub values: Vec<(u16, ValueCode)>,
    /// The number of rows equal to this one, with itself.
    pub copies: u32,
    /// The number of differing rows of this customer that lost.
    pub conflicts: u32,
}

/// A segment's value in a row of a source other than `customers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueRow {
    pub segment: u16,
    pub day: Day,
    pub instant: i64,
    pub code: ValueCode,
}

/// Sorts a customer's days and combines those of the same date.
pub fn combine_days(days: &mut Vec<DaySum>) {
    if !days.is_sorted_by_key(|d| d.day) {
        days.sort_unstable_by_key(|d| d.day);
    }
    days.dedup_by(|row, into| {
        let same = row.day == into.day;
        if same {
            into.add(row);
        }
        same
    });
}

/// Sorts a customer's usage and combines rows of the same date.
pub fn combine_uses(usage: &mut Vec<UseRow>) {
    if !usage.is_sorted_by_key(|u| u.day) {
        usage.sort_unstable_by_key(|u| u.day);
    }
    usage.dedup_by(|row, into| {
        let same = row.day == into.day;
        if same {
            into.add(*row);
        }
        same
    });
}

/// Sorts a customer's orders and keeps the first day of each.
pub fn combine_orders(orders: &mut Vec<OrderRow>) {
    orders.sort_unstable();
    orders.dedup_by(|later, first| later.order == first.order);
}

/// Counts an order on its day; `days` are sorted and have that day.
pub fn date_order(days: &mut [DaySum], day: Day) {
    if let Ok(i) = days.binary_search_by_key(&day, |d| d.day) {
        days[i].orders = days[i].orders.saturating_add(1);
    }
}

/// Combines a customer's row of source `customers` with the one kept so far. The result does not depend on the order of
/// rows: a row that loses counts as a conflict with all of its copies.
pub fn combine_members(kept: &mut Option<MemberRow>, row: MemberRow) {
    let Some(before) = kept else {
        *kept = Some(row);
        return;
    };
    if row.canonical == before.canonical {
        before.copies = before.copies.saturating_add(row.copies);
        before.conflicts = before.conflicts.saturating_add(row.conflicts);
        return;
    }
    let (mut winner, loser) =
        if row.canonical > before.canonical { (row, before.clone()) } else { (before.clone(), row) };
    winner.conflicts = winner.conflicts.saturating_add(loser.conflicts).saturating_add(loser.copies);
    *before = winner;
}

/// Sorts a customer's segment values and keeps those that can matter (`at = "first"`, `"opening"`, `"latest"`): of a
/// day those of the first and the last instant.
pub fn combine_values(values: &mut Vec<ValueRow>) {
    values.sort_unstable();
    values.dedup();
    let mut kept = 0;
    let mut from = 0;
    while from < values.len() {
        let head = values[from];
        let group = values[from..].iter().take_while(|v| (v.segment, v.day) == (head.segment, head.day)).count();
        let last = values[from + group - 1].instant;
        for i in from..from + group {
            if values[i].instant == head.instant || values[i].instant == last {
                values[kept] = values[i];
                kept += 1;
            }
        }
        from += group;
    }
    values.truncate(kept);
}

/// Checks, after the last row, that the sum of the absolute amounts of a customer's days fits a DECIMAL(18). Then every
/// sum of them does.
///
/// # Errors
/// Input: it does not fit.
pub fn check_money(days: &[DaySum]) -> Result<()> {
    let mut sum = 0u128;
    for day in days {
        sum = sum.saturating_add(day.net.unsigned_abs());
    }
    if sum <= MAX_MINOR as u128 {
        return Ok(());
    }
    Err(Error::input("the amounts of one customer sum to more than DECIMAL(18) can hold")
        .help("check the unit of `amount`, or lower `digits` in [money]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::NO_VALUE;

    fn day(day: i32, net: i128) -> DaySum {
        DaySum { day: Day(day), active: 1, orders: 0, net }
    }

    #[test]
    fn days_and_orders_combine_in_any_order() {
        let mut days = vec![day(3, 5), day(3, -9), day(1, 4)];
        combine_days(&mut days);
        let once = days.clone();
        combine_days(&mut days);
        assert_eq!(days, once);
        let order = |order, day| OrderRow { order, day: Day(day) };
        let mut orders = vec![order(8, 3), order(9, 3), order(8, 1)];
        combine_orders(&mut orders);
        assert_eq!(orders, [order(8, 1), order(9, 3)]);
        orders.iter().for_each(|o| date_order(&mut days, o.day));
        let seen: Vec<_> = days.iter().map(|d| (d.day.0, d.active, d.orders, d.net)).collect();
        assert_eq!(seen, [(1, 1, 1, 4), (3, 2, 1, -4)]);
    }

    /// Sums are checked when they are whole, so that it does not matter in which order rows arrived.
    #[test]
    fn money_beyond_a_decimal_is_an_error() {
        let most = MAX_MINOR;
        assert!(check_money(&[day(1, most), day(2, 1)]).is_err());
        assert!(check_money(&[day(1, most), day(2, -1)]).is_err());
        assert!(check_money(&[day(1, most)]).is_ok());
        let mut days = vec![day(1, most), day(1, most), day(1, -most)];
        combine_days(&mut days);
        assert!(check_money(&days).is_ok());
    }

    #[test]
    fn rows_that_lose_are_counted_in_any_order() {
        let member = |canonical: u8| MemberRow {
            canonical: [canonical].into(),
            signed_up: Day(i32::from(canonical)),
            channel: NO_VALUE,
            referred: false,
            values: vec![],
            copies: 1,
            conflicts: 0,
        };
        let rows = [1, 1, 2, 3, 2];
        for split in 0..=rows.len() {
            let combined = |rows: &[u8]| {
                let mut kept = None;
                rows.iter().for_each(|row| combine_members(&mut kept, member(*row)));
                kept
            };
            let (mut first, later) = (combined(&rows[..split]), combined(&rows[split..]));
            later.into_iter().for_each(|row| combine_members(&mut first, row));
            assert_eq!(first, Some(MemberRow { conflicts: 4, ..member(3) }), "split at {split}");
        }
    }

    #[test]
    fn the_first_and_the_last_instant_of_a_day_are_kept() {
        let value = |day, instant, code| ValueRow { segment: 0, day: Day(day), instant, code };
        let mut values = vec![value(2, 9, 4), value(1, 3, 7), value(1, 1, 5), value(1, 2, 6), value(1, 3, 7)];
        combine_values(&mut values);
        assert_eq!(values, [value(1, 1, 5), value(1, 3, 7), value(2, 9, 4)]);
    }
}
