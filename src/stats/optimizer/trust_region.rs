//! A trust-region Newton method for log-likelihoods of a few positive parameters.
//!
//! Each step solves the trust-region problem exactly, by the eigenvectors of the Hessian (Moré & Sorensen 1983, SIAM J.
//! Sci. Stat. Comput. 4:553; Nocedal & Wright, Numerical Optimization, chapter 4). The method works on logarithms of the
//! parameters. That keeps them positive, and a parameter without a finite estimate is recognised, because its logarithm
//! moves by about as much in every step.

use super::Objective;
use crate::stats::linear_algebra::{Eigen, Matrix, dot, length};

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// At a maximum: the scaled gradient is 0 to rounding, the Hessian is negative definite, and a further Newton step
    /// would not move.
    Optimum,
    /// A parameter left [e⁻²⁰, e²⁰] while the likelihood still rose.
    RanOff {
        /// The number of the parameter, from 0.
        parameter: usize,
        /// True if it goes to infinity, false if it goes to 0.
        up: bool,
    },
    /// No step, however small, gains anything, and yet this is no maximum: the likelihood is flat along some direction, to
    /// rounding.
    Ridge,
    /// The limit of 200 steps was reached.
    Unfinished,
}

/// Where a search ended, and what is known there.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimum<const N: usize> {
    /// The parameters, on their natural scale.
    pub parameters: [f64; N],
    /// The log-likelihood at the parameters.
    pub log_likelihood: f64,
    /// The scaled gradient: max |∂LL/∂ln θ| / max(1, weight).
    pub gradient_norm: f64,
    /// How the search ended; only [`Termination::Optimum`] is a maximum.
    pub termination: Termination,
    /// The covariance of the log-parameters, −H⁻¹; `None` unless this is a maximum.
    pub covariance: Option<Matrix<N>>,
    /// The direction (in log-parameters, of length 1) in which the likelihood is least curved.
    pub flattest: [f64; N],
    /// How many times the likelihood was evaluated.
    pub evaluations: u32,
}

/// The scaled gradient (max |∂LL/∂ln θ| / customers) below which a search may have converged.
const GRADIENT: f64 = 1e-8;
/// A converged search goes on to this scaled gradient while steps still gain. It takes one or two more steps and gives
/// estimates to the last digits.
const POLISHED: f64 = 1e-12;
/// A maximum needs a Newton step shorter than this in ln θ. Towards an estimate at infinity the gradient vanishes too, but
/// Newton steps stay about 1 long.
const STILL: f64 = 1e-4;
/// Parameters outside e^±20 are no estimates.
const FAR: f64 = 20.0;
const STEPS: u32 = 200;
/// The greatest length of a step in ln θ.
const LONGEST: f64 = 3.0;

/// Maximises a log-likelihood of N positive parameters from several starting points.
///
/// # Parameters
/// - `starts`: starting points, all parameters positive.
/// - `weight`: the number of observations (customers). It scales the gradient, so that convergence does not depend on how
///   many there are.
/// - `objective`: the log-likelihood with its derivatives; `None` where it cannot be computed.
///
/// # Returns
/// Where the best of the searches ended; `None` if the likelihood is not finite at any of the starts. Of searches that end
/// equally high a maximum is preferred, then the earlier start. Look at [`Optimum::termination`]: the result need not be a
/// maximum.
pub fn maximise<const N: usize>(
    starts: &[[f64; N]],
    weight: f64,
    objective: impl Fn(&[f64; N]) -> Option<Objective<N>>,
) -> Option<Optimum<N>> {
    let mut best: Option<Optimum<N>> = None;
    for start in starts {
        let Some(found) = maximise_from(start, weight.max(1.0), &objective) else { continue };
        let better = best.as_ref().is_none_or(|b| {
            let tie = 1e-9 * b.log_likelihood.abs().max(1.0);
            match (found.termination == Termination::Optimum, b.termination == Termination::Optimum) {
                (true, false) => found.log_likelihood > b.log_likelihood - tie,
                _ => found.log_likelihood > b.log_likelihood + tie,
            }
        });
        if better {
            best = Some(found);
        }
    }
    best
}

