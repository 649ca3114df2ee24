//! All rows of one customer, and the walk over a bucket that finds them.

use super::identity::Identity;
use super::rows::{DayRow, MemberRow, Rows, TermRow, ValueRow};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CustomerId<'a> {
    Integer(i64),
    Text(&'a str),
}

/// The rows of one customer, each kind sorted by time.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    pub key: u64,
    pub id: CustomerId<'a>,
    pub days: &'a [DayRow],
    pub terms: &'a [TermRow],
    pub member: Option<&'a MemberRow>,
    pub values: &'a [ValueRow],
}

/// Takes the rows of `key` off the front of a sorted slice.
fn take<'a, T>(rows: &mut &'a [T], key: u64, key_of: impl Fn(&T) -> u64) -> &'a [T] {
    let n = rows.iter().take_while(|r| key_of(r) == key).count();
    let (mine, rest) = rows.split_at(n);
    *rows = rest;
    mine
}

/// Every customer of a sealed bucket, in the order of keys.
pub fn histories<'a>(rows: &'a Rows, integer_ids: bool) -> impl Iterator<Item = History<'a>> {
    let (mut days, mut terms) = (rows.days.as_slice(), rows.terms.as_slice());
    let (mut members, mut values, mut ids) = (rows.members.as_slice(), rows.values.as_slice(), rows.ids.as_slice());
    std::iter::from_fn(move || {
        let next = [days.first().map(|r| r.key), terms.first().map(|r| r.key), members.first().map(|r| r.key)];
        let key = next.into_iter().flatten().min()?;
        let id = if integer_ids {
            CustomerId::Integer(Identity::integer_of(key))
        } else {
            CustomerId::Text(take(&mut ids, key, |r| r.key).first().map_or("", |r| &r.id))
        };
        Some(History {
            key,
            id,
            days: take(&mut days, key, |r| r.key),
            terms: take(&mut terms, key, |r| r.key),
            member: take(&mut members, key, |r| r.key).first(),
            values: take(&mut values, key, |r| r.key),
        })
    })
}
