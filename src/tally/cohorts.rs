//! Customers by the period in which they began, and what is left of them at each age (DEFINITIONS §4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::calendar::{Day, Period};
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::exchange::{CurrencyCode, OWN_CURRENCY};
use crate::money::div_half_even;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::{Frame, Shape};
use crate::timeline::view::View;

/// What dates a customer's cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    FirstActivity,
    SignedUp,
}

/// Who counts at an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Live or buying at any time in it.
    Active,
    /// Live at its end.
    Live,
    /// Active in it or later.
    Unbounded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CohortSpec {
    pub from: From,
    pub mode: Mode,
    /// Oldest age kept, `None`: all.
    pub max_age: Option<usize>,
    /// Ages of so many days since each customer's own first date, instead of periods.
    pub unit: Option<i32>,
}

/// The series by age, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Aged {
    Customers,
    Orders,
    Revenue,
    /// Σ m at the closing of the age, and Σ min of it and m at the closing of age 0 (subscriptions).
    Mrr,
    MrrKept,
}

const WIDTH: usize = Aged::MrrKept as usize + 1;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    pub size: i64,
    /// Σ m at the closing of age 0.
    pub mrr_start: i128,
    /// Differences, `[age][series]`.
    differences: Vec<i128>,
}

impl Cohort {
    /// The sums: `[age][series]`.
    pub fn ages(&self) -> Vec<[i128; WIDTH]> {
        let mut running = [0; WIDTH];
        let ages = (self.differences.len() / WIDTH).saturating_sub(1);
        let age = |row: &[i128]| {
            running.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
            running
        };
        self.differences.chunks(WIDTH).take(ages).map(age).collect()
    }

    fn add(&mut self, field: Aged, from: usize, to: usize, amount: i128) {
        let last = self.differences.len() / WIDTH - 1;
        let (from, to) = (from.min(last), to.min(last));
        if from < to {
            self.differences[from * WIDTH + field as usize] += amount;
            self.differences[to * WIDTH + field as usize] -= amount;
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortTally {
    /// By cell and number of the cohort's period.
    pub cohorts: BTreeMap<(CellId, u32), Cohort>,
    /// Customers of the basis without a date for their cohort.
    pub undated: i64,
    /// Customers with activity before their cohort's date, and their net revenue before it.
    pub early: i64,
    pub early_revenue: i128,
}

pub struct Cohorts {
    axes: SegmentCells,
    period: Period,
    spec: CohortSpec,
}

/// Registers the cohorts under a lens by a stage's segments. The tally may have ages beyond `max_age`, where another
/// stage wants them.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    spec: CohortSpec,
) -> Ref<CohortTally> {
    let fold = FoldSpec {
        kind: "cohorts",
        params: format!("from {:?}, {:?}, unit {:?}, segments {segments:?}", spec.from, spec.mode, spec.unit),
        lens,
        needs: Needs { orders: true, ..Needs::default() },
        after: vec![index.id()],
        reach: spec.max_age.unwrap_or(usize::MAX),
    };
    let segments = segments.to_vec();
    plan.fold(fold, move |known: &StepOutputs| -> Result<Cohorts> {
        Ok(Cohorts { axes: SegmentCells::new(known, index, &segments)?, period: lens.period, spec })
    })
}

/// The ages of one customer: numbered from the cohort's date, up to as_of.
struct Ages<'a> {
    frame: &'a Frame,
    as_of: Day,
    start: Day,
    cohort: usize,
    unit: Option<i32>,
    count: usize,
}

impl Ages<'_> {
    /// The boundary whose rates count at the closing of an age: that of the period which is beginning, or has begun.
    fn boundary(&self, age: usize) -> usize {
        let Some(unit) = self.unit else { return (self.cohort + age + 1).min(self.frame.len()) };
        let closing = i64::from(self.start.0) + (age as i64 + 1) * i64::from(unit);
        match i32::try_from(closing).map(Day) {
            Ok(day) if day < self.as_of => self.frame.grid.at(day),
            _ => self.frame.len(),
        }
    }

    /// The age that holds `day`; `count` for what lies at or after as_of. An age's closing sees what began in it, and
    /// misses what ended in it, so the same number bounds closings.
    fn of(&self, day: Day) -> usize {
        if day >= self.as_of {
            return self.count;
        }
        let day = day.max(self.start);
        match self.unit {
            Some(unit) => ((day.0 - self.start.0) / unit) as usize,
            None => self.frame.grid.at(day) - self.cohort,
        }
    }
}

/// MRR over ages, as steps `(from, to, mrr)`.
type Steps = Vec<(usize, usize, i128)>;

/// What a customer pays at the closing of each age.
struct Paid {
    /// At the exchange rates of the time, where those matter.
    then: Option<Steps>,
    /// Each currency at the rate of the closing at which the customer first paid in it: what is kept, without what rates
    /// made of it.
    still: Steps,
}

