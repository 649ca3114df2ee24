//! Forecasts of a loss: the rate of loss and the base that it is taken from are forecast separately and multiplied.

use super::Smoothed;
use crate::stats::proportion::Z95;

/// Successive periods: the balance at each opening, and what was lost of it by the closing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossHistory {
    /// Customers, or money, at the opening of each period: positive. There is one more than there are periods, because the
    /// opening of the next period is known.
    pub opening: Vec<f64>,
    /// What was lost of the opening in each period, at most all of it.
    pub lost: Vec<f64>,
    /// Customers at each opening, as many numbers as in `opening`: the number of observations behind a rate.
    pub customers: Vec<f64>,
}

/// A forecast figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForecastInterval {
    /// The median of the forecast distribution.
    pub expected: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The forecast of one period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossForecast {
    /// Customers or money at its opening.
    pub opening: ForecastInterval,
    /// The share of the opening that is lost.
    pub rate: ForecastInterval,
    /// Rate × opening.
    pub lost: ForecastInterval,
}

/// Forecasts of the next periods, with the models they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct LossForecasts {
    /// The model of the rate's logit, such as `A,N,N`: see [`Form::name`](super::Form::name).
    pub rate_model: &'static str,
    /// The model of the opening.
    pub opening_model: &'static str,
    /// One forecast for each period, the next one first.
    pub steps: Vec<LossForecast>,
}

/// The least number of periods that a forecast is made from.
pub const MIN_PERIODS: usize = 8;
/// Only the last periods, at most so many, are used.
pub const MAX_PERIODS: usize = 160;

impl LossHistory {
    /// The number of periods.
    pub fn len(&self) -> usize {
        self.lost.len()
    }

    /// True if there is no period.
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty()
    }

    /// What was known after the first `n` periods: the last [`MAX_PERIODS`] of them at most.
    ///
    /// # Panics
    /// If there are fewer than `n` periods.
    #[must_use]
    pub fn until(&self, n: usize) -> LossHistory {
        let from = n.saturating_sub(MAX_PERIODS);
        LossHistory {
            opening: self.opening[from..=n].to_vec(),
            lost: self.lost[from..n].to_vec(),
            customers: self.customers[from..=n].to_vec(),
        }
    }

    /// The rate of loss of a period, lost / opening.
    pub fn rate(&self, period: usize) -> f64 {
        self.lost[period] / self.opening[period]
    }

    /// Forecasts the next periods.
    ///
    /// The rate r is smoothed as logit((r·n + ½)/(n + 1)), where n is the number of customers at the opening. This is finite
    /// also where nobody or everybody left (Haldane 1956, Annals of Human Genetics 20:309, Anscombe 1956). Forecasts are
    /// turned back with the last known n. The next opening is known, since it is the last closing.
    ///
    /// # Parameters
    /// - `season`: periods in a season, such as 12 for months; below 2 there is none.
    /// - `steps`: how many periods to forecast.
    ///
    /// # Returns
    /// The forecasts; `None` from fewer than [`MIN_PERIODS`] periods, or if a number is not finite.
    pub fn forecast(&self, season: usize, steps: usize) -> Option<LossForecasts> {
        if self.len() < MIN_PERIODS {
            return None;
        }
        let logits: Vec<f64> = (0..self.len()).map(|p| logit(self.rate(p), self.customers[p])).collect();
        let rate = Smoothed::best(&logits, season)?;
        let opening = Smoothed::best(&self.opening, season)?;
        let (known, n) = (*self.opening.last()?, *self.customers.last()?);
        let forecast = |step: usize| {
            let forecast = rate.forecast(step);
            let half = Z95 * libm::sqrt(forecast.variance);
            let back = |logit: f64| share(logit, n);
            let rate = ForecastInterval {
                expected: back(forecast.mean),
                low: back(forecast.mean - half),
                high: back(forecast.mean + half),
            };
            let opening = if step == 1 {
                ForecastInterval { expected: known, low: known, high: known }
            } else {
                let forecast = opening.forecast(step - 1);
                let half = Z95 * libm::sqrt(forecast.variance);
                let at_least_none = |x: f64| x.max(0.0);
                ForecastInterval {
                    expected: at_least_none(forecast.mean),
                    low: at_least_none(forecast.mean - half),
                    high: at_least_none(forecast.mean + half),
                }
            };
            LossForecast { opening, rate, lost: product(rate, opening) }
        };
        Some(LossForecasts {
            rate_model: rate.form.name(),
            opening_model: opening.form.name(),
            steps: (1..=steps).map(forecast).collect(),
        })
    }
}

/// ln((r·n + ½)/((1 − r)·n + ½)).
fn logit(rate: f64, n: f64) -> f64 {
    let rate = rate.clamp(0.0, 1.0);
    libm::log((rate * n + 0.5) / ((1.0 - rate) * n + 0.5))
}

/// The rate that has this [`logit`], within [0, 1].
fn share(logit: f64, n: f64) -> f64 {
    let p = 1.0 / (1.0 + libm::exp(-logit));
    ((p * (n + 1.0) - 0.5) / n).clamp(0.0, 1.0)
}

