//! How many transactions a customer makes before dropping out, which may happen after each of them.

use libm::{exp, expm1, log1p, sqrt};

/// The transactions expected of a customer who drops out after each of them with probability p ~ Beta(a, b), and would make
/// N without dropping out: E[(1 − (1 + p·s)⁻ʳ) / p] over p.
///
/// N has a negative binomial distribution: P(N = n) = (r)ₙ/n! (1−z)ʳ zⁿ with z = s/(1+s). With s = t/α the result is E[X(t)]
/// of the BG/NBD (Fader, Hardie & Lee 2005, eq. 9), computed without the Gaussian hypergeometric function and its
/// singularities at a = 1 and a + b = 1. All arguments must be positive and finite.
pub(super) fn expected_before_dropout(r: f64, s: f64, a: f64, b: f64) -> f64 {
    // An upper bound of the values of N that matter.
    let reach = r * s + 12.0 * sqrt(r * s * (1.0 + s)) + 40.0 * (1.0 + s);
    if reach < 400.0 { by_series(r, s, a, b) } else { by_quadrature(r, s, a, b) }
}

/// Σₙ P(N = n)·Sₙ, where Sₙ = Σ_{j<n} (b)ⱼ/(a+b)ⱼ are the transactions expected if N = n. Every term is positive.
fn by_series(r: f64, s: f64, a: f64, b: f64) -> f64 {
    let z = s / (1.0 + s);
    let mut chance = exp(-r * log1p(s)) * r * z;
    let (mut made, mut still, mut sum) = (1.0, 1.0, chance);
    let mut n = 1.0;
    loop {
        still *= (b + n - 1.0) / (a + b + n - 1.0);
        made += still;
        chance *= z * (r + n) / (n + 1.0);
        n += 1.0;
        sum += chance * made;
        // From here on terms fall at least this fast.
        let fall = z * ((r + n) / (n + 1.0)).max(1.0) * (1.0 + 1.0 / n);
        if (fall < 1.0 && chance * made * fall < 1e-17 * sum * (1.0 - fall)) || n > 5000.0 {
            return sum;
        }
    }
}

