//! DEFINITIONS §4: cohorts by age.

use super::churn::wilson;
use super::{Book, Lens, Person, Range, Slice, all, half_even, live_before, mrr, revenue_in};
use crate::compare::{Want, WantRow, rate};
use crate::days::Period;
use crate::scenario::Segment;

/// One cohort at one age.
#[derive(Clone, Copy, Default)]
struct Cell {
    size: i64,
    customers: i64,
    orders: i64,
    revenue: i128,
    revenue_0: i128,
    cumulative: i128,
    /// Σ m_0, Σ min(m_k, m_0), Σ m_k.
    base: i128,
    kept: i128,
    grown: i128,
}

pub fn table(book: &Book, lens: &Lens, mode: &str) -> Vec<WantRow> {
    let max_age = if lens.period == Period::Day { 90 } else { 60 };
    let mut rows = vec![];
    for dimension in book.dimensions() {
        for slice in book.slices(dimension) {
            let ages = lens.ranges.len().min(max_age + 1);
            let mut pools = vec![(Cell::default(), false); ages];
            for (c, born) in lens.ranges.iter().enumerate() {
                let members = members(book, lens, *born, dimension, &slice);
                for (age, (pool, seen)) in pools.iter_mut().enumerate() {
                    let cell = cell(book, lens, &members, c, age, mode);
                    let range = lens.ranges.get(c + age).copied();
                    if range.is_some_and(|r| book.complete(r)) {
                        pool.add(&cell);
                        *seen = true;
                    }
                    if !members.is_empty() {
                        rows.push(row(book, lens, &slice, Some((c, range)), age, cell, mode));
                    }
                }
            }
            for (age, (cell, seen)) in pools.into_iter().enumerate() {
                let mut pooled = row(book, lens, &slice, None, age, cell, mode);
                pooled.optional = !seen || cell.size == 0;
                rows.push(pooled);
            }
        }
    }
    rows
}

/// Everyone whose first spell begins in the period.
pub fn members<'a>(
    book: &'a Book,
    lens: &Lens,
    born: Range,
    dimension: Option<&Segment>,
    slice: &Slice,
) -> Vec<&'a Person<'a>> {
    let belongs = |person: &&Person| {
        let first = book.spells(person, lens.period).first().map(|s| s.0);
        let value = dimension.map_or(all(), |segment| {
            let value = book.fixed_value(person, segment);
            Slice { segment: segment.name, value }
        });
        value == *slice && first.is_some_and(|f| born.0 <= f && f < born.1)
    };
    book.people.values().filter(belongs).collect()
}

fn cell(book: &Book, lens: &Lens, members: &[&Person], cohort: usize, age: usize, mode: &str) -> Cell {
    let mut cell = Cell { size: members.len() as i64, ..Cell::default() };
    for person in members {
        for k in 0..=age {
            let Some(range) = lens.ranges.get(cohort + k) else { break };
            let revenue = revenue(book, lens, person, *range);
            cell.cumulative += revenue;
            if k == 0 {
                cell.revenue_0 += revenue;
            }
        }
        let Some(range) = lens.ranges.get(cohort + age).copied() else { continue };
        let spells = book.spells(person, lens.period);
        let closing = book.closing(range);
        let counts = match mode {
            "active" => spells.iter().any(|s| s.0 < closing && s.1 > range.0),
            "live" => live_before(&spells, closing),
            "unbounded" => spells.iter().any(|s| s.1 > range.0),
            other => panic!("no mode {other}"),
        };
        cell.customers += i64::from(counts);
        cell.orders += orders(book, person, range);
        cell.revenue += revenue(book, lens, person, range);
        let worth = |r: Range| book.worth(person, lens, &spells, book.closing(r), r.0).1;
        let (m0, mk) = (worth(lens.ranges[cohort]), worth(range));
        cell.base += m0;
        cell.kept += m0.min(mk);
        cell.grown += mk;
    }
    cell
}

impl Cell {
    fn add(&mut self, other: &Cell) {
        self.size += other.size;
        self.customers += other.customers;
        self.orders += other.orders;
        self.revenue += other.revenue;
        self.revenue_0 += other.revenue_0;
        self.cumulative += other.cumulative;
        self.base += other.base;
        self.kept += other.kept;
        self.grown += other.grown;
    }
}

