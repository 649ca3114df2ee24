//! One pass over a series for given smoothing parameters, from the first state that makes its errors least.

use super::{Form, Smoothing, Trend};

/// What is known after an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub level: f64,
    pub trend: f64,
    /// The states of the last m periods; `next` is that of the period to come.
    season: Vec<f64>,
    next: usize,
}

impl State {
    /// The season's part so many steps ahead.
    pub fn season_ahead(&self, steps: usize) -> f64 {
        let m = self.season.len();
        if m == 0 { 0.0 } else { self.season[(self.next + steps - 1) % m] }
    }

    /// Learns an observation; its error.
    fn see(&mut self, y: f64, by: &Smoothing) -> f64 {
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

/// A series with buffers for many passes.
pub struct Filter {
    form: Form,
    series: Vec<f64>,
    /// The series' mean, which the level is told apart from to keep digits.
    mean: f64,
    /// Σ e² below which a fit is as good as perfect.
    floor: f64,
    /// Errors from a first state of zeros.
    errors: Vec<f64>,
    /// How errors move with a first state of a level, of a trend, and of a season's first number of 1.
    of_level: Vec<f64>,
    of_trend: Vec<f64>,
    of_season: Vec<f64>,
}

impl Filter {
    pub fn new(series: &[f64], form: Form) -> Filter {
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

    fn zeros(&self) -> State {
        State { level: 0.0, trend: 0.0, season: vec![0.0; self.form.season], next: 0 }
    }

    /// The first state of least Σ e². The last of a season's numbers is what makes their sum 0.
    fn first(&mut self, by: &Smoothing) -> State {
        let (mut seen, mut season) = (self.zeros(), self.zeros());
        let (mut level, mut trend) = (State { level: 1.0, ..self.zeros() }, State { trend: 1.0, ..self.zeros() });
        season.season.iter_mut().take(1).for_each(|first| *first = 1.0);
        // Side by side, for each waits for its own period before alone.
        for (t, y) in self.series.iter().enumerate() {
            self.errors[t] = seen.see(*y, by);
            self.of_level[t] = level.see(0.0, by);
            self.of_trend.get_mut(t).into_iter().for_each(|error| *error = trend.see(0.0, by));
            self.of_season.get_mut(t).into_iter().for_each(|error| *error = season.see(0.0, by));
        }

        let (lower, right) = self.normal_equations();
        let free = solve(lower, right);
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

    /// Of the least Σ (eₜ + Σ xᵢ mᵢₜ)², the products of the moves m as a lower triangle, row by row, and theirs with −e.
    ///
    /// A season's number i periods later moves the errors i periods later and else alike, so that the products of two of
    /// them are those of the two before, less one term.
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
        // Of a series with the season's number i alone.
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

    /// The least Σ e² that these parameters leave.
    pub fn squares(&mut self, by: &Smoothing) -> f64 {
        self.pass(by).0
    }

    /// Σ e², and what is known at the end.
    pub fn smooth(&mut self, by: &Smoothing) -> (f64, State) {
        let (squares, mut state) = self.pass(by);
        state.level += self.mean;
        (squares, state)
    }

    fn pass(&mut self, by: &Smoothing) -> (f64, State) {
        let mut state = self.first(by);
        let squares: f64 = self.series.iter().map(|y| state.see(*y, by)).map(|e| e * e).sum();
        let squares = if squares.is_finite() { squares } else { f64::MAX };
        (squares.max(self.floor), state)
    }
}

/// Σ aᵢbᵢ in four sums side by side: always the same four, and a machine adds them at once.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        (0..4).for_each(|i| sums[i] += a[i] * b[i]);
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums[0] + sums[1] + (sums[2] + sums[3]) + rest
}

/// x of normal equations, by Cholesky's decomposition; what the others say already gets 0.
fn solve(mut lower: Vec<Vec<f64>>, mut x: Vec<f64>) -> Vec<f64> {
    let p = x.len();
    for i in 0..p {
        let own = lower[i][i];
        let (above, rest) = lower.split_at_mut(i);
        let row = &mut rest[0];
        for (j, column) in above.iter().enumerate() {
            let known = dot(&row[..j], &column[..j]);
            row[j] = if column[j] > 0.0 { (row[j] - known) / column[j] } else { 0.0 };
        }
        let left = own - dot(&row[..i], &row[..i]);
        row[i] = if left > 1e-11 * own { libm::sqrt(left) } else { 0.0 };
        let known = dot(&row[..i], &x[..i]);
        x[i] = if row[i] > 0.0 { (x[i] - known) / row[i] } else { 0.0 };
    }
    for i in (0..p).rev() {
        let known: f64 = (i + 1..p).map(|k| lower[k][i] * x[k]).sum();
        x[i] = if lower[i][i] > 0.0 { (x[i] - known) / lower[i][i] } else { 0.0 };
    }
    x
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
        let x = solve(lower, moves.iter().map(|m| -dot(m, &errors)).collect());
        assert!((x[0] - 3.0).abs() < 1e-12 && (x[1] - 2.0).abs() < 1e-12 && x[2] == 0.0, "{x:?}");
    }

    /// α = ½ by hand: from level 10 the errors of 12, 11, 15 are 2, 0, 4, and the level comes to 13.
    #[test]
    fn a_level_by_hand() {
        let by = Smoothing { alpha: 0.5, beta: 0.0, gamma: 0.0, phi: 1.0 };
        let mut state = State { level: 10.0, trend: 0.0, season: vec![], next: 0 };
        let errors = [12.0, 11.0, 15.0].map(|y| state.see(y, &by));
        assert_eq!((errors, state.level), ([2.0, 0.0, 4.0], 13.0));
    }
}
