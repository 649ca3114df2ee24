//! A bucket while its rows arrive: a directory of its customers, and a log for each kind of row. Flushing it brings the
//! rows of each customer together.

use super::append_log::{CustomerNumber, Purchase, PurchaseLog, UseLog, ValueLog};
use super::directory::Directory;
use super::record::CustomerRows;
use super::rows::{AnswerRow, MemberRow, OrderRow, ValueRow, combine_members};
use crate::error::Result;
use crate::rows::Subscription;

/// The usual bytes of a record without its days, and of a day.
const CUSTOMER_BYTES: usize = 28;
const DAY_BYTES: usize = 6;

/// The rows of a bucket that were not flushed yet.
#[derive(Default)]
pub struct BucketBuffer {
    customers: Directory,
    pub purchases: PurchaseLog,
    pub values: ValueLog,
    pub usage: UseLog,
    pub subscriptions: Vec<(CustomerNumber, Subscription)>,
    pub answers: Vec<(CustomerNumber, AnswerRow)>,
    members: Vec<(CustomerNumber, MemberRow)>,
    /// Bytes that the rows of `members` have on the heap.
    member_bytes: usize,
}

/// The rows of each customer, as indices into a list of rows.
struct Grouped {
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl Grouped {
    /// A counting sort: rows of a customer stay in their order.
    fn new<T>(rows: &[T], customers: usize, customer: impl Fn(&T) -> CustomerNumber) -> Grouped {
        let mut starts = vec![0u32; customers + 1];
        rows.iter().for_each(|row| starts[customer(row) as usize + 1] += 1);
        (0..customers).for_each(|i| starts[i + 1] += starts[i]);
        let (mut next, mut places) = (starts.clone(), vec![0; rows.len()]);
        for (place, row) in rows.iter().enumerate() {
            let next = &mut next[customer(row) as usize];
            places[*next as usize] = place as u32;
            *next += 1;
        }
        Grouped { starts, places }
    }

    fn of<'a, T>(&'a self, rows: &'a [T], customer: CustomerNumber) -> impl Iterator<Item = &'a T> {
        let range = self.starts[customer as usize] as usize..self.starts[customer as usize + 1] as usize;
        self.places[range].iter().map(|place| &rows[*place as usize])
    }
}

impl BucketBuffer {
    pub fn is_empty(&self) -> bool {
        self.customers.len() == 0
    }

    /// Makes room for rows of customers with these hashes, and loads their directory slots into the cache.
    pub fn prefetch(&mut self, hashes: impl ExactSizeIterator<Item = u64>) {
        self.customers.prefetch(hashes);
    }

    /// The customer's number in this buffer. The hash was among those of [`prefetch`](BucketBuffer::prefetch).
    pub fn customer(&mut self, hash: u64, id: &[u8]) -> CustomerNumber {
        self.customers.number(hash, id)
    }

    /// Adds a row of source `customers`.
    pub fn put_member(&mut self, customer: CustomerNumber, member: MemberRow) {
        self.member_bytes += member.canonical.len() + member.values.len() * size_of::<(u16, u32)>() + 32;
        self.members.push((customer, member));
    }

    /// The bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        self.customers.bytes()
            + self.purchases.bytes()
            + self.values.bytes()
            + self.usage.bytes()
            + self.subscriptions.capacity() * size_of::<(CustomerNumber, Subscription)>()
            + self.answers.capacity() * size_of::<(CustomerNumber, AnswerRow)>()
            + self.members.capacity() * size_of::<(CustomerNumber, MemberRow)>()
            + self.member_bytes
    }

    /// An estimate of the bytes of its records, to reserve memory once.
    pub fn record_bytes(&self) -> usize {
        self.customers.len() * CUSTOMER_BYTES + self.purchases.len() * DAY_BYTES
    }

    /// Calls `show` with the id and the combined rows of each customer, in the order of the ids.
    ///
    /// # Errors
    /// The first error of `show`.
    pub fn flush_to_run(self, show: &mut dyn FnMut(&[u8], &mut CustomerRows) -> Result<()>) -> Result<()> {
        let BucketBuffer { customers, purchases, values, usage, subscriptions, answers, members, .. } = self;
        let n = customers.len();
        let purchases = purchases.read();
        let (values, usage) = (values.read(), usage.read());
        let by_customer = (
            Grouped::new(&purchases, n, |p| p.customer),
            Grouped::new(&values, n, |v| v.0),
            Grouped::new(&subscriptions, n, |t| t.0),
            Grouped::new(&members, n, |m| m.0),
            Grouped::new(&usage, n, |u| u.0),
            Grouped::new(&answers, n, |a| a.0),
        );
        let mut rows = CustomerRows::default();
        for (number, id) in customers.sorted() {
            rows.clear();
            for Purchase { totals, order, .. } in by_customer.0.of(&purchases, number).copied() {
                rows.days.push(totals.into());
                if order != 0 {
                    rows.orders.push(OrderRow { order, day: totals.day });
                }
            }
            rows.values.extend(by_customer.1.of(&values, number).map(|v: &(CustomerNumber, ValueRow)| v.1));
            rows.subscriptions.extend(by_customer.2.of(&subscriptions, number).map(|t| t.1));
            for (_, member) in by_customer.3.of(&members, number) {
                combine_members(&mut rows.member, member.clone());
            }
            rows.usage.extend(by_customer.4.of(&usage, number).map(|u| u.1));
            rows.answers.extend(by_customer.5.of(&answers, number).map(|a| a.1));
            rows.combine();
            show(id, &mut rows)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Day;
    use crate::timeline::rows::DayRow;

    #[test]
    fn customers_are_told_apart_by_their_ids_alone() {
        let mut buffer = BucketBuffer::default();
        let ids: [&[u8]; 5] = [b"b", b"a", b"", b"b", b"abcdefghi"];
        // All under one hash.
        buffer.prefetch([7; 5].into_iter());
        let numbers: Vec<CustomerNumber> = ids.iter().map(|id| buffer.customer(7, id)).collect();
        assert_eq!(numbers, [0, 1, 2, 0, 3]);
        for (i, number) in numbers.into_iter().enumerate() {
            let net = 10i64.pow(i as u32);
            buffer.purchases.push(Purchase {
                customer: number,
                totals: DayRow { day: Day(5), active: 1, orders: 1, net },
                order: 0,
            });
        }
        let mut seen = vec![];
        let mut show = |id: &[u8], rows: &mut CustomerRows| {
            seen.push((id.to_vec(), rows.days.iter().map(|d| d.net).sum::<i128>()));
            Ok(())
        };
        buffer.flush_to_run(&mut show).unwrap();
        let expected: [(&[u8], i128); 4] = [(b"", 100), (b"a", 10), (b"abcdefghi", 10_000), (b"b", 1_001)];
        assert_eq!(seen, expected.map(|(id, net)| (id.to_vec(), net)));
    }
}
