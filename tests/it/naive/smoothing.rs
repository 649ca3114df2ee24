//! Exponential smoothing as Hyndman, Koehler, Ord and Snyder (2008) write it, run as slowly as it reads.
//!
//! ```text
//! yₜ = l + φb + s + e      l′ = l + φb + αe      b′ = φb + βe      s′ = s + γe
//! ```
//! For given weights the first state is found by least squares over simulations from unit states; the weights are found on a
//! grid and from its best place for each α by steps that are halved. Every place that was tried is kept, with how much its
//! AICc exceeds the least there is: where the likelihood is flat many weights are as good as the best, and it may have more
//! maxima than one.

/// A level alone, with a trend, or with a damped one; periods of a season, 0 for none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Form {
    pub trend: Trend,
    pub season: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trend {
    None,
    Additive,
    Damped,
}

impl Form {
    pub fn name(self) -> String {
        let trend = match self.trend {
            Trend::None => "N",
            Trend::Additive => "A",
            Trend::Damped => "Ad",
        };
        format!("A,{trend},{}", if self.season > 0 { "A" } else { "N" })
    }

    fn weights(self) -> usize {
        [1, 2, 3][self.trend as usize] + usize::from(self.season > 0)
    }

    /// Free numbers of the first state: the season's add up to 0.
    fn first(self) -> usize {
        1 + usize::from(self.trend != Trend::None) + if self.season > 0 { self.season - 1 } else { 0 }
    }

    /// All that is estimated: the errors' variance too.
    fn estimated(self) -> usize {
        self.weights() + self.first() + 1
    }
}

#[derive(Clone, Copy, Debug)]
struct Weights {
    alpha: f64,
    beta: f64,
    gamma: f64,
    phi: f64,
}

impl Weights {
    /// 0 < α < 1, 0 < β < α, 0 < γ < 1 − α, 0.8 ≤ φ ≤ 0.98, each a place between its ends.
    fn at(form: Form, place: &[f64]) -> Weights {
        let open = |u: f64| 1e-4 + (1.0 - 2e-4) * u;
        let mut places = place.iter();
        let mut next = || *places.next().expect("a place for each weight");
        let alpha = open(next());
        let beta = if form.trend == Trend::None { 0.0 } else { alpha * open(next()) };
        let gamma = if form.season == 0 { 0.0 } else { (1.0 - alpha) * open(next()) };
        let phi = if form.trend == Trend::Damped { 0.8 + 0.18 * next() } else { 1.0 };
        Weights { alpha, beta, gamma, phi }
    }
}

/// Errors of one pass, and the state after it.
struct Pass {
    errors: Vec<f64>,
    level: f64,
    trend: f64,
    season: Vec<f64>,
}

fn pass(series: &[f64], form: Form, w: Weights, first: &[f64]) -> Pass {
    let (mut level, mut trend) = (first[0], 0.0);
    let mut season = vec![0.0; form.season];
    let mut rest = &first[1..];
    if form.trend != Trend::None {
        (trend, rest) = (rest[0], &rest[1..]);
    }
    if form.season > 0 {
        season[..form.season - 1].copy_from_slice(rest);
        season[form.season - 1] = -rest.iter().sum::<f64>();
    }
    let mut errors = vec![];
    for (t, y) in series.iter().enumerate() {
        let ahead = level + w.phi * trend;
        let of_season = if form.season > 0 { season[t % form.season] } else { 0.0 };
        let e = y - ahead - of_season;
        level = ahead + w.alpha * e;
        trend = w.phi * trend + w.beta * e;
        if form.season > 0 {
            season[t % form.season] += w.gamma * e;
        }
        errors.push(e);
    }
    Pass { errors, level, trend, season }
}

