//! What a bucket keeps: rows per customer, sorted and combined as far as no figure can tell.
//!
//! [`Rows::combine`] is idempotent and does not depend on the order in which rows arrived, so a bucket may be combined
//! whenever it has grown, spilled and combined again.

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::money::MAX_MINOR;
use crate::source::canonical::{PackedId, Term, ValueCode};

/// All transactions of a customer on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DayRow {
    pub key: u64,
    pub day: Day,
    /// Rows that satisfy `customers.activity`; 0: nothing but refunds and the like.
    pub active: u32,
    /// Orders dated here: distinct order ids by their first active row, or active rows where ids are not mapped.
    pub orders: u32,
    /// Sum of amounts, in minor units.
    pub net: i64,
}

/// The first active row of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderRow {
    pub key: u64,
    pub order: PackedId,
    pub day: Day,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TermRow {
    pub key: u64,
    pub term: Term,
}

/// A row of source `customers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberRow {
    pub key: u64,
    /// Orders conflicting rows of one customer: the greatest wins.
    pub canonical: Box<[u8]>,
    pub signed_up: Day,
    /// Segment and value, for each segment on this source.
    pub values: Vec<(u16, ValueCode)>,
    /// Rows exactly like this one.
    pub copies: u32,
    /// How many differing rows of this customer lost.
    pub conflicts: u32,
}

/// A segment's value as a transaction or subscription had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueRow {
    pub key: u64,
    pub segment: u16,
    pub day: Day,
    pub instant: i64,
    pub code: ValueCode,
}

/// A text id, once per customer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdRow {
    pub key: u64,
    pub id: Box<str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    pub days: Vec<DayRow>,
    pub orders: Vec<OrderRow>,
    pub terms: Vec<TermRow>,
    pub members: Vec<MemberRow>,
    pub values: Vec<ValueRow>,
    pub ids: Vec<IdRow>,
}

/// Two customers share a key: the scan must start again with another seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedKey;

