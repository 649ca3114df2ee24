//! One pass over a series with given smoothing parameters, from the first state that makes the errors least.

use super::{Form, Smoothing, Trend};
use crate::stats::linear_algebra::solve_normal_equations;

/// The state of a model after an observation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SmoothingState {
    pub level: f64,
    pub trend: f64,
    /// The states of the last m periods; `next` is the place of the coming period's state.
    season: Vec<f64>,
    next: usize,
}

impl SmoothingState {
    /// The seasonal part of a forecast so many steps ahead.
    pub(super) fn season_ahead(&self, steps: usize) -> f64 {
        let m = self.season.len();
        if m == 0 { 0.0 } else { self.season[(self.next + steps - 1) % m] }
    }

    /// Updates the state with an observation, and returns the error of its forecast.
    fn update(&mut self, y: f64, by: &Smoothing) -> f64 {
        let level = self.level + by.phi * self.trend;
        let season = self.season.get(self.next).copied().unwrap_or(0.0);
        let error = y - level - season;
        self.level = level + by.alpha * error;
        self.trend = by.phi * self.trend + by.beta * error;
        if let Some(state) = self.season.get_mut(self.next) {
            *state += by.gamma * error;
            self.next = if self.next + 1 == self.season.len() { 0 } else { self.next + 1 };
        }
        error
    }
}

/// A series, with buffers that are reused by many passes.
pub(super) struct Filter {
    form: Form,
    series: Vec<f64>,
    /// The mean of the series. It is subtracted before smoothing, to keep digits.
    mean: f64,
    /// Σ e² below which a fit counts as perfect.
    floor: f64,
    /// The errors from a first state of zeros.
    errors: Vec<f64>,
    /// How the errors change if the level, the trend or the first seasonal number of the first state is 1.
    of_level: Vec<f64>,
    of_trend: Vec<f64>,
    of_season: Vec<f64>,
}

impl Filter {
    pub(super) fn new(series: &[f64], form: Form) -> Filter {
        let n = series.len();
        let mean = series.iter().sum::<f64>() / n.max(1) as f64;
        let series: Vec<f64> = series.iter().map(|y| y - mean).collect();
        let scale = 1e-10 * mean.abs().max(1.0);
        Filter {
            form,
            series,
            mean,
            floor: n as f64 * scale * scale,
            errors: vec![0.0; n],
            of_level: vec![0.0; n],
            of_trend: vec![0.0; if form.trend == Trend::None { 0 } else { n }],
            of_season: vec![0.0; if form.season > 0 { n } else { 0 }],
        }
    }

    fn zeros(&self) -> SmoothingState {
        SmoothingState { level: 0.0, trend: 0.0, season: vec![0.0; self.form.season], next: 0 }
    }

    /// The first state with the least Σ e². The last of the seasonal numbers makes their sum 0.
    fn first(&mut self, by: &Smoothing) -> SmoothingState {
        let (mut seen, mut season) = (self.zeros(), self.zeros());
        let (mut level, mut trend) =
            (SmoothingState { level: 1.0, ..self.zeros() }, SmoothingState { trend: 1.0, ..self.zeros() });
        season.season.iter_mut().take(1).for_each(|first| *first = 1.0);
        // Side by side in one loop: each series waits only for its own previous period, so that a processor overlaps them.
        for (t, y) in self.series.iter().enumerate() {
            self.errors[t] = seen.update(*y, by);
            self.of_level[t] = level.update(0.0, by);
            self.of_trend.get_mut(t).into_iter().for_each(|error| *error = trend.update(0.0, by));
            self.of_season.get_mut(t).into_iter().for_each(|error| *error = season.update(0.0, by));
        }

        let (lower, right) = self.normal_equations();
        let free = solve_normal_equations(lower, right, dot);
        let mut first = self.zeros();
        let (level_and_trend, season) = free.split_at(free.len() - self.form.season.saturating_sub(1));
        first.level = level_and_trend[0];
        first.trend = level_and_trend.get(1).copied().unwrap_or(0.0);
        if let Some((last, others)) = first.season.split_last_mut() {
            others.copy_from_slice(season);
            *last = -season.iter().sum::<f64>();
        }
        first
    }

