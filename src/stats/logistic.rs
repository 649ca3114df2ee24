//! Logistic regression on counted cells, with a ridge.
//!
//! A customer has one level of each of some factors; the log-odds of an event are an intercept and the weights of the
//! customer's levels. The ridge (Hoerl and Kennard 1970, Technometrics 12:55–67; for logistic regression le Cessie and
//! van Houwelingen 1992, Applied Statistics 41:191–201) pulls the weights towards 0, so that every level may have one,
//! and one that hardly anybody has says hardly anything.

use serde::{Deserialize, Serialize};

/// So many customers alike, of whom so many had the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alike {
    /// The numbers of their levels, each once.
    pub levels: Vec<usize>,
    pub customers: u64,
    pub events: u64,
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    pub intercept: f64,
    /// By level.
    pub weights: Vec<f64>,
}

/// Newton's steps are a handful; a search that takes this many found nothing.
const MOST_STEPS: usize = 100;
/// Of the log-likelihood: where a step promises less, the one after it would promise nothing.
const GAIN: f64 = 1e-10;

impl Logistic {
    /// The maximum of Σ (e·η − n·ln(1 + e^η)) − ridge/2·Σ w², η the intercept and the weights of a cell's levels, by
    /// Newton's method with halved steps (the intercept is not penalised).
    ///
    /// `levels`: how many there are. `None` where everybody or nobody had the event, and where no step leads up.
    pub fn fit(cells: &[Alike], levels: usize, ridge: f64) -> Option<Logistic> {
        let (customers, events) = cells.iter().fold((0, 0), |(n, e), c| (n + c.customers, e + c.events));
        if events == 0 || events >= customers || !(ridge > 0.0 && ridge.is_finite()) {
            return None;
        }
        let rate = events as f64 / customers as f64;
        let mut model = Logistic { intercept: libm::log(rate / (1.0 - rate)), weights: vec![0.0; levels] };
        let mut height = model.height(cells, ridge);
        for _ in 0..MOST_STEPS {
            let (slope, step) = model.step(cells, ridge)?;
            // Twice what the quadratic through here promises.
            if slope.abs() <= GAIN * height.abs().max(1.0) {
                return Some(model.moved(&step, 1.0));
            }
            let higher = (0..40).find_map(|halvings| {
                let moved = model.moved(&step, libm::ldexp(1.0, -halvings));
                let at = moved.height(cells, ridge);
                (at >= height).then_some((moved, at))
            });
            (model, height) = higher?;
        }
        None
    }

    /// The probability of the event for who has these levels.
    pub fn probability(&self, levels: impl IntoIterator<Item = usize>) -> f64 {
        sigmoid(self.score(levels))
    }

    /// The log-odds.
    pub fn score(&self, levels: impl IntoIterator<Item = usize>) -> f64 {
        levels.into_iter().fold(self.intercept, |sum, level| sum + self.weights[level])
    }

    fn moved(&self, step: &[f64], by: f64) -> Logistic {
        let weights = self.weights.iter().zip(&step[1..]).map(|(w, s)| w + by * s).collect();
        Logistic { intercept: self.intercept + by * step[0], weights }
    }

    /// The penalised log-likelihood.
    fn height(&self, cells: &[Alike], ridge: f64) -> f64 {
        let of = |cell: &Alike| {
            let eta = self.score(cell.levels.iter().copied());
            cell.events as f64 * eta - cell.customers as f64 * softplus(eta)
        };
        let penalty: f64 = self.weights.iter().map(|w| w * w).sum();
        cells.iter().map(of).sum::<f64>() - 0.5 * ridge * penalty
    }

    /// Newton's step, the intercept's first, and its slope.
    fn step(&self, cells: &[Alike], ridge: f64) -> Option<(f64, Vec<f64>)> {
        let size = self.weights.len() + 1;
        let mut gradient: Vec<f64> = std::iter::once(0.0).chain(self.weights.iter().map(|w| -ridge * w)).collect();
        let mut curvature = vec![vec![0.0; size]; size];
        for (i, row) in curvature.iter_mut().enumerate().skip(1) {
            row[i] = ridge;
        }
        let mut at = vec![];
        for cell in cells {
            let p = self.probability(cell.levels.iter().copied());
            let n = cell.customers as f64;
            let (left, weight) = (cell.events as f64 - n * p, n * p * (1.0 - p));
            at.clear();
            at.push(0);
            at.extend(cell.levels.iter().map(|level| level + 1));
            for &i in &at {
                gradient[i] += left;
                for &j in &at {
                    curvature[i][j] += weight;
                }
            }
        }
        let step = solve(curvature, &gradient)?;
        let slope = step.iter().zip(&gradient).map(|(s, g)| s * g).sum::<f64>();
        slope.is_finite().then_some((slope, step))
    }
}

/// 1 / (1 + e⁻ˣ)
fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + libm::exp(-x)) } else { libm::exp(x) / (1.0 + libm::exp(x)) }
}

/// ln(1 + eˣ)
fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// Of a symmetric positive definite matrix, by Cholesky's decomposition; `None` if it is none.
fn solve(mut a: Vec<Vec<f64>>, b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    for j in 0..n {
        let (above, rest) = a.split_at_mut(j);
        let left = above.len();
        let pivot = rest[0][j] - rest[0][..left].iter().map(|x| x * x).sum::<f64>();
        if pivot <= 0.0 || !pivot.is_finite() {
            return None;
        }
        let root = libm::sqrt(pivot);
        rest[0][j] = root;
        let (row, below) = rest.split_at_mut(1);
        for other in below {
            let sum: f64 = other[..left].iter().zip(&row[0][..left]).map(|(x, y)| x * y).sum();
            other[j] = (other[j] - sum) / root;
        }
    }
    let mut x = b.to_vec();
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| a[i][k] * x[k]).sum();
        x[i] = (x[i] - sum) / a[i][i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| a[k][i] * x[k]).sum();
        x[i] = (x[i] - sum) / a[i][i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::ranked::{Group, Ranked, squared_errors};

    fn alike(levels: &[usize], customers: u64, events: u64) -> Alike {
        Alike { levels: levels.to_vec(), customers, events }
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
        let cells: Vec<Alike> = COUNTS.iter().map(cell).collect();
        let model = Logistic::fit(&cells, 9, 1.0).unwrap();
        let near = |found: f64, golden: f64| assert!((found - golden).abs() < 1e-11, "{found} is not {golden}");
        near(model.intercept, INTERCEPT);
        model.weights.iter().zip(WEIGHTS).for_each(|(found, golden)| near(*found, golden));
        let group = |c: &Alike| Group {
            score: model.probability(c.levels.iter().copied()),
            customers: c.customers,
            events: c.events,
        };
        let groups: Vec<Group> = cells.iter().map(group).collect();
        let ranked = Ranked::of(&groups);
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