impl Rows {
    pub fn len(&self) -> usize {
        self.days.len() + self.orders.len() + self.terms.len() + self.members.len() + self.values.len() + self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn append(&mut self, mut other: Rows) {
        self.days.append(&mut other.days);
        self.orders.append(&mut other.orders);
        self.terms.append(&mut other.terms);
        self.members.append(&mut other.members);
        self.values.append(&mut other.values);
        self.ids.append(&mut other.ids);
    }

    /// Sorts and merges rows that no figure can tell apart: days of a customer, repetitions of an order, of an id, of a
    /// value at an instant.
    ///
    /// # Errors
    /// When a customer's day sums beyond what money can hold.
    pub fn combine(&mut self) -> Result<std::result::Result<(), SharedKey>> {
        self.combine_days()?;
        self.orders.sort_unstable();
        self.orders.dedup_by(|later, first| (later.key, later.order) == (first.key, first.order));
        self.terms.sort_unstable();
        self.combine_members();
        self.combine_values();
        self.ids.sort_unstable();
        self.ids.dedup();
        let shared = self.ids.windows(2).any(|pair| pair[0].key == pair[1].key);
        Ok(if shared { Err(SharedKey) } else { Ok(()) })
    }

    fn combine_days(&mut self) -> Result<()> {
        self.days.sort_unstable_by_key(|r| (r.key, r.day));
        let mut overflow = false;
        self.days.dedup_by(|row, into| {
            if (row.key, row.day) != (into.key, into.day) {
                return false;
            }
            // Counts saturate far beyond what a day can hold; money may not.
            into.active = into.active.saturating_add(row.active);
            into.orders = into.orders.saturating_add(row.orders);
            match into.net.checked_add(row.net) {
                Some(sum) => into.net = sum,
                None => overflow = true,
            }
            true
        });
        if overflow { Err(too_much_money()) } else { Ok(()) }
    }

    fn combine_members(&mut self) {
        // Greatest canonical bytes first, so that dedup keeps the winner.
        self.members.sort_unstable_by(|a, b| a.key.cmp(&b.key).then_with(|| b.canonical.cmp(&a.canonical)));
        self.members.dedup_by(|row, kept| {
            if row.key != kept.key {
                return false;
            }
            // Counted so that it does not matter which rows met first: a row that lost counts with all of its copies.
            let same = row.canonical == kept.canonical;
            let (copies, conflicts) = if same { (row.copies, 0) } else { (0, row.copies) };
            kept.copies = kept.copies.saturating_add(copies);
            kept.conflicts = kept.conflicts.saturating_add(row.conflicts).saturating_add(conflicts);
            true
        });
    }

    /// Of a day only its first and its last instant can matter (`at = "first"`, "opening", "latest").
    fn combine_values(&mut self) {
        self.values.sort_unstable();
        self.values.dedup();
        let same_day = |a: &ValueRow, b: &ValueRow| (a.key, a.segment, a.day) == (b.key, b.segment, b.day);
        let mut kept = Vec::with_capacity(self.values.len());
        for group in self.values.chunk_by(same_day) {
            let (first, last) = (group[0].instant, group[group.len() - 1].instant);
            kept.extend(group.iter().filter(|r| r.instant == first || r.instant == last));
        }
        self.values = kept;
    }

    /// After the last row: dates each order by its first row, checks each customer's money.
    pub fn seal(&mut self) -> Result<std::result::Result<(), SharedKey>> {
        if let Err(shared) = self.combine()? {
            return Ok(Err(shared));
        }
        for order in std::mem::take(&mut self.orders) {
            if let Ok(i) = self.days.binary_search_by_key(&(order.key, order.day), |r| (r.key, r.day)) {
                self.days[i].orders = self.days[i].orders.saturating_add(1);
            }
        }
        for customer in self.days.chunk_by(|a, b| a.key == b.key) {
            if customer.iter().map(|d| i128::from(d.net.unsigned_abs())).sum::<i128>() > MAX_MINOR {
                return Err(too_much_money());
            }
        }
        Ok(Ok(()))
    }
}

fn too_much_money() -> Error {
    Error::input("the amounts of one customer sum to more than DECIMAL(18) can hold")
        .help("check the unit of `amount`, or lower `digits` in [money]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(key: u64, day: i32, net: i64) -> DayRow {
        DayRow { key, day: Day(day), active: 1, orders: 0, net }
    }

    #[test]
    fn combining_is_idempotent_and_blind_to_order() {
        let rows = |flip: bool| {
            let mut days = vec![day(1, 3, 5), day(1, 3, -9), day(2, 3, 7), day(1, 1, 4)];
            let mut orders = vec![
                OrderRow { key: 1, order: 8, day: Day(3) },
                OrderRow { key: 1, order: 8, day: Day(1) },
                OrderRow { key: 1, order: 9, day: Day(3) },
            ];
            if flip {
                days.reverse();
                orders.reverse();
            }
            Rows { days, orders, ..Rows::default() }
        };
        let (mut once, mut other) = (rows(false), rows(true));
        assert_eq!(once.combine().unwrap(), Ok(()));
        assert_eq!(other.combine().unwrap(), Ok(()));
        assert_eq!(other.combine().unwrap(), Ok(()));
        assert_eq!(once, other);
        once.seal().unwrap().unwrap();
        let seen: Vec<_> = once.days.iter().map(|d| (d.key, d.day.0, d.active, d.orders, d.net)).collect();
        assert_eq!(seen, [(1, 1, 1, 1, 4), (1, 3, 2, 1, -4), (2, 3, 1, 0, 7)]);
    }

    #[test]
    fn two_ids_under_one_key_are_noticed() {
        let ids = ["a", "b", "a"].map(|id| IdRow { key: 7, id: id.into() }).to_vec();
        assert_eq!(Rows { ids, ..Rows::default() }.combine().unwrap(), Err(SharedKey));
    }

    #[test]
    fn money_beyond_a_decimal_is_an_error() {
        let most = MAX_MINOR as i64;
        assert!(Rows { days: vec![day(1, 1, most), day(1, 2, 1)], ..Rows::default() }.seal().is_err());
        assert!(Rows { days: vec![day(1, 1, i64::MAX), day(1, 1, i64::MAX)], ..Rows::default() }.combine().is_err());
        assert!(Rows { days: vec![day(1, 1, most), day(2, 2, 1)], ..Rows::default() }.seal().is_ok());
    }

    #[test]
    fn of_two_customer_rows_the_greater_wins_and_the_other_is_counted() {
        let member = |canonical: &[u8], signed_up| MemberRow {
            key: 1,
            canonical: canonical.into(),
            signed_up: Day(signed_up),
            values: vec![],
            copies: 1,
            conflicts: 0,
        };
        let mut rows = Rows { members: vec![member(b"a", 1), member(b"b", 2), member(b"b", 2)], ..Rows::default() };
        rows.combine().unwrap().unwrap();
        assert_eq!(rows.members, [MemberRow { copies: 2, conflicts: 1, ..member(b"b", 2) }]);
    }

    #[test]
    fn rows_that_lose_are_counted_whichever_meet_first() {
        let member = |canonical: u8| MemberRow {
            key: 1,
            canonical: [canonical].into(),
            signed_up: Day(0),
            values: vec![],
            copies: 1,
            conflicts: 0,
        };
        for split in 0..=5 {
            let mut rows = Rows { members: [1, 1, 2, 3, 2].map(member).to_vec(), ..Rows::default() };
            let mut later = Rows { members: rows.members.split_off(split), ..Rows::default() };
            rows.combine().unwrap().unwrap();
            later.combine().unwrap().unwrap();
            rows.append(later);
            rows.combine().unwrap().unwrap();
            assert_eq!(rows.members, [MemberRow { conflicts: 4, ..member(3) }], "split at {split}");
        }
    }
}