/// One search; `None` where the likelihood is not finite at the start.
fn maximise_from<const N: usize>(
    start: &[f64; N],
    weight: f64,
    objective: impl Fn(&[f64; N]) -> Option<Objective<N>>,
) -> Option<Optimum<N>> {
    let mut evaluations = 0;
    let mut evaluate = |y: &[f64; N]| {
        evaluations += 1;
        let theta = y.map(libm::exp);
        let here = objective(&theta)?.by_logarithms(&theta);
        here.is_finite().then_some(here)
    };
    let mut y = start.map(libm::log);
    let mut here = evaluate(&y)?;
    let mut model = QuadraticModel::of(&here, weight)?;
    let mut radius = 1.0;
    let mut termination = Termination::Unfinished;
    for _ in 0..STEPS {
        if let Some(i) = y.iter().position(|v| v.abs() > FAR) {
            termination = Termination::RanOff { parameter: i, up: y[i] > 0.0 };
            break;
        }
        let converged = model.gradient_norm() < GRADIENT && model.newton().is_some_and(|s| length(&s) < STILL);
        if converged && model.gradient_norm() < POLISHED {
            termination = Termination::Optimum;
            break;
        }
        let step = model.step(radius);
        let expected = model.gain(&step);
        let to: [f64; N] = std::array::from_fn(|i| y[i] + step[i]);
        let there = evaluate(&to).and_then(|s| Some((QuadraticModel::of(&s, weight)?, s)));
        let (gained, flatter) = there.as_ref().map_or((f64::NEG_INFINITY, false), |(c, s)| {
            ((s.value - here.value) / weight, c.gradient_norm() < model.gradient_norm())
        });
        // Where the expected gain is below the rounding of the value, a smaller gradient decides.
        let below_rounding = expected * weight < 1e-11 * here.value.abs().max(1.0);
        let accepted = if below_rounding { flatter } else { gained > 1e-4 * expected };
        if gained < 0.25 * expected && !(below_rounding && accepted) {
            radius = 0.25 * length(&step);
        } else if gained > 0.75 * expected && length(&step) > 0.9 * radius {
            radius = (2.0 * radius).min(LONGEST);
        }
        match there {
            Some((c, s)) if accepted => (y, here, model) = (to, s, c),
            _ if converged || below_rounding || radius < 1e-10 => {
                termination = if converged { Termination::Optimum } else { Termination::Ridge };
                break;
            }
            _ => {}
        }
    }
    let covariance = (termination == Termination::Optimum)
        .then(|| model.eigen.inverse().map(|m| m.map(|row| row.map(|v| v / weight))))
        .flatten();
    Some(Optimum {
        parameters: y.map(libm::exp),
        log_likelihood: here.value,
        gradient_norm: model.gradient_norm(),
        termination,
        covariance,
        flattest: model.eigen.vectors[0],
        evaluations,
    })
}

/// The quadratic model of the mean log-likelihood around a point.
struct QuadraticModel<const N: usize> {
    gradient: [f64; N],
    /// The eigendecomposition of −H.
    eigen: Eigen<N>,
}

impl<const N: usize> QuadraticModel<N> {
    fn of(objective: &Objective<N>, weight: f64) -> Option<QuadraticModel<N>> {
        let eigen = Eigen::of(&objective.hessian.map(|row| row.map(|h| -h / weight)))?;
        Some(QuadraticModel { gradient: objective.gradient.map(|g| g / weight), eigen })
    }

    fn gradient_norm(&self) -> f64 {
        self.gradient.iter().fold(0.0, |m, g| m.max(g.abs()))
    }

    /// (−H + λI)⁻¹·g.
    fn damped(&self, lambda: f64) -> [f64; N] {
        let mut step = [0.0; N];
        for (value, vector) in self.eigen.values.iter().zip(&self.eigen.vectors) {
            let along = dot(vector, &self.gradient) / (value + lambda);
            step.iter_mut().zip(vector).for_each(|(s, v)| *s += along * v);
        }
        step
    }

    /// The Newton step; `None` unless the model is concave beyond rounding.
    fn newton(&self) -> Option<[f64; N]> {
        let (least, most) = (self.eigen.values[0], self.eigen.values[N - 1]);
        (least > 1e-13 * most).then(|| self.damped(0.0))
    }