/// The first state of least Σ e², by orthogonal columns (Gram and Schmidt, twice for the digits).
fn first_state(series: &[f64], form: Form, w: Weights) -> Vec<f64> {
    let zero = vec![0.0; form.first()];
    let nothing = vec![0.0; series.len()];
    let mut left = pass(series, form, w, &zero).errors;
    let (mut columns, mut upper): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (vec![], vec![]);
    let mut along = vec![];
    for i in 0..form.first() {
        let mut unit = zero.clone();
        unit[i] = 1.0;
        let mut column = pass(&nothing, form, w, &unit).errors;
        let before = norm(&column);
        let mut shares = vec![0.0; columns.len()];
        for _ in 0..2 {
            for (known, share) in columns.iter().zip(&mut shares) {
                let part = dot(known, &column);
                *share += part;
                column.iter_mut().zip(known).for_each(|(x, k)| *x -= part * k);
            }
        }
        let after = norm(&column);
        // A column that the others say already has no part of its own.
        let own = if after > 1e-9 * before { after } else { 0.0 };
        column.iter_mut().for_each(|x| *x = if own > 0.0 { *x / own } else { 0.0 });
        let part = dot(&column, &left);
        left.iter_mut().zip(&column).for_each(|(x, k)| *x -= part * k);
        along.push(-part);
        shares.push(own);
        columns.push(column);
        upper.push(shares);
    }
    let mut found = vec![0.0; form.first()];
    for i in (0..form.first()).rev() {
        let later: f64 = (i + 1..form.first()).map(|j| upper[j][i] * found[j]).sum();
        found[i] = if upper[i][i] > 0.0 { (along[i] - later) / upper[i][i] } else { 0.0 };
    }
    found
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Mean and variance so many steps ahead.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    pub mean: f64,
    pub variance: f64,
}

/// What a form and weights for it say.
#[derive(Clone, Debug)]
pub struct Said {
    /// AICc, less the least of all forms and weights.
    pub excess: f64,
    /// One a step.
    pub ahead: Vec<Ahead>,
}

/// One form fitted: what its weights say, as far as they are not much worse than the best.
#[derive(Clone, Debug)]
pub struct Fit {
    pub form: Form,
    pub said: Vec<Said>,
}

/// Every place whose −2 ln L is at most so much above the least. Nothing where the series is too short for the form.
fn fit(series: &[f64], form: Form, steps: usize, most: f64) -> Option<Fit> {
    let (n, k) = (series.len(), form.estimated());
    if n < k + 2 || n < 2 * form.season {
        return None;
    }
    let mean = series.iter().sum::<f64>() / n as f64;
    let moved: Vec<f64> = series.iter().map(|y| y - mean).collect();
    // A series that is fitted to ten digits is fitted.
    let floor = n as f64 * (1e-10 * mean.abs().max(1.0)).powi(2);
    let mut tried: Vec<(f64, Vec<f64>)> = vec![];
    let deviance = |place: &[f64], tried: &mut Vec<(f64, Vec<f64>)>| {
        let w = Weights::at(form, place);
        let first = first_state(&moved, form, w);
        let squares = pass(&moved, form, w, &first).errors.iter().map(|e| e * e).sum::<f64>().max(floor);
        let of_this = n as f64 * ((std::f64::consts::TAU * squares / n as f64).ln() + 1.0);
        tried.push((of_this, place.to_vec()));
        of_this
    };
    let mut places: Vec<Vec<f64>> = vec![vec![]];
    for weight in 0..form.weights() {
        let along: &[f64] =
            if weight == 0 { &[0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0] } else { &[0.0, 0.2, 0.6, 1.0] };
        places = places.iter().flat_map(|p| along.iter().map(|u| [&p[..], &[*u]].concat())).collect();
    }
    let mut begun: Vec<(f64, Vec<f64>)> = places.into_iter().map(|p| (deviance(&p, &mut tried), p)).collect();
    begun.sort_by(|a, b| a.1[0].total_cmp(&b.1[0]).then(a.0.total_cmp(&b.0)));
    begun.dedup_by_key(|b| b.1[0].to_bits());
    for (mut least, mut place) in begun {
        let mut step = 0.05;
        while step > 5e-4 {
            let mut moved = false;
            for weight in 0..form.weights() {
                for way in [step, -step] {
                    let mut beside = place.clone();
                    beside[weight] = (beside[weight] + way).clamp(0.0, 1.0);
                    let there = deviance(&beside, &mut tried);
                    if there < least - 1e-9 {
                        (least, place, moved) = (there, beside, true);
                    }
                }
            }
            if !moved {
                step /= 2.0;
            }
        }
    }
    let (count, k) = (n as f64, k as f64);
    let penalty = 2.0 * k + 2.0 * k * (k + 1.0) / (count - k - 1.0);
    let least = tried.iter().map(|t| t.0).fold(f64::INFINITY, f64::min);
    tried.retain(|t| t.0 <= least + most);
    let say = |(deviance, place): &(f64, Vec<f64>)| {
        let w = Weights::at(form, place);
        let end = pass(&moved, form, w, &first_state(&moved, form, w));
        let squares = end.errors.iter().map(|e| e * e).sum::<f64>().max(floor);
        // Errors are as many as observations, less the weights and the first state.
        let variance = squares / (count - (k - 1.0));
        let of_step = |h: usize| {
            let damped = |j: usize| (1..=j).map(|i| w.phi.powi(i as i32)).sum::<f64>();
            let again = |j: usize| if form.season > 0 && j.is_multiple_of(form.season) { w.gamma } else { 0.0 };
            let spread: f64 = (1..h).map(|j| (w.alpha + w.beta * damped(j) + again(j)).powi(2)).sum();
            let of_season = if form.season > 0 { end.season[(n + h - 1) % form.season] } else { 0.0 };
            Ahead { mean: mean + end.level + damped(h) * end.trend + of_season, variance: variance * (1.0 + spread) }
        };
        Said { excess: deviance + penalty, ahead: (1..=steps).map(of_step).collect() }
    };
    Some(Fit { form, said: tried.iter().map(say).collect() })
}

