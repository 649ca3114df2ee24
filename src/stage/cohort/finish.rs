//! From the cohorts' tally to table `cohort`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::CohortKind;
use super::CohortStage;
use crate::calendar::Day;
use crate::check::{Check, Status};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::money;
use crate::stage::rows::{Identity, ratio, segment_cells};
use crate::stage::{Finished, MetricValue, Stage, StageKind, SummaryMetric};
use crate::stats::proportion::wilson;
use crate::table::{Cell, Table};
use crate::tally::cohorts::{Cohort, CohortColumn, CohortDate, CohortMode, CohortTally};
use crate::tally::customer_movements::MovementColumn;
use crate::timeline::lens::LiveRule;
use crate::timeline::segments::{ALL, CellId, SegmentIndex};
use crate::timeline::shape::{Basis, Frame, Maturity};

/// The sums behind a row, of one cohort or pooled over several.
#[derive(Clone, Copy, Default)]
struct CohortSums {
    size: i128,
    customers: i128,
    orders: i128,
    revenue: i128,
    revenue_start: i128,
    mrr: i128,
    mrr_kept: i128,
    mrr_start: i128,
    cumulative: i128,
    left_truncated: bool,
    /// The cohort began within the window: nothing that came before is missing from its sums.
    from_the_start: bool,
    /// The period is not over, so who is live at its end is not known yet.
    undecided: bool,
}

impl CohortSums {
    fn add(&mut self, other: &CohortSums) {
        self.size += other.size;
        self.customers += other.customers;
        self.orders += other.orders;
        self.revenue += other.revenue;
        self.revenue_start += other.revenue_start;
        self.mrr += other.mrr;
        self.mrr_kept += other.mrr_kept;
        self.mrr_start += other.mrr_start;
        self.cumulative += other.cumulative;
        self.from_the_start |= other.from_the_start;
    }
}

impl Stage for CohortStage {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (tally, index) = (known.get(self.cohorts)?, known.get(self.common.index)?);
        let frame = known.shape.frame(self.spec.period);
        let schema = CohortKind::tables(&self.spec).swap_remove(0);
        let mut table = Table::empty(Arc::new(schema), false);
        let oldest = self.oldest(frame, &tally, known.shape.as_of);
        let mut headlines = vec![];
        let mut cells: Vec<CellId> = tally.cohorts.keys().map(|(cell, _)| *cell).collect();
        cells.dedup();
        for cell in cells {
            let mut pooled: BTreeMap<usize, CohortSums> = BTreeMap::new();
            for ((_, number), cohort) in tally.cohorts.range((cell, 0)..=(cell, u32::MAX)) {
                let number = *number as usize;
                for (age, sums) in self.ages(known, frame, number, cohort, oldest) {
                    let window = (known.shape.observed_from, known.shape.as_of);
                    let maturity = self.maturity(frame, number, age, window);
                    if maturity == Maturity::Complete && sums.from_the_start {
                        pooled.entry(age).or_default().add(&sums);
                    }
                    let key = (Some(frame.grid.start(number)), age, self.period(frame, number, age));
                    self.push(&mut table, &index, cell, key, &sums, maturity);
                }
            }
            for (age, sums) in &pooled {
                self.push(&mut table, &index, cell, (None, *age, None), sums, Maturity::Complete);
            }
            if cell == ALL {
                headlines = self.headlines(frame, &pooled);
            }
        }
        let mut checks = self.checks(&tally);
        checks.extend(self.sums_up(known, frame, &tally)?);
        Ok(Finished { tables: vec![table], checks, headlines })
    }
}

impl CohortStage {
    /// The oldest age that the table has for every cohort: that of the oldest cohort, at most `max_age`.
    fn oldest(&self, frame: &Frame, tally: &CohortTally, as_of: Day) -> usize {
        let first = tally.cohorts.keys().map(|(_, cohort)| *cohort as usize).min().unwrap_or(frame.window);
        let reached = match self.fold.unit {
            Some(unit) => ((as_of.0 - frame.grid.start(first).0 - 1) / unit).max(0) as usize,
            None => frame.len() - 1 - first,
        };
        reached.min(self.fold.max_age.unwrap_or(usize::MAX))
    }

