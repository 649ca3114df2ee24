//! Stage `forecast`: what churn will come to in the next periods.

mod backtest;
mod finish;
mod past;

use super::rows::segment_columns;
use super::{Common, Stage, StageKind, StageSpec};
use crate::calendar::Period;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Default, options};
use crate::table::{TableSchema, Type, column};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::money::MoneyMovements;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;

options! {
    /// Options of kind `forecast`.
    pub struct ForecastOptions {
        /// how many periods ahead
        periods: usize = Accepts::Int { min: 1, max: 60 }, Default::Value("3");
        /// periods of a season, 0 for none
        season: Option<usize> = Accepts::Int { min: 0, max: 53 }, Default::Unset("7 days, 52 weeks, 12 months, 4 quarters, none of years");
    }
}

/// See `definition.md`.
pub struct ForecastKind;

impl StageKind for ForecastKind {
    type Options = ForecastOptions;

    const NAME: &'static str = "forecast";
    const DEFINITION: &'static str = include_str!("definition.md");

    const SHARED_TABLES: &'static [&'static str] = &[BACKTEST];

    fn tables(spec: &StageSpec<ForecastOptions>) -> Vec<TableSchema> {
        vec![forecast(spec), tested()]
    }

    fn build(spec: &StageSpec<ForecastOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.period);
        let of_period = [7, 52, 12, 4, 0][spec.period as usize];
        Ok(Box::new(Forecast {
            headcount: series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments),
            money: series::plan::<MoneyMovements>(plan, common.index, lens, &spec.segments),
            periods: spec.options.periods,
            season: spec.options.season.unwrap_or(of_period),
            spec: spec.clone(),
            common,
        }))
    }
}

/// Stages of this kind write into one table.
const BACKTEST: &str = "forecast_backtest";

struct Forecast {
    spec: StageSpec<ForecastOptions>,
    common: Common,
    headcount: Ref<PeriodSeries>,
    money: Ref<PeriodSeries>,
    /// How many periods ahead.
    periods: usize,
    /// Periods of a season; below 2: none.
    season: usize,
}

/// Periods from one to the same of the next year; of days so many that the weekday is the same.
fn year(period: Period) -> usize {
    [364, 52, 12, 4, 1][period as usize]
}

const METRIC: &str = "churned_customers, churn_rate, opening: of customers; lost_revenue, gross_churn_rate, \
                      opening_revenue: of money, in major units";

fn forecast(spec: &StageSpec<ForecastOptions>) -> TableSchema {
    let mut columns = segment_columns();
    columns.extend([
        column("metric", Type::Text, METRIC),
        column("period", Type::Date, "first day of the period to come; the first is the one after the last complete"),
        column("expected", Type::Double, "the median of what is expected; NULL: `note` says why"),
        column("ci_low", Type::Double, "lower end of the 95 % prediction interval"),
        column("ci_high", Type::Double, "upper end of the 95 % prediction interval"),
        column("last_year", Type::Double, "the same figure a year before; NULL where that was not observed"),
        column(
            "seasonal_index",
            Type::Double,
            "the period's place in its season over the season's mean, as a mean of whole seasons; NULL without two",
        ),
        column("model", Type::Text, "error, trend, season: A,Ad,A is additive, damped, additive; N: none"),
        column("note", Type::Text, "why nothing is expected"),
    ]);
    let doc = "Customers and money that will be lost in the next periods, beside last year".into();
    TableSchema { name: spec.name.clone(), doc, key: 5, columns }
}

/// What every stage of this kind adds its rows to.
fn tested() -> TableSchema {
    let columns = vec![
        column("stage", Type::Text, "name of the stage that forecast"),
        column("metric", Type::Text, METRIC),
        column("horizon", Type::Int, "periods ahead"),
        column("method", Type::Text, "smoothing: as in `forecast`; last_period, last_year: the same again"),
        column("origins", Type::Int, "periods from which it was forecast and later seen, of everybody"),
        column("mean_absolute_error", Type::Double, "of the method over its origins, in the metric's unit"),
        column(
            "against_last_period",
            Type::Double,
            "the method's error over that of last_period, on the origins of both; below 1 is better; NULL where that is 0",
        ),
        column("against_last_year", Type::Double, "the method's error over that of last_year, on the origins of both"),
    ];
    let doc = "Forecasts made from earlier periods with what was known then, held against what came".into();
    TableSchema { name: BACKTEST.into(), doc, key: 4, columns }
}
