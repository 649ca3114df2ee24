//! The encoding of a customer's rows as bytes, in memory and in the temporary file alike.
//!
//! ```text
//! length of the rest (u32, little-endian) | length of the id (varint) | id | flags (1 byte) | a section for each flag
//! ```
//!
//! The records of a run are sorted by id. A customer with very many orders has several records one after the other, so
//! that a merge has a few thousand orders of each run in memory at a time. All but the first of them have orders only.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rows::{
    AnswerRow, DayRow, DaySum, MemberRow, OrderRow, UseRow, ValueRow, combine_days, combine_orders, combine_uses,
    combine_values, date_order,
};
use super::usage_and_surveys;
use super::varint::{Reader, put, put_wide, unzigzag, unzigzag_wide, zigzag, zigzag_wide};
use crate::calendar::Day;
use crate::rows::Subscription;

/// The most orders of a record.
const ORDERS: usize = 4096;

const DAYS: u8 = 1;
const ORDERED: u8 = 2;
const TERMS: u8 = 4;
const MEMBER: u8 = 8;
const VALUES: u8 = 16;
const USES: u8 = 32;
const ANSWERS: u8 = 64;

/// The bytes of the length at the beginning of a record.
pub const LENGTH: usize = 4;

/// All rows of a customer, while they are combined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerRows {
    pub days: Vec<DaySum>,
    pub orders: Vec<OrderRow>,
    pub subscriptions: Vec<Subscription>,
    pub member: Option<MemberRow>,
    pub values: Vec<ValueRow>,
    pub usage: Vec<UseRow>,
    pub answers: Vec<AnswerRow>,
}

impl CustomerRows {
    /// Removes all rows and keeps the buffers.
    pub fn clear(&mut self) {
        self.days.clear();
        self.orders.clear();
        self.subscriptions.clear();
        self.member = None;
        self.values.clear();
        self.usage.clear();
        self.answers.clear();
    }

    /// Sorts all rows, and combines rows that no figure can tell apart.
    pub fn combine(&mut self) {
        combine_days(&mut self.days);
        combine_orders(&mut self.orders);
        self.subscriptions.sort_unstable();
        combine_values(&mut self.values);
        combine_uses(&mut self.usage);
        self.answers.sort_unstable();
    }

    /// Counts each order on its first day, and drops the orders. Only after the last row is the first day of each
    /// known.
    pub fn date_orders(&mut self) {
        for order in self.orders.drain(..) {
            date_order(&mut self.days, order.day);
        }
    }

    /// Appends the customer's record or, with very many orders, records.
    pub fn write(&self, id: &[u8], into: &mut Vec<u8>) {
        let (first, mut rest) = self.orders.split_at(self.orders.len().min(ORDERS));
        record(id, into, |into| {
            let has = |present: bool, flag: u8| if present { flag } else { 0 };
            into.push(
                has(!self.days.is_empty(), DAYS)
                    | has(!first.is_empty(), ORDERED)
                    | has(!self.subscriptions.is_empty(), TERMS)
                    | has(self.member.is_some(), MEMBER)
                    | has(!self.values.is_empty(), VALUES)
                    | has(!self.usage.is_empty(), USES)
                    | has(!self.answers.is_empty(), ANSWERS),
            );
            put_days(&self.days, into);
            put_orders(first, into);
            if !self.subscriptions.is_empty() {
                put_encoded(&self.subscriptions, into);
            }
            if let Some(member) = &self.member {
                put_encoded(member, into);
            }
            put_values(&self.values, into);
            usage_and_surveys::put_uses(&self.usage, into);
            usage_and_surveys::put_answers(&self.answers, into);
        });
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(ORDERS));
            record(id, into, |into| {
                into.push(ORDERED);
                put_orders(now, into);
            });
            rest = later;
        }
    }
}

/// A record of a run, not yet decoded.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub id: &'a [u8],
    body: &'a [u8],
}

/// The length of the record at the beginning of `bytes`, with its length field; `None` if `bytes` end within that
/// field.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<LENGTH>()?;
    Some(LENGTH + u32::from_le_bytes(*length) as usize)
}

impl<'a> Record<'a> {
    /// The record at the beginning of `bytes`, and the bytes after it.
    ///
    /// # Panics
    /// If `bytes` end within the record. Bytes from the temporary file were verified by checksums before.
    pub fn first(bytes: &'a [u8]) -> (Record<'a>, &'a [u8]) {
        let n = length(bytes).expect("a record begins with its length");
        let (record, rest) = bytes.split_at(n);
        let mut reader = Reader::new(&record[LENGTH..]);
        let n = reader.number() as usize;
        let id = reader.bytes(n);
        (Record { id, body: reader.rest() }, rest)
    }

    /// Decodes the record and adds its rows to those of the customer.
    pub fn read(&self, rows: &mut CustomerRows) {
        let orders = &mut rows.orders;
        let each = Sections {
            day: |day| rows.days.push(day),
            order: |order| orders.push(order),
            value: |value| rows.values.push(value),
            used: |row| rows.usage.push(row),
            answer: |row| rows.answers.push(row),
        };
        let (mut subscriptions, member) = sections(self.body, each);
        rows.subscriptions.append(&mut subscriptions);
        if let Some(member) = member {
            super::rows::combine_members(&mut rows.member, member);
        }
    }
}

