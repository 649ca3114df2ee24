//! Special functions that `libm` does not have, for positive arguments and to full precision. They use only arithmetic and
//! `libm`, so that they give the same bytes everywhere.

use libm::{exp, lgamma, log, log1p, sqrt};

/// Smaller arguments are shifted up to this before an asymptotic series is used.
const LARGE: f64 = 16.0;

/// ln Γ(x) for x > 0.
pub fn ln_gamma(x: f64) -> f64 {
    lgamma(x)
}

/// ψ(x) = d/dx ln Γ(x) for x > 0: recurrence upwards, then the asymptotic series (Abramowitz & Stegun 6.3.18).
pub fn digamma(x: f64) -> f64 {
    let (mut z, mut below) = (x, 0.0);
    while z < LARGE {
        below += 1.0 / z;
        z += 1.0;
    }
    let w = 1.0 / (z * z);
    let series = w
        * (1.0 / 12.0
            - w * (1.0 / 120.0 - w * (1.0 / 252.0 - w * (1.0 / 240.0 - w * (1.0 / 132.0 - w * (691.0 / 32760.0))))));
    log(z) - 0.5 / z - series - below
}

/// ψ′(x) for x > 0 (Abramowitz & Stegun 6.4.12).
pub fn trigamma(x: f64) -> f64 {
    let (mut z, mut below) = (x, 0.0);
    while z < LARGE {
        below += 1.0 / (z * z);
        z += 1.0;
    }
    let w = 1.0 / (z * z);
    let series = w / z
        * (1.0 / 6.0
            - w * (1.0 / 30.0 - w * (1.0 / 42.0 - w * (1.0 / 30.0 - w * (5.0 / 66.0 - w * (691.0 / 2730.0))))));
    below + 1.0 / z + 0.5 * w + series
}

/// The remainder of Stirling's formula for ln Γ(z), for z ≥ [`LARGE`].
fn stirling_rest(z: f64) -> f64 {
    let w = 1.0 / (z * z);
    (1.0 / 12.0 - w * (1.0 / 360.0 - w * (1.0 / 1260.0 - w * (1.0 / 1680.0 - w * (1.0 / 1188.0))))) / z
}

/// The logarithm of the rising factorial, ln (z)ₕ = ln Γ(z + h) − ln Γ(z), for z > 0, h ≥ 0. It is computed without the
/// difference of two large numbers.
pub fn ln_rising(z: f64, h: f64) -> f64 {
    let (mut z, mut ratio) = (z, 1.0);
    while z < LARGE {
        // At most 16 factors, each at most 1 and at least z/(z+h).
        ratio *= z / (z + h);
        z += 1.0;
    }
    let stirling = (z - 0.5) * log1p(h / z) + h * (log(z + h) - 1.0) + stirling_rest(z + h) - stirling_rest(z);
    if ratio > f64::MIN_POSITIVE { stirling + log(ratio) } else { lgamma(z + h) - lgamma(z) + log(ratio) }
}

/// ln B(a, b) for a, b > 0.
pub fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    lgamma(small) - ln_rising(large, small)
}

/// ln (eᵃ + eᵇ); a and b may be −∞.
pub fn ln_sum_exp(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + log1p(exp(low - high)) }
}

/// ln n! = ln Γ(n + 1).
pub fn ln_factorial(n: u32) -> f64 {
    lgamma(f64::from(n) + 1.0)
}

/// The regularised incomplete beta function I_x(a, b). Both x and y = 1 − x are given, so that neither loses digits.
///
/// It is the continued fraction DLMF 8.17.22, by the modified method of Lentz, in the tail where it converges fast.
pub fn beta_regularised(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_tail(b, a, y, x);
    }
    beta_tail(a, b, x, y)
}