/// The product of two forecasts with independent errors. In logarithms, the distance of its low end from the middle is the
/// root of the sum of the squared distances of the factors' low ends, and likewise the high end (the method of variance
/// estimates recovery: Zou and Donner 2008, Statistics in Medicine 27:1693).
fn product(a: ForecastInterval, b: ForecastInterval) -> ForecastInterval {
    let expected = a.expected * b.expected;
    // The distance in logarithms from the middle to an end; infinite if the end is 0.
    let distance = |end: f64, middle: f64| libm::log(end / middle);
    let end = |a_distance: f64, b_distance: f64| libm::hypot(a_distance, b_distance);
    if expected <= 0.0 {
        return ForecastInterval { expected: 0.0, low: 0.0, high: a.high * b.high };
    }
    ForecastInterval {
        expected,
        low: expected * libm::exp(-end(distance(a.low, a.expected), distance(b.low, b.expected))),
        high: expected * libm::exp(end(distance(a.high, a.expected), distance(b.high, b.expected))),
    }
}

/// The seasonal index of a future period: the mean over past seasons of the ratio of the corresponding period's value to
/// the mean of its season.
///
/// # Parameters
/// - `values`: by period, oldest first.
/// - `season`: periods in a season.
/// - `steps`: how many periods after the last value the future period lies, at least 1.
///
/// # Returns
/// The index, 1 for an average period; `None` unless there are two whole seasons with a positive mean.
pub fn seasonal_index(values: &[f64], season: usize, steps: usize) -> Option<f64> {
    if season < 2 {
        return None;
    }
    // Seasons are counted so that the last one ends with the last value; the next period is then the first of a season.
    let place = (steps - 1) % season;
    let ratios: Vec<f64> = values
        .rchunks_exact(season)
        .map(|year| (year[place], year.iter().sum::<f64>() / season as f64))
        .filter(|(_, mean)| *mean > 0.0)
        .map(|(value, mean)| value / mean)
        .collect();
    (ratios.len() > 1).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(expected: f64, low: f64, high: f64) -> ForecastInterval {
        ForecastInterval { expected, low, high }
    }

    fn past(opening: f64, lost: &[f64]) -> LossHistory {
        let openings = vec![opening; lost.len() + 1];
        LossHistory { opening: openings.clone(), lost: lost.to_vec(), customers: openings }
    }

    #[test]
    fn what_never_changes_goes_on() {
        for lost in [0.0, 7.0, 100.0] {
            let found = past(100.0, &[lost; 8]).forecast(0, 3).unwrap();
            assert_eq!((found.rate_model, found.opening_model), ("A,N,N", "A,N,N"));
            for step in &found.steps {
                assert!((step.rate.expected - lost / 100.0).abs() < 1e-9, "{step:?}");
                assert!((step.lost.expected - lost).abs() < 1e-6 && (step.opening.expected - 100.0).abs() < 1e-6);
            }
        }
        assert!(past(100.0, &[7.0; 7]).forecast(0, 3).is_none());
    }

    /// The middle of eight alternating rates, and the first opening to come known to the customer.
    #[test]
    fn rates_stay_rates_however_wild() {
        let wild = past(40.0, &[0.0, 40.0, 0.0, 40.0, 0.0, 40.0, 0.0, 40.0]);
        let found = wild.forecast(0, 2).unwrap().steps;
        assert!(found.iter().all(|s| s.rate.low >= 0.0 && s.rate.high <= 1.0), "{found:?}");
        assert!(found[0].rate.low < 0.01 && found[0].rate.high > 0.99);
        assert_eq!(found[0].opening, range(40.0, 40.0, 40.0));
        assert!(found[0].lost.high <= 40.0 + 1e-9);
    }

    #[test]
    fn ends_of_a_product() {
        // One of the factors is certain: the other's interval, scaled.
        let certain = product(range(0.1, 0.05, 0.3), range(200.0, 200.0, 200.0));
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(certain.low, 10.0);
        near(certain.expected, 20.0);
        near(certain.high, 60.0);
        // Both a factor of 2 off: √2·ln 2 in all.
        let both = product(range(1.0, 0.5, 2.0), range(10.0, 5.0, 20.0));
        near(both.high / 10.0, libm::exp(libm::sqrt(2.0) * libm::log(2.0)));
        near(both.low * both.high, 100.0);
        assert_eq!(product(range(0.0, 0.0, 0.2), range(10.0, 8.0, 12.0)), range(0.0, 0.0, 0.2 * 12.0));
        assert_eq!(product(range(0.1, 0.0, 0.2), range(10.0, 0.0, 12.0)).low, 0.0);
    }

    #[test]
    fn the_index_of_a_season_by_hand() {
        // Two years of four quarters: 1 2 3 4 of mean 2.5, then 2 4 6 12 of mean 6; a quarter before them is left out.
        let values = [99.0, 1.0, 2.0, 3.0, 4.0, 2.0, 4.0, 6.0, 12.0];
        let first = (1.0 / 2.5 + 2.0 / 6.0) / 2.0;
        assert_eq!(seasonal_index(&values, 4, 1), Some(first));
        assert_eq!(seasonal_index(&values, 4, 5), Some(first));
        assert_eq!(seasonal_index(&values, 4, 4), Some((1.6 + 2.0) / 2.0));
        assert_eq!(seasonal_index(&values[..7], 4, 1), None);
        assert_eq!(seasonal_index(&values, 0, 1), None);
    }
}
