//! From trailing complete periods to tables `forecast` and `forecast_backtest`.

use std::sync::Arc;

use rayon::prelude::*;

use super::past::{Base, FIGURES, ForecastMetric, bases};
use super::{Forecast, backtest};
use crate::calendar::Day;
use crate::check::{Check, Status};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::rows::{Windowed, segment_cells};
use crate::stage::{self, Finished, Stage, SummaryMetric};
use crate::stats::smoothing::loss_forecast::{LossForecasts, MIN_PERIODS};
use crate::table::{Cell, Table};
use crate::timeline::segments::{ALL, CellId};

/// A base of a cell, and what is expected of it.
struct LookedAhead {
    base: Base,
    forecasts: Option<LossForecasts>,
}

impl Stage for Forecast {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (heads, money, index) = (known.get(self.headcount)?, known.get(self.money)?, known.get(self.common.index)?);
        let frame = known.shape.frame(self.spec.period);
        let windowed = Windowed { frame, shape: &known.shape, rule: self.spec.setting.rule };
        let cells: Vec<CellId> = std::iter::once(ALL).chain(heads.cells().filter(|c| *c != ALL)).collect();
        let look = |cell: &CellId| -> ([LookedAhead; 2], usize) {
            let (bases, next) = bases(&windowed, &heads.sums(*cell), &money.sums(*cell), self.spec.setting.digits);
            let look = |base: Base| {
                let recent = base.past.until(base.past.len());
                LookedAhead { forecasts: recent.forecast(self.season, self.periods), base }
            };
            (bases.map(look), next)
        };
        let looked: Vec<_> = cells.par_iter().map(look).collect();

        let [of_forecast, of_tests] = [super::forecast(&self.spec), super::tested()];
        let mut table = Table::empty(Arc::new(of_forecast), false);
        for (cell, (bases, next)) in cells.iter().zip(&looked) {
            for step in 1..=self.periods {
                let start = self.spec.period.shift(frame.grid.start(*next), step as i32 - 1);
                for (looked, figure) in bases.iter().flat_map(|b| FIGURES.map(|figure| (b, figure))) {
                    let row = self.row(looked, figure, step, start);
                    table.push(segment_cells(&index, *cell).into_iter().chain(row));
                }
            }
        }
        let mut finished = Finished::default();
        if let Some((bases, next)) = looked.first() {
            let mut tests = Table::empty(Arc::new(of_tests), false);
            for LookedAhead { base, .. } in bases {
                let rows = backtest::test(base, self.season, super::year(self.spec.period), self.periods);
                finished.checks.extend(self.verdict(&rows));
                rows.iter().for_each(|row| tests.push(self.tested(row)));
            }
            finished.tables.push(tests);
            finished.checks.push(self.history(bases[0].base.past.len()));
            if let Some(forecasts) = &bases[0].forecasts {
                let start = frame.grid.start(*next);
                let rate = Some(stage::MetricValue::Rate(forecasts.steps[0].rate.expected));
                let lost = Some(stage::MetricValue::Count(forecasts.steps[0].lost.expected.round() as i64));
                let figures = [("churn rate expected", rate), ("churned customers expected", lost)];
                finished.headlines = SummaryMetric::of_stage(&self.spec.name, start, figures);
            }
        }
        finished.tables.push(table);
        Ok(finished)
    }
}

impl Forecast {
    /// The columns after those of the segment.
    fn row(&self, looked: &LookedAhead, figure: ForecastMetric, step: usize, start: Day) -> [Cell<'static>; 9] {
        let LookedAhead { base, forecasts } = looked;
        let range = forecasts.as_ref().map(|o| figure.of(&o.steps[step - 1]));
        let model = forecasts.as_ref().map(|o| match figure {
            ForecastMetric::Opening => o.opening_model.to_owned(),
            ForecastMetric::Rate => o.rate_model.to_owned(),
            ForecastMetric::Lost => format!("{} × {}", o.rate_model, o.opening_model),
        });
        let why = || match base.past.len() {
            0 => "there is nothing to lose at the last closing, or no complete period with an opening".to_owned(),
            n => format!("{n} complete periods with an opening, one after the other, are fewer than {MIN_PERIODS}"),
        };
        [
            base.name(figure).into(),
            start.into(),
            range.map(|r| r.expected).into(),
            range.map(|r| r.low).into(),
            range.map(|r| r.high).into(),
            base.last_year(figure, super::year(self.spec.period), step).into(),
            base.seasonal_index(figure, self.season, step).into(),
            model.into(),
            range.is_none().then(why).into(),
        ]
    }

    fn tested<'a>(&'a self, row: &backtest::BacktestRow) -> [Cell<'a>; 8] {
        [
            (&self.spec.name).into(),
            row.metric.into(),
            row.horizon.into(),
            row.method.into(),
            row.origins.into(),
            row.error.into(),
            row.against_last_period.into(),
            row.against_last_year.into(),
        ]
    }

    fn history(&self, periods: usize) -> Check {
        let enough = periods >= MIN_PERIODS;
        let detail = if enough {
            "complete periods in a row that everybody's churn is forecast from"
        } else {
            "too few complete periods to forecast from: figures of `forecast` are NULL; forecast shorter periods, or wait"
        };
        Check {
            check: "forecast_history".into(),
            subject: self.spec.name.clone(),
            status: if enough { Status::Pass } else { Status::Warn },
            expected: Some(format!("at least {MIN_PERIODS}")),
            actual: Some(periods.to_string()),
            detail: detail.into(),
        }
    }

    /// Check: one period ahead, lost money is forecast with a smaller error than by the naive forecasts.
    fn verdict(&self, rows: &[backtest::BacktestRow]) -> Option<Check> {
        let of_lost = |r: &&backtest::BacktestRow| {
            ["churned_customers", "lost_revenue"].contains(&r.metric) && r.horizon == 1 && r.method == "smoothing"
        };
        let row = rows.iter().find(of_lost)?;
        let rivals = [("last period", row.against_last_period), ("last year", row.against_last_year)];
        let known: Vec<_> = rivals.into_iter().filter_map(|(name, ratio)| Some((name, ratio?))).collect();
        let (rival, ratio) = known.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let beaten = ratio > 1.0;
        let than = if beaten { "came nearer than the forecast did" } else { "was no nearer than the forecast" };
        let origins = row.origins;
        Some(Check {
            check: "forecast_beats_naive".into(),
            subject: format!("{}.{}", self.spec.name, row.metric),
            status: if beaten { Status::Warn } else { Status::Pass },
            expected: Some("error at most 1 × that of the best naive rival".into()),
            actual: Some(format!("{ratio:.2} × that of the same as {rival}")),
            detail: format!("of {origins} past forecasts one period ahead, the same as {rival} {than}"),
        })
    }
}
