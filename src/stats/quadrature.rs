//! Integrals of functions whose logarithm is concave, such as densities, and products of densities and survival functions.

use libm::{exp, log};

/// Gauss–Legendre rules with twelve, six and four nodes. They are exact to 1e-14 for e^{cu} over |u| ≤ 1 up to c = 6, 0.6 and
/// 0.1. These are the positive nodes with their weights, by mpmath 1.3 at 40 digits.
const TWELVE: [(f64, f64); 6] = [
    (0.1252334085114689, 0.24914704581340277),
    (0.3678314989981802, 0.2334925365383548),
    (0.5873179542866175, 0.20316742672306592),
    (0.7699026741943047, 0.16007832854334622),
    (0.9041172563704749, 0.10693932599531843),
    (0.9815606342467192, 0.04717533638651183),
];
const SIX: [(f64, f64); 3] = [
    (0.2386191860831969, 0.46791393457269104),
    (0.6612093864662645, 0.3607615730481386),
    (0.932469514203152, 0.17132449237917036),
];
const FOUR: [(f64, f64); 2] = [(0.33998104358485626, 0.6521451548625461), (0.8611363115940526, 0.34785484513745385)];

/// Values below e⁻³⁸ of the peak are neglected.
const NOTHING: f64 = 38.0;
/// The greatest change of the logarithm over one panel.
const STEEPEST: f64 = 10.0;
/// The greatest length of a panel. Singularities must be farther away than this; those of 1/(α + e^u) are at a distance of π.
const LONGEST: f64 = 1.5;

/// The logarithm of a function at a point, and its slope there.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// f(u).
    pub value: f64,
    /// f′(u).
    pub slope: f64,
}

/// Integrates e^f over [low, high] for a concave f, and anything that f computes besides.
///
/// `visit` is called for each node from left to right, with weight · e^(f − peak) and what f gave besides. Parts of the range
/// where e^f is negligible beside its peak are cut off.
///
/// Returns the peak, which is the maximum of f over the range; −∞ for an empty range.
pub fn over_concave<P>(low: f64, high: f64, f: impl Fn(f64) -> (Log, P), mut visit: impl FnMut(f64, P)) -> f64 {
    if low >= high || (high - low).is_nan() {
        return f64::NEG_INFINITY;
    }
    let (left, right) = (f(low).0, f(high).0);
    let peak = if left.slope <= 0.0 {
        left.value
    } else if right.slope >= 0.0 {
        right.value
    } else {
        f(maximum(low, high, |u| f(u).0.slope)).0.value
    };
    let (from, left) = cut(low, left, peak - NOTHING, &f);
    let (to, right) = cut(high, right, peak - NOTHING, &f);
    let (length, steepness) = (to - from, left.slope.abs().max(right.slope.abs()));
    if !(length > 0.0 && steepness.is_finite()) {
        return f64::NEG_INFINITY;
    }
    // A size of 1 is the most that one panel of twelve nodes may have.
    let size = length * (1.0 / LONGEST).max(steepness / STEEPEST);
    let panels = size.min(10_000.0) as u32 + 1;
    let nodes = match size {
        ..=0.0175 => &FOUR[..],
        ..=0.1 => &SIX,
        _ => &TWELVE,
    };
    let half = 0.5 * length / f64::from(panels);
    for panel in 0..panels {
        let middle = from + half * f64::from(2 * panel + 1);
        let left = nodes.iter().rev().map(|(x, w)| (-x, w));
        for (x, w) in left.chain(nodes.iter().map(|(x, w)| (*x, w))) {
            let (log, besides) = f(middle + half * x);
            visit(half * w * exp(log.value - peak), besides);
        }
    }
    peak
}

/// ln ∫ e^f over [low, high] for a concave f; −∞ for an empty range.
pub fn ln_integral(low: f64, high: f64, f: impl Fn(f64) -> Log) -> f64 {
    let mut sum = 0.0;
    let peak = over_concave(low, high, |u| (f(u), ()), |share, ()| sum += share);
    if sum > 0.0 { peak + log(sum) } else { f64::NEG_INFINITY }
}

/// The point at which a falling slope changes its sign.
fn maximum(mut low: f64, mut high: f64, slope: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if slope(middle) > 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Moves an end at which f lies below the floor towards the point where f reaches it. Newton's steps never overshoot on a
/// concave function, so a few of them suffice.
fn cut<P>(mut at: f64, mut here: Log, floor: f64, f: impl Fn(f64) -> (Log, P)) -> (f64, Log) {
    for _ in 0..60 {
        if !(here.value < floor - 2.0 && here.slope != 0.0) {
            break;
        }
        at += (floor - here.value) / here.slope;
        here = f(at).0;
    }
    (at, here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bells_and_exponentials() {
        let bell = |u: f64| Log { value: -0.5 * u * u, slope: -u };
        let root = libm::sqrt(2.0 * std::f64::consts::PI);
        for (low, high, want) in [(-1e6, 1e6, root), (0.0, 50.0, 0.5 * root), (-30.0, 0.0, 0.5 * root)] {
            assert!((exp(ln_integral(low, high, bell)) / want - 1.0).abs() < 1e-13);
        }
        for c in [1e-6, 0.3, 8.0, 4000.0, -17.0] {
            let line = |u: f64| Log { value: c * u + 700.0, slope: c };
            let want = log((exp(c.abs()) - 1.0) / c.abs()) + if c < 0.0 { c } else { 0.0 };
            let want = if c > 700.0 { c - log(c) } else { want };
            assert!((ln_integral(0.0, 1.0, line) - 700.0 - want).abs() < 1e-10 * want.abs().max(1.0), "{c}");
        }
        // As short as four, six and twelve nodes are enough for, and a little longer.
        for size in [1e-9, 0.0174, 0.0176, 0.099, 0.101, 0.99, 1.01] {
            for steepness in [0.1, 6.6, 900.0f64] {
                let length = size / (1.0 / LONGEST).max(steepness / STEEPEST);
                for c in [steepness, -steepness] {
                    let got = ln_integral(0.0, length, |u| Log { value: c * u, slope: c });
                    let want = log(libm::expm1(c * length) / c);
                    assert!((got - want).abs() < 1e-13, "{size} {c}: {got} for {want}");
                }
            }
        }
        assert_eq!(ln_integral(1.0, 1.0, bell), f64::NEG_INFINITY);
        assert_eq!(ln_integral(2.0, 1.0, bell), f64::NEG_INFINITY);
    }
}
