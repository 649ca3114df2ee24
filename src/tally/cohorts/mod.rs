//! Cohorts: customers by the period in which they began, and how many of them and how much of their money is left at each
//! age (DEFINITIONS §4).

mod ages;
mod mrr;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::ages::Ages;
use self::mrr::MrrByAge;
use crate::calendar::{Day, Period};
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::{Frame, Shape};
use crate::timeline::view::View;

pub use self::mrr::revenue_of;

/// The date that decides a customer's cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CohortDate {
    /// The first day of activity.
    FirstActivity,
    /// The date of sign-up in `customers`.
    SignedUp,
}

/// Which customers count at an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CohortMode {
    /// Live or buying at any time in it.
    Active,
    /// Live at its end.
    Live,
    /// Active in it or later.
    Unbounded,
}

/// How cohorts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CohortSpec {
    /// The date that decides a customer's cohort.
    pub from: CohortDate,
    /// Which customers count at an age.
    pub mode: CohortMode,
    /// The oldest age that is kept; `None` for all.
    pub max_age: Option<usize>,
    /// Days of an age, counted from each customer's own date; `None` if ages are periods.
    pub unit: Option<i32>,
}

/// The series by age, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum CohortColumn {
    /// Customers who count at the age.
    Customers,
    /// Orders in the age.
    Orders,
    /// Revenue of the age, in minor units.
    Revenue,
    /// Σ m over customers, m their MRR at the closing of the age, in minor units (subscriptions).
    Mrr,
    /// Σ min(m, m₀), m₀ their MRR at the closing of age 0: expansion does not count.
    MrrKept,
}

const WIDTH: usize = CohortColumn::MrrKept as usize + 1;

/// A cohort of a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    /// Its customers.
    pub size: i64,
    /// Σ m₀, their MRR at the closing of age 0, in minor units.
    pub mrr_start: i128,
    /// The series as differences from one age to the next, `[age][series]`.
    differences: Vec<i128>,
}

impl Cohort {
    /// The series by age: `[age][series]`, indexed by [`CohortColumn`].
    pub fn ages(&self) -> Vec<[i128; WIDTH]> {
        let mut running = [0; WIDTH];
        let ages = (self.differences.len() / WIDTH).saturating_sub(1);
        let age = |row: &[i128]| {
            running.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
            running
        };
        self.differences.chunks(WIDTH).take(ages).map(age).collect()
    }

    /// Adds `amount` to a series over the ages `[from, to)`. Ages beyond those kept are ignored.
    fn add(&mut self, field: CohortColumn, from: usize, to: usize, amount: i128) {
        let last = self.differences.len() / WIDTH - 1;
        let (from, to) = (from.min(last), to.min(last));
        if from < to {
            self.differences[from * WIDTH + field as usize] += amount;
            self.differences[to * WIDTH + field as usize] -= amount;
        }
    }
}

/// All cohorts, and the customers who do not fit into them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortTally {
    /// By cell and number of the cohort's period.
    pub cohorts: BTreeMap<(CellId, u32), Cohort>,
    /// Customers of the basis source who have no date for a cohort.
    pub undated: i64,
    /// Customers with activity before their cohort's date.
    pub early: i64,
    /// Their net revenue before it, in minor units.
    pub early_revenue: i128,
}

struct CohortsFold {
    segment_cells: SegmentCells,
    period: Period,
    spec: CohortSpec,
}

/// Registers the cohorts under a lens, by a stage's segments. The tally has ages beyond `max_age` if another stage asks for
/// the same cohorts with a greater one.
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
    plan.fold(fold, move |known: &StepOutputs| -> Result<CohortsFold> {
        Ok(CohortsFold { segment_cells: SegmentCells::new(known, index, &segments)?, period: lens.period, spec })
    })
}

impl CohortsFold {
    /// How many ages of a cohort are kept: those that it can have reached, up to `max_age`.
    fn reach(&self, frame: &Frame, cohort: usize, as_of: Day) -> usize {
        let all = match self.spec.unit {
            Some(unit) => (as_of.0 - frame.grid.start(cohort).0 + unit - 1) / unit,
            None => (frame.len() - cohort) as i32,
        };
        (all.max(0) as usize).min(self.spec.max_age.map_or(usize::MAX, |a| a + 1))
    }
}

impl Fold for CohortsFold {
    type Tally = CohortTally;

    fn cells(&self, shape: &Shape) -> u64 {
        let frame = shape.frame(self.period);
        let rows = (0..frame.len()).map(|c| (self.reach(frame, c, shape.as_of) + 1) * WIDTH + 2);
        self.segment_cells.cells() * rows.sum::<usize>() as u64 + 3
    }

    fn cells_of_one(&self, shape: &Shape) -> u64 {
        // The oldest cohort has the most ages; a customer is in one cohort of everybody and of each segment.
        let ages = self.reach(shape.frame(self.period), 0, shape.as_of);
        self.segment_cells.of_one() * ((ages + 1) * WIDTH + 2) as u64 + 3
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
            CohortDate::FirstActivity => view.first_day(),
            CohortDate::SignedUp => view.signed_up(),
        };
        let Some(start) = start else {
            tally.undated += i64::from(self.spec.from == CohortDate::SignedUp && view.in_basis());
            return;
        };
        let (frame, as_of) = (view.frame(), view.shape().as_of);
        let cohort = frame.grid.at(start);
        // An age that is a period contains all of the period, also days before the customer's own first one.
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

        let present = ages.present(view, self.spec.mode);
        let MrrByAge { current, constant: steps } = MrrByAge::of(view, &ages);
        let current = current.as_ref().unwrap_or(&steps);
        let mrr_start = steps.first().filter(|s| s.0 == 0).map_or(0, |s| s.2);
        let buys = view.shape().has_transactions;
        let reach = self.reach(frame, cohort, as_of);
        self.segment_cells.fixed(view, |cell| {
            let row = tally.cohorts.entry((cell, cohort as u32)).or_default();
            if row.differences.is_empty() {
                row.differences = vec![0; (reach + 1) * WIDTH];
            }
            row.size += 1;
            row.mrr_start += mrr_start;
            present.iter().for_each(|(from, to)| row.add(CohortColumn::Customers, *from, *to, 1));
            for (from, to, mrr) in &steps {
                row.add(CohortColumn::Mrr, *from, *to, *mrr);
                row.add(CohortColumn::MrrKept, *from, *to, (*mrr).min(mrr_start));
            }
            for (from, to, mrr) in current.iter().filter(|_| !buys) {
                row.add(CohortColumn::Revenue, *from, *to, revenue_of(*mrr, self.period, self.spec.unit));
            }
            if buys {
                for day in view.days().iter().filter(|d| d.day >= start) {
                    let age = ages.of(day.day);
                    row.add(CohortColumn::Revenue, age, age + 1, day.net.into());
                    row.add(CohortColumn::Orders, age, age + 1, view.orders(day).into());
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
