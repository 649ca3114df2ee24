//! A log-likelihood at a point, with its derivatives.

use rayon::prelude::*;

use crate::stats::linear_algebra::Matrix;

/// A log-likelihood at a point: value, gradient and Hessian with respect to the parameters themselves (not their
/// logarithms). Only the upper triangle of the Hessian is read.
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
    /// Zero, where sums begin.
    pub const ZERO: Objective<N> = Objective { value: 0.0, gradient: [0.0; N], hessian: [[0.0; N]; N] };

    /// The sum over `rows` of what `add` adds for each of them. Chunks of a fixed length run in parallel and are added in
    /// their order, so that the result has the same bytes on any number of threads.
    pub fn sum_over<T: Sync>(rows: &[T], add: impl Fn(&mut Objective<N>, &T) + Sync) -> Objective<N> {
        const CHUNK: usize = 8192;
        let of_chunk = |chunk: &[T]| {
            let mut sum = Objective::ZERO;
            chunk.iter().for_each(|row| add(&mut sum, row));
            sum
        };
        let parts: Vec<Objective<N>> = rows.par_chunks(CHUNK).map(of_chunk).collect();
        parts.iter().fold(Objective::ZERO, Objective::plus)
    }

    /// The sum of two log-likelihoods: that of both sets of observations.
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

    /// The same with respect to yᵢ = ln θᵢ: ∂/∂yᵢ = θᵢ ∂/∂θᵢ, ∂²/∂yᵢ∂yⱼ = θᵢθⱼ ∂²/∂θᵢ∂θⱼ + [i = j] θᵢ ∂/∂θᵢ.
    pub(super) fn by_logarithms(&self, theta: &[f64; N]) -> Objective<N> {
        let gradient = std::array::from_fn(|i| theta[i] * self.gradient[i]);
        let hessian = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let second = theta[i] * theta[j] * self.hessian[i.min(j)][i.max(j)];
                if i == j { second + gradient[i] } else { second }
            })
        });
        Objective { value: self.value, gradient, hessian }
    }

    pub(super) fn is_finite(&self) -> bool {
        self.value.is_finite() && self.gradient.iter().chain(self.hessian.iter().flatten()).all(|x| x.is_finite())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Gradient and Hessian against central differences of the value and of the gradient, by log-parameters. The errors
    /// allowed are those of the differences, of order h² = 1e-8 and ε/h.
    pub fn check_derivatives<const N: usize>(at: &[f64; N], objective: impl Fn(&[f64; N]) -> Option<Objective<N>>) {
        const STEP: f64 = 1e-4;
        let evaluate = |theta: &[f64; N]| objective(theta).unwrap().by_logarithms(theta);
        let here = evaluate(at);
        let size = here.value.abs().max(1.0);
        for i in 0..N {
            let moved =
                |step: f64| evaluate(&std::array::from_fn(|j| if i == j { at[j] * libm::exp(step) } else { at[j] }));
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
}
