//! The summit of a log-likelihood of a few positive parameters, by a trust-region Newton method on their logarithms.
//!
//! Steps are exact solutions of the trust-region problem by way of the Hessian's eigenvectors (Moré & Sorensen 1983,
//! SIAM J. Sci. Stat. Comput. 4:553; Nocedal & Wright, Numerical Optimization, chapter 4). Logarithms keep parameters
//! positive, and make a parameter that has no finite estimate recognisable: it runs off at a steady pace.

use rayon::prelude::*;

use crate::stats::symmetric::{Eigen, Matrix, dot, length};

/// A log-likelihood at a point: value, gradient and Hessian by the parameters themselves (not their logarithms). The
/// Hessian's upper triangle is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective<const N: usize> {
    /// The log-likelihood.
    pub value: f64,
    /// ∂/∂θᵢ.
    pub gradient: [f64; N],
    /// ∂²/∂θᵢ∂θⱼ, for i ≤ j.
    pub hessian: Matrix<N>,
}

impl<const N: usize> Objective<N> {
    /// Nothing: where sums begin.
    pub const FLAT: Objective<N> = Objective { value: 0.0, gradient: [0.0; N], hessian: [[0.0; N]; N] };

    /// What `add` adds for each of `rows`, summed in fixed chunks and these in their order: the same bytes on any number
    /// of threads.
    pub fn over<T: Sync>(rows: &[T], add: impl Fn(&mut Objective<N>, &T) + Sync) -> Objective<N> {
        const CHUNK: usize = 8192;
        let of_chunk = |chunk: &[T]| {
            let mut sum = Objective::FLAT;
            chunk.iter().for_each(|row| add(&mut sum, row));
            sum
        };
        let parts: Vec<Objective<N>> = rows.par_chunks(CHUNK).map(of_chunk).collect();
        parts.iter().fold(Objective::FLAT, Objective::plus)
    }

    /// The likelihood of both.
    pub fn plus(mut self, other: &Objective<N>) -> Objective<N> {
        self.value += other.value;
        for i in 0..N {
            self.gradient[i] += other.gradient[i];
            for j in 0..N {
                self.hessian[i][j] += other.hessian[i][j];
            }
        }
        self
    }

    /// By yᵢ = ln θᵢ: ∂/∂yᵢ = θᵢ ∂/∂θᵢ, ∂²/∂yᵢ∂yⱼ = θᵢθⱼ ∂²/∂θᵢ∂θⱼ + [i = j] θᵢ ∂/∂θᵢ.
    fn by_logarithms(&self, theta: &[f64; N]) -> Objective<N> {
        let gradient = std::array::from_fn(|i| theta[i] * self.gradient[i]);
        let hessian = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let second = theta[i] * theta[j] * self.hessian[i.min(j)][i.max(j)];
                if i == j { second + gradient[i] } else { second }
            })
        });
        Objective { value: self.value, gradient, hessian }
    }

    fn is_finite(&self) -> bool {
        self.value.is_finite() && self.gradient.iter().chain(self.hessian.iter().flatten()).all(|x| x.is_finite())
    }
}

/// How a climb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// The scaled gradient is nil, the Hessian negative definite, and a further Newton step would not move.
    Optimum,
    /// A parameter left [e⁻²⁰, e²⁰], and the likelihood still rose.
    RanOff {
        /// Its place among the parameters.
        parameter: usize,
        /// To infinity, rather than to 0.
        up: bool,
    },
    /// No step, however small, climbs further, yet this is no summit: a ridge as flat as rounding.
    Ridge,
    /// [`STEPS`] did not suffice.
    Unfinished,
}

/// Where a climb ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimum<const N: usize> {
    /// The parameters, on their natural scale.
    pub parameters: [f64; N],
    /// At the parameters.
    pub log_likelihood: f64,
    /// max |∂LL/∂ln θ| / max(1, weight).
    pub gradient_norm: f64,
    /// Whether it is a summit.
    pub ending: Termination,
    /// Of the log-parameters, −H⁻¹; `None` unless the ending is a summit.
    pub covariance: Option<Matrix<N>>,
    /// The direction in log-parameters in which the likelihood is least curved.
    pub flattest: [f64; N],
    /// How often the likelihood was computed.
    pub evaluations: u32,
}

/// The scaled gradient (max |∂LL/∂ln θ| / customers) below which a climb may have arrived.
pub const GRADIENT: f64 = 1e-8;
/// Having arrived, climb on to here if steps still help: one or two more, for estimates to the last digits.
const POLISHED: f64 = 1e-12;
/// A Newton step shorter than this (in ln θ) at the summit: towards an estimate at infinity, where the gradient also
/// vanishes, Newton steps stay about 1 long.
const STILL: f64 = 1e-4;
/// Parameters beyond e^±20 are no estimates.
const FAR: f64 = 20.0;
const STEPS: u32 = 200;
/// A step's greatest length in ln θ.
const LONGEST: f64 = 3.0;

