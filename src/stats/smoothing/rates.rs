//! A rate of loss and the base that it is lost from, forecast together: what is lost is their product.

use super::Smoothed;
use crate::stats::proportion::Z95;

/// Periods one after the other: what there was at each opening, and what was lost of it by the closing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Customers, or money, at the opening: positive. One more than periods: the opening of the next is known.
    pub opening: Vec<f64>,
    /// Of the opening, at most all.
    pub lost: Vec<f64>,
    /// Customers at the opening, as many as `opening`: what a rate counts as observed on.
    pub customers: Vec<f64>,
}

/// A figure to come, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The median of what may come.
    pub expected: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What is expected of a period to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Of the base at its opening.
    pub opening: Range,
    /// Lost of the opening.
    pub rate: Range,
    /// Rate × opening.
    pub lost: Range,
}

/// Outlooks by steps ahead, from the first on, with the models they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlooks {
    /// Of the logit of the rate, by its form's name.
    pub rate_model: &'static str,
    /// Of the opening.
    pub opening_model: &'static str,
    /// One a step.
    pub steps: Vec<Outlook>,
}

/// Fewer periods than this are not forecast from.
pub const FEWEST: usize = 8;
/// What lies farther back than so many periods is not looked at.
pub const MOST: usize = 160;

impl Past {
    /// Periods.
    pub fn len(&self) -> usize {
        self.lost.len()
    }

    /// There is no period.
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty()
    }

    /// What was known after the first `n` periods.
    #[must_use]
    pub fn until(&self, n: usize) -> Past {
        let from = n.saturating_sub(MOST);
        Past {
            opening: self.opening[from..=n].to_vec(),
            lost: self.lost[from..n].to_vec(),
            customers: self.customers[from..=n].to_vec(),
        }
    }

    /// Lost / opening of a period.
    pub fn rate(&self, period: usize) -> f64 {
        self.lost[period] / self.opening[period]
    }

    /// The next `steps` periods; `None` after fewer than [`FEWEST`].
    ///
    /// The rate is smoothed as logit((r·n + ½)/(n + 1)), n customers at the opening, which is finite where nobody or
    /// everybody left (Haldane 1956, Annals of Human Genetics 20:309, Anscombe 1956), and turned back at the n known last. The
    /// first opening to come is known: it is the last closing.
    pub fn outlook(&self, season: usize, steps: usize) -> Option<Outlooks> {
        if self.len() < FEWEST {
            return None;
        }
        let logits: Vec<f64> = (0..self.len()).map(|p| logit(self.rate(p), self.customers[p])).collect();
        let rate = Smoothed::best(&logits, season)?;
        let opening = Smoothed::best(&self.opening, season)?;
        let (known, n) = (*self.opening.last()?, *self.customers.last()?);
        let outlook = |step: usize| {
            let ahead = rate.ahead(step);
            let half = Z95 * libm::sqrt(ahead.variance);
            let back = |logit: f64| share(logit, n);
            let rate =
                Range { expected: back(ahead.mean), low: back(ahead.mean - half), high: back(ahead.mean + half) };
            let opening = if step == 1 {
                Range { expected: known, low: known, high: known }
            } else {
                let ahead = opening.ahead(step - 1);
                let half = Z95 * libm::sqrt(ahead.variance);
                let at_least_none = |x: f64| x.max(0.0);
                Range {
                    expected: at_least_none(ahead.mean),
                    low: at_least_none(ahead.mean - half),
                    high: at_least_none(ahead.mean + half),
                }
            };
            Outlook { opening, rate, lost: product(rate, opening) }
        };
        Some(Outlooks {
            rate_model: rate.form.name(),
            opening_model: opening.form.name(),
            steps: (1..=steps).map(outlook).collect(),
        })
    }
}

/// ln((r·n + ½)/((1 − r)·n + ½)).
fn logit(rate: f64, n: f64) -> f64 {
    let rate = rate.clamp(0.0, 1.0);
    libm::log((rate * n + 0.5) / ((1.0 - rate) * n + 0.5))
}

/// The rate of such a logit, within [0, 1].
fn share(logit: f64, n: f64) -> f64 {
    let p = 1.0 / (1.0 + libm::exp(-logit));
    ((p * (n + 1.0) - 0.5) / n).clamp(0.0, 1.0)
}

/// The product of two figures that err independently: the distances of its ends in logarithms are those of the factors',
/// squared, summed (the method of variance estimates recovery: Zou and Donner 2008, Statistics in Medicine 27:1693).
fn product(a: Range, b: Range) -> Range {
    let expected = a.expected * b.expected;
    // In logarithms from the middle to an end; infinite where the end is 0.
    let way = |end: f64, middle: f64| libm::log(end / middle);
    let end = |a_way: f64, b_way: f64| libm::hypot(a_way, b_way);
    if expected <= 0.0 {
        return Range { expected: 0.0, low: 0.0, high: a.high * b.high };
    }
    Range {
        expected,
        low: expected * libm::exp(-end(way(a.low, a.expected), way(b.low, b.expected))),
        high: expected * libm::exp(end(way(a.high, a.expected), way(b.high, b.expected))),
    }
}

/// Of values by period, oldest first: the mean ratio of a period's value to the mean of its season of `season` periods,
/// for the period so many `steps` after the last. `None` without two whole seasons of a positive mean.
pub fn seasonal_index(values: &[f64], season: usize, steps: usize) -> Option<f64> {
    if season < 2 {
        return None;
    }
    // Whole seasons that end with the last value: the next period is the first of a season.
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

    fn range(expected: f64, low: f64, high: f64) -> Range {
        Range { expected, low, high }
    }

    fn past(opening: f64, lost: &[f64]) -> Past {
        let openings = vec![opening; lost.len() + 1];
        Past { opening: openings.clone(), lost: lost.to_vec(), customers: openings }
    }

    #[test]
    fn what_never_changes_goes_on() {
        for lost in [0.0, 7.0, 100.0] {
            let found = past(100.0, &[lost; 8]).outlook(0, 3).unwrap();
            assert_eq!((found.rate_model, found.opening_model), ("A,N,N", "A,N,N"));
            for step in &found.steps {
                assert!((step.rate.expected - lost / 100.0).abs() < 1e-9, "{step:?}");
                assert!((step.lost.expected - lost).abs() < 1e-6 && (step.opening.expected - 100.0).abs() < 1e-6);
            }
        }
        assert!(past(100.0, &[7.0; 7]).outlook(0, 3).is_none());
    }

    /// The middle of eight alternating rates, and the first opening to come known to the customer.
    #[test]
    fn rates_stay_rates_however_wild() {
        let wild = past(40.0, &[0.0, 40.0, 0.0, 40.0, 0.0, 40.0, 0.0, 40.0]);
        let found = wild.outlook(0, 2).unwrap().steps;
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