/// Orders are dated by their first row.
pub fn orders(book: &Book, person: &Person, range: Range) -> i64 {
    let counted: Vec<_> = person.transactions.iter().filter(|t| book.is_activity(t)).collect();
    let first_of_its_order = |t: &super::Transaction| {
        t.order.is_none() || !counted.iter().any(|o| o.order == t.order && (o.day, o.second) < (t.day, t.second))
    };
    let inside = |t: &super::Transaction| range.0 <= t.day && t.day < range.1 && first_of_its_order(t);
    let mut dated: Vec<_> = counted.iter().filter(|t| inside(t)).map(|t| (t.order, t.day)).collect();
    let loose = dated.iter().filter(|(order, _)| order.is_none()).count();
    dated.retain(|(order, _)| order.is_some());
    dated.sort_unstable();
    dated.dedup();
    (loose + dated.len()) as i64
}

pub fn revenue(book: &Book, lens: &Lens, person: &Person, range: Range) -> i128 {
    if !book.scenario.on_subscriptions() {
        return revenue_in(person, (range.0, book.closing(range)));
    }
    let live =
        |s: &&&super::Subscription| live_before(&book.live_ranges(person, s, book.switches()), book.closing(range));
    let recurring: i128 = person.subscriptions.iter().filter(live).map(|s| mrr(s)).sum();
    let (numerator, denominator) = lens.period.months();
    half_even(recurring * numerator, denominator)
}

/// `at`: the cohort and the range of the cell's period, `None` for the pool of all cohorts.
fn row(
    book: &Book,
    lens: &Lens,
    slice: &Slice,
    at: Option<(usize, Option<Range>)>,
    age: usize,
    cell: Cell,
    mode: &str,
) -> WantRow {
    let (cohort, period, maturity, complete, undecided) = match at {
        None => (Want::Null, Want::Null, "complete", true, false),
        Some((c, range)) => {
            let born = lens.ranges[c].0;
            let range = range.unwrap_or_else(|| {
                let start = lens.period.after(born, age as i64);
                (start, lens.period.after(start, 1))
            });
            let undecided = mode == "live" && book.undecided(range);
            (Want::Date(born), Want::Date(range.0), book.maturity(range), book.complete(range), undecided)
        }
    };
    let observable = maturity != "not_observable";
    let known = |want: Want| if observable { want } else { Want::Null };
    let of = |n: i128, d: i128| if complete && d > 0 { rate(n, d) } else { Want::Null };
    let on_contracts = book.scenario.on_subscriptions();
    let (low, high) = if complete { wilson(cell.customers, cell.size) } else { (Want::Null, Want::Null) };
    let mut row = WantRow::new(
        vec![
            ("segment", Want::Text(slice.segment.to_string())),
            ("value", Want::Text(slice.value.clone())),
            ("cohort", cohort),
            ("age", Want::Int(age as i64)),
        ],
        vec![
            ("period", period),
            ("cohort_size", Want::Int(cell.size)),
            ("customers", if undecided { Want::Null } else { known(Want::Int(cell.customers)) }),
            ("retention_rate", of(cell.customers.into(), cell.size.into())),
            ("ci_low", low),
            ("ci_high", high),
            ("orders", if on_contracts { Want::Null } else { known(Want::Int(cell.orders)) }),
            ("revenue", known(Want::Money(cell.revenue))),
            ("revenue_retention", of(cell.revenue, cell.revenue_0)),
            ("grr", if on_contracts { of(cell.kept, cell.base) } else { Want::Null }),
            ("nrr", if on_contracts { of(cell.grown, cell.base) } else { Want::Null }),
            ("cumulative_revenue", known(Want::Money(cell.cumulative))),
            ("cumulative_revenue_per_customer", known(per_head(cell.cumulative, cell.size))),
            ("maturity", Want::Text(maturity.to_string())),
            ("left_truncated", Want::Bool(at.is_some_and(|(c, _)| c == 0) && !book.signups_mapped)),
        ],
    );
    row.optional = !observable;
    row
}

fn per_head(cents: i128, heads: i64) -> Want {
    if heads == 0 { Want::Null } else { Want::PerHead { cents, heads: heads.into() } }
}
