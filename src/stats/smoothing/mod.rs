//! Exponential smoothing: what a short series will come to, and how surely.
//!
//! Innovations state space models with additive errors (class 1 of Hyndman, Koehler, Ord and Snyder 2008, Forecasting
//! with Exponential Smoothing, Springer), with or without a trend, which may be damped, and a season:
//! ```text
//! yₜ = l + φb + s + e      l′ = l + φb + αe      b′ = φb + βe      s′ = s + γe
//! ```
//! s is the season's state of m periods before. Given the smoothing parameters the errors are linear in the first state, so
//! that state is found by least squares and only α, β, γ and φ are searched for (their chapter 5).

mod filter;
#[cfg(test)]
mod golden;
pub mod rates;
mod search;

use self::filter::{Filter, State};

/// How the level moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// Not at all but for errors.
    None,
    /// By as much each period.
    Additive,
    /// By less each period: φ in [0.8, 0.98].
    Damped,
}

/// Which of the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Of the level.
    pub trend: Trend,
    /// Periods of a season; 0: none.
    pub season: usize,
}

impl Form {
    /// Error, trend, season as the literature writes them: `A,Ad,N`.
    pub fn name(self) -> &'static str {
        match (self.trend, self.season > 0) {
            (Trend::None, false) => "A,N,N",
            (Trend::Additive, false) => "A,A,N",
            (Trend::Damped, false) => "A,Ad,N",
            (Trend::None, true) => "A,N,A",
            (Trend::Additive, true) => "A,A,A",
            (Trend::Damped, true) => "A,Ad,A",
        }
    }

    /// α, and as the form has them β, φ, γ.
    fn smoothing(self) -> usize {
        let trend = match self.trend {
            Trend::None => 0,
            Trend::Additive => 1,
            Trend::Damped => 2,
        };
        1 + trend + usize::from(self.season > 0)
    }

    /// Free numbers of the first state: a season's states sum to 0.
    fn states(self) -> usize {
        1 + usize::from(self.trend != Trend::None) + self.season.saturating_sub(1)
    }

    /// All that is estimated, the variance of the errors included.
    pub fn parameters(self) -> usize {
        self.smoothing() + self.states() + 1
    }
}

/// Smoothing parameters: 0 < α < 1, 0 < β < α, 0 < γ < 1 − α; φ = 1 where nothing is damped, β and γ = 0 where the form
/// has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    /// Of the level.
    pub alpha: f64,
    /// Of the trend.
    pub beta: f64,
    /// Of the season.
    pub gamma: f64,
    /// By which a trend goes on from one period to the next.
    pub phi: f64,
}

impl Smoothing {
    /// The point of the unit cube that a search is at, as parameters.
    fn of(form: Form, cube: &[f64]) -> Smoothing {
        const EDGE: f64 = 1e-4;
        let inner = |u: f64| EDGE + (1.0 - 2.0 * EDGE) * u;
        let alpha = inner(cube[0]);
        let has_trend = form.trend != Trend::None;
        let has_season = form.season > 0;
        Smoothing {
            alpha,
            beta: if has_trend { alpha * inner(cube[1]) } else { 0.0 },
            gamma: if has_season { (1.0 - alpha) * inner(cube[1 + usize::from(has_trend)]) } else { 0.0 },
            phi: if form.trend == Trend::Damped { 0.8 + 0.18 * cube[form.smoothing() - 1] } else { 1.0 },
        }
    }
}

/// Seasons of more periods are smoothed without a trend.
const LONG: usize = 13;

/// A series smoothed.
#[derive(Clone, Debug)]
pub struct Smoothed {
    /// Which model.
    pub form: Form,
    /// Its smoothing parameters.
    pub smoothing: Smoothing,
    /// Observations.
    pub n: usize,
    /// Σ e², of errors one step ahead.
    pub squares: f64,
    /// After the last observation.
    state: State,
}

