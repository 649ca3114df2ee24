//! DEFINITIONS §2, §3: customers by period.

use super::{Book, Lens, Moment, Range, Slice, State};
use crate::compare::{Want, WantRow, rate};
use crate::days::Period;

/// Customers of one period and segment value.
#[derive(Clone, Copy, Default)]
struct Counts {
    opening: i64,
    new: i64,
    retained: i64,
    returned: i64,
    churned: i64,
    closing: i64,
    intra: i64,
    moved_in: i64,
    moved_out: i64,
    due: i64,
    lost: i64,
    /// Of the churned, those who had come back in the period.
    beyond: i64,
}

/// Churned customers of those who could.
#[derive(Clone, Copy)]
pub struct Share {
    pub churned: i64,
    pub of: i64,
    /// The churned are all among them.
    pub is_share: bool,
}

/// By the policy, as far as it can be known.
fn share(
    book: &Book,
    lens: &Lens,
    range: Range,
    (dimension, slice): (Option<&crate::scenario::Segment>, &Slice),
    c: &Counts,
) -> Option<Share> {
    let policy = book.switches().policy;
    if !book.complete(range) {
        return None;
    }
    if !policy.of_thirty_days {
        let is_share = !policy.passing_counts || c.intra == 0;
        return Some(Share { churned: c.churned, of: c.opening, is_share });
    }
    let lately = (range.1 - 30, range.1);
    if lately.0 < book.observed_from {
        return None;
    }
    let c = count(&moments(book, lens, lately, dimension), slice);
    Some(Share { churned: c.churned, of: c.opening + c.new, is_share: c.beyond == 0 })
}

pub fn table(book: &Book, lens: &Lens, mean_of_rates: bool) -> Vec<WantRow> {
    let mut rows = vec![];
    for dimension in book.dimensions() {
        let lives: Vec<Vec<(Moment, Slice, Slice)>> =
            lens.ranges.iter().map(|r| moments(book, lens, *r, dimension)).collect();
        for slice in book.slices(dimension) {
            let counts: Vec<Counts> = lives.iter().map(|people| count(people, &slice)).collect();
            let shares: Vec<Option<Share>> = lens
                .ranges
                .iter()
                .zip(&counts)
                .map(|(range, c)| share(book, lens, *range, (dimension, &slice), c))
                .collect();
            for (i, range) in lens.ranges.iter().enumerate() {
                rows.push(row(book, lens, *range, &slice, (&counts[i], &shares[..=i]), mean_of_rates));
            }
        }
    }
    rows
}

/// Each customer in a period, with the value it belongs to and the value it ends with.
pub fn moments(
    book: &Book,
    lens: &Lens,
    range: Range,
    dimension: Option<&crate::scenario::Segment>,
) -> Vec<(Moment, Slice, Slice)> {
    let look = |person| {
        let spells = book.spells(person, lens.period);
        let moment = book.moment(person, lens, &spells, range);
        let (during, after) = book.values_in(person, dimension, &moment, range);
        (moment, during, after)
    };
    book.people.values().map(look).collect()
}

fn count(people: &[(Moment, Slice, Slice)], slice: &Slice) -> Counts {
    let mut c = Counts::default();
    for (m, during, after) in people {
        let here = i64::from(during == slice);
        let ends_here = i64::from(after == slice);
        c.opening += here * i64::from(m.opening);
        c.closing += ends_here * i64::from(m.closing);
        c.due += here * m.due;
        c.lost += here * m.lost;
        match m.state {
            Some(State::New) => c.new += here,
            Some(State::Returned) => c.returned += here,
            Some(State::Churned) => c.churned += here,
            Some(State::Intra) => c.intra += here,
            Some(State::IntraNew) => {
                c.new += here;
                c.churned += here;
                c.intra += here;
            }
            Some(State::IntraReturned) => {
                c.returned += here;
                c.churned += here;
                c.intra += here;
                c.beyond += here;
            }
            Some(State::Retained) => {
                c.retained += here;
                c.moved_out += here * (1 - ends_here);
                c.moved_in += ends_here * (1 - here);
            }
            None => {}
        }
    }
    c
}

