//! DEFINITIONS §6: table `ltv`, methods `ratio`, `realised` and `survival`.
//!
//! Where the text leaves room: SETTLED.md, no. 37 to 45.

use super::churn::{Share, moments, shares, wilson, window};
use super::survival::{observed_lives, paid_by_survival};
use super::{Book, Lens, Range, Slice, State, cohort, half_even};
use crate::compare::{Want, WantRow};
use crate::days::Period;
use crate::scenario::Segment;

/// What the money of a scenario is multiplied and divided by.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub gross_margin: Option<f64>,
    /// A year.
    pub discount_rate: Option<f64>,
    /// Complete periods that a churn rate is taken over.
    pub trailing: usize,
    /// By the mean of the rates of the periods before, this one excluded.
    pub mean_of_previous: bool,
    /// Months that `survival` looks ahead.
    pub horizon: i64,
}

impl Terms {
    pub fn margin(&self) -> f64 {
        self.gross_margin.unwrap_or(1.0)
    }

    fn discount(&self, period: Period) -> Option<f64> {
        self.discount_rate.map(|year| (1.0 + year).powf(1.0 / f64::from(period.per_year())) - 1.0)
    }
}

impl Default for Terms {
    fn default() -> Terms {
        Terms { gross_margin: None, discount_rate: None, trailing: 6, mean_of_previous: false, horizon: 36 }
    }
}

/// The columns that are figures, all NULL but those that a method fills.
#[derive(Clone, Copy, Default)]
struct Figures {
    customers: i64,
    arpa: Option<f64>,
    churn_rate: Option<f64>,
    lifetime: Option<f64>,
    ltv: Option<f64>,
    discounted: Option<f64>,
    interval: (Option<f64>, Option<f64>),
    cac: Option<f64>,
    payback: Option<f64>,
}

/// Rows of the three methods, every column but `note` and `segment_id`.
pub fn table(book: &Book, lens: &Lens, terms: &Terms) -> Vec<WantRow> {
    let mut rows = vec![];
    for dimension in book.dimensions() {
        for slice in book.slices(dimension) {
            rows.extend(ratio(book, lens, terms, dimension, &slice));
            rows.extend(realised(book, lens, terms, dimension, &slice));
            rows.extend(survival(book, lens, terms, dimension, &slice));
        }
    }
    rows
}

/// The rows of method `ratio` of everybody.
pub fn ratios(book: &Book, lens: &Lens, terms: &Terms) -> Vec<WantRow> {
    ratio(book, lens, terms, None, &super::all())
}

fn row(slice: &Slice, start: i64, method: &str, terms: &Terms, f: &Figures) -> WantRow {
    let number = |x: Option<f64>| x.map_or(Want::Null, Want::Rate);
    let to_cac = f.ltv.zip(f.cac).filter(|(_, cac)| *cac > 0.0).map(|(ltv, cac)| ltv / cac);
    WantRow::new(
        vec![
            ("segment", Want::Text(slice.segment.to_string())),
            ("value", Want::Text(slice.value.clone())),
            ("period", Want::Date(start)),
            ("method", Want::Text(method.to_string())),
        ],
        vec![
            ("customers", Want::Int(f.customers)),
            ("arpa", number(f.arpa)),
            ("gross_margin", number(terms.gross_margin)),
            ("churn_rate", number(f.churn_rate)),
            ("expected_lifetime_periods", number(f.lifetime)),
            ("ltv", number(f.ltv)),
            ("ltv_discounted", number(f.discounted)),
            ("ci_low", number(f.interval.0)),
            ("ci_high", number(f.interval.1)),
            ("cac", number(f.cac)),
            ("ltv_to_cac", number(to_cac)),
            ("payback_periods", number(f.payback)),
            ("holdout_error", Want::Null),
        ],
    )
}

/// Of a period by everybody in a slice: customers at the closing, their money there, new customers.
fn closing(book: &Book, lens: &Lens, range: Range, dimension: Option<&Segment>, slice: &Slice) -> (i64, i128, i64) {
    let (mut customers, mut money, mut new) = (0, 0, 0);
    for (m, during, after) in moments(book, lens, range, dimension) {
        if m.closing && after == *slice {
            customers += 1;
            money += m.m1;
        }
        if during == *slice && matches!(m.state, Some(State::New | State::IntraNew)) {
            new += 1;
        }
    }
    (customers, money, new)
}

