//! Pareto/NBD: customers may die at any time, at rates that differ between them.

use libm::{exp, expm1, log, log1p};
use serde::{Deserialize, Serialize};

use super::count_tables::CountTables;
use super::silence_integral::{self, SilenceIntegral};
use super::{AliveProbability, BuyerHistories, BuyerModel, PurchaseHistory, checked, one_by_one, time};
use crate::stats::fit::{Fit, Parametric};
use crate::stats::quadrature::{Log, ln_integral};
use crate::stats::special::{ln_factorial, ln_rising, ln_sum_exp};

/// Pareto/NBD (Schmittlein, Morrison & Colombo 1987, Management Science 33:1–24): a customer buys at rate
/// λ ~ Gamma(r, α) and dies at rate μ ~ Gamma(s, β); α and β are in units of time.
///
/// The likelihood of one customer (Fader & Hardie 2005, "A Note on Deriving the Pareto/NBD Model") is
/// (r)ₓ αʳ βˢ · [(α+T)^−(r+x) (β+T)^−s + s ∫ (α+τ)^−(r+x) (β+τ)^−(s+1) dτ over (t_x, T)]: the customer is alive at T, or
/// died at τ. The integral is computed by Gauss–Legendre quadrature; as a difference of hypergeometric functions it would
/// lose digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 4]", into = "[f64; 4]")]
pub struct ParetoNbd {
    r: f64,
    alpha: f64,
    s: f64,
    beta: f64,
}

impl TryFrom<[f64; 4]> for ParetoNbd {
    type Error = &'static str;

    fn try_from(parameters: [f64; 4]) -> Result<Self, Self::Error> {
        Self::of(&parameters).ok_or("r, alpha, s and beta must be positive, and neither tiny nor huge")
    }
}

impl From<ParetoNbd> for [f64; 4] {
    fn from(m: ParetoNbd) -> [f64; 4] {
        [m.r, m.alpha, m.s, m.beta]
    }
}

impl Parametric for ParetoNbd {
    const NAMES: &'static [&'static str] = &["r", "alpha", "s", "beta"];
    const LIMITS: &'static [(&'static str, &'static str)] = &[
        ("hardly anybody buys again", "customers who are alive all buy at the same rate"),
        ("some customers buy again at once", "customers who are alive all buy at the same rate"),
        ("hardly anybody drops out", "customers do not differ in how likely they are to drop out"),
        (
            "some customers drop out at once",
            "customers do not differ in how likely they are to drop out, or hardly any do",
        ),
    ];

    fn of(parameters: &[f64]) -> Option<Self> {
        let [r, alpha, s, beta] = checked(parameters)?;
        Some(ParetoNbd { r, alpha, s, beta })
    }
}

/// The silence since the last transaction, during which a customer may have died.
///
/// The odds of having died to being alive are ∫ s/(β+τ) ((α+T)/(α+τ))^(r+x) ((β+T)/(β+τ))^s dτ over (t_x, T). In
/// u = ln((m+τ)/(m+T)), m = min(α, β), the logarithm of the integrand is concave and nearly linear.
struct Silence {
    /// r + x and s.
    shape: f64,
    s: f64,
    /// m = α.
    alpha_less: bool,
    /// m + T, and |α − β|.
    least: f64,
    gap: f64,
    /// ln(s (m+T)/(β+T)): the integrand by u at T.
    ln_end: f64,
    start: f64,
}

impl Silence {
    fn of(parameters: &[f64; 4], ln_s: f64, frequency: f64, recency: f64, age: f64) -> Silence {
        let [r, alpha, s, beta] = *parameters;
        let (alpha_less, m) = (alpha < beta, alpha.min(beta));
        let ln_end = if alpha_less { ln_s - log1p((beta - alpha) / (alpha + age)) } else { ln_s };
        let start = -log1p((age - recency) / (m + recency));
        Silence { shape: r + frequency, s, alpha_less, least: m + age, gap: (alpha - beta).abs(), ln_end, start }
    }

    /// The logarithm of the integrand at u (that at τ times dτ/du = m + τ), and its slope.
    fn at(&self, u: f64) -> Log {
        let less = self.least * exp(u);
        let (ago, more) = (self.least - less, self.gap + less);
        let by_more = log1p(ago / more);
        if self.alpha_less {
            let value = self.ln_end - self.shape * u + (self.s + 1.0) * by_more + u;
            let slope = 1.0 - self.shape - (self.s + 1.0) * less / more;
            Log { value, slope }
        } else {
            let value = self.ln_end + self.shape * by_more - self.s * u;
            let slope = -self.s - self.shape * less / more;
            Log { value, slope }
        }
    }

