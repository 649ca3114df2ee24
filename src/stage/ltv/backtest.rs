//! Fitted up to a cut, held against what came after: tables `model_backtest` and `model_calibration`.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::fits::{Bought, CellFits, with};
use super::renewals::Fitted;
use super::score::ages_by_frequency;
use super::tables::{backtest, calibration};
use super::{Buying, Ltv};
use crate::calendar::Day;
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::money::minor_per_major;
use crate::stage::rates::{ChurnShare, ForLife};
use crate::stage::rows::{Windowed, segment_cells};
use crate::stats::buyers::{BuyerModel, PurchaseHistory};
use crate::table::{Cell, Table, TableSchema};
use crate::tally::buyers::BuyerCounts;
use crate::tally::holdout::{FrequencyColumn, HoldoutColumn, HoldoutTally, MOST_FREQUENT};
use crate::tally::renewals::RenewalCounts;
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::Frame;

/// How the models did.
#[derive(Default)]
pub(super) struct Tested {
    pub tables: Vec<Table>,
    /// Relative error over the whole holdout, of transactions or lost renewals, by cell and model.
    errors: BTreeMap<(CellId, String), f64>,
    /// Why there was nothing to test on.
    pub note: Option<String>,
}

impl Tested {
    pub(super) fn error(&self, cell: CellId, model: &str) -> Option<f64> {
        self.errors.get(&(cell, model.to_owned())).copied()
    }

    /// A row of `model_backtest`; its relative error.
    fn push(&mut self, key: [Cell<'_>; 7], actual: f64, expected: f64) -> Option<f64> {
        let error = expected - actual;
        let relative = (actual > 0.0).then(|| error / actual);
        self.tables[0].push(key.into_iter().chain([actual.into(), expected.into(), error.into(), relative.into()]));
        relative
    }

    /// Keeps the relative error of a whole holdout.
    fn remember(&mut self, cell: CellId, model: &str, relative: Option<f64>) {
        self.errors.extend(relative.map(|e| ((cell, model.to_owned()), e)));
    }

    /// True if a naive forecast had a smaller error than the model.
    pub(super) fn verdict(&self, cell: CellId, model: &str) -> Option<String> {
        let own = self.error(cell, model)?;
        let errors = RIVALS.iter().filter_map(|rival| Some((*rival, self.error(cell, rival)?)));
        let (rival, error) = errors.min_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        let percent = |e: f64| format!("{:+.1} %", 100.0 * e);
        (error.abs() < own.abs())
            .then(|| format!("in the holdout {rival} came nearer: {} against {}", percent(error), percent(own)))
    }
}

const RIVALS: [&str; 2] = ["last_period", "ratio"];

/// The days after the cut, by period.
struct Holdout<'a> {
    frame: &'a Frame,
    cut: Day,
    periods: Range<usize>,
    /// Days from the cut to the end of each.
    ends: Vec<f64>,
}

impl Holdout<'_> {
    /// The share of a whole period that lies in the holdout.
    fn share(&self, period: usize, as_of: Day) -> f64 {
        let (start, end) = (self.frame.grid.start(period), self.frame.grid.end(period));
        let days = end.min(as_of).0 - start.max(self.cut).0;
        f64::from(days) / f64::from(end.0 - start.0)
    }
}

/// What a model expects, by period of the holdout and by x at the cut.
struct Expected {
    transactions: Vec<f64>,
    /// In major units; `None` without a value model.
    revenue: Option<Vec<f64>>,
    by_frequency: Vec<f64>,
}

impl Ltv {
    /// Every fitted method that can be tested; the tables are those that the stage has announced.
    pub(super) fn backtest(&self, known: &StepOutputs, renewals: &[Fitted]) -> Result<Tested> {
        let announced = |table: &TableSchema| [backtest().name, calibration().name].contains(&table.name);
        let schemas = super::tables::of(&self.spec).into_iter().filter(announced);
        let mut tested = Tested {
            tables: schemas.map(|schema| Table::empty(Arc::new(schema), false)).collect(),
            ..Tested::default()
        };
        if tested.tables.is_empty() {
            return Ok(tested);
        }
        let Some(cut) = self.held_out_from(known) else {
            tested.note = Some("no holdout: the calibration ends at an edge of the window, or beyond".into());
            return Ok(tested);
        };
        if let Some(buying) = &self.buying {
            self.test_buying(buying, known, cut, &mut tested)?;
        }
        self.test_renewals(known, renewals, &mut tested)?;
        Ok(tested)
    }

    /// The first day of the holdout, if it and the calibration have any.
    pub(super) fn held_out_from(&self, known: &StepOutputs) -> Option<Day> {
        let (shape, cut) = (&known.shape, self.cut.day(&known.shape));
        (shape.observed_from < cut && cut < shape.as_of).then_some(cut)
    }

