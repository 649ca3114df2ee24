//! What the transactions of a customer on a day add up to.
//!
//! A value of a transaction that figures need is a field of [`DayTotals`]: this file alone says how two rows of a day
//! combine, and how the value is written to a log and to a record.

use super::varint::{Reader, put};
use crate::calendar::Day;

/// All transactions of a customer on a day. `M` is the type of sums of money, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayTotals<M> {
    pub day: Day,
    /// The number of rows that satisfy `customers.activity`; 0 on a day of refunds alone, for example.
    pub active: u32,
    /// The number of orders of the day: distinct order ids, each on the day of its first active row, or active rows
    /// where `order_id` is not mapped.
    pub orders: u32,
    /// Sum of amounts, in minor units.
    pub net: M,
}

/// A day as figures see it.
pub type DayRow = DayTotals<i64>;

/// A day while rows still arrive: partial sums may be greater than what a day may hold in the end.
pub type DaySum = DayTotals<i128>;

impl DayRow {
    /// The totals of both rows of a day; `None` if one of the sums does not fit.
    pub(super) fn checked_add(self, other: DayRow) -> Option<DayRow> {
        Some(DayRow {
            day: self.day,
            active: self.active.checked_add(other.active)?,
            orders: self.orders.checked_add(other.orders)?,
            net: self.net.checked_add(other.net)?,
        })
    }
}

impl From<DayRow> for DaySum {
    fn from(row: DayRow) -> DaySum {
        DaySum { day: row.day, active: row.active, orders: row.orders, net: row.net.into() }
    }
}

impl DaySum {
    /// Adds another row of the same day. Counts saturate far beyond real days. Money cannot overflow: at most 2⁶⁴ rows
    /// of i64 fit into i128.
    pub(super) fn add(&mut self, other: &DaySum) {
        self.active = self.active.saturating_add(other.active);
        self.orders = self.orders.saturating_add(other.orders);
        self.net += other.net;
    }

    /// The day as figures see it. [`check_money`](super::rows::check_money) made sure that the sum fits.
    #[inline]
    pub(super) fn narrow(self) -> DayRow {
        DayRow { day: self.day, active: self.active, orders: self.orders, net: self.net as i64 }
    }
}

impl<M> DayTotals<M> {
    /// True for one active row and this many orders: the usual case, for which logs and records write no counts.
    #[inline]
    pub(super) fn is_one_row(&self, orders: u32) -> bool {
        self.active == 1 && self.orders == orders
    }

    /// Writes everything but the day and the money.
    #[inline]
    pub(super) fn put_counts(&self, into: &mut Vec<u8>) {
        put(into, self.active.into());
        put(into, self.orders.into());
    }

    /// Reads what [`put_counts`](DayTotals::put_counts) wrote.
    #[inline]
    pub(super) fn read_counts(reader: &mut Reader<'_>, day: Day, net: M) -> DayTotals<M> {
        let (active, orders) = (reader.number() as u32, reader.number() as u32);
        DayTotals { day, active, orders, net }
    }

    /// The totals of one active row with this many orders.
    #[inline]
    pub(super) fn one_row(day: Day, orders: u32, net: M) -> DayTotals<M> {
        DayTotals { day, active: 1, orders, net }
    }
}