    fn ln_odds_dead(&self) -> f64 {
        ln_integral(self.start, 0.0, |u| self.at(u))
    }
}

impl ParetoNbd {
    fn silence(&self, h: &PurchaseHistory) -> Silence {
        Silence::of(&(*self).into(), log(self.s), f64::from(h.frequency), h.recency, h.age)
    }
}

/// (1 − e^{−e·l})/e; l at e = 0.
fn saturating(e: f64, l: f64) -> f64 {
    if (e * l).abs() < 1e-280 { l } else { -expm1(-e * l) / e }
}

impl BuyerModel for ParetoNbd {
    const NAME: &'static str = "paretonbd";

    fn fit(buyers: &BuyerHistories) -> Fit<Self> {
        let counted = CountTables::of(buyers);
        super::fit(&counted, starts(&counted), SilenceIntegral::of, silence_integral::likelihood)
    }

    fn ln_likelihood(&self, h: &PurchaseHistory) -> f64 {
        let x = f64::from(h.frequency);
        let buying = ln_rising(self.r, x) - self.r * log1p(h.age / self.alpha) - x * log(self.alpha + h.age);
        buying - self.s * log1p(h.age / self.beta) + ln_sum_exp(0.0, self.silence(h).ln_odds_dead())
    }

    fn p_alive(&self, h: &PurchaseHistory) -> f64 {
        1.0 / (1.0 + exp(self.silence(h).ln_odds_dead()))
    }

    fn alive(&self, frequency: u32, longest: u32, per_unit: f64, wanted: usize) -> AliveProbability {
        if wanted <= longest as usize {
            return one_by_one(*self, frequency, per_unit);
        }
        let ticks = 0..longest.saturating_add(1);
        Box::new(silence_integral::alive((*self).into(), frequency, ticks.map(move |tick| f64::from(tick) / per_unit)))
    }

    /// r β/(α (s−1)) · [1 − (β/(β+t))^(s−1)].
    fn expected(&self, t: f64) -> f64 {
        self.r / self.alpha * self.beta * saturating(self.s - 1.0, log1p(time(t) / self.beta))
    }

    /// (r+x)(β+T)/((α+T)(s−1)) · [1 − ((β+T)/(β+T+t))^(s−1)].
    fn future(&self, frequency: u32, age: f64, t: f64) -> f64 {
        let (age, t) = (time(age), time(t));
        let rate = (self.r + f64::from(frequency)) / (self.alpha + age);
        rate * (self.beta + age) * saturating(self.s - 1.0, log1p(t / (self.beta + age)))
    }

    /// Alive at t with n transactions, or dead since a time τ before it with n until then, integrated over ln τ.
    fn pmf(&self, n: u32, t: f64) -> f64 {
        let (t, x) = (time(t), f64::from(n));
        if n == 0 {
            return PurchaseHistory::new(0, 0.0, t).map_or(1.0, |h| exp(self.ln_likelihood(&h)).min(1.0));
        }
        if t == 0.0 {
            return 0.0;
        }
        let ways = ln_rising(self.r, x) - ln_factorial(n);
        let bought = |tau: f64| -self.r * log1p(tau / self.alpha) - x * log1p(self.alpha / tau);
        let died = |u: f64| {
            let tau = exp(u);
            // s βˢ/(β+τ)^(s+1) · τ
            let value = log(self.s) - self.s * log1p(tau / self.beta) - log1p(self.beta / tau) + bought(tau);
            let slope = 1.0 + x - (self.r + x) * tau / (self.alpha + tau) - (self.s + 1.0) * tau / (self.beta + tau);
            Log { value, slope }
        };
        let end = log(t);
        // τ^(x+1) no longer counts at e⁻⁸⁰ times the end, or times the point at which the integrand levels off.
        let start = end.min(log(self.alpha)).min(log(self.beta)) - 80.0;
        let alive = bought(t) - self.s * log1p(t / self.beta);
        exp(ways + ln_sum_exp(alive, ln_integral(start, end, died))).min(1.0)
    }
}

/// Starting points: shapes that are common in practice, scaled to how often these customers buy and how long they were seen.
fn starts(counted: &CountTables) -> Vec<[f64; 4]> {
    let (rate, age) = (counted.rate(), counted.mean_age());
    [[0.5, 0.6, 0.5], [1.0, 0.3, 2.0], [3.0, 2.0, 1.0]]
        .map(|[r, s, ages]| [r, 0.5 * r / rate, s, s * ages * age])
        .to_vec()
}