/// The rows of a customer in a finalized bucket, decoded.
#[derive(Debug, Default)]
pub struct DecodedRecord {
    pub days: Vec<DayRow>,
    pub subscriptions: Vec<Subscription>,
    pub member: Option<MemberRow>,
    pub values: Vec<ValueRow>,
    pub usage: Vec<UseRow>,
    pub answers: Vec<AnswerRow>,
}

impl DecodedRecord {
    /// Replaces the rows by those of a record without orders.
    pub fn read(&mut self, record: Record<'_>) {
        self.days.clear();
        self.values.clear();
        self.usage.clear();
        self.answers.clear();
        let each = Sections {
            // `check_money` made sure that the sum fits when the bucket was finalized.
            day: |d: DaySum| {
                self.days.push(d.narrow());
            },
            order: |_| {},
            value: |value| self.values.push(value),
            used: |row| self.usage.push(row),
            answer: |row| self.answers.push(row),
        };
        (self.subscriptions, self.member) = sections(record.body, each);
    }
}

/// One callback per section of an encoded record.
struct Sections<D, O, V, U, A> {
    day: D,
    order: O,
    value: V,
    used: U,
    answer: A,
}

fn sections(
    body: &[u8],
    mut each: Sections<
        impl FnMut(DaySum),
        impl FnMut(OrderRow),
        impl FnMut(ValueRow),
        impl FnMut(UseRow),
        impl FnMut(AnswerRow),
    >,
) -> (Vec<Subscription>, Option<MemberRow>) {
    let mut reader = Reader::new(body);
    let flags = reader.byte();
    if flags & DAYS != 0 {
        read_days(&mut reader, &mut each.day);
    }
    if flags & ORDERED != 0 {
        read_orders(&mut reader, &mut each.order);
    }
    let subscriptions = if flags & TERMS != 0 { read_encoded(&mut reader) } else { vec![] };
    let member = (flags & MEMBER != 0).then(|| read_encoded(&mut reader));
    if flags & VALUES != 0 {
        read_values(&mut reader, &mut each.value);
    }
    if flags & USES != 0 {
        usage_and_surveys::read_uses(&mut reader, &mut each.used);
    }
    if flags & ANSWERS != 0 {
        usage_and_surveys::read_answers(&mut reader, &mut each.answer);
    }
    (subscriptions, member)
}