/// Every form that the series is long enough for, with what exceeds the least AICc by at most `most`. A season of more than
/// 13 periods goes without a trend.
pub fn fits(series: &[f64], season: usize, steps: usize, most: f64) -> Vec<Fit> {
    let mut forms = vec![];
    for season in if season > 1 { vec![0, season] } else { vec![0] } {
        for trend in [Trend::None, Trend::Additive, Trend::Damped] {
            if season <= 13 || trend == Trend::None {
                forms.push(Form { trend, season });
            }
        }
    }
    let mut fits: Vec<Fit> = forms.into_iter().filter_map(|form| fit(series, form, steps, most)).collect();
    let least = fits.iter().flat_map(|f| &f.said).map(|s| s.excess).fold(f64::INFINITY, f64::min);
    for fit in &mut fits {
        fit.said.iter_mut().for_each(|said| said.excess -= least);
        fit.said.retain(|said| said.excess <= most);
        // The best of them all, and of the others enough to span what they say.
        fit.said.sort_by(|a, b| a.excess.total_cmp(&b.excess));
        let every = fit.said.len().div_ceil(60);
        fit.said = std::mem::take(&mut fit.said).into_iter().step_by(every.max(1)).collect();
    }
    fits.retain(|fit| !fit.said.is_empty());
    fits
}

#[test]
fn a_line_and_a_season_are_gone_on_with() {
    let line: Vec<f64> = (0..20).map(|t| 5.0 + 2.0 * f64::from(t)).collect();
    let found = fit(&line, Form { trend: Trend::Additive, season: 0 }, 3, 0.02).expect("long enough");
    assert!(found.said.iter().all(|s| (s.ahead[2].mean - 49.0).abs() < 1e-6), "{found:?}");
    let seasonal: Vec<f64> = (0..16).map(|t| [1.0, 5.0, 2.0, 8.0][t % 4]).collect();
    let found = fit(&seasonal, Form { trend: Trend::None, season: 4 }, 2, 0.02).expect("long enough");
    assert!(found.said.iter().all(|s| (s.ahead[0].mean - 1.0).abs() < 1e-6 && (s.ahead[1].mean - 5.0).abs() < 1e-6));
    // Brown's smoothing by hand: from level 10 with α = ½ the errors of 12, 11, 15 are 2, 0, 4.
    let half = Weights { alpha: 0.5, beta: 0.0, gamma: 0.0, phi: 1.0 };
    let seen = pass(&[12.0, 11.0, 15.0], Form { trend: Trend::None, season: 0 }, half, &[10.0]);
    assert_eq!((seen.errors, seen.level), (vec![2.0, 0.0, 4.0], 13.0));
}