/// The best of the climbs from `starts`; `None` where the likelihood is finite at none of them.
///
/// `weight` is the number of observations (customers), which scales the gradient. Of climbs that end equally high, a
/// summit is preferred, then the earlier start.
pub fn maximise<const N: usize>(
    starts: &[[f64; N]],
    weight: f64,
    objective: impl Fn(&[f64; N]) -> Option<Objective<N>>,
) -> Option<Optimum<N>> {
    let mut best: Option<Optimum<N>> = None;
    for start in starts {
        let Some(climbed) = climb(start, weight.max(1.0), &objective) else { continue };
        let better = best.as_ref().is_none_or(|b| {
            let tie = 1e-9 * b.log_likelihood.abs().max(1.0);
            match (climbed.ending == Termination::Optimum, b.ending == Termination::Optimum) {
                (true, false) => climbed.log_likelihood > b.log_likelihood - tie,
                _ => climbed.log_likelihood > b.log_likelihood + tie,
            }
        });
        if better {
            best = Some(climbed);
        }
    }
    best
}

/// One climb; `None` where the likelihood is not finite at the start.
pub fn climb<const N: usize>(
    start: &[f64; N],
    weight: f64,
    objective: impl Fn(&[f64; N]) -> Option<Objective<N>>,
) -> Option<Optimum<N>> {
    let mut evaluations = 0;
    let mut look = |y: &[f64; N]| {
        evaluations += 1;
        let theta = y.map(libm::exp);
        let here = objective(&theta)?.by_logarithms(&theta);
        here.is_finite().then_some(here)
    };
    let mut y = start.map(libm::log);
    let mut here = look(&y)?;
    let mut curvature = Curvature::of(&here, weight)?;
    let mut radius = 1.0;
    let mut ending = Termination::Unfinished;
    for _ in 0..STEPS {
        if let Some(i) = y.iter().position(|v| v.abs() > FAR) {
            ending = Termination::RanOff { parameter: i, up: y[i] > 0.0 };
            break;
        }
        let arrived = curvature.gradient_norm() < GRADIENT && curvature.newton().is_some_and(|s| length(&s) < STILL);
        if arrived && curvature.gradient_norm() < POLISHED {
            ending = Termination::Optimum;
            break;
        }
        let step = curvature.step(radius);
        let expected = curvature.gain(&step);
        let to: [f64; N] = std::array::from_fn(|i| y[i] + step[i]);
        let there = look(&to).and_then(|s| Some((Curvature::of(&s, weight)?, s)));
        let (gained, flatter) = there.as_ref().map_or((f64::NEG_INFINITY, false), |(c, s)| {
            ((s.value - here.value) / weight, c.gradient_norm() < curvature.gradient_norm())
        });
        // Where the gain drowns in the value's rounding, a falling gradient must do.
        let drowned = expected * weight < 1e-11 * here.value.abs().max(1.0);
        let accepted = if drowned { flatter } else { gained > 1e-4 * expected };
        if gained < 0.25 * expected && !(drowned && accepted) {
            radius = 0.25 * length(&step);
        } else if gained > 0.75 * expected && length(&step) > 0.9 * radius {
            radius = (2.0 * radius).min(LONGEST);
        }
        match there {
            Some((c, s)) if accepted => (y, here, curvature) = (to, s, c),
            _ if arrived || drowned || radius < 1e-10 => {
                ending = if arrived { Termination::Optimum } else { Termination::Ridge };
                break;
            }
            _ => {}
        }
    }
    let covariance = (ending == Termination::Optimum)
        .then(|| curvature.eigen.inverse().map(|m| m.map(|row| row.map(|v| v / weight))))
        .flatten();
    Some(Optimum {
        parameters: y.map(libm::exp),
        log_likelihood: here.value,
        gradient_norm: curvature.gradient_norm(),
        ending,
        covariance,
        flattest: curvature.eigen.vectors[0],
        evaluations,
    })
}

/// Gradient and curvature of the mean log-likelihood.
struct Curvature<const N: usize> {
    gradient: [f64; N],
    /// Of −H.
    eigen: Eigen<N>,
}

impl<const N: usize> Curvature<N> {
    fn of(surface: &Objective<N>, weight: f64) -> Option<Curvature<N>> {
        let eigen = Eigen::of(&surface.hessian.map(|row| row.map(|h| -h / weight)))?;
        Some(Curvature { gradient: surface.gradient.map(|g| g / weight), eigen })
    }

    fn gradient_norm(&self) -> f64 {
        self.gradient.iter().fold(0.0, |m, g| m.max(g.abs()))
    }

    fn damped(&self, lambda: f64) -> [f64; N] {
        let mut step = [0.0; N];
        for (value, vector) in self.eigen.values.iter().zip(&self.eigen.vectors) {
            let along = dot(vector, &self.gradient) / (value + lambda);
            step.iter_mut().zip(vector).for_each(|(s, v)| *s += along * v);
        }
        step
    }

