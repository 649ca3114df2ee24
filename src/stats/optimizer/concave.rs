//! Newton's method with step halving, for concave functions of any number of parameters.

use crate::stats::linear_algebra::solve_positive_definite;

/// First and second derivatives of a concave function at a point.
#[derive(Clone, Debug)]
pub struct Derivatives {
    /// ∂f/∂xᵢ.
    pub gradient: Vec<f64>,
    /// −∂²f/∂xᵢ∂xⱼ, positive definite. The lower triangle is read: row i has at least i + 1 numbers.
    pub negative_hessian: Vec<Vec<f64>>,
}

/// A handful of steps is usual; a search that takes this many has failed.
const MAX_STEPS: usize = 100;
/// A step is halved at most this often.
const MAX_HALVINGS: i32 = 40;
/// Stop once twice the gain that the quadratic model promises is below this share of the value: the step after that one
/// would gain nothing beyond rounding.
const CONVERGED: f64 = 1e-10;

/// Finds the maximum of a concave, twice differentiable function by Newton's method; a step that would lose is halved
/// until it does not.
///
/// # Parameters
/// - `start`: where to begin, one number for each parameter.
/// - `value`: the function.
/// - `derivatives`: its gradient and negative Hessian.
///
/// # Returns
/// The parameters at the maximum. `None` if the negative Hessian is not positive definite somewhere on the way, if no
/// step, however short, avoids a loss, or if a hundred steps do not suffice.
pub fn maximise_concave(
    start: Vec<f64>,
    value: impl Fn(&[f64]) -> f64,
    derivatives: impl Fn(&[f64]) -> Derivatives,
) -> Option<Vec<f64>> {
    let moved =
        |at: &[f64], step: &[f64], by: f64| -> Vec<f64> { at.iter().zip(step).map(|(x, s)| x + by * s).collect() };
    let mut here = start;
    let mut height = value(&here);
    for _ in 0..MAX_STEPS {
        let Derivatives { gradient, negative_hessian } = derivatives(&here);
        let step = solve_positive_definite(negative_hessian, &gradient)?;
        // Twice the gain that the quadratic model promises.
        let slope = step.iter().zip(&gradient).map(|(s, g)| s * g).sum::<f64>();
        if !slope.is_finite() {
            return None;
        }
        if slope.abs() <= CONVERGED * height.abs().max(1.0) {
            return Some(moved(&here, &step, 1.0));
        }
        (here, height) = (0..MAX_HALVINGS).find_map(|halvings| {
            let there = moved(&here, &step, libm::ldexp(1.0, -halvings));
            let higher = value(&there);
            (higher >= height).then_some((there, higher))
        })?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// f = −(x − 2)² − 3(y + 1)² + (x − 2)(y + 1) is at its maximum in one step, from anywhere.
    #[test]
    fn a_quadratic_takes_one_step() {
        let f = |p: &[f64]| -(p[0] - 2.0).powi(2) - 3.0 * (p[1] + 1.0).powi(2) + (p[0] - 2.0) * (p[1] + 1.0);
        let derivatives = |p: &[f64]| Derivatives {
            gradient: vec![-2.0 * (p[0] - 2.0) + (p[1] + 1.0), -6.0 * (p[1] + 1.0) + (p[0] - 2.0)],
            negative_hessian: vec![vec![2.0], vec![-1.0, 6.0]],
        };
        let found = maximise_concave(vec![40.0, -9.0], f, derivatives).unwrap();
        assert!((found[0] - 2.0).abs() < 1e-12 && (found[1] + 1.0).abs() < 1e-12, "{found:?}");
    }

    /// f = −ln cosh x: beyond |x| = 1.09 a full Newton step overshoots and diverges, a halved one does not.
    #[test]
    fn steps_that_would_lose_are_halved() {
        let f = |p: &[f64]| -libm::log(libm::cosh(p[0]));
        let derivatives = |p: &[f64]| {
            let t = libm::tanh(p[0]);
            Derivatives { gradient: vec![-t], negative_hessian: vec![vec![1.0 - t * t]] }
        };
        let found = maximise_concave(vec![3.0], f, derivatives).unwrap();
        assert!(found[0].abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn a_function_that_is_not_concave_has_no_maximum_found() {
        let convex = |p: &[f64]| Derivatives { gradient: vec![2.0 * p[0]], negative_hessian: vec![vec![-2.0]] };
        assert_eq!(maximise_concave(vec![1.0], |p| p[0] * p[0], convex), None);
        // Linear: rises for ever.
        let line = |_: &[f64]| Derivatives { gradient: vec![1.0], negative_hessian: vec![vec![0.0]] };
        assert_eq!(maximise_concave(vec![1.0], |p| p[0], line), None);
    }
}
