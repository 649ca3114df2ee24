//! DEFINITIONS §5: money by period, and the ledger from which every figure can be summed.

use std::collections::BTreeMap;

use super::churn::moments;
use super::cohort::orders;
use super::{Book, Lens, Moment, Range, Slice, State, live_before, mrr};
use crate::compare::{Want, WantRow, rate};
use crate::days::Day;

/// What happens to the money of one customer, or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Movement {
    pub opening: i128,
    pub new: i128,
    pub expansion: i128,
    pub contraction: i128,
    pub churned: i128,
    pub reactivation: i128,
    pub closing: i128,
    pub unallocated: i128,
}

impl Movement {
    pub fn of(m: &Moment) -> Movement {
        let mut x = Movement { opening: m.m0, closing: m.m1, unallocated: m.unallocated, ..Movement::default() };
        match m.state {
            Some(State::New) => x.new = m.m1,
            Some(State::Returned) => x.reactivation = m.m1,
            Some(State::Churned) => x.churned = -m.m0,
            Some(State::Retained) => {
                x.expansion = (m.m1 - m.m0).max(0);
                x.contraction = (m.m1 - m.m0).min(0);
            }
            Some(State::IntraNew) => (x.new, x.churned) = (m.passing, -m.passing),
            Some(State::IntraReturned) => (x.reactivation, x.churned) = (m.passing, -m.passing),
            Some(State::Intra) | None => {}
        }
        x
    }
}

pub fn table(book: &Book, lens: &Lens) -> Vec<WantRow> {
    let mut rows = vec![];
    for dimension in book.dimensions() {
        let slices = book.slices(dimension);
        for range in &lens.ranges {
            let people = moments(book, lens, *range, dimension);
            let scheduled: Vec<i128> = book.people.values().map(|p| scheduled(book, p, *range)).collect();
            for slice in &slices {
                rows.push(row(book, lens, *range, slice, &people, &scheduled));
            }
        }
    }
    rows
}

/// MRR of a customer's live subscriptions whose cancellation is known at the closing.
fn scheduled(book: &Book, person: &super::Person, range: Range) -> i128 {
    let closing = book.closing(range);
    let leaving = |s: &&&super::Subscription| {
        live_before(&book.live_ranges(person, s, book.switches()), closing)
            && book.cancelled(s).is_some_and(|c| c < closing)
    };
    person.subscriptions.iter().filter(leaving).map(|s| mrr(s)).sum()
}

fn row(
    book: &Book,
    lens: &Lens,
    range: Range,
    slice: &Slice,
    people: &[(Moment, Slice, Slice)],
    scheduled: &[i128],
) -> WantRow {
    let mut sum = Movement::default();
    let (mut moved_in, mut moved_out, mut leaving, mut customers) = (0, 0, 0, 0);
    let (mut min, mut kept) = (0, 0);
    for ((m, during, after), scheduled) in people.iter().zip(scheduled) {
        let x = Movement::of(m);
        if during == slice {
            sum.opening += x.opening;
            sum.new += x.new;
            sum.expansion += x.expansion;
            sum.contraction += x.contraction;
            sum.churned += x.churned;
            sum.reactivation += x.reactivation;
            sum.unallocated += x.unallocated;
            if m.opening {
                min += m.m0.min(m.m1);
                kept += m.m1;
            }
        }
        if after == slice && m.closing {
            sum.closing += x.closing;
            leaving += scheduled;
            customers += 1;
        }
        if m.state == Some(State::Retained) && during != after {
            moved_out -= if during == slice { m.m1 } else { 0 };
            moved_in += if after == slice { m.m1 } else { 0 };
        }
    }
    let complete = book.complete(range);
    let figure = |want: Want| if book.undecided(range) { Want::Null } else { want };
    let of_opening = |n: i128| if complete { rate(n, sum.opening) } else { Want::Null };
    let lost = -(sum.churned + sum.contraction);
    let won = sum.new + sum.expansion + sum.reactivation;
    let on_contracts = book.scenario.on_subscriptions();
    let arpa = if customers == 0 { Want::Null } else { Want::PerHead { cents: sum.closing, heads: customers } };
    let mut row = WantRow::new(
        vec![
            ("segment", Want::Text(slice.segment.to_string())),
            ("value", Want::Text(slice.value.clone())),
            ("period", Want::Date(range.0)),
        ],
        vec![
            ("opening", Want::Money(sum.opening)),
            ("new", Want::Money(sum.new)),
            ("expansion", Want::Money(sum.expansion)),
            ("contraction", figure(Want::Money(sum.contraction))),
            ("churned", figure(Want::Money(sum.churned))),
            ("reactivation", Want::Money(sum.reactivation)),
            ("currency_effect", Want::Money(0)),
            ("moved_in", Want::Money(moved_in)),
            ("moved_out", Want::Money(moved_out)),
            ("closing", figure(Want::Money(sum.closing))),
            ("unallocated", Want::Money(sum.unallocated)),
            ("committed", if on_contracts { Want::Money(sum.closing - leaving) } else { Want::Null }),
            ("customers", figure(Want::Int(customers as i64))),
            ("arpa", figure(arpa)),
            ("gross_churn_rate", of_opening(lost)),
            ("net_churn_rate", of_opening(lost - sum.expansion - sum.reactivation)),
            ("grr", of_opening(min)),
            ("nrr", of_opening(kept)),
            ("quick_ratio", if complete { rate(won, lost) } else { Want::Null }),
            ("maturity", Want::Text(book.maturity(range).to_string())),
            ("left_truncated", Want::Bool(book.truncated(lens, range.0))),
        ],
    );
    row.optional = slice.segment != "all" && row.is_nothing();
    row
}

/// One customer in one period as the ledger should tell it; nothing where nothing happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    pub state: Option<State>,
    pub money: Movement,
    pub orders: i64,
}

/// By customer and period start, complete periods only.
pub fn ledger(book: &Book, lens: &Lens) -> BTreeMap<(i64, Day), Entry> {
    let mut entries = BTreeMap::new();
    for (customer, person) in &book.people {
        let spells = book.spells(person, lens.period);
        for range in lens.ranges.iter().filter(|r| book.complete(**r)) {
            let m = book.moment(person, lens, &spells, *range);
            let entry = Entry { state: m.state, money: Movement::of(&m), orders: orders(book, person, *range) };
            if entry.state.is_some() || entry.money != Movement::default() || entry.orders > 0 {
                entries.insert((*customer, range.0), entry);
            }
        }
    }
    entries
}