fn beta_tail(a: f64, b: f64, x: f64, y: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let front = exp(a * log(x) + b * log(y) - ln_beta(a, b)) / a;
    let (mut c, mut d) = (1.0, 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    // It takes O(√max(a, b)) steps.
    let steps = 200 + (10.0 * sqrt(a.max(b))) as u32;
    for m in (1..steps).map(f64::from) {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// ln (z)ₖ and its first and second derivatives by z, for each k of an ascending list.
///
/// Steps of k are summed as logarithms, not as differences of ln Γ, so that the last digits are right however large z is.
#[derive(Clone, Debug, Default)]
pub struct Rising {
    /// ln (z)ₖ = ln Γ(z+k) − ln Γ(z).
    pub ln: Vec<f64>,
    /// ψ(z+k) − ψ(z).
    pub first: Vec<f64>,
    /// ψ′(z+k) − ψ′(z).
    pub second: Vec<f64>,
}

impl Rising {
    /// The table for the given k, which must not descend.
    pub fn of(z: f64, counts: impl Iterator<Item = u64>) -> Rising {
        let mut table = Rising::default();
        let (mut from, mut ln, mut first, mut second) = (0, 0.0, 0.0, 0.0);
        for k in counts {
            if k - from.min(k) <= LARGE as u64 {
                for i in from..k {
                    let factor = z + i as f64;
                    let inverse = 1.0 / factor;
                    (ln, first, second) = (ln + log(factor), first + inverse, second - inverse * inverse);
                }
            } else {
                let (low, high) = (z + from as f64, z + k as f64);
                ln += ln_rising(low, (k - from) as f64);
                first += digamma(high) - digamma(low);
                second += trigamma(high) - trigamma(low);
            }
            from = k;
            table.ln.push(ln);
            table.first.push(first);
            table.second.push(second);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64, relative: f64) -> bool {
        (got - want).abs() <= relative * want.abs()
    }

    /// mpmath 1.3 at 40 digits: x, ψ(x), ψ′(x).
    const POLYGAMMA: [(f64, f64, f64); 12] = [
        (1.0e-8, -100_000_000.577_215_65, 10_000_000_000_000_001.0),
        (0.001, -1_000.575_571_931_810_3, 1_000_001.642_533_195_8),
        (0.1, -10.423_754_940_411_076, 101.433_299_150_792_75),
        (0.5, -1.963_510_026_021_423_5, 4.934_802_200_544_679),
        (1.0, -0.577_215_664_901_532_9, 1.644_934_066_848_226_4),
        (1.4616, -3.110_625_123_034_165e-5, 0.967_700_711_465_083_5),
        (2.5, 0.703_156_640_645_243_2, 0.490_357_756_100_234_86),
        (7.25, 1.910_453_526_883_736, 0.147_879_233_158_932_17),
        (15.9, 2.734_543_070_175_774, 0.064_912_281_599_060_11),
        (16.0, 2.741_013_328_327_460_4, 0.064_493_783_403_239_36),
        (100.5, 4.605_174_352_581_845, 0.009_999_916_669_583_104),
        (1_000_000.0, 13.815_510_057_964_191, 1.000_000_500_000_166_7e-6),
    ];

    #[test]
    fn polygammas() {
        for (x, psi, psi1) in POLYGAMMA {
            // Beside its root 1.4616… the digamma function cannot have relative precision.
            assert!(close(digamma(x), psi, 1e-12) || (digamma(x) - psi).abs() < 2e-15, "{x}: {}", digamma(x));
            assert!(close(trigamma(x), psi1, 1e-13), "{x}: {}", trigamma(x));
        }
    }

    /// mpmath 1.3 at 40 digits.
    #[test]
    fn rising_factorials_and_betas() {
        for (z, h, want) in [
            (0.01, 0.3, -3.538_107_101_012_916_5),
            (0.5, 3.0, 0.628_608_659_422_374_1),
            (1.0e-6, 50.0, 130.750_237_867_585_14),
            (3.7, 1000.5, 5_932.811_634_781_261),
            (20.0, 0.001, 0.002_970_549_627_215_607_5),
            (1_000_000.0, 0.001, 0.013_815_510_058_464_191),
            (1.0e8, 25.0, 460.517_021_598_808_89),
            (4.0e9, 4.0e9, 89_983_418_236.398_2),
            (1.0e-9, 1_000_000.0, 12_815_483.845_881_79),
        ] {
            assert!(close(ln_rising(z, h), want, 1e-13), "{z} {h}: {}", ln_rising(z, h));
        }
        for (a, b, want) in [
            (0.01, 0.01, 5.298_155_239_985_667),
            (0.5, 1000.0, -2.881_387_696_571_577),
            (50.0, 0.01, 4.560_458_971_309_088),
            (10_000_000.0, 3.0, -47.661_140_072_314_989),
            (800.0, 900.0, -1_177.512_557_156_727_7),
        ] {
            assert!(close(ln_beta(a, b), want, 1e-13), "{a} {b}: {}", ln_beta(a, b));
            assert_eq!(ln_beta(a, b), ln_beta(b, a));
        }
    }

    /// mpmath 1.3 at 40 digits, betainc(regularized=True).
    #[test]
    fn incomplete_betas() {
        for (a, b, x, want) in [
            (1.0, 0.2426, 0.9, 0.427_994_769_584_071_85),
            (10.0, 0.2426, 0.3, 3.480_877_431_133_602_1e-7),
            (10.0, 0.2426, 0.999, 0.643_591_029_390_088_6),
            (500.0, 0.5, 0.99, 0.001_527_357_879_052_989),
            (3.0, 1000.0, 0.001, 0.080_577_590_360_204_41),
            (3.0, 1000.0, 0.01, 0.997_364_395_345_579_3),
            (200.0, 300.0, 0.4, 0.502_428_616_319_932),
            (1.0, 0.001, 0.5, 0.000_692_907_009_547_478_1),
            (40.0, 0.01, 0.99999, 0.070_100_039_838_689_44),
        ] {
            let got = beta_regularised(a, b, x, 1.0 - x);
            assert!(close(got, want, 1e-11), "{a} {b} {x}: {got}");
        }
        assert_eq!(beta_regularised(2.0, 3.0, 0.0, 1.0), 0.0);
        assert_eq!(beta_regularised(2.0, 3.0, 1.0, 0.0), 1.0);
    }

    /// mpmath 1.3: ln (z)ₖ, ψ(z+k) − ψ(z), ψ′(z+k) − ψ′(z) at z = 0.25.
    #[test]
    fn tables_of_rising_factorials() {
        let z = 0.25;
        let counts = [0, 1, 2, 18, 19, 500, 100_000];
        let table = Rising::of(z, counts.into_iter());
        for (i, k) in counts.into_iter().enumerate() {
            let h = k as f64;
            assert!((table.ln[i] - (ln_gamma(z + h) - ln_gamma(z))).abs() < 1e-14 * (1.0 + h * 12.0));
            assert!((table.first[i] - (digamma(z + h) - digamma(z))).abs() < 1e-13);
            assert!((table.second[i] - (trigamma(z + h) - trigamma(z))).abs() < 1e-13);
        }
        // As z grows (z)ₖ becomes zᵏ, to the last digit.
        let table = Rising::of(1e9, [3].into_iter());
        assert!((table.ln[0] - 3.0 * log(1e9) - 3e-9).abs() < 1e-14 * table.ln[0]);
        assert_eq!(ln_sum_exp(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert!((ln_sum_exp(1000.0, 1000.0) - 1000.0 - log(2.0)).abs() < 1e-12);
        assert!((ln_factorial(10) - log(3_628_800.0)).abs() < 1e-14);
    }
}
