//! Logistic regression with a ridge penalty, on counted cells.
//!
//! A customer has one level of each of some factors. The log-odds of an event are an intercept plus the weights of the
//! customer's levels. The ridge (Hoerl and Kennard 1970, Technometrics 12:55–67; for logistic regression le Cessie and
//! van Houwelingen 1992, Applied Statistics 41:191–201) pulls the weights towards 0. It makes every weight finite, also
//! that of a level which separates those with the event from those without, and keeps the weight of a level that hardly
//! anybody has close to 0.

use serde::{Deserialize, Serialize};

use crate::stats::optimizer::{Derivatives, maximise_concave};

/// Customers with the same levels, and how many of them had the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogisticCell {
    /// The numbers of their levels, each once.
    pub levels: Vec<usize>,
    /// Customers.
    pub customers: u64,
    /// Of these, those who had the event.
    pub events: u64,
}

/// A fitted logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// The log-odds of a customer without any level.
    pub intercept: f64,
    /// What each level adds to the log-odds.
    pub weights: Vec<f64>,
}

impl Logistic {
    /// Fits the model by penalised maximum likelihood: the maximum of Σ (e·η − n·ln(1 + e^η)) − ridge/2·Σ w², where n and
    /// e are a cell's customers and events, η its log-odds and w the weights. The intercept is not penalised.
    ///
    /// # Parameters
    /// - `cells`: counts of customers by their levels, in any order; cells may repeat.
    /// - `levels`: how many levels there are; the cells name them 0, 1 … `levels` − 1.
    /// - `ridge`: the weight of the penalty, positive. 1 is what scikit-learn calls `C=1.0`.
    ///
    /// # Returns
    /// The model; `None` if everybody or nobody had the event, if the ridge is not positive and finite, or if the
    /// optimiser finds no maximum.
    ///
    /// # Panics
    /// If a cell names a level beyond `levels`.
    ///
    /// # Example
    /// Two groups of a hundred customers; 20 of the one left, and 80 of the other. Without a penalty the log-odds would be
    /// ∓ln 4 = ∓1.386; the ridge pulls them together a little.
    /// ```
    /// use tenure::stats::logistic::{Logistic, LogisticCell};
    ///
    /// let cell = |level, events| LogisticCell { levels: vec![level], customers: 100, events };
    /// let model = Logistic::fit(&[cell(0, 20), cell(1, 80)], 2, 1.0).unwrap();
    /// assert!((model.probability([0]) + model.probability([1]) - 1.0).abs() < 1e-12);
    /// assert!((model.weights[1] - 1.307).abs() < 1e-3);
    /// ```
    pub fn fit(cells: &[LogisticCell], levels: usize, ridge: f64) -> Option<Logistic> {
        let (customers, events) = cells.iter().fold((0, 0), |(n, e), c| (n + c.customers, e + c.events));
        if events == 0 || events >= customers || !(ridge > 0.0 && ridge.is_finite()) {
            return None;
        }
        let rate = events as f64 / customers as f64;
        let mut start = vec![0.0; levels + 1];
        start[0] = libm::log(rate / (1.0 - rate));
        let found = maximise_concave(
            start,
            |parameters| penalised_log_likelihood(parameters, cells, ridge),
            |parameters| derivatives(parameters, cells, ridge),
        )?;
        let (intercept, weights) = found.split_first()?;
        Some(Logistic { intercept: *intercept, weights: weights.to_vec() })
    }

    /// The probability of the event for a customer with these levels, 1/(1 + e^−η).
    ///
    /// # Panics
    /// If a level has no weight.
    pub fn probability(&self, levels: impl IntoIterator<Item = usize>) -> f64 {
        sigmoid(self.score(levels))
    }

    /// The log-odds η of the event for a customer with these levels: the intercept plus their weights.
    ///
    /// # Panics
    /// If a level has no weight.
    pub fn score(&self, levels: impl IntoIterator<Item = usize>) -> f64 {
        levels.into_iter().fold(self.intercept, |sum, level| sum + self.weights[level])
    }
}

/// η of a cell; `parameters` are the intercept and then the weights.
fn log_odds(parameters: &[f64], cell: &LogisticCell) -> f64 {
    cell.levels.iter().fold(parameters[0], |sum, level| sum + parameters[1 + level])
}

fn penalised_log_likelihood(parameters: &[f64], cells: &[LogisticCell], ridge: f64) -> f64 {
    let of = |cell: &LogisticCell| {
        let eta = log_odds(parameters, cell);
        cell.events as f64 * eta - cell.customers as f64 * softplus(eta)
    };
    let penalty: f64 = parameters[1..].iter().map(|w| w * w).sum();
    cells.iter().map(of).sum::<f64>() - 0.5 * ridge * penalty
}

/// Of the penalised log-likelihood.
fn derivatives(parameters: &[f64], cells: &[LogisticCell], ridge: f64) -> Derivatives {
    let size = parameters.len();
    let mut gradient: Vec<f64> = std::iter::once(0.0).chain(parameters[1..].iter().map(|w| -ridge * w)).collect();
    let mut negative_hessian = vec![vec![0.0; size]; size];
    for (i, row) in negative_hessian.iter_mut().enumerate().skip(1) {
        row[i] = ridge;
    }
    let mut at = vec![];
    for cell in cells {
        let p = sigmoid(log_odds(parameters, cell));
        let n = cell.customers as f64;
        let (residual, weight) = (cell.events as f64 - n * p, n * p * (1.0 - p));
        at.clear();
        at.push(0);
        at.extend(cell.levels.iter().map(|level| level + 1));
        for &i in &at {
            gradient[i] += residual;
            for &j in &at {
                negative_hessian[i][j] += weight;
            }
        }
    }
    Derivatives { gradient, negative_hessian }
}