/// Money of a customer in a period, in major units: of subscriptions MRR for as many months as a period has.
fn arpa(book: &Book, lens: &Lens, customers: i64, money: i128) -> Option<f64> {
    let (months, of) = if book.scenario.on_subscriptions() { lens.period.months() } else { (1, 1) };
    let in_period = half_even(money * months, of);
    (customers > 0).then(|| in_period as f64 / 100.0 / customers as f64)
}

/// Spend whose day lies in a period, for each customer who was new in it; everybody's alone.
fn cac(book: &Book, range: Range, slice: &Slice, new: i64) -> Option<f64> {
    let booked = book.scenario.costs.iter().filter(|c| c.day < book.as_of && range.0 <= c.day && c.day < range.1);
    let spent: Vec<i64> = booked.map(|c| c.cents).collect();
    let known = slice.segment == "all" && !spent.is_empty() && new > 0;
    known.then(|| spent.iter().sum::<i64>() as f64 / 100.0 / new as f64)
}

fn ratio(book: &Book, lens: &Lens, terms: &Terms, dimension: Option<&Segment>, slice: &Slice) -> Vec<WantRow> {
    // Rates of thirty days are a month's, whatever the period.
    let of_rate = if book.switches().policy.of_thirty_days { Period::Month } else { lens.period };
    let periods = f64::from(lens.period.per_year()) / f64::from(of_rate.per_year());
    let history = shares(book, lens, dimension, slice);
    let mut rows = vec![];
    for (i, range) in lens.ranges.iter().enumerate().filter(|(_, r)| book.complete(**r)) {
        let (customers, money, new) = closing(book, lens, *range, dimension, slice);
        let arpa = arpa(book, lens, customers, money);
        let (churn_rate, doubt) = if terms.mean_of_previous {
            (mean_of(&history[..i], terms.trailing), None)
        } else {
            pooled(&history[..=i], terms.trailing)
        };
        let margin = arpa.map(|a| a * terms.margin());
        // What is earned in the time that the rate is for.
        let earned = margin.map(|m| m * periods);
        let over = |rate: Option<f64>| earned.zip(rate).filter(|(_, r)| *r > 0.0).map(|(m, r)| m / r);
        let discount = terms.discount(of_rate);
        let discounted = earned.zip(churn_rate).zip(discount).filter(|((_, r), _)| *r > 0.0);
        let cac = cac(book, *range, slice, new);
        let figures = Figures {
            customers,
            arpa,
            churn_rate,
            lifetime: churn_rate.filter(|r| *r > 0.0).map(|r| periods / r),
            ltv: over(churn_rate),
            discounted: discounted.map(|((m, r), d)| m * (1.0 + d) / (r + d)),
            interval: (over(doubt.map(|d| d.1)), over(doubt.map(|d| d.0))),
            cac,
            payback: cac.zip(margin).filter(|(_, m)| *m > 0.0).map(|(cac, m)| cac / m),
        };
        let mut row = row(slice, range.0, "ratio", terms, &figures);
        row.optional = slice.segment != "all" && customers == 0;
        rows.push(row);
    }
    rows
}

/// Σ churned / Σ opening, and its interval where the churned are all of the opening.
fn pooled(history: &[Option<Share>], trailing: usize) -> (Option<f64>, Option<(f64, f64)>) {
    let Some(window) = window(history, trailing) else { return (None, None) };
    let of: i64 = window.iter().map(|s| s.of).sum();
    let churned: i64 = window.iter().map(|s| s.churned).sum();
    let doubt = match wilson(churned, of) {
        // Of none the lower end is 0, whatever a computer's digits leave there.
        (Want::Rate(low), Want::Rate(high)) if window.iter().all(|s| s.is_share) => {
            Some((if churned == 0 { 0.0 } else { low }, high))
        }
        _ => None,
    };
    ((of > 0).then(|| churned as f64 / of as f64), doubt)
}

fn mean_of(before: &[Option<Share>], trailing: usize) -> Option<f64> {
    let open: Vec<Share> = window(before, trailing)?.into_iter().filter(|s| s.of > 0).collect();
    let sum: f64 = open.iter().map(|s| s.churned as f64 / s.of as f64).sum();
    (!open.is_empty()).then(|| sum / open.len() as f64)
}