    /// Each age of a cohort with its sums; ages that nobody can have reached have none.
    fn ages(
        &self,
        known: &StepOutputs,
        frame: &Frame,
        number: usize,
        cohort: &Cohort,
        oldest: usize,
    ) -> impl Iterator<Item = (usize, CohortSums)> {
        let ages = cohort.ages();
        let signed_up = self.fold.from == CohortDate::SignedUp || known.shape.has_signed_up;
        let left_truncated = !signed_up && number <= frame.window;
        let (size, mrr_start) = (cohort.size.into(), cohort.mrr_start);
        let at_end = self.spec.setting.rule == LiveRule::Period && self.fold.mode == CohortMode::Live;
        let open_end = at_end && self.fold.unit.is_none() && frame.last_is_partial();
        let last = frame.len() - 1;
        let from_the_start = number >= frame.window;
        let mut cumulative = 0;
        (0..=oldest).map(move |age| {
            let of = |field: CohortColumn| ages.get(age).map_or(0, |a| a[field as usize]);
            cumulative += of(CohortColumn::Revenue);
            let sums = CohortSums {
                size,
                customers: of(CohortColumn::Customers),
                orders: of(CohortColumn::Orders),
                revenue: of(CohortColumn::Revenue),
                revenue_start: ages.first().map_or(0, |a| a[CohortColumn::Revenue as usize]),
                mrr: of(CohortColumn::Mrr),
                mrr_kept: of(CohortColumn::MrrKept),
                mrr_start,
                cumulative,
                left_truncated,
                from_the_start,
                undecided: open_end && number + age == last,
            };
            (age, sums)
        })
    }

    fn period(&self, frame: &Frame, cohort: usize, age: usize) -> Option<Day> {
        let shifted = |start| frame.grid.period.shift(start, age as i32);
        self.fold.unit.is_none().then(|| shifted(frame.grid.start(cohort)))
    }

    /// With `age_unit` a cell is complete when the cohort's last possible customer has passed the age, and observable
    /// from the day on which the first can have reached it.
    fn maturity(&self, frame: &Frame, cohort: usize, age: usize, (observed_from, as_of): (Day, Day)) -> Maturity {
        let Some(unit) = self.fold.unit else { return frame.maturity(cohort + age) };
        let days = |ages: usize| unit.saturating_mul(ages as i32);
        let (first, last) = (frame.grid.start(cohort), frame.grid.end(cohort).plus(-1));
        let (begins, ends) = (first.plus(days(age)), last.plus(days(age + 1)));
        if begins >= as_of || ends <= observed_from {
            Maturity::NotObservable
        } else if begins >= observed_from && ends <= as_of {
            Maturity::Complete
        } else {
            Maturity::Partial
        }
    }