    /// The normal equations of the least Σ (eₜ + Σ xᵢ mᵢₜ)² over x: the products of the changes m as a lower triangle, row by
    /// row, and their products with −e.
    ///
    /// The seasonal number i periods later changes the errors in the same way, i periods later. So the product of two of
    /// them is the product of the two before, less one term.
    fn normal_equations(&self) -> (Vec<Vec<f64>>, Vec<f64>) {
        let n = self.series.len();
        let moves = [&self.of_level, &self.of_trend];
        let moves = &moves[..if self.form.trend == Trend::None { 1 } else { 2 }];
        let mut lower: Vec<Vec<f64>> = vec![];
        let mut right: Vec<f64> = vec![];
        for (i, own) in moves.iter().enumerate() {
            lower.push(moves[..=i].iter().map(|other| dot(own, other)).collect());
            right.push(-dot(own, &self.errors));
        }
        let Some(last) = self.form.season.checked_sub(1) else { return (lower, right) };
        let season = &self.of_season;
        // The product of a series and the changes by the seasonal number i.
        let with = |series: &[f64], i: usize| dot(&season[..n - i], &series[i..]);
        let mut both: Vec<Vec<f64>> = vec![vec![0.0; last + 1]; last + 1];
        for i in 0..=last {
            both[i][0] = with(season, i);
            for j in 1..=i {
                both[i][j] = both[i - 1][j - 1] - season[n - i] * season[n - j];
            }
        }
        let of_last: Vec<f64> = moves.iter().map(|m| with(m, last)).collect();
        let right_of_last = with(&self.errors, last);
        for i in 0..last {
            let mut row: Vec<f64> = moves.iter().zip(&of_last).map(|(m, last)| with(m, i) - last).collect();
            row.extend((0..=i).map(|j| both[i][j] - both[last][i] - both[last][j] + both[last][last]));
            lower.push(row);
            right.push(right_of_last - with(&self.errors, i));
        }
        (lower, right)
    }

    /// The least Σ e² with these parameters.
    pub(super) fn squares(&mut self, by: &Smoothing) -> f64 {
        self.pass(by).0
    }

    /// Σ e², and the state after the last observation.
    pub(super) fn smooth(&mut self, by: &Smoothing) -> (f64, SmoothingState) {
        let (squares, mut state) = self.pass(by);
        state.level += self.mean;
        (squares, state)
    }

    fn pass(&mut self, by: &Smoothing) -> (f64, SmoothingState) {
        let mut state = self.first(by);
        let squares: f64 = self.series.iter().map(|y| state.update(*y, by)).map(|e| e * e).sum();
        let squares = if squares.is_finite() { squares } else { f64::MAX };
        (squares.max(self.floor), state)
    }
}

/// Σ aᵢbᵢ as four sums, which a processor computes at once. The order is fixed, so that the result is always the same.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        (0..4).for_each(|i| sums[i] += a[i] * b[i]);
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums[0] + sums[1] + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_squares_of_a_line_and_of_what_is_said_twice() {
        // y = 3 + 2t: errors from zeros are y, and 1 and t take away from them.
        let t: Vec<f64> = (0..5).map(f64::from).collect();
        let moves: [Vec<f64>; 3] = [vec![-1.0; 5], t.iter().map(|t| -t).collect(), vec![-2.0; 5]];
        let errors: Vec<f64> = t.iter().map(|t| 3.0 + 2.0 * t).collect();
        let lower = (0..3).map(|i| (0..=i).map(|j| dot(&moves[i], &moves[j])).collect()).collect();
        let x = solve_normal_equations(lower, moves.iter().map(|m| -dot(m, &errors)).collect(), dot);
        assert!((x[0] - 3.0).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12 && x[2] == 0.0, "{x:?}");
    }

    /// α = ½ by hand: from level 10 the errors of 12, 11, 15 are 2, 0, 4, and the level comes to 13.
    #[test]
    fn a_level_by_hand() {
        let by = Smoothing { alpha: 0.5, beta: 0.0, gamma: 0.0, phi: 1.0 };
        let mut state = SmoothingState { level: 10.0, trend: 0.0, season: vec![], next: 0 };
        let errors = [12.0, 11.0, 15.0].map(|y| state.update(y, &by));
        assert_eq!((errors, state.level), ([2.0, 0.0, 4.0], 13.0));
    }
}