/// The trapezoidal rule over v = logit p, in which the density is e^{av}/(1+e^v)^{a+b}: analytic in a strip and falling
/// exponentially on both sides, hence the error falls exponentially with the step (Trefethen & Weideman 2014, SIAM
/// Review 56:385). The result is divided by the sum of the density over the same nodes, so that no beta function is needed.
/// Where the integrand has become e^{av} or e^{−bv}, the rest of the sum is geometric.
fn by_quadrature(r: f64, s: f64, a: f64, b: f64) -> f64 {
    // Around the mode v₀ = ln(a/b): p₀ = a/(a+b), q₀ = 1 − p₀.
    let (p0, q0) = (a / (a + b), b / (a + b));
    let step = (0.7 * sqrt((a + b) / a / b)).min(0.25);
    let node = |d: f64| {
        // e^{a·d} / (1 + p₀(e^d − 1))^{a+b}, by the smaller of p₀ and q₀.
        let (grown, growth) = if d.abs() < 0.5 { (1.0 + expm1(d), expm1(d)) } else { (exp(d), exp(d) - 1.0) };
        let (shrunk, shrink) = (1.0 / grown, -growth / grown);
        let ln_weight =
            if p0 < q0 { a * d - (a + b) * log1p(p0 * growth) } else { -b * d - (a + b) * log1p(q0 * shrink) };
        let p = if d < 0.0 { p0 * grown / (q0 + p0 * grown) } else { p0 / (p0 + q0 * shrunk) };
        let survived = -r * log1p(p * s);
        let made = if survived > -1e-300 { r * s } else { -expm1(survived) / p };
        let weight = exp(ln_weight);
        (weight, weight * made, p)
    };
    let (mut weights, mut sum, _) = node(0.0);
    // Each side until further terms no longer count, or the rest is geometric.
    for (sign, power) in [(-1.0, a), (1.0, b)] {
        let rest = 1.0 / expm1(power * step);
        for k in 1..100_000 {
            let (weight, term, p) = node(sign * step * f64::from(k));
            weights += weight;
            sum += term;
            let even = if sign < 0.0 {
                p * ((r + 1.0) * s + a + b) < 1e-15
            } else {
                let q = q0 * exp(-step * f64::from(k)) / p0;
                q * (a + b + 2.0 + r) < 1e-15
            };
            if even {
                weights += weight * rest;
                sum += term * rest;
                break;
            }
            if weight <= 1e-18 * weights && term <= 1e-18 * sum {
                break;
            }
        }
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// r, s, a, b and the expectation: mpmath 1.3, its adaptive quadrature over logit p at 30 digits.
    const EXPECTED: [(f64, f64, f64, f64, f64); 32] = [
        (0.2426, 0.22657241254304877, 0.7929, 2.4259, 0.053_185_541_226_539_26),
        (0.01, 1e6, 0.01, 0.01, 4_399.587_348_561_22),
        (1000.0, 1e6, 50.0, 1000.0, 21.408163265306122),
        (1000.0, 1e6, 0.01, 1000.0, 879_752_353.374_765_4),
        (0.01, 0.0001, 50.0, 0.01, 9.999495134798863e-7),
        (1000.0, 0.0001, 0.01, 0.01, 0.09757823966691925),
        (0.5, 10000.0, 1.0, 1.0, 7.844_045_677_537_958),
        (1.0, 100.0, 1.0, 2.0, 7.322_543_444_019_344),
        (0.7, 30.0, 0.3, 0.7, 8.012_991_701_794_418),
        (1000.0, 0.39, 3.0, 7.0, 4.498_388_522_240_716),
        (200.0, 2.0, 0.01, 1000.0, 399.287_302_905_875_7),
        (5.0, 1e6, 50.0, 0.01, 1.0002040816326531),
        (13.02, 4743.0, 8.738, 515.5, 67.61928146807946),
        (50.06, 200000.0, 0.0128, 2.129, 8_303_678.455_022_54),
        (520.9, 693.1, 21.5, 0.03682, 1.0017960975609756),
        (2.215, 0.1656, 1.027, 7.408, 0.355_474_943_239_024_2),
        (0.01163, 0.08924, 0.1081, 381.7, 0.001_037_847_938_400_941),
        (67.39, 0.02732, 8.885, 0.04941, 0.840_586_688_776_998_2),
        (12.23, 0.01381, 0.01015, 227.5, 0.16889561184985134),
        (0.2796, 450100.0, 0.9876, 24.5, 163.42801960144614),
        (294.2, 0.4888, 0.2168, 0.06757, 14.692576789515781),
        (123.8, 21.22, 0.1473, 2.547, 1078.5238320094636),
        (33.37, 0.003258, 40.45, 0.01301, 0.10286126450908668),
        (56.1, 40170.0, 0.01166, 86.83, 2024944.7642102519),
        (0.6775, 160.9, 0.0108, 0.01713, 63.873_646_614_577_6),
        (444.9, 300900.0, 0.1879, 0.5942, 3862254.216423515),
        (4.203, 9559.0, 0.0251, 55.21, 34813.242474041733),
        (0.02857, 1.166, 1.817, 389.4, 0.033_220_362_205_073_94),
        (0.501, 207900.0, 1.039, 0.365, 4.086_513_371_910_153),
        (27.92, 934400.0, 0.03958, 0.01749, 4_146_044.208_400_235),
        (858.0, 63.35, 0.3172, 0.1537, 777.973_109_982_259_2),
        (9.328, 27330.0, 0.4847, 1.285, 1_199.145_263_377_026),
    ];

    #[test]
    fn transactions_before_dropout() {
        for (r, s, a, b, want) in EXPECTED {
            let got = expected_before_dropout(r, s, a, b);
            assert!((got / want - 1.0).abs() < 1e-10, "{r} {s} {a} {b}: {got} for {want}: {:e}", got / want - 1.0);
            let reach = r * s + 12.0 * sqrt(r * s * (1.0 + s)) + 40.0 * (1.0 + s);
            let both = by_quadrature(r, s, a, b);
            assert!((both / want - 1.0).abs() < 1e-10, "{r} {s} {a} {b}: {both} by quadrature");
            if reach < 4000.0 {
                let series = by_series(r, s, a, b);
                assert!((series / want - 1.0).abs() < 1e-10, "{r} {s} {a} {b}: {series} by series");
            }
        }
    }
}
