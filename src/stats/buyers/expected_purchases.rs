//! Expected purchases for many customers of one frequency, interpolated from a few exactly computed points.

use std::f64::consts::PI;

use libm::{cos, expm1, log, log1p, sqrt};

use super::dropout_limit::expected_before_dropout;

/// [`expected_before_dropout`] as a function of s, for given r, a and b and s up to a longest one. The expectation divided
/// by s is interpolated by a polynomial of w = ln(1 + s) at Chebyshev's points (Trefethen 2013, Approximation Theory and
/// Approximation Practice, chapter 8).
///
/// The singularities of the function lie at s ≤ −1, hence at |Im w| ≥ π. So with n points the error falls as ρ⁻ⁿ, where ρ
/// belongs to the ellipse that touches them. The number of points is chosen for an error below 10⁻¹¹ of the value.
#[derive(Clone, Debug)]
pub(super) struct ExpectedPurchases {
    /// w of the longest s.
    reach: f64,
    /// Coefficients of Chebyshev's polynomials over [0, reach].
    coefficients: Vec<f64>,
}

const EXACT: f64 = 1e-13;

impl ExpectedPurchases {
    pub(super) fn new(r: f64, a: f64, b: f64, longest: f64) -> ExpectedPurchases {
        let (reach, points) = (ExpectedPurchases::reach(longest), ExpectedPurchases::points(longest));
        let angle = |k: usize| PI * (k as f64 + 0.5) / points as f64;
        let value = |k: usize| {
            let s = expm1(reach * 0.5 * (1.0 + cos(angle(k))));
            expected_before_dropout(r, s, a, b) / s
        };
        let values: Vec<f64> = (0..points).map(value).collect();
        let coefficient = |j: usize| {
            let sum: f64 = values.iter().enumerate().map(|(k, v)| v * cos(j as f64 * angle(k))).sum();
            sum * if j == 0 { 1.0 } else { 2.0 } / points as f64
        };
        ExpectedPurchases { reach, coefficients: (0..points).map(coefficient).collect() }
    }

    fn reach(longest: f64) -> f64 {
        log1p(longest.max(1e-6))
    }

    /// How many points the expectation is computed at.
    pub(super) fn points(longest: f64) -> usize {
        let bend = 2.0 * PI / ExpectedPurchases::reach(longest);
        (-log(EXACT) / log(bend + sqrt(1.0 + bend * bend))).ceil().clamp(8.0, 200.0) as usize
    }

    /// The expectation at an s in [0, longest], by Clenshaw's recurrence.
    pub(super) fn at(&self, s: f64) -> f64 {
        let x = (2.0 * log1p(s) / self.reach - 1.0).clamp(-1.0, 1.0);
        let (mut next, mut after) = (0.0, 0.0);
        for c in self.coefficients[1..].iter().rev() {
            (next, after) = (c + 2.0 * x * next - after, next);
        }
        s * (self.coefficients[0] + x * next - after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolated_as_if_computed() {
        for (r, a, b) in
            [(0.24, 0.79, 2.4), (300.2, 0.01, 302.4), (0.01, 40.0, 0.02), (40.0, 3.0, 45.0), (1.0, 1.0, 1.0)]
        {
            for longest in [1e-9, 0.01, 3.0, 40.0, 2e4] {
                let made = ExpectedPurchases::new(r, a, b, longest);
                for k in 0..=200 {
                    let s = longest * f64::from(k) / 200.0;
                    let (got, want) = (made.at(s), if k == 0 { 0.0 } else { expected_before_dropout(r, s, a, b) });
                    assert!((got - want).abs() <= 1e-10 * want, "{r} {a} {b} at {s}: {got} for {want}");
                }
            }
        }
    }
}