/// One row a cohort: what its customers brought to date, age by age.
fn realised(book: &Book, lens: &Lens, terms: &Terms, dimension: Option<&Segment>, slice: &Slice) -> Vec<WantRow> {
    let mut rows = vec![];
    for (c, born) in lens.ranges.iter().enumerate() {
        let members = cohort::members(book, lens, *born, dimension, slice);
        if members.is_empty() {
            continue;
        }
        let margin = |range: &Range| {
            let cents: i128 = members.iter().map(|person| cohort::revenue(book, lens, person, *range)).sum();
            cents as f64 / 100.0 * terms.margin() / members.len() as f64
        };
        let margins: Vec<f64> = lens.ranges[c..].iter().map(margin).collect();
        let (_, _, new) = closing(book, lens, *born, dimension, slice);
        // What was spent in a whole period is not for the customers of a part of it.
        let cac = cac(book, *born, slice, new).filter(|_| book.complete(*born));
        let so_far = |ages: usize| margins[..ages].iter().sum::<f64>();
        let paid_at = |cac: f64| (1..=margins.len()).find(|ages| so_far(*ages) >= cac - 1e-9);
        let figures = Figures {
            customers: members.len() as i64,
            ltv: Some(so_far(margins.len())),
            discounted: terms
                .discount(lens.period)
                .map(|d| margins.iter().enumerate().map(|(age, m)| m / (1.0 + d).powi(age as i32)).sum()),
            cac,
            payback: cac.and_then(paid_at).map(|ages| ages as f64),
            ..Figures::default()
        };
        rows.push(row(slice, born.0, "realised", terms, &figures));
    }
    rows
}

/// One row, at the last complete period: payments by the Kaplan–Meier curve of first spells.
fn survival(book: &Book, lens: &Lens, terms: &Terms, dimension: Option<&Segment>, slice: &Slice) -> Option<WantRow> {
    let latest = *lens.ranges.iter().rev().find(|r| book.complete(**r)).or(lens.ranges.last())?;
    let lives = observed_lives(book, lens, dimension, slice);
    if lives.is_empty() {
        return None;
    }
    // Those live at the closing whose value is the one that the curve counts them by.
    let (mut customers, mut money) = (0, 0);
    for person in book.people.values() {
        let value = dimension.map_or(super::all(), |s| Slice { segment: s.name, value: book.fixed_value(person, s) });
        let m = book.moment(person, lens, &book.spells(person, lens.period), latest);
        if m.closing && value == *slice {
            customers += 1;
            money += m.m1;
        }
    }
    let arpa = arpa(book, lens, customers, money);
    // Periods that begin within the horizon, at least one.
    let per_year = i64::from(lens.period.per_year());
    let most = (1..).find(|n| 12 * n >= terms.horizon * per_year).expect("a number of periods");
    let paid = paid_by_survival(&lives, most);
    let margin = arpa.filter(|_| paid.is_some()).map(|a| a * terms.margin());
    let (_, _, new) = closing(book, lens, latest, None, &super::all());
    let cac = cac(book, latest, slice, new);
    let figures = match paid {
        None => Figures { customers: lives.len() as i64, arpa, cac, ..Figures::default() },
        Some((shares, error)) => {
            let sum: f64 = shares.iter().sum();
            let worth = |payments: f64| margin.map(|m| m * payments);
            let discounted = |d: f64| shares.iter().enumerate().map(|(t, s)| s / (1.0 + d).powi(t as i32)).sum::<f64>();
            let reach = 1.959_963_984_540_054 * error;
            let so_far = |payments: usize| shares[..payments].iter().sum::<f64>();
            let paid_at = |(cac, m): (f64, f64)| (1..=shares.len()).find(|n| so_far(*n) * m >= cac - 1e-9);
            Figures {
                customers: lives.len() as i64,
                arpa,
                lifetime: Some(sum),
                ltv: worth(sum),
                discounted: terms.discount(lens.period).and_then(|d| worth(discounted(d))),
                interval: (worth((sum - reach).max(1.0)), worth((sum + reach).min(shares.len() as f64))),
                cac,
                payback: cac.zip(margin).and_then(paid_at).map(|n| n as f64),
                ..Figures::default()
            }
        }
    };
    Some(row(slice, latest.0, "survival", terms, &figures))
}
