//! Append-only logs of rows, in the order of their arrival: what a bucket holds until it is flushed to a run.
//!
//! Exports are mostly in order of time, with the lines of an order next to each other. A row is therefore written as
//! its difference to the row before, and rows that no figure can tell apart are combined before they are written.

use super::rows::{DayRow, UseRow, ValueRow};
use super::varint::{Reader, put, put_wide, unzigzag, unzigzag_wide, zigzag, zigzag_wide};
use crate::calendar::Day;
use crate::rows::PackedId;

/// A log grows in pieces of so many bytes, so that nothing is ever copied to make room.
const PIECE: usize = 1 << 14;
/// The most bytes that a row takes.
const LONGEST: usize = 64;

/// The number of a customer within a bucket buffer, from 0.
pub(super) type CustomerNumber = u32;

#[derive(Default)]
struct AppendLog {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
}

impl AppendLog {
    /// Where the next row is appended.
    fn end(&mut self) -> &mut Vec<u8> {
        if self.last.len() + LONGEST > PIECE {
            self.full.push(std::mem::replace(&mut self.last, Vec::with_capacity(PIECE)));
        }
        &mut self.last
    }

    fn bytes(&self) -> usize {
        self.full.len() * PIECE + self.last.capacity()
    }

    /// Calls `read` for each row, to read it.
    fn each(&self, mut read: impl FnMut(&mut Reader<'_>)) {
        for piece in self.full.iter().chain([&self.last]) {
            let mut reader = Reader::new(piece);
            while !reader.is_empty() {
                read(&mut reader);
            }
        }
    }
}

/// The transactions of a customer on a day that belong to one order, or to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    pub customer: CustomerNumber,
    /// Active rows without an order id count as orders of their own.
    pub totals: DayRow,
    /// The order of the active rows; 0: none.
    pub order: PackedId,
}

/// What the first row of a log is compared with.
impl Default for Purchase {
    fn default() -> Purchase {
        Purchase { customer: 0, totals: DayRow { day: Day(0), active: 0, orders: 0, net: 0 }, order: 0 }
    }
}

impl Purchase {
    /// Combines both, if nothing is lost by it.
    fn merged(self, next: Purchase) -> Option<Purchase> {
        let same = (self.customer, self.totals.day) == (next.customer, next.totals.day);
        let order = self.order | next.order;
        if !same || (self.order != 0 && next.order != 0 && self.order != next.order) {
            return None;
        }
        Some(Purchase { totals: self.totals.checked_add(next.totals)?, order, ..self })
    }
}

/// The log of transactions.
#[derive(Default)]
pub struct PurchaseLog {
    log: AppendLog,
    /// The last row, not written yet: the next one may be combined with it.
    open: Option<Purchase>,
    /// The last row that was written.
    before: Purchase,
    rows: usize,
}

const SAME_CUSTOMER: u8 = 1;
const SAME_DAY: u8 = 2;
/// One active row, which is an order by itself exactly if it has no order.
const PLAIN: u8 = 4;
const ORDERED: u8 = 8;

impl PurchaseLog {
    pub fn push(&mut self, row: Purchase) {
        let merged = self.open.and_then(|open| open.merged(row));
        if merged.is_none() {
            self.write();
        }
        self.open = Some(merged.unwrap_or(row));
    }

    fn write(&mut self) {
        let Some(row) = self.open.take() else { return };
        let PurchaseLog { log, before, .. } = self;
        let into = log.end();
        let has = |holds: bool, flag: u8| if holds { flag } else { 0 };
        let (totals, day_before) = (row.totals, before.totals.day.0);
        let plain = totals.is_one_row(u32::from(row.order == 0));
        into.push(
            has(row.customer == before.customer, SAME_CUSTOMER)
                | has(totals.day.0 == day_before, SAME_DAY)
                | has(plain, PLAIN)
                | has(row.order != 0, ORDERED),
        );
        if row.customer != before.customer {
            put(into, row.customer.into());
        }
        if totals.day.0 != day_before {
            put(into, zigzag(i64::from(totals.day.0) - i64::from(day_before)));
        }
        if !plain {
            totals.put_counts(into);
        }
        put(into, zigzag(totals.net));
        if row.order != 0 {
            put_wide(into, zigzag_wide(row.order.wrapping_sub(before.order) as i128));
            before.order = row.order;
        }
        (before.customer, before.totals.day) = (row.customer, totals.day);
        self.rows += 1;
    }