fn row(
    book: &Book,
    lens: &Lens,
    range: Range,
    slice: &Slice,
    (c, history): (&Counts, &[Option<Share>]),
    mean_of_rates: bool,
) -> WantRow {
    let share = history[history.len() - 1];
    let complete = book.complete(range);
    let figure = |n: i64| if book.undecided(range) { Want::Null } else { Want::Int(n) };
    let of_opening = |n: i64| if complete { rate(n.into(), c.opening.into()) } else { Want::Null };
    let contract = |n: i64| if book.on_contracts() { Want::Int(n) } else { Want::Null };
    let renewal =
        if complete && book.on_contracts() { rate((c.due - c.lost).into(), c.due.into()) } else { Want::Null };
    let trailing = if complete { trailing(history, 6, mean_of_rates) } else { None };
    let of_rates = if book.switches().policy.of_thirty_days { Period::Month } else { lens.period };
    let annual = trailing.map(|r| annualise(r, of_rates));
    let periods = f64::from(lens.period.per_year()) / f64::from(of_rates.per_year());
    let number = |x: Option<f64>| x.map_or(Want::Null, Want::Rate);
    let (low, high) = match share.filter(|s| s.is_share) {
        Some(s) => wilson(s.churned, s.of),
        None => (Want::Null, Want::Null),
    };
    let mut row = WantRow::new(
        vec![
            ("segment", Want::Text(slice.segment.to_string())),
            ("value", Want::Text(slice.value.clone())),
            ("period", Want::Date(range.0)),
        ],
        vec![
            ("opening", Want::Int(c.opening)),
            ("new", Want::Int(c.new)),
            ("retained", Want::Int(c.retained)),
            ("returned", Want::Int(c.returned)),
            ("churned", figure(c.churned)),
            ("closing", figure(c.closing)),
            ("intra", Want::Int(c.intra)),
            ("moved_in", Want::Int(c.moved_in)),
            ("moved_out", Want::Int(c.moved_out)),
            ("due", contract(c.due)),
            ("renewal_rate", renewal),
            ("churn_rate", share.map_or(Want::Null, |s| rate(s.churned.into(), s.of.into()))),
            ("crr", of_opening(c.closing - c.new)),
            ("crr_strict", of_opening(c.retained)),
            ("churn_rate_trailing", number(trailing)),
            ("churn_rate_annual", number(annual)),
            ("expected_lifetime_periods", number(trailing.filter(|r| *r > 0.0).map(|r| periods / r))),
            ("benchmark", annual.map_or(Want::Null, |r| Want::Text(benchmark(r).to_string()))),
            ("ci_low", low),
            ("ci_high", high),
            ("maturity", Want::Text(book.maturity(range).to_string())),
            ("left_truncated", Want::Bool(book.truncated(lens, range.0))),
        ],
    );
    row.optional = slice.segment != "all" && row.is_nothing();
    row
}

impl Book<'_> {
    fn on_contracts(&self) -> bool {
        self.scenario.on_subscriptions()
    }
}

/// The trailing rate over the last `most` periods, as far as they are complete and at least three are.
fn trailing(history: &[Option<Share>], most: usize, mean_of_rates: bool) -> Option<f64> {
    let window = window(history, most)?;
    if mean_of_rates {
        let open = window.iter().filter(|s| s.of > 0);
        let rates: Vec<f64> = open.map(|s| s.churned as f64 / s.of as f64).collect();
        return (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64);
    }
    let opening: i64 = window.iter().map(|s| s.of).sum();
    let churned: i64 = window.iter().map(|s| s.churned).sum();
    (opening > 0).then(|| churned as f64 / opening as f64)
}

/// The shares of the last `most` periods as far as they are known; nothing if fewer than three are, or than `most`.
pub fn window(history: &[Option<Share>], most: usize) -> Option<Vec<Share>> {
    let known: Vec<Share> = history[history.len().saturating_sub(most)..].iter().flatten().copied().collect();
    (known.len() >= most.min(3)).then_some(known)
}

/// What can be known of the churn of one segment value, period by period.
pub fn shares(
    book: &Book,
    lens: &Lens,
    dimension: Option<&crate::scenario::Segment>,
    slice: &Slice,
) -> Vec<Option<Share>> {
    let share = |range: &Range| {
        let counts = count(&moments(book, lens, *range, dimension), slice);
        share(book, lens, *range, (dimension, slice), &counts)
    };
    lens.ranges.iter().map(share).collect()
}

/// churn_rate_trailing of one segment value, in the period of this number.
pub fn trailing_rate(
    book: &Book,
    lens: &Lens,
    dimension: Option<&crate::scenario::Segment>,
    slice: &Slice,
    period: usize,
) -> Option<f64> {
    trailing(&shares(book, lens, dimension, slice)[..=period], 6, false)
}

fn annualise(r: f64, period: Period) -> f64 {
    if period == Period::Year { r } else { 1.0 - (1.0 - r).powi(period.per_year()) }
}

fn benchmark(annual: f64) -> &'static str {
    match annual {
        r if r < 0.03 => "excellent",
        r if r <= 0.06 => "acceptable",
        _ => "high",
    }
}

/// Wilson's 95 % interval of `k` out of `n`.
pub fn wilson(k: i64, n: i64) -> (Want, Want) {
    if n == 0 {
        return (Want::Null, Want::Null);
    }
    let (z, n, p) = (1.959_963_984_540_054_f64, n as f64, k as f64 / n as f64);
    let middle = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (Want::Rate(((middle - spread) / scale).max(0.0)), Want::Rate(((middle + spread) / scale).min(1.0)))
}

#[test]
fn wilson_agrees_with_the_literature() {
    // Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611.
    let about = |k, n| match wilson(k, n) {
        (Want::Rate(low), Want::Rate(high)) => (format!("{low:.4}"), format!("{high:.4}")),
        other => panic!("{other:?}"),
    };
    assert_eq!(about(81, 263), ("0.2553".to_string(), "0.3662".to_string()));
    assert_eq!(about(0, 20), ("0.0000".to_string(), "0.1611".to_string()));
}
