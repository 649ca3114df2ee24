//! All rows of one customer, and the walk over a bucket that finds them.

use super::identity::id_of;
use super::record::{Record, Sealed};
use super::rows::{AnswerRow, DayRow, MemberRow, UseRow, ValueRow};
use crate::error::Result;
use crate::source::canonical::Term;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CustomerId<'a> {
    Integer(i64),
    Text(&'a str),
}

/// The rows of one customer, each kind sorted by time.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    pub id: CustomerId<'a>,
    pub days: &'a [DayRow],
    pub terms: &'a [Term],
    pub member: Option<&'a MemberRow>,
    pub values: &'a [ValueRow],
    pub uses: &'a [UseRow],
    pub answers: &'a [AnswerRow],
}

/// Reads records one after the other into the same buffers.
#[derive(Default)]
pub struct Histories(Sealed);

impl Histories {
    pub fn show<T>(&mut self, record: Record<'_>, integer_ids: bool, to: impl FnOnce(&History<'_>) -> T) -> T {
        let rows = &mut self.0;
        rows.read(record);
        to(&History {
            id: id_of(record.id, integer_ids),
            days: &rows.days,
            terms: &rows.terms,
            member: rows.member.as_ref(),
            values: &rows.values,
            uses: &[],
            answers: &[],
        })
    }

    /// Shows every customer of a sealed bucket, in the order of their ids.
    ///
    /// # Errors
    /// The first that `to` gives.
    pub fn each(
        &mut self,
        mut bucket: &[u8],
        integer_ids: bool,
        to: &mut dyn FnMut(&History<'_>) -> Result<()>,
    ) -> Result<()> {
        while !bucket.is_empty() {
            let (record, rest) = Record::first(bucket);
            self.show(record, integer_ids, &mut *to)?;
            bucket = rest;
        }
        Ok(())
    }
}