    fn test_buying(&self, buying: &Buying, known: &StepOutputs, cut: Day, tested: &mut Tested) -> Result<()> {
        let shape = &known.shape;
        let frame = shape.frame(self.spec.period);
        let periods = frame.grid.at(cut)..frame.len();
        let days = |p: usize| f64::from(frame.grid.end(p).min(shape.as_of).0 - cut.0);
        let ends = periods.clone().map(days).collect();
        let holdout = Holdout { frame, cut, periods, ends };
        let index = known.get(self.common.index)?;
        let (fits, groups) = (known.get(buying.calibrated)?, known.get(buying.calibration)?);
        let actual = known.get(buying.holdout)?;
        let windowed = Windowed { frame, shape, rule: self.spec.setting.rule };
        let whole = |p: &usize| windowed.complete(*p) && frame.grid.end(*p) <= cut;
        let before: Vec<usize> = (frame.window..holdout.periods.start).filter(whole).collect();
        for (cell, fits) in fits.iter() {
            let shares = ChurnShare::by_period(known, self.counts, &windowed, *cell)?;
            let shares: Vec<_> = before.iter().filter_map(|p| shares[*p]).collect();
            let churn =
                ForLife::of(&shares, self.spec.options.trailing, self.spec.setting.policy).and_then(|life| life.rate);
            let mut rows = Rows {
                tested,
                index: &index,
                stage: &self.spec.name,
                cell: *cell,
                holdout: &holdout,
                actual: &actual,
                major: minor_per_major(self.spec.setting.digits),
            };
            for name in fits.fitted() {
                let Some(model) = fits.model(name) else { continue };
                let expected = expect(buying, &holdout, fits, &groups[cell], model, rows.major);
                rows.model(name, &expected);
            }
            let last = before.last().copied();
            rows.rival(RIVALS[0], last, |_| 1.0, shape.as_of);
            if let Some(r) = churn {
                rows.rival(RIVALS[1], last, |k| libm::pow(1.0 - r, k as f64), shape.as_of);
            }
        }
        Ok(())
    }

    /// The renewals lost of those that fell due after the cut: expected by the models, and at the rate before the cut.
    fn test_renewals(&self, known: &StepOutputs, fits: &[Fitted], tested: &mut Tested) -> Result<()> {
        let (Some(renewals), index) = (self.renewals, known.get(self.common.index)?) else { return Ok(()) };
        let tally = known.get(renewals)?;
        for ((cell, interval), renewing) in tally.iter() {
            let sum = |of: fn(&RenewalCounts) -> u64| renewing.numbers.iter().map(of).sum::<u64>() as f64;
            let (due, actual) = (sum(|n| n.later_due), sum(|n| n.later_lost));
            if due == 0.0 {
                continue;
            }
            let mut push = |model: &str, expected: f64| {
                let [id, segment, value] = segment_cells(&index, *cell);
                let stage = self.spec.name.as_str().into();
                let key = [id, segment, value, stage, model.into(), "lost_renewals".into(), Cell::Null];
                let relative = tested.push(key, actual, expected);
                tested.remember(*cell, model, relative);
            };
            for fit in fits.iter().filter(|f| (f.cell, f.interval) == (*cell, *interval)) {
                let lost =
                    |(n, number): (u32, &RenewalCounts)| Some(fit.calibrated.lost_at(n)? * number.later_due as f64);
                if let Some(expected) = (1..).zip(&renewing.numbers).map(lost).sum::<Option<f64>>() {
                    push(&fit.method, expected);
                }
            }
            let (due_before, lost_before) = (sum(|n| n.due) - due, sum(|n| n.lost) - actual);
            if due_before > 0.0 {
                push(&format!("ratio {}", interval.name()), due * lost_before / due_before);
            }
        }
        Ok(())
    }
}