    fn push(
        &self,
        table: &mut Table,
        index: &SegmentIndex,
        cell: CellId,
        (cohort, age, period): (Option<Day>, usize, Option<Day>),
        sums: &CohortSums,
        maturity: Maturity,
    ) {
        let (complete, observable) = (maturity == Maturity::Complete, maturity != Maturity::NotObservable);
        let seen = |cell: Cell<'static>| if observable { cell } else { Cell::Null };
        let major = money::minor_per_major(self.spec.setting.digits);
        let rate = |n: i128, d: i128| ratio(n, d).filter(|_| complete);
        let interval = wilson(sums.customers as f64, sums.size as f64).filter(|_| complete);
        let orders = self.spec.setting.has_transactions.then_some(sums.orders as i64);
        let of_terms = |rate: Option<f64>| rate.filter(|_| self.spec.setting.basis == Basis::Subscriptions);
        let whole = observable && sums.from_the_start;
        let per_customer = ratio(sums.cumulative, sums.size).map(|minor| minor / major).filter(|_| whole);
        table.push(segment_cells(index, cell).into_iter().chain([
            cohort.into(),
            age.into(),
            period.into(),
            (sums.size as i64).into(),
            if sums.undecided { Cell::Null } else { seen((sums.customers as i64).into()) },
            rate(sums.customers, sums.size).into(),
            interval.map(|i| i.0).into(),
            interval.map(|i| i.1).into(),
            seen(orders.into()),
            seen(sums.revenue.into()),
            rate(sums.revenue, sums.revenue_start).filter(|_| whole).into(),
            of_terms(rate(sums.mrr_kept, sums.mrr_start)).into(),
            of_terms(rate(sums.mrr, sums.mrr_start)).into(),
            if whole { sums.cumulative.into() } else { Cell::Null },
            per_customer.into(),
            maturity.name().into(),
            sums.left_truncated.into(),
        ]));
    }

    fn headlines(&self, frame: &Frame, pooled: &BTreeMap<usize, CohortSums>) -> Vec<SummaryMetric> {
        let Some(last) = frame.periods().rev().find(|p| frame.maturity(*p) == Maturity::Complete) else {
            return vec![];
        };
        let labels = [(1, "retention at age 1, pooled"), (6, "retention at age 6, pooled")];
        let figure = |age: usize| pooled.get(&age).and_then(|s| ratio(s.customers, s.size)).map(MetricValue::Rate);
        let figures = labels.map(|(age, label)| (label, figure(age)));
        SummaryMetric::of_stage(&self.spec.name, frame.grid.start(last), figures)
    }

    /// Σ over cohorts of who is live at a period's end = its closing, where every age is kept.
    fn sums_up(&self, known: &StepOutputs, frame: &Frame, tally: &CohortTally) -> Result<Option<Check>> {
        let Some(headcount) = self.headcount else { return Ok(None) };
        let closing = known.get(headcount)?.sums(ALL);
        let first = tally.cohorts.keys().map(|(_, cohort)| *cohort as usize).min().unwrap_or(frame.window);
        if self.fold.max_age.is_some_and(|oldest| first + oldest + 1 < frame.len()) {
            return Ok(None);
        }
        let mut identity = Identity::new("cohorts_sum_to_closing", "Σ over cohorts of live customers = churn.closing");
        let everybody: Vec<_> =
            tally.cohorts.range((ALL, 0)..=(ALL, u32::MAX)).map(|((_, c), row)| (*c, row.ages())).collect();
        for period in frame.periods().filter(|p| frame.maturity(*p) == Maturity::Complete) {
            let at = |(cohort, ages): &(u32, Vec<[i128; 5]>)| {
                period
                    .checked_sub(*cohort as usize)
                    .and_then(|age| ages.get(age))
                    .map_or(0, |a| a[CohortColumn::Customers as usize])
            };
            let live = everybody.iter().map(at).sum();
            identity
                .see(live, closing[period][MovementColumn::Closing as usize], || frame.grid.start(period).to_string());
        }
        Ok(Some(identity.check(&self.spec.name)))
    }

    fn checks(&self, tally: &CohortTally) -> Vec<Check> {
        let mut checks = vec![];
        let mut warn = |check: &str, count: i64, detail: String| {
            if count > 0 {
                checks.push(Check {
                    check: check.into(),
                    subject: self.spec.name.clone(),
                    status: Status::Warn,
                    expected: Some("0".into()),
                    actual: Some(count.to_string()),
                    detail,
                });
            }
        };
        warn("cohort_undated", tally.undated, "customers without signed_up_at are in no cohort".into());
        let amount = money::format(tally.early_revenue, self.spec.setting.digits);
        let detail =
            format!("customers with activity before their cohort's date; their {amount} before it are in no cell");
        warn("activity_before_cohort", tally.early, detail);
        checks
    }
}