fn record(id: &[u8], into: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = into.len();
    into.extend([0; LENGTH]);
    put(into, id.len() as u64);
    into.extend_from_slice(id);
    body(into);
    let length = u32::try_from(into.len() - start - LENGTH).expect("a customer's rows stay below 4 GiB");
    into[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
}

/// A day begins with two bytes: a flag for the usual case of one active row and one order, the size of the money (two,
/// three or four bytes, or a varint), and the days since the day before. The money follows, then what does not fit.
const PLAIN: u16 = 1;
const SIZE: u16 = 2;
const SIZES: [usize; 3] = [2, 3, 4];
/// The days since the day before take the bits from this one on. [`FAR`]: they follow as a varint.
const STEP: u32 = 3;
const FAR: u16 = u16::MAX >> STEP;

fn put_days(days: &[DaySum], into: &mut Vec<u8>) {
    let Some(first) = days.first() else { return };
    put(into, days.len() as u64);
    put(into, zigzag(first.day.0.into()));
    let mut before = first.day.0;
    for day in days {
        let net = zigzag_wide(day.net);
        let size = SIZES.iter().position(|bytes| net >> (8 * bytes) == 0).unwrap_or(SIZES.len());
        let step = (i64::from(day.day.0) - i64::from(before)) as u64;
        let near = u16::try_from(step).unwrap_or(FAR).min(FAR);
        let plain = day.is_one_row(1);
        let head = (near << STEP) | (size as u16 * SIZE) | if plain { PLAIN } else { 0 };
        into.extend_from_slice(&head.to_le_bytes());
        match SIZES.get(size) {
            Some(bytes) => into.extend_from_slice(&net.to_le_bytes()[..*bytes]),
            None => put_wide(into, net),
        }
        if near == FAR {
            put(into, step);
        }
        if !plain {
            day.put_counts(into);
        }
        before = day.day.0;
    }
}

fn read_days(reader: &mut Reader<'_>, each: &mut impl FnMut(DaySum)) {
    let count = reader.number();
    let mut day = unzigzag(reader.number());
    for _ in 0..count {
        let head = reader.little(2) as u16;
        let net = match SIZES.get(usize::from((head / SIZE) & 3)) {
            Some(bytes) => reader.little(*bytes).into(),
            None => reader.wide(),
        };
        let near = head >> STEP;
        day += if near == FAR { reader.number() } else { near.into() } as i64;
        let (on, net) = (Day(day as i32), unzigzag_wide(net));
        each(if head & PLAIN != 0 { DaySum::one_row(on, 1, net) } else { DaySum::read_counts(reader, on, net) });
    }
}

fn put_orders(orders: &[OrderRow], into: &mut Vec<u8>) {
    if orders.is_empty() {
        return;
    }
    put(into, orders.len() as u64);
    let mut before = OrderRow { order: 0, day: Day(0) };
    for order in orders {
        put_wide(into, order.order - before.order);
        put(into, zigzag(i64::from(order.day.0) - i64::from(before.day.0)));
        before = *order;
    }
}

fn read_orders(reader: &mut Reader<'_>, each: &mut impl FnMut(OrderRow)) {
    let (mut order, mut day) = (0, 0);
    for _ in 0..reader.number() {
        order += reader.wide();
        day += unzigzag(reader.number());
        each(OrderRow { order, day: Day(day as i32) });
    }
}

fn put_values(values: &[ValueRow], into: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    put(into, values.len() as u64);
    let (mut day, mut instant) = (0, 0);
    for value in values {
        put(into, value.segment.into());
        put(into, zigzag(i64::from(value.day.0) - day));
        put(into, zigzag(value.instant.wrapping_sub(instant)));
        put(into, value.code.into());
        (day, instant) = (value.day.0.into(), value.instant);
    }
}

fn read_values(reader: &mut Reader<'_>, each: &mut impl FnMut(ValueRow)) {
    let (mut day, mut instant) = (0, 0i64);
    for _ in 0..reader.number() {
        let segment = reader.number() as u16;
        day += unzigzag(reader.number());
        instant = instant.wrapping_add(unzigzag(reader.number()));
        each(ValueRow { segment, day: Day(day as i32), instant, code: reader.number() as u32 });
    }
}

const OWN_ROWS: &str = "rows that the program encoded itself can be decoded";

fn put_encoded<T: Serialize>(value: &T, into: &mut Vec<u8>) {
    *into = postcard::to_extend(value, std::mem::take(into)).expect(OWN_ROWS);
}

fn read_encoded<T: DeserializeOwned>(reader: &mut Reader<'_>) -> T {
    let (value, rest) = postcard::take_from_bytes(reader.rest()).expect(OWN_ROWS);
    *reader = Reader::new(rest);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::CancelKind;

    fn subscription(started: i32) -> Subscription {
        Subscription {
            cancelled: Day(started + 40),
            subscription: u128::MAX,
            kind: CancelKind::Involuntary,
            reason: 3,
            ..Subscription::running(Day(started), 999)
        }
    }

    fn rows() -> CustomerRows {
        let day = |day, active, orders, net| DaySum { day: Day(day), active, orders, net };
        let member = MemberRow {
            canonical: Box::from([1, 2]),
            signed_up: Day::NEVER,
            channel: 7,
            referred: true,
            values: vec![(0, 3)],
            copies: 1,
            conflicts: 0,
        };
        let value = |segment, day, instant, code| ValueRow { segment, day: Day(day), instant, code };
        CustomerRows {
            days: vec![day(-400, 1, 1, 5), day(0, 0, 0, -7), day(19_000, 3, 2, i128::from(i64::MAX) * 9)],
            orders: (0..10_000).map(|i| OrderRow { order: i << 99 | 1, day: Day(19_000 - i as i32) }).collect(),
            subscriptions: vec![subscription(3), subscription(18_000)],
            member: Some(member),
            values: vec![value(0, 5, i64::MIN, 0), value(0, 6, i64::MAX, u32::MAX), value(3, 1, 0, 9)],
            usage: usage_and_surveys::some_uses(),
            answers: usage_and_surveys::some_answers(),
        }
    }

    #[test]
    fn records_give_the_rows_back_and_none_has_too_many_orders() {
        let rows = rows();
        let mut bytes = vec![];
        rows.write("ä".as_bytes(), &mut bytes);
        CustomerRows::default().write(b"nobody", &mut bytes);
        let (mut rest, mut read, mut records) = (bytes.as_slice(), CustomerRows::default(), 0);
        while let (record, later) = Record::first(rest)
            && record.id == "ä".as_bytes()
        {
            let before = read.orders.len();
            record.read(&mut read);
            assert!(read.orders.len() - before <= ORDERS);
            (rest, records) = (later, records + 1);
        }
        assert_eq!((read, records), (rows, 3));
        let (record, rest) = Record::first(rest);
        assert_eq!((record.id, rest.len()), (&b"nobody"[..], 0));
    }

    #[test]
    fn a_usual_day_takes_few_bytes() {
        let day = |i: i32| DaySum { day: Day(19_000 + 9 * i), active: 1, orders: 1, net: 4_999 };
        let rows = CustomerRows { days: (0..100).map(day).collect(), ..CustomerRows::default() };
        let mut bytes = vec![];
        rows.write(b"0123456789abcdef", &mut bytes);
        assert!(bytes.len() < 100 * 5, "{}", bytes.len());
    }
}