    /// The Newton step, where the surface is concave beyond rounding.
    fn newton(&self) -> Option<[f64; N]> {
        let (least, most) = (self.eigen.values[0], self.eigen.values[N - 1]);
        (least > 1e-13 * most).then(|| self.damped(0.0))
    }

    /// The step no longer than `radius` that gains most by the quadratic model.
    fn step(&self, radius: f64) -> [f64; N] {
        if let Some(step) = self.newton().filter(|s| length(s) <= radius) {
            return step;
        }
        // |step(λ)| falls in λ beyond −e₀, and is at most the radius at the upper end.
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
        // The hard case: the gradient has nothing along the most convex direction, so add some of it.
        let left = radius * radius - dot(&step, &step);
        if left > 0.01 * radius * radius && self.eigen.values[0] <= 0.0 {
            let along = libm::sqrt(left);
            step.iter_mut().zip(&self.eigen.vectors[0]).for_each(|(s, v)| *s += along * v);
        }
        step
    }

    /// What the quadratic model expects of a step: g·s − ½ sᵀ(−H)s.
    fn gain(&self, step: &[f64; N]) -> f64 {
        let along = self.eigen.vectors.map(|v| dot(&v, step));
        let bend: f64 = self.eigen.values.iter().zip(&along).map(|(e, a)| e * a * a).sum();
        dot(&self.gradient, step) - 0.5 * bend
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Gradient and Hessian against central differences of the value and of the gradient, by log-parameters. The errors
    /// allowed are those of the differences, of order h² = 1e-8 and ε/h.
    pub fn check_derivatives<const N: usize>(at: &[f64; N], objective: impl Fn(&[f64; N]) -> Option<Objective<N>>) {
        const STEP: f64 = 1e-4;
        let look = |theta: &[f64; N]| objective(theta).unwrap().by_logarithms(theta);
        let here = look(at);
        let size = here.value.abs().max(1.0);
        for i in 0..N {
            let moved =
                |step: f64| look(&std::array::from_fn(|j| if i == j { at[j] * libm::exp(step) } else { at[j] }));
            let (up, down) = (moved(STEP), moved(-STEP));
            let slope = (up.value - down.value) / (2.0 * STEP);
            let largest = here.gradient.iter().chain(here.hessian.iter().flatten()).fold(0.0f64, |m, g| m.max(g.abs()));
            let allowed = 1e-6 * largest + 1e-10 * size;
            assert!((slope - here.gradient[i]).abs() < allowed, "{at:?}: ∂{i} {} or {slope}", here.gradient[i]);
            for j in 0..N {
                let bend = (up.gradient[j] - down.gradient[j]) / (2.0 * STEP);
                let got = here.hessian[i][j];
                assert!((bend - got).abs() < allowed, "{at:?}: ∂{i}∂{j} {got} or {bend}");
            }
        }
    }

    /// Gamma(k, 1) observations by their number, Σ x and Σ ln x: a likelihood with a known summit, for rate at k/mean.
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
            assert_eq!(s.ending, Termination::Optimum, "{start}");
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
        assert_eq!(s.ending, Termination::RanOff { parameter: 0, up: true });
        assert!(s.covariance.is_none());
        let falling = |t: &[f64; 1]| Some(Objective { value: -50.0 * t[0], gradient: [-50.0], hessian: [[0.0]] });
        let s = maximise(&[[1.0]], 50.0, falling).unwrap();
        assert_eq!(s.ending, Termination::RanOff { parameter: 0, up: false });
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
            assert_eq!(s.ending, Termination::Optimum);
            assert!(s.parameters[0] > 1.0 && s.gradient_norm < GRADIENT);
        }
        // A saddle to start from: its gradient vanishes in the limit, yet it is no summit.
        let saddle = climb(&[libm::exp(-0.0376), libm::exp(-0.0376)], 1.0, hills).unwrap();
        assert_eq!(saddle.ending, Termination::Optimum);
    }

    #[test]
    fn holes_in_the_likelihood_are_walked_around_and_none_is_none() {
        let holed = |t: &[f64; 1]| if t[0] > 20.0 { None } else { gamma_rate(2.0, 10.0, 1.05)(t) };
        let s = maximise(&[[0.01]], 10.0, holed).unwrap();
        assert!((s.parameters[0] - 20.0 / 1.05).abs() < 1e-8);
        assert!(maximise(&[[1.0]], 1.0, |_: &[f64; 1]| None).is_none());
        let nan = |_: &[f64; 1]| Some(Objective { value: f64::NAN, ..Objective::FLAT });
        assert!(maximise(&[[1.0]], 1.0, nan).is_none());
        // Entirely flat: no summit, no panic.
        let s = maximise(&[[1.0, 1.0]], 1.0, |_: &[f64; 2]| Some(Objective::FLAT)).unwrap();
        assert_ne!(s.ending, Termination::Optimum);
    }
}