    pub fn bytes(&self) -> usize {
        self.log.bytes()
    }

    pub fn len(&self) -> usize {
        self.rows + usize::from(self.open.is_some())
    }

    /// All rows, in the order of their arrival.
    pub fn read(mut self) -> Vec<Purchase> {
        self.write();
        let mut all = Vec::with_capacity(self.rows);
        let (mut customer, mut day, mut last) = (0, 0i64, 0u128);
        self.log.each(|reader| {
            let flags = reader.byte();
            if flags & SAME_CUSTOMER == 0 {
                customer = reader.number() as CustomerNumber;
            }
            if flags & SAME_DAY == 0 {
                day += unzigzag(reader.number());
            }
            let counts = (flags & PLAIN == 0).then(|| DayRow::read_counts(reader, Day(day as i32), 0));
            let net = unzigzag(reader.number());
            let mut order = 0;
            if flags & ORDERED != 0 {
                last = last.wrapping_add(unzigzag_wide(reader.wide()) as u128);
                order = last;
            }
            let totals = match counts {
                Some(counts) => DayRow { net, ..counts },
                None => DayRow::one_row(Day(day as i32), u32::from(order == 0), net),
            };
            all.push(Purchase { customer, totals, order });
        });
        all
    }
}

/// The log of segment values of transactions, subscriptions, usage and answers.
#[derive(Default)]
pub struct ValueLog {
    log: AppendLog,
    before: (CustomerNumber, ValueRow),
    rows: usize,
}

impl Default for ValueRow {
    fn default() -> Self {
        ValueRow { segment: 0, day: Day(0), instant: 0, code: 0 }
    }
}

impl ValueLog {
    pub fn push(&mut self, customer: CustomerNumber, row: ValueRow) {
        if self.rows > 0 && self.before == (customer, row) {
            return;
        }
        let (_, before) = self.before;
        let into = self.log.end();
        put(into, customer.into());
        put(into, row.segment.into());
        put(into, zigzag(i64::from(row.day.0) - i64::from(before.day.0)));
        put(into, zigzag(row.instant.wrapping_sub(before.instant)));
        put(into, row.code.into());
        self.before = (customer, row);
        self.rows += 1;
    }

    pub fn bytes(&self) -> usize {
        self.log.bytes()
    }

    pub fn read(self) -> Vec<(CustomerNumber, ValueRow)> {
        let mut all = Vec::with_capacity(self.rows);
        let mut before = ValueRow::default();
        self.log.each(|reader| {
            let customer = reader.number() as CustomerNumber;
            let segment = reader.number() as u16;
            let day = Day((i64::from(before.day.0) + unzigzag(reader.number())) as i32);
            let instant = before.instant.wrapping_add(unzigzag(reader.number()));
            before = ValueRow { segment, day, instant, code: reader.number() as u32 };
            all.push((customer, before));
        });
        all
    }
}

/// The log of usage.
#[derive(Default)]
pub struct UseLog {
    log: AppendLog,
    /// The last row, not written yet: the next one may be of the same day.
    open: Option<(CustomerNumber, UseRow)>,
    day: i32,
    rows: usize,
}

impl UseLog {
    pub fn push(&mut self, customer: CustomerNumber, row: UseRow) {
        match &mut self.open {
            Some((of, open)) if (*of, open.day) == (customer, row.day) => open.add(row),
            _ => {
                self.write();
                self.open = Some((customer, row));
            }
        }
    }

    fn write(&mut self) {
        let Some((customer, row)) = self.open.take() else { return };
        let into = self.log.end();
        put(into, customer.into());
        put(into, zigzag(i64::from(row.day.0) - i64::from(self.day)));
        put(into, zigzag(row.quantity));
        self.day = row.day.0;
        self.rows += 1;
    }

    pub fn bytes(&self) -> usize {
        self.log.bytes()
    }