/// Adds an age to steps of those before it.
fn add_step(steps: &mut Steps, age: usize, mrr: i128) {
    match steps.last_mut() {
        Some(last) if last.1 == age && last.2 == mrr => last.1 = age + 1,
        _ if mrr != 0 => steps.push((age, age + 1, mrr)),
        _ => {}
    }
}

impl Cohorts {
    /// Ages that a cohort can have reached, at most the oldest kept.
    fn reach(&self, frame: &Frame, cohort: usize, as_of: Day) -> usize {
        let all = match self.spec.unit {
            Some(unit) => (as_of.0 - frame.grid.start(cohort).0 + unit - 1) / unit,
            None => (frame.len() - cohort) as i32,
        };
        (all.max(0) as usize).min(self.spec.max_age.map_or(usize::MAX, |a| a + 1))
    }

    /// Ages at which the customer counts, as merged ranges.
    fn present(&self, view: &View<'_>, ages: &Ages<'_>) -> SmallVec<[(usize, usize); 16]> {
        let mut ranges: SmallVec<[(usize, usize); 16]> = SmallVec::new();
        let mut join = |from: usize, to: usize| match ranges.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ if from < to => ranges.push((from, to)),
            _ => {}
        };
        if *view.rule() == LiveRule::Period {
            view.days().iter().filter(|d| d.active > 0 && d.day >= ages.start).for_each(|d| {
                let age = ages.of(d.day);
                join(age, age + 1);
            });
        } else {
            for spell in view.spells().iter().filter(|s| s.end > ages.start) {
                let from = ages.of(spell.start);
                match self.spec.mode {
                    Mode::Live => join(from, ages.of(spell.end)),
                    Mode::Active | Mode::Unbounded => join(from, (ages.of(spell.end.plus(-1)) + 1).min(ages.count)),
                }
            }
        }
        if self.spec.mode == Mode::Unbounded {
            let last = ranges.last().map(|r| r.1);
            return last.map(|to| (0, to)).into_iter().collect();
        }
        ranges
    }

    /// MRR at the closing of each age.
    fn mrr_steps(view: &View<'_>, ages: &Ages<'_>) -> Paid {
        if view.ranges().iter().any(|r| r.currency != OWN_CURRENCY && r.mrr != 0) {
            return Self::steps_abroad(view, ages);
        }
        let mut changes: Vec<(usize, i128)> = vec![];
        for range in view.ranges().iter().filter(|r| r.end > ages.start) {
            changes.push((ages.of(range.start), range.mrr.into()));
            changes.push((ages.of(range.end), -i128::from(range.mrr)));
        }
        changes.sort_unstable();
        let mut steps = vec![];
        let mut mrr = 0;
        for (i, (age, change)) in changes.iter().enumerate() {
            mrr += change;
            let next = changes.get(i + 1).map_or(ages.count, |c| c.0);
            if mrr != 0 && *age < next {
                steps.push((*age, next, mrr));
            }
        }
        Paid { then: None, still: steps }
    }

    /// The same where there are other currencies, age by age.
    fn steps_abroad(view: &View<'_>, ages: &Ages<'_>) -> Paid {
        let mut changes: Vec<(usize, CurrencyCode, i64)> = vec![];
        for range in view.ranges().iter().filter(|r| r.end > ages.start) {
            changes.push((ages.of(range.start), range.currency, range.mrr));
            changes.push((ages.of(range.end), range.currency, -range.mrr));
        }
        changes.sort_unstable();
        // What stands in each currency, and the boundary whose rate it keeps.
        let mut size: Vec<(CurrencyCode, i64, Option<usize>)> = vec![];
        let mut paid = Paid { then: Some(vec![]), still: vec![] };
        let mut ahead = changes.into_iter().peekable();
        let first = ahead.peek().map_or(ages.count, |c| c.0);
        for age in first..ages.count {
            while let Some((_, currency, change)) = ahead.next_if(|c| c.0 == age) {
                match size.iter_mut().find(|h| h.0 == currency) {
                    Some(size) => size.1 = size.1.saturating_add(change),
                    None => size.push((currency, change, None)),
                }
            }
            let closing = ages.boundary(age);
            let (mut then, mut still) = (0, 0);
            for (currency, units, kept) in size.iter_mut().filter(|h| h.1 != 0) {
                let kept = *kept.get_or_insert(closing);
                // Without a rate the walk ends with that.
                let worth = |boundary| i128::from(ages.frame.worth(*currency, *units, boundary).unwrap_or(0));
                then += worth(closing);
                still += worth(kept);
            }
            add_step(paid.then.get_or_insert_default(), age, then);
            add_step(&mut paid.still, age, still);
            if ahead.peek().is_none() && size.iter().all(|h| h.1 == 0) {
                break;
            }
        }
        paid
    }
}

