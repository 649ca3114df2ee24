//! Forecasts from earlier periods, each with what was known then, held against what came.

use rayon::prelude::*;

use super::past::{Base, FIGURES, ForecastMetric};
use crate::stats::smoothing::loss_forecast::{LossForecasts, MIN_PERIODS};

/// The latest origins, so that a long past by the day does not cost a fit a day.
const ORIGINS: usize = 18;

pub(super) const METHODS: [&str; 3] = ["smoothing", "last_period", "last_year"];

/// A row of table `forecast_backtest`.
#[derive(Clone, Debug)]
pub(super) struct BacktestRow {
    pub metric: &'static str,
    pub horizon: usize,
    pub method: &'static str,
    pub origins: usize,
    pub error: Option<f64>,
    pub against_last_period: Option<f64>,
    pub against_last_year: Option<f64>,
}

/// Absolute errors of an origin by method, where the method has a forecast.
type MethodErrors = [Option<f64>; METHODS.len()];

/// Every figure of a base by horizon and method.
pub(super) fn test(base: &Base, season: usize, year: usize, horizons: usize) -> Vec<BacktestRow> {
    let n = base.past.len();
    let origins: Vec<usize> = (MIN_PERIODS.max(n.saturating_sub(ORIGINS))..n).collect();
    let forecasts: Vec<Option<LossForecasts>> =
        origins.par_iter().map(|t| base.past.until(*t).forecast(season, horizons.min(n - t))).collect();
    let mut rows = vec![];
    for figure in FIGURES {
        let observed = figure.observed(&base.past);
        for horizon in 1..=horizons {
            let of_origin = |(t, forecasts): (&usize, &Option<LossForecasts>)| -> Option<MethodErrors> {
                let target = t + horizon - 1;
                let actual = (target < n).then(|| observed[target])?;
                // The opening of the first period to come is known.
                let known = if figure == ForecastMetric::Opening { t + 1 } else { *t };
                let same = |period: Option<usize>| period.filter(|p| *p < known).map(|p| observed[p]);
                let expected = [
                    Some(figure.of(forecasts.as_ref()?.steps.get(horizon - 1)?).expected),
                    same(Some(known - 1)),
                    same(target.checked_sub(year)),
                ];
                Some(expected.map(|e| Some((e? - actual).abs())))
            };
            let errors: Vec<MethodErrors> = origins.iter().zip(&forecasts).filter_map(of_origin).collect();
            rows.extend(METHODS.iter().enumerate().map(|(m, method)| {
                let own: Vec<f64> = errors.iter().filter_map(|e| e[m]).collect();
                BacktestRow {
                    metric: base.name(figure),
                    horizon,
                    method,
                    origins: own.len(),
                    error: (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64),
                    against_last_period: against(&errors, m, 1),
                    against_last_year: against(&errors, m, 2),
                }
            }));
        }
    }
    rows
}

/// The errors of one method over those of another, where both have any.
fn against(errors: &[MethodErrors], one: usize, other: usize) -> Option<f64> {
    let both: Vec<(f64, f64)> = errors.iter().filter_map(|e| Some((e[one]?, e[other]?))).collect();
    let sum = |of: fn(&(f64, f64)) -> f64| both.iter().map(of).sum::<f64>();
    let (own, rival) = (sum(|b| b.0), sum(|b| b.1));
    (rival > 0.0).then(|| own / rival)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::smoothing::loss_forecast::LossHistory;

    /// 100 customers at every opening, of whom two leave and four, in turn: the mean is 3, the smoothing's error 1, that of
    /// the same again 2, and two periods ahead 0.
    #[test]
    fn in_turn_two_and_four() {
        let lost: Vec<f64> = (0..20).map(|p| [2.0, 4.0][p % 2]).collect();
        let openings = vec![100.0; 21];
        let past = LossHistory { opening: openings.clone(), lost, customers: openings };
        let base = Base { names: ["opening", "churn_rate", "churned_customers"], past };
        let rows = test(&base, 0, 12, 2);
        let row = |metric: &str, horizon: usize, method: &str| {
            let fits = |r: &&BacktestRow| (r.metric, r.horizon, r.method) == (metric, horizon, method);
            rows.iter().find(fits).unwrap().clone()
        };
        let naive = row("churned_customers", 1, "last_period");
        assert_eq!((naive.origins, naive.error, naive.against_last_period), (12, Some(2.0), Some(1.0)));
        assert_eq!(row("churned_customers", 2, "last_period").error, Some(0.0));
        assert_eq!(row("churned_customers", 2, "smoothing").against_last_period, None);
        let own = row("churned_customers", 1, "smoothing");
        assert!((own.error.unwrap() - 1.0).abs() < 0.1 && (own.against_last_period.unwrap() - 0.5).abs() < 0.05);
        // A year of twelve periods goes back to the same of the two; it is known from the twelfth period on.
        let year = row("churn_rate", 1, "last_year");
        assert_eq!((year.origins, year.error), (8, Some(0.0)));
        assert_eq!(
            (row("opening", 1, "smoothing").error, row("opening", 1, "last_period").error),
            (Some(0.0), Some(0.0))
        );
        assert_eq!(rows.len(), 3 * 2 * METHODS.len());
    }

    #[test]
    fn too_short_a_past_has_no_origin() {
        let past = LossHistory { opening: vec![9.0; 9], lost: vec![1.0; 8], customers: vec![9.0; 9] };
        let base = Base { names: ["opening", "churn_rate", "churned_customers"], past };
        let rows = test(&base, 0, 12, 1);
        assert!(rows.iter().all(|r| r.origins == 0 && r.error.is_none() && r.against_last_year.is_none()));
        assert_eq!(rows.len(), 9);
    }
}
