//! All rows of one customer, and the reader that decodes them from the records of a bucket.

use serde::{Deserialize, Serialize};

use super::identity::id_of;
use super::record::{DecodedRecord, Record};
use super::rows::{AnswerRow, DayRow, MemberRow, UseRow, ValueRow};
use crate::calendar::Day;
use crate::error::Result;
use crate::rows::Subscription;

/// A customer's id. All ids of a run are of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CustomerId<'a> {
    Integer(i64),
    Text(&'a str),
}

/// The rows of one customer, each kind sorted by date.
#[derive(Clone, Copy, Debug)]
pub struct CustomerHistory<'a> {
    pub id: CustomerId<'a>,
    pub days: &'a [DayRow],
    pub subscriptions: &'a [Subscription],
    pub member: Option<&'a MemberRow>,
    pub values: &'a [ValueRow],
    pub usage: &'a [UseRow],
    pub answers: &'a [AnswerRow],
}

/// Counts of customers with rows before as_of who are in neither the basis source nor `customers`. No other figure
/// counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownCustomers {
    /// The number of them in each source.
    pub in_transactions: i64,
    pub in_subscriptions: i64,
    pub in_usage: i64,
    pub in_surveys: i64,
    /// Their survey answers, with invitations that were not answered.
    pub answers: i64,
}

impl UnknownCustomers {
    /// Adds a customer.
    pub fn count(&mut self, history: &CustomerHistory<'_>, as_of: Day) {
        self.in_transactions += i64::from(history.days.first().is_some_and(|d| d.day < as_of));
        self.in_subscriptions += i64::from(history.subscriptions.first().is_some_and(|t| t.started < as_of));
        self.in_usage += i64::from(history.usage.first().is_some_and(|u| u.day < as_of));
        let answers = history.answers.partition_point(|a| a.day < as_of) as i64;
        self.in_surveys += answers.min(1);
        self.answers += answers;
    }

    /// Adds the counts of other customers.
    pub fn merge(&mut self, other: UnknownCustomers) {
        self.in_transactions += other.in_transactions;
        self.in_subscriptions += other.in_subscriptions;
        self.in_usage += other.in_usage;
        self.in_surveys += other.in_surveys;
        self.answers += other.answers;
    }
}

/// Decodes records one after the other into the same buffers.
#[derive(Default)]
pub struct HistoryReader(DecodedRecord);

impl HistoryReader {
    /// Decodes a record and calls `to` with it.
    pub fn show<T>(&mut self, record: Record<'_>, integer_ids: bool, to: impl FnOnce(&CustomerHistory<'_>) -> T) -> T {
        let rows = &mut self.0;
        rows.read(record);
        to(&CustomerHistory {
            id: id_of(record.id, integer_ids),
            days: &rows.days,
            subscriptions: &rows.subscriptions,
            member: rows.member.as_ref(),
            values: &rows.values,
            usage: &rows.usage,
            answers: &rows.answers,
        })
    }

    /// Calls `to` with every customer of a finalized bucket, in the order of their ids.
    ///
    /// # Errors
    /// The first error of `to`.
    pub fn each(
        &mut self,
        mut bucket: &[u8],
        integer_ids: bool,
        to: &mut dyn FnMut(&CustomerHistory<'_>) -> Result<()>,
    ) -> Result<()> {
        while !bucket.is_empty() {
            let (record, rest) = Record::first(bucket);
            self.show(record, integer_ids, &mut *to)?;
            bucket = rest;
        }
        Ok(())
    }
}