/// What is expected of a later observation: normal with this mean and variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// In the series' unit.
    pub mean: f64,
    /// In its square.
    pub variance: f64,
}

impl Smoothed {
    /// Maximum likelihood of one form: the least Σ e². `None` for a series too short for the form (AICc has no value), of
    /// less than two seasons, or with a number that is not finite.
    pub fn fit(series: &[f64], form: Form) -> Option<Smoothed> {
        let n = series.len();
        if n < form.parameters() + 2 || n < 2 * form.season || series.iter().any(|y| !y.is_finite()) {
            return None;
        }
        let mut filter = Filter::new(series, form);
        let cube = search::least(form.smoothing(), &mut |cube| libm::log(filter.squares(&Smoothing::of(form, cube))));
        let smoothing = Smoothing::of(form, &cube);
        let (squares, state) = filter.smooth(&smoothing);
        Some(Smoothed { form, smoothing, n, squares, state })
    }

    /// Of all forms that the series is long enough for, the one of the least AICc, the simpler one of two alike. `season`
    /// in periods; below 2: none. A long season has so many states of its own that a trend beside it would hardly ever
    /// pay, and its search takes its time: it goes without.
    pub fn best(series: &[f64], season: usize) -> Option<Smoothed> {
        let seasons = [0, season].into_iter().take(if season > 1 { 2 } else { 1 });
        let trends = [Trend::None, Trend::Additive, Trend::Damped];
        let forms = seasons.flat_map(|season| trends.map(|trend| Form { trend, season }));
        let forms = forms.filter(|form| form.season <= LONG || form.trend == Trend::None);
        let mut best: Option<(f64, Smoothed)> = None;
        for smoothed in forms.filter_map(|form| Smoothed::fit(series, form)) {
            let aicc = smoothed.aicc();
            if best.as_ref().is_none_or(|(least, _)| aicc < least - 1e-6) {
                best = Some((aicc, smoothed));
            }
        }
        best.map(|(_, smoothed)| smoothed)
    }

    /// Log-likelihood at its maximum over the errors' variance: −n/2·(ln(2π·Σe²/n) + 1).
    pub fn log_likelihood(&self) -> f64 {
        let n = self.n as f64;
        -0.5 * n * (libm::log(std::f64::consts::TAU * self.squares / n) + 1.0)
    }

    /// Akaike's criterion corrected for short series (Hurvich and Tsai 1989): −2LL + 2k + 2k(k + 1)/(n − k − 1).
    pub fn aicc(&self) -> f64 {
        let (n, k) = (self.n as f64, self.form.parameters() as f64);
        -2.0 * self.log_likelihood() + 2.0 * k + 2.0 * k * (k + 1.0) / (n - k - 1.0)
    }

    /// The errors' variance: Σe² over the observations less what was estimated from them.
    pub fn variance(&self) -> f64 {
        self.squares / (self.n + 1 - self.form.parameters()) as f64
    }

    /// `steps` ≥ 1 after the last observation: mean by the states as they are, variance σ²(1 + Σ cⱼ²) over j < steps, cⱼ =
    /// α + β(φ + … + φʲ) + γ·[m divides j] (Hyndman et al. 2008, table 6.2). Given the parameters, whose own doubt it
    /// leaves out.
    pub fn ahead(&self, steps: usize) -> Ahead {
        let Smoothing { alpha, beta, gamma, phi } = self.smoothing;
        let season = self.form.season;
        // φ + … + φʲ.
        let (mut damped, mut power) = (0.0, 1.0);
        let mut spread = 1.0;
        for j in 1..=steps {
            power *= phi;
            damped += power;
            if j < steps {
                let again = if season > 0 && j % season == 0 { gamma } else { 0.0 };
                let c = alpha + beta * damped + again;
                spread += c * c;
            }
        }
        let mean = self.state.level + damped * self.state.trend + self.state.season_ahead(steps);
        Ahead { mean, variance: self.variance() * spread }
    }
}