    pub fn read(mut self) -> Vec<(CustomerNumber, UseRow)> {
        self.write();
        let mut all = Vec::with_capacity(self.rows);
        let mut day = 0;
        self.log.each(|reader| {
            let customer = reader.number() as CustomerNumber;
            day += unzigzag(reader.number());
            all.push((customer, UseRow { day: Day(day as i32), quantity: unzigzag(reader.number()) }));
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn purchase() -> impl Strategy<Value = Purchase> {
        let net = prop_oneof![9 => -5_000..5_000i64, 1 => any::<i64>()];
        let order = prop_oneof![5 => 0..4u128, 1 => any::<u128>()];
        let day = prop_oneof![9 => 19_000..19_003, 1 => -200_000..200_000];
        (0..3u32, day, 0..3u32, 0..3u32, net, order).prop_map(|(customer, day, active, orders, net, order)| Purchase {
            customer,
            totals: DayRow { day: Day(day), active, orders, net },
            order,
        })
    }

    type SeenDays = Vec<(CustomerNumber, i32, i128, u64, u64)>;
    type SeenOrders = Vec<(CustomerNumber, u128, i32)>;

    /// The sums of each customer's days, and the orders with their days.
    fn sums(rows: &[Purchase]) -> (SeenDays, SeenOrders) {
        let mut days = std::collections::BTreeMap::<_, (i128, u64, u64)>::new();
        let mut orders = std::collections::BTreeSet::new();
        for row in rows {
            let day = days.entry((row.customer, row.totals.day.0)).or_default();
            day.0 += i128::from(row.totals.net);
            day.1 += u64::from(row.totals.active);
            day.2 += u64::from(row.totals.orders);
            if row.order != 0 {
                orders.insert((row.customer, row.order, row.totals.day.0));
            }
        }
        (days.into_iter().map(|((c, d), (n, a, o))| (c, d, n, a, o)).collect(), orders.into_iter().collect())
    }

    proptest! {
        #![proptest_config(crate::properties::cases(256))]

        #[test]
        fn a_log_keeps_the_sums_and_orders_of_its_rows(rows in prop::collection::vec(purchase(), 0..3_000)) {
            let mut log = PurchaseLog::default();
            rows.iter().for_each(|row| log.push(*row));
            let read = log.read();
            prop_assert!(read.len() <= rows.len());
            prop_assert_eq!(sums(&read), sums(&rows));
        }

        #[test]
        fn uses_come_back_summed(rows in prop::collection::vec((0..3u32, -9..9i32, 0..i64::MAX), 0..2_000)) {
            let mut log = UseLog::default();
            let mut expected = std::collections::BTreeMap::<_, i64>::new();
            for (customer, day, quantity) in rows {
                log.push(customer, UseRow { day: Day(day), quantity });
                let sum = expected.entry((customer, day)).or_default();
                *sum = sum.saturating_add(quantity);
            }
            let mut read = std::collections::BTreeMap::<_, i64>::new();
            for (customer, row) in log.read() {
                let sum = read.entry((customer, row.day.0)).or_default();
                *sum = sum.saturating_add(row.quantity);
            }
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn values_come_back(rows in prop::collection::vec((0..3u32, 0..2u16, -9..9i32, any::<i64>(), any::<u32>()), 0..2_000)) {
            let rows: Vec<_> = rows
                .into_iter()
                .map(|(c, segment, day, instant, code)| (c, ValueRow { segment, day: Day(day), instant, code }))
                .collect();
            let mut log = ValueLog::default();
            rows.iter().for_each(|(customer, row)| log.push(*customer, *row));
            let mut expected = rows;
            expected.dedup();
            prop_assert_eq!(log.read(), expected);
        }
    }

    #[test]
    fn the_lines_of_an_order_are_one() {
        let line = |active, net| {
            let totals = DayRow { day: Day(19_000), active, orders: 0, net };
            Purchase { customer: 7, totals, order: 99 }
        };
        let mut log = PurchaseLog::default();
        [line(1, 5), line(1, 6), Purchase { order: 0, ..line(0, -1) }, line(1, 7)].iter().for_each(|l| log.push(*l));
        assert_eq!(log.read(), [line(3, 17)]);
    }
}