/// Sums over the counted histories of a cell, in their order.
fn expect(
    buying: &Buying,
    holdout: &Holdout<'_>,
    fits: &CellFits,
    group: &BuyerCounts,
    model: Bought,
    major: f64,
) -> Expected {
    let unit = buying.unit.days();
    let kinds = group.histories.kinds();
    let longest = holdout.ends.last().copied().unwrap_or_default() / unit;
    // What is to come depends on x and T alone, if the customer is alive.
    let of_frequency = |(x, ages): (u32, Vec<u32>)| {
        let future = with!(&model, m => m.futures(x, longest, ages.len() * holdout.ends.len()));
        let until = |age: u32| holdout.ends.iter().map(|days| future(f64::from(age) / unit, days / unit)).collect();
        ages.into_iter().map(|age| ((x, age), until(age))).collect::<Vec<_>>()
    };
    let ages = ages_by_frequency(kinds.iter().map(|(kind, _)| kind));
    let futures: HashMap<(u32, u32), Vec<f64>> = ages.into_par_iter().flat_map_iter(of_frequency).collect();
    let bins = holdout.ends.len();
    let mut sums = Expected {
        transactions: vec![0.0; bins],
        revenue: Some(vec![0.0; bins]),
        by_frequency: vec![0.0; MOST_FREQUENT + 1],
    };
    let mut counted = 0u64;
    for (kind, weight) in &kinds {
        counted += weight.customers;
        let (x, n) = (kind.frequency, weight.customers as f64);
        let history = PurchaseHistory::new(x, f64::from(kind.recency) / unit, f64::from(kind.age) / unit);
        let alive = history.map_or(0.0, |h| with!(model, m => m.p_alive(&h)));
        // Linear in what was spent, so that the mean of customers alike is the customer of their mean.
        let spend = fits.spend(x, weight.spend as f64 / n / major);
        let future = &futures[&(x, kind.age)];
        let mut before = 0.0;
        for (bin, until) in future.iter().enumerate() {
            let transactions = n * alive * (until - before);
            before = *until;
            sums.transactions[bin] += transactions;
            match (&mut sums.revenue, spend) {
                (Some(revenue), Some(spend)) => revenue[bin] += transactions * spend,
                (revenue, _) => *revenue = None,
            }
        }
        sums.by_frequency[(x as usize).min(MOST_FREQUENT)] += n * alive * future.last().copied().unwrap_or(0.0);
    }
    // Of a sample: of all.
    let scale = if counted > 0 { group.customers as f64 / counted as f64 } else { 0.0 };
    sums.transactions
        .iter_mut()
        .chain(sums.revenue.iter_mut().flatten())
        .chain(&mut sums.by_frequency)
        .for_each(|x| *x *= scale);
    sums
}

/// Writes the rows of a cell.
struct Rows<'a, 'b> {
    tested: &'a mut Tested,
    index: &'a SegmentIndex,
    stage: &'a str,
    cell: CellId,
    holdout: &'a Holdout<'b>,
    actual: &'a HoldoutTally,
    major: f64,
}

impl Rows<'_, '_> {
    /// What the customers did in each period, in transactions or minor units.
    fn actual(&self, of: HoldoutColumn) -> Vec<i128> {
        self.actual.periods.sums(self.cell).iter().map(|sums| sums[of as usize]).collect()
    }

    /// In transactions or major units.
    fn shown(&self, of: HoldoutColumn, exact: i128) -> f64 {
        exact as f64 / if of == HoldoutColumn::Revenue { self.major } else { 1.0 }
    }

    /// A row for each period of the holdout, and one for the whole; the relative error of the whole.
    fn quantity(&mut self, model: &str, of: HoldoutColumn, expected: &[f64]) -> Option<f64> {
        let name = if of == HoldoutColumn::Revenue { "revenue" } else { "transactions" };
        let actual = &self.actual(of)[self.holdout.periods.clone()];
        let total = (None, self.shown(of, actual.iter().sum()), expected.iter().sum());
        let starts = self.holdout.periods.clone().map(|p| Some(self.holdout.frame.grid.start(p)));
        let periods = starts
            .zip(actual)
            .zip(expected)
            .map(|((start, actual), expected)| (start, self.shown(of, *actual), *expected));
        let mut relative = None;
        for (start, actual, expected) in periods.chain([total]).collect::<Vec<_>>() {
            let [id, segment, value] = segment_cells(self.index, self.cell);
            let key = [id, segment, value, self.stage.into(), model.into(), name.into(), start.into()];
            relative = self.tested.push(key, actual, expected);
        }
        relative
    }

    fn model(&mut self, name: &'static str, expected: &Expected) {
        let error = self.quantity(name, HoldoutColumn::Transactions, &expected.transactions);
        self.tested.remember(self.cell, name, error);
        if let Some(revenue) = &expected.revenue {
            self.quantity(name, HoldoutColumn::Revenue, revenue);
        }
        let by_frequency = self.actual.by_frequency.sums(self.cell);
        for (x, (sums, expected)) in by_frequency.iter().zip(&expected.by_frequency).enumerate() {
            let customers = sums[FrequencyColumn::Customers as usize];
            if customers == 0 {
                continue;
            }
            let n = customers as f64;
            self.tested.tables[1].push(segment_cells(self.index, self.cell).into_iter().chain([
                self.stage.into(),
                name.into(),
                x.into(),
                Cell::Int(customers as i64),
                (sums[FrequencyColumn::Transactions as usize] as f64 / n).into(),
                (expected / n).into(),
            ]));
        }
    }

    /// The last whole period before the cut goes on, from the k-th period on at a factor.
    fn rival(&mut self, name: &str, last: Option<usize>, factor: impl Fn(usize) -> f64, as_of: Day) {
        let Some(last) = last else { return };
        for of in [HoldoutColumn::Transactions, HoldoutColumn::Revenue] {
            let before = self.shown(of, self.actual(of)[last]);
            let share = |(k, p): (usize, usize)| before * factor(k + 1) * self.holdout.share(p, as_of);
            let expected: Vec<f64> = self.holdout.periods.clone().enumerate().map(share).collect();
            let error = self.quantity(name, of, &expected).filter(|_| of == HoldoutColumn::Transactions);
            self.tested.remember(self.cell, name, error);
        }
    }
}
