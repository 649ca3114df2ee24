//! What there is to forecast from: trailing complete periods of customers and of money.

use crate::money::minor_per_major;
use crate::stage::rows::Windowed;
use crate::stats::smoothing::loss_forecast::{ForecastInterval, LossForecast, LossHistory, seasonal_index};
use crate::tally::customer_movements::MovementColumn;
use crate::tally::money::MoneyColumn;

/// The figures of a base that is lost from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForecastMetric {
    Opening,
    Rate,
    Lost,
}

pub(super) const FIGURES: [ForecastMetric; 3] = [ForecastMetric::Opening, ForecastMetric::Rate, ForecastMetric::Lost];

impl ForecastMetric {
    pub(super) fn of(self, forecast: &LossForecast) -> ForecastInterval {
        match self {
            ForecastMetric::Opening => forecast.opening,
            ForecastMetric::Rate => forecast.rate,
            ForecastMetric::Lost => forecast.lost,
        }
    }

    /// The observed values, by period.
    pub(super) fn observed(self, past: &LossHistory) -> Vec<f64> {
        match self {
            ForecastMetric::Opening => past.opening.clone(),
            ForecastMetric::Rate => (0..past.len()).map(|p| past.rate(p)).collect(),
            ForecastMetric::Lost => past.lost.clone(),
        }
    }
}

/// Customers or money, with the names of its figures.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub names: [&'static str; 3],
    pub past: LossHistory,
}

impl Base {
    pub(super) fn name(&self, figure: ForecastMetric) -> &'static str {
        self.names[figure as usize]
    }

    /// The figure a year before the period so many steps ahead.
    pub(super) fn last_year(&self, figure: ForecastMetric, year: usize, steps: usize) -> Option<f64> {
        let observed = figure.observed(&self.past);
        let back = year.checked_sub(steps - 1)?;
        let period = self.past.len().checked_sub(back)?;
        observed.get(period).copied()
    }

    pub(super) fn seasonal_index(&self, figure: ForecastMetric, season: usize, steps: usize) -> Option<f64> {
        seasonal_index(&figure.observed(&self.past)[..self.past.len()], season, steps)
    }
}

/// Customers and money of a cell over the last periods that are complete, not left-truncated, and have an opening; with the
/// number of the period after them. `sums`: of the headcount and of the money.
pub(super) fn bases(
    windowed: &Windowed<'_>,
    heads: &[Vec<i128>],
    money: &[Vec<i128>],
    digits: u8,
) -> ([Base; 2], usize) {
    let frame = windowed.frame;
    let usable = |p: &usize| windowed.complete(*p) && !windowed.left_truncated(*p);
    let next = frame.periods().rev().find(|p| windowed.complete(*p)).map_or(frame.len() - 1, |last| last + 1);
    let major = minor_per_major(digits);
    let customers = |p: usize, head: MovementColumn| heads[p][head as usize] as f64;
    let amount = |p: usize, flow: MoneyColumn| money[p][flow as usize] as f64 / major;
    let of = |opening: &dyn Fn(usize) -> f64, closing: &dyn Fn(usize) -> f64, lost: &dyn Fn(usize) -> f64| {
        let known = |p: &usize| usable(p) && opening(*p) > 0.0 && customers(*p, MovementColumn::Opening) > 0.0;
        let run = (frame.window..next).rev().take_while(known).count();
        let periods = next - run..next;
        let with_next = |of: &dyn Fn(usize) -> f64, last: f64| periods.clone().map(of).chain([last]).collect();
        let mut past = LossHistory {
            opening: with_next(opening, if run > 0 { closing(next - 1) } else { 0.0 }),
            lost: periods.clone().map(lost).collect(),
            customers: with_next(
                &|p| customers(p, MovementColumn::Opening),
                if run > 0 { customers(next - 1, MovementColumn::Closing) } else { 0.0 },
            ),
        };
        // Nobody is left to lose.
        if past.opening[run] <= 0.0 || past.customers[run] <= 0.0 {
            past = LossHistory { opening: vec![0.0], lost: vec![], customers: vec![0.0] };
        }
        past
    };
    // Who came and went within the period was not of the opening, though a policy may count the leaving.
    let passed = |p: usize| if windowed.rule.passing_counts() { customers(p, MovementColumn::Intra) } else { 0.0 };
    let of_customers =
        of(&|p| customers(p, MovementColumn::Opening), &|p| customers(p, MovementColumn::Closing), &|p| {
            customers(p, MovementColumn::Churned) - passed(p)
        });
    let of_money = of(&|p| amount(p, MoneyColumn::Opening), &|p| amount(p, MoneyColumn::Closing), &|p| {
        -amount(p, MoneyColumn::Churned) - amount(p, MoneyColumn::Passing) - amount(p, MoneyColumn::Contraction)
    });
    let bases = [
        Base { names: ["opening", "churn_rate", "churned_customers"], past: of_customers },
        Base { names: ["opening_revenue", "gross_churn_rate", "lost_revenue"], past: of_money },
    ];
    (bases, next)
}
