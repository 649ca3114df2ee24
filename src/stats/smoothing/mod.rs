//! Exponential smoothing (ETS): forecasts of short series, with intervals.
//!
//! The models are innovations state space models with additive errors (class 1 of Hyndman, Koehler, Ord and Snyder 2008,
//! Forecasting with Exponential Smoothing, Springer). Each has a level l, and perhaps a trend b (which may be damped by φ)
//! and a season s:
//! ```text
//! yₜ = l + φb + s + e      l′ = l + φb + αe      b′ = φb + βe      s′ = s + γe
//! ```
//! Here s is the state of the season m periods before. For given smoothing parameters the errors are linear in the first
//! state. So the first state is found by least squares, and only α, β, γ and φ are searched for (their chapter 5).

mod filter;
#[cfg(test)]
mod golden;
pub mod loss_forecast;
mod search;

use self::filter::{Filter, SmoothingState};

/// How the level moves from one period to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// Only by errors.
    None,
    /// By a trend that stays the same but for errors.
    Additive,
    /// By a trend that shrinks by φ in [0.8, 0.98] each period.
    Damped,
}

/// The form of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How the level moves.
    pub trend: Trend,
    /// Periods in a season; 0 if there is none.
    pub season: usize,
}

impl Form {
    /// Error, trend and season as the literature writes them, such as `A,Ad,N`.
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

    /// The number of smoothing parameters: α, and those of β, φ and γ that the form has.
    fn smoothing(self) -> usize {
        let trend = match self.trend {
            Trend::None => 0,
            Trend::Additive => 1,
            Trend::Damped => 2,
        };
        1 + trend + usize::from(self.season > 0)
    }

    /// The number of free numbers in the first state. The states of a season sum to 0, so one of them is not free.
    fn states(self) -> usize {
        1 + usize::from(self.trend != Trend::None) + self.season.saturating_sub(1)
    }

    /// The number of estimated parameters, the first state and the variance of the errors included.
    pub fn parameters(self) -> usize {
        self.smoothing() + self.states() + 1
    }
}

/// Smoothing parameters: 0 < α < 1, 0 < β < α, 0 < γ < 1 − α. Without damping φ is 1; β and γ are 0 if the form has no trend
/// or season.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    /// The share of an error that goes into the level.
    pub alpha: f64,
    /// The share of an error that goes into the trend.
    pub beta: f64,
    /// The share of an error that goes into the season.
    pub gamma: f64,
    /// The factor by which the trend shrinks from one period to the next.
    pub phi: f64,
}

impl Smoothing {
    /// The parameters at a point of the unit cube, in which the search runs.
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

/// A series with a longer season than this is smoothed without a trend.
const LONG: usize = 13;

/// A model fitted to a series.
#[derive(Clone, Debug)]
pub struct Smoothed {
    /// The form of the model.
    pub form: Form,
    /// Its smoothing parameters.
    pub smoothing: Smoothing,
    /// The number of observations.
    pub n: usize,
    /// Σ e² of the errors of forecasts one step ahead.
    pub squares: f64,
    /// The state after the last observation.
    state: SmoothingState,
}

/// The forecast distribution of a later observation: normal with this mean and variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForecastDistribution {
    /// The mean, in the unit of the series.
    pub mean: f64,
    /// The variance, in the square of that unit.
    pub variance: f64,
}

impl Smoothed {
    /// Fits a model of one form by maximum likelihood, which is the least Σ e².
    ///
    /// Returns `None` for a series that is too short for the form (AICc would be undefined), covers less than two seasons,
    /// or has a number that is not finite.
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

    /// Fits every form that the series is long enough for, and returns the one with the least AICc; of two alike the
    /// simpler one. `None` if the series is too short for all of them.
    ///
    /// # Parameters
    /// - `series`: observations by period, oldest first.
    /// - `season`: periods in a season; below 2 no seasonal form is fitted. With a season of more than 13 periods forms
    ///   without a trend are fitted: that many states leave a trend hardly anything to gain, and the search takes long.
    ///
    /// # Example
    /// A straight line is continued, with a trend that is not damped:
    /// ```
    /// use tenure::stats::smoothing::Smoothed;
    ///
    /// let series: Vec<f64> = (0..12).map(|t| 100.0 + 5.0 * f64::from(t)).collect();
    /// let model = Smoothed::best(&series, 0).expect("long enough");
    /// assert_eq!(model.form.name(), "A,A,N");
    /// assert!((model.forecast(2).mean - 165.0).abs() < 1e-3);
    /// ```
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

    /// The log-likelihood, at its maximum over the variance of the errors: −n/2·(ln(2π·Σe²/n) + 1).
    pub fn log_likelihood(&self) -> f64 {
        let n = self.n as f64;
        -0.5 * n * (libm::log(std::f64::consts::TAU * self.squares / n) + 1.0)
    }

    /// Akaike's information criterion, corrected for short series (Hurvich and Tsai 1989): −2LL + 2k + 2k(k + 1)/(n − k − 1)
    /// with k [`parameters`](Form::parameters). Lower is better.
    pub fn aicc(&self) -> f64 {
        let (n, k) = (self.n as f64, self.form.parameters() as f64);
        -2.0 * self.log_likelihood() + 2.0 * k + 2.0 * k * (k + 1.0) / (n - k - 1.0)
    }

    /// The variance of the errors: Σe² divided by the number of observations less that of parameters estimated from them.
    pub fn variance(&self) -> f64 {
        self.squares / (self.n + 1 - self.form.parameters()) as f64
    }

    /// The forecast of the observation `steps` ≥ 1 periods after the last one.
    ///
    /// The mean continues the last state. The variance is σ²(1 + Σ cⱼ²) over j < steps, with
    /// cⱼ = α + β(φ + … + φʲ) + γ·[m divides j] (Hyndman et al. 2008, table 6.2). It takes the parameters as given: their
    /// own uncertainty is left out.
    pub fn forecast(&self, steps: usize) -> ForecastDistribution {
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
        ForecastDistribution { mean, variance: self.variance() * spread }
    }
}