/// Revenue of a period in which a customer closes with this MRR (subscriptions without transactions): a month's worth is
/// the MRR itself, a quarter's three times it, a week's 12/52 and a day's 12/365 of it, half-even.
pub fn revenue_of(mrr: i128, period: Period, unit: Option<i32>) -> i128 {
    let (times, parts) = match (unit, period) {
        (Some(days), _) => (12 * i128::from(days), 365),
        (None, Period::Day) => (12, 365),
        (None, Period::Week) => (12, 52),
        (None, Period::Month) => (1, 1),
        (None, Period::Quarter) => (3, 1),
        (None, Period::Year) => (12, 1),
    };
    div_half_even(mrr * times, parts)
}

impl Fold for Cohorts {
    type Tally = CohortTally;

    fn cells(&self, shape: &Shape) -> u64 {
        let frame = shape.frame(self.period);
        let rows = (0..frame.len()).map(|c| (self.reach(frame, c, shape.as_of) + 1) * WIDTH + 2);
        self.axes.cells() * rows.sum::<usize>() as u64 + 3
    }

    fn cells_of_one(&self, shape: &Shape) -> u64 {
        // The oldest cohort has the most ages; a customer is in one cohort of everybody and of each segment.
        let ages = self.reach(shape.frame(self.period), 0, shape.as_of);
        self.axes.of_one() * ((ages + 1) * WIDTH + 2) as u64 + 3
    }

    fn is_tabled(&self) -> bool {
        true
    }

    fn key_to_lower(&self) -> Option<&'static str> {
        Some("max_age")
    }

    fn start(&self) -> CohortTally {
        CohortTally::default()
    }

    fn observe(&self, tally: &mut CohortTally, view: &View<'_>) {
        let start = match self.spec.from {
            From::FirstActivity => view.first_day(),
            From::SignedUp => view.signed_up(),
        };
        let Some(start) = start else {
            tally.undated += i64::from(self.spec.from == From::SignedUp && view.in_basis());
            return;
        };
        let (frame, as_of) = (view.frame(), view.shape().as_of);
        let cohort = frame.grid.at(start);
        // An age that is a period holds all of it, days before the customer's own first one too.
        let start = if self.spec.unit.is_some() { start } else { frame.grid.start(cohort) };
        let count = match self.spec.unit {
            Some(unit) => ((as_of.0 - start.0 + unit - 1) / unit) as usize,
            None => frame.len() - cohort,
        };
        let ages = Ages { frame, as_of, start, cohort, unit: self.spec.unit, count };
        let early: i128 = view.days().iter().filter(|d| d.day < start).map(|d| i128::from(d.net)).sum();
        let began = view.first_day().is_some_and(|day| day < start);
        tally.early += i64::from(began || early != 0);
        tally.early_revenue += early;

        let present = self.present(view, &ages);
        let Paid { then, still: steps } = Self::mrr_steps(view, &ages);
        let then = then.as_ref().unwrap_or(&steps);
        let mrr_start = steps.first().filter(|s| s.0 == 0).map_or(0, |s| s.2);
        let buys = view.shape().has_transactions;
        let reach = self.reach(frame, cohort, as_of);
        self.axes.fixed(view, |cell| {
            let row = tally.cohorts.entry((cell, cohort as u32)).or_default();
            if row.differences.is_empty() {
                row.differences = vec![0; (reach + 1) * WIDTH];
            }
            row.size += 1;
            row.mrr_start += mrr_start;
            present.iter().for_each(|(from, to)| row.add(Aged::Customers, *from, *to, 1));
            for (from, to, mrr) in &steps {
                row.add(Aged::Mrr, *from, *to, *mrr);
                row.add(Aged::MrrKept, *from, *to, (*mrr).min(mrr_start));
            }
            for (from, to, mrr) in then.iter().filter(|_| !buys) {
                row.add(Aged::Revenue, *from, *to, revenue_of(*mrr, self.period, self.spec.unit));
            }
            if buys {
                for day in view.days().iter().filter(|d| d.day >= start) {
                    let age = ages.of(day.day);
                    row.add(Aged::Revenue, age, age + 1, day.net.into());
                    row.add(Aged::Orders, age, age + 1, view.orders(day).into());
                }
            }
        });
    }

    fn merge(&self, into: &mut CohortTally, from: CohortTally) {
        into.undated += from.undated;
        into.early += from.early;
        into.early_revenue += from.early_revenue;
        for (key, cohort) in from.cohorts {
            let row = into.cohorts.entry(key).or_default();
            row.size += cohort.size;
            row.mrr_start += cohort.mrr_start;
            if row.differences.is_empty() {
                row.differences = cohort.differences;
            } else {
                row.differences.iter_mut().zip(cohort.differences).for_each(|(into, d)| *into += d);
            }
        }
    }

    fn size(&self, tally: &CohortTally) -> u64 {
        tally.cohorts.values().map(|c| c.differences.len() as u64 + 2).sum::<u64>() + 3
    }
}