/// 1 / (1 + e⁻ˣ)
fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + libm::exp(-x)) } else { libm::exp(x) / (1.0 + libm::exp(x)) }
}

/// ln(1 + eˣ)
fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::ranking_quality::{RankingQuality, ScoreGroup, squared_errors};

    fn alike(levels: &[usize], customers: u64, events: u64) -> LogisticCell {
        LogisticCell { levels: levels.to_vec(), customers, events }
    }

    #[test]
    fn one_level_for_all_is_the_share() {
        let model = Logistic::fit(&[alike(&[], 8, 2), alike(&[], 2, 1)], 0, 1.0).unwrap();
        assert!((model.probability([]) - 0.3).abs() < 1e-14);
    }

    #[test]
    fn nothing_is_learned_where_all_or_none_had_the_event() {
        for (customers, events) in [(5, 0), (5, 5), (0, 0)] {
            assert_eq!(Logistic::fit(&[alike(&[0], customers, events)], 1, 1.0), None);
        }
    }

    /// Two groups of a hundred, twenty and eighty events: by symmetry the weights are ±w about ½, where
    /// 100·(1/(1 + e^−w)) − 80 + w = 0 for a ridge of 1.
    #[test]
    fn two_levels_are_pulled_together() {
        let model = Logistic::fit(&[alike(&[0], 100, 20), alike(&[1], 100, 80)], 2, 1.0).unwrap();
        let w = model.weights[1];
        assert!((model.weights[0] + w).abs() < 1e-12 && model.intercept.abs() < 1e-12);
        assert!((100.0 / (1.0 + libm::exp(-w)) - 80.0 + w).abs() < 1e-9);
        assert!(w < libm::log(4.0) && w > 1.2);
    }

    /// A level that nobody has, or that separates, has a finite weight.
    #[test]
    fn separated_levels_stay_finite() {
        let cells = [alike(&[0, 2], 1_000_000, 0), alike(&[1, 2], 1_000_000, 1_000_000)];
        let model = Logistic::fit(&cells, 4, 1.0).unwrap();
        assert!(model.weights.iter().all(|w| w.is_finite()) && model.weights[3] == 0.0);
        assert!(model.probability([0, 2]) < 1e-4 && model.probability([1, 2]) > 1.0 - 1e-4);
    }

    /// `LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-14)` of scikit-learn 1.9.1, whose penalty is the same
    /// and leaves the intercept alone, on these counts; `roc_auc_score` and `brier_score_loss` of its probabilities.
    #[test]
    fn agrees_with_published_software() {
        let cell = |&(a, b, c, customers, events): &(usize, usize, usize, u64, u64)| {
            alike(&[a, 2 + b, 5 + c], customers, events)
        };
        let cells: Vec<LogisticCell> = COUNTS.iter().map(cell).collect();
        let model = Logistic::fit(&cells, 9, 1.0).unwrap();
        let near = |found: f64, golden: f64| assert!((found - golden).abs() < 1e-11, "{found} is not {golden}");
        near(model.intercept, INTERCEPT);
        model.weights.iter().zip(WEIGHTS).for_each(|(found, golden)| near(*found, golden));
        let group = |c: &LogisticCell| ScoreGroup {
            score: model.probability(c.levels.iter().copied()),
            customers: c.customers,
            events: c.events,
        };
        let groups: Vec<ScoreGroup> = cells.iter().map(group).collect();
        let ranked = RankingQuality::of(&groups);
        near(ranked.auc().unwrap(), 0.715_193_700_664_525_3);
        near(squared_errors(&groups) / ranked.customers as f64, 0.186_530_270_964_464_28);
    }

    const INTERCEPT: f64 = -0.982_724_050_152_518_2;
    const WEIGHTS: [f64; 9] = [
        -0.083_724_916_919_097_82,
        0.083_724_916_919_096_34,
        -0.816_651_810_707_167_3,
        0.146_369_441_322_881_85,
        0.670_282_369_384_284_1,
        -0.628_481_746_463_323_6,
        0.053_160_189_669_760_46,
        -0.160_868_723_334_743_59,
        0.736_190_280_128_305_2,
    ];
    /// Levels of three factors, customers, events.
    const COUNTS: [(usize, usize, usize, u64, u64); 24] = [
        (0, 0, 0, 53, 4),
        (0, 0, 1, 42, 6),
        (0, 0, 2, 12, 1),
        (0, 0, 3, 6, 0),
        (0, 1, 0, 15, 2),
        (0, 1, 1, 57, 13),
        (0, 1, 2, 43, 16),
        (0, 1, 3, 20, 7),
        (0, 2, 0, 18, 3),
        (0, 2, 1, 26, 12),
        (0, 2, 2, 36, 16),
        (0, 2, 3, 16, 10),
        (1, 0, 0, 46, 7),
        (1, 0, 1, 57, 8),
        (1, 0, 2, 26, 3),
        (1, 0, 3, 28, 7),
        (1, 1, 0, 21, 4),
        (1, 1, 1, 59, 21),
        (1, 1, 2, 8, 3),
        (1, 1, 3, 51, 25),
        (1, 2, 0, 37, 10),
        (1, 2, 1, 50, 25),
        (1, 2, 2, 62, 17),
        (1, 2, 3, 60, 42),
    ];
}