    /// The step of at most length `radius` that gains most by the model.
    fn step(&self, radius: f64) -> [f64; N] {
        if let Some(step) = self.newton().filter(|s| length(s) <= radius) {
            return step;
        }
        // |step(λ)| falls as λ grows beyond minus the least eigenvalue, and is at most the radius at the upper end.
        let mut low = (-self.eigen.values[0]).max(0.0);
        let mut high = low + length(&self.gradient) / radius + f64::MIN_POSITIVE;
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if length(&self.damped(middle)) > radius { low = middle } else { high = middle }
        }
        let mut step = self.damped(high);
        if step.iter().any(|s| !s.is_finite()) {
            step = [0.0; N];
        }
        // The hard case of Moré & Sorensen: the gradient has no part along the most convex direction, so add some of it.
        let left = radius * radius - dot(&step, &step);
        if left > 0.01 * radius * radius && self.eigen.values[0] <= 0.0 {
            let along = libm::sqrt(left);
            step.iter_mut().zip(&self.eigen.vectors[0]).for_each(|(s, v)| *s += along * v);
        }
        step
    }

    /// The gain that the model expects of a step s: g·s − ½ sᵀ(−H)s.
    fn gain(&self, step: &[f64; N]) -> f64 {
        let along = self.eigen.vectors.map(|v| dot(&v, step));
        let bend: f64 = self.eigen.values.iter().zip(&along).map(|(e, a)| e * a * a).sum();
        dot(&self.gradient, step) - 0.5 * bend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gamma(k, 1) observations by their number and Σ x: a likelihood with a known maximum, for the rate at k/mean.
    fn gamma_rate(k: f64, n: f64, sum: f64) -> impl Fn(&[f64; 1]) -> Option<Objective<1>> {
        move |t| {
            let r = t[0];
            Some(Objective {
                value: n * k * libm::log(r) - r * sum,
                gradient: [n * k / r - sum],
                hessian: [[-n * k / (r * r)]],
            })
        }
    }

    #[test]
    fn a_rate_is_found_from_far_away() {
        for start in [1e-6, 1e-3, 1.0, 1e4, 1e8] {
            let s = maximise(&[[start]], 1000.0, gamma_rate(2.0, 1000.0, 250.0)).unwrap();
            assert_eq!(s.termination, Termination::Optimum, "{start}");
            assert!((s.parameters[0] - 8.0).abs() < 1e-9, "{}", s.parameters[0]);
            // The variance of ln r̂ is 1/(n k).
            assert!((s.covariance.unwrap()[0][0] * 2000.0 - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn an_estimate_at_infinity_is_not_called_found() {
        // −n/θ rises for ever, its gradient vanishes: Newton steps in ln θ stay 1 long.
        let rising = |t: &[f64; 1]| {
            let x = t[0];
            Some(Objective { value: -50.0 / x, gradient: [50.0 / (x * x)], hessian: [[-100.0 / (x * x * x)]] })
        };
        let s = maximise(&[[1.0]], 50.0, rising).unwrap();
        assert_eq!(s.termination, Termination::RanOff { parameter: 0, up: true });
        assert!(s.covariance.is_none());
        let falling = |t: &[f64; 1]| Some(Objective { value: -50.0 * t[0], gradient: [-50.0], hessian: [[0.0]] });
        let s = maximise(&[[1.0]], 50.0, falling).unwrap();
        assert_eq!(s.termination, Termination::RanOff { parameter: 0, up: false });
    }

    /// In y = ln θ: two hills along y₁ of heights 0 and −0.3, a valley between, and a convex start.
    fn hills(t: &[f64; 2]) -> Option<Objective<2>> {
        let y = t.map(libm::log);
        let (u, v) = (y[0], y[1]);
        let f = -(u * u - 4.0).powi(2) / 8.0 + 0.075 * u - 0.5 * (v - u).powi(2);
        let g = [-(u * u - 4.0) * u / 2.0 + 0.075 + (v - u), -(v - u)];
        let h = [[-(3.0 * u * u - 4.0) / 2.0 - 1.0, 1.0], [1.0, -1.0]];
        // Back to the natural scale, which is what an objective gives.
        let gradient = std::array::from_fn(|i| g[i] / t[i]);
        let hessian = std::array::from_fn(|i| {
            std::array::from_fn(|j| (h[i][j] - if i == j { g[i] } else { 0.0 }) / (t[i] * t[j]))
        });
        Some(Objective { value: f, gradient, hessian })
    }

    #[test]
    fn the_higher_hill_wins_whatever_the_order() {
        let starts = [[libm::exp(-2.5), 1.0], [libm::exp(2.5), 1.0]];
        for starts in [starts, [starts[1], starts[0]]] {
            let s = maximise(&starts, 1.0, hills).unwrap();
            assert_eq!(s.termination, Termination::Optimum);
            assert!(s.parameters[0] > 1.0 && s.gradient_norm < GRADIENT);
        }
        // A start close to a saddle, at which the gradient vanishes, and which is no maximum.
        let saddle = maximise_from(&[libm::exp(-0.0376), libm::exp(-0.0376)], 1.0, hills).unwrap();
        assert_eq!(saddle.termination, Termination::Optimum);
    }

    #[test]
    fn holes_in_the_likelihood_are_walked_around_and_none_is_none() {
        let holed = |t: &[f64; 1]| if t[0] > 20.0 { None } else { gamma_rate(2.0, 10.0, 1.05)(t) };
        let s = maximise(&[[0.01]], 10.0, holed).unwrap();
        assert!((s.parameters[0] - 20.0 / 1.05).abs() < 1e-8);
        assert!(maximise(&[[1.0]], 1.0, |_: &[f64; 1]| None).is_none());
        let nan = |_: &[f64; 1]| Some(Objective { value: f64::NAN, ..Objective::ZERO });
        assert!(maximise(&[[1.0]], 1.0, nan).is_none());
        // Entirely flat: no maximum, no panic.
        let s = maximise(&[[1.0, 1.0]], 1.0, |_: &[f64; 2]| Some(Objective::ZERO)).unwrap();
        assert_ne!(s.termination, Termination::Optimum);
    }
}
