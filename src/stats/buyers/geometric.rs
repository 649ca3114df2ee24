//! BG/NBD and MBG/NBD: customers may drop out after each transaction.

use libm::{exp, log, log1p};
use serde::{Deserialize, Serialize};

use super::count_tables::{CountTables, IndexedCell};
use super::dropout_limit::expected_before_dropout;
use super::expected_purchases::ExpectedPurchases;
use super::{BuyerHistories, BuyerModel, FuturePurchases, PurchaseHistory, checked, time};
use crate::stats::fit::{Fit, Parametric};
use crate::stats::optimizer::Objective;
use crate::stats::special::{Rising, beta_regularised, ln_factorial, ln_rising};

/// BG/NBD (Fader, Hardie & Lee 2005, Marketing Science 24:275–284): a customer may drop out after each repeat
/// transaction. So all customers who have not bought again count as alive.
pub type BgNbd = BetaGeometric<0>;

/// MBG/NBD (Batislam, Denizel & Filiztekin 2007, Int. J. Research in Marketing 24:201–209; Hoppe & Wagner 2007,
/// Marketing ZFP 29:75–90): a customer may also drop out after the first transaction.
pub type MbgNbd = BetaGeometric<1>;

/// BG/NBD (`FIRST` = 0) and MBG/NBD (`FIRST` = 1): while alive a customer buys at rate λ ~ Gamma(r, α), α in units of time,
/// and drops out with probability p ~ Beta(a, b) after each repeat transaction, with `FIRST` = 1 also after the first.
///
/// With k = x + FIRST chances of dropping out, the likelihood of one customer is
/// (r)ₓ αʳ (b)ₖ/(a+b)ₖ · [(α+T)^−(r+x) + \[k > 0\] a/(b+k−1) (α+t_x)^−(r+x)]: alive at T, or dropped out at t_x.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 4]", into = "[f64; 4]")]
pub struct BetaGeometric<const FIRST: u32> {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

impl<const FIRST: u32> TryFrom<[f64; 4]> for BetaGeometric<FIRST> {
    type Error = &'static str;

    fn try_from(parameters: [f64; 4]) -> Result<Self, Self::Error> {
        Self::of(&parameters).ok_or("r, alpha, a and b must be positive, and neither tiny nor huge")
    }
}

impl<const FIRST: u32> From<BetaGeometric<FIRST>> for [f64; 4] {
    fn from(m: BetaGeometric<FIRST>) -> [f64; 4] {
        [m.r, m.alpha, m.a, m.b]
    }
}

impl<const FIRST: u32> Parametric for BetaGeometric<FIRST> {
    const NAMES: &'static [&'static str] = &["r", "alpha", "a", "b"];
    const LIMITS: &'static [(&'static str, &'static str)] = &[
        ("hardly anybody buys again", "customers who are alive all buy at the same rate"),
        ("some customers buy again at once", "customers who are alive all buy at the same rate"),
        ("hardly anybody drops out", "customers do not differ in how likely they are to drop out"),
        ("customers drop out at the first chance or never", "hardly anybody drops out after a purchase"),
    ];

    fn of(parameters: &[f64]) -> Option<Self> {
        let [r, alpha, a, b] = checked(parameters)?;
        Some(BetaGeometric { r, alpha, a, b })
    }
}

impl<const FIRST: u32> BetaGeometric<FIRST> {
    /// How many chances of dropping out a customer with x repeat transactions has had.
    fn chances(x: u32) -> u64 {
        u64::from(x) + u64::from(FIRST)
    }

    /// ln of the odds of having dropped out at the last transaction to being alive.
    fn ln_odds_dead(&self, h: &PurchaseHistory) -> f64 {
        let k = Self::chances(h.frequency) as f64;
        if k == 0.0 {
            return f64::NEG_INFINITY;
        }
        let silence = log1p((h.age - h.recency) / (self.alpha + h.recency));
        log(self.a / (self.b + k - 1.0)) + (self.r + f64::from(h.frequency)) * silence
    }
}

impl<const FIRST: u32> BuyerModel for BetaGeometric<FIRST> {
    const NAME: &'static str = if FIRST == 0 { "bgnbd" } else { "mbgnbd" };

    fn fit(buyers: &BuyerHistories) -> Fit<Self> {
        let counted = CountTables::of(buyers);
        super::fit(&counted, starts(&counted), |_| (), |counted, (), p| likelihood::<FIRST>(counted, p))
    }

    fn ln_likelihood(&self, h: &PurchaseHistory) -> f64 {
        let (x, k) = (f64::from(h.frequency), Self::chances(h.frequency) as f64);
        let buying = ln_rising(self.r, x) - self.r * log1p(h.age / self.alpha) - x * log(self.alpha + h.age);
        let staying = ln_rising(self.b, k) - ln_rising(self.a + self.b, k);
        let odds = self.ln_odds_dead(h);
        buying + staying + odds.max(0.0) + log1p(exp(-odds.abs()))
    }

    /// 1 at x = 0 for the BG/NBD, where only a repeat transaction gives a chance of dropping out.
    fn p_alive(&self, h: &PurchaseHistory) -> f64 {
        1.0 / (1.0 + exp(self.ln_odds_dead(h)))
    }

    fn expected(&self, t: f64) -> f64 {
        let first = f64::from(FIRST);
        let stayed = if FIRST == 0 { 1.0 } else { self.b / (self.a + self.b) };
        stayed * expected_before_dropout(self.r, time(t) / self.alpha, self.a, self.b + first)
    }

    fn future(&self, frequency: u32, age: f64, t: f64) -> f64 {
        let (r, b) = (self.r + f64::from(frequency), self.b + Self::chances(frequency) as f64);
        expected_before_dropout(r, time(t) / (self.alpha + time(age)), self.a, b)
    }

    fn futures(&self, frequency: u32, longest: f64, wanted: usize) -> FuturePurchases {
        let (model, longest, furthest) = (*self, time(longest), time(longest) / self.alpha);
        if wanted <= ExpectedPurchases::points(furthest) {
            return Box::new(move |age, t| model.future(frequency, age, t));
        }
        let (r, b) = (self.r + f64::from(frequency), self.b + Self::chances(frequency) as f64);
        let made = ExpectedPurchases::new(r, self.a, b, furthest);
        Box::new(move |age, t| made.at(time(t).min(longest) / (model.alpha + time(age))))
    }

    /// Exactly n transactions and still alive, or at least n and dropped out at the n-th.
    fn pmf(&self, n: u32, t: f64) -> f64 {
        let (t, x, k) = (time(t), f64::from(n), Self::chances(n) as f64);
        let (z, rest) = (t / (self.alpha + t), self.alpha / (self.alpha + t));
        let stayed = exp(ln_rising(self.b, k) - ln_rising(self.a + self.b, k));
        let exactly = if n == 0 {
            exp(self.r * log(rest))
        } else if z > 0.0 {
            exp(ln_rising(self.r, x) - ln_factorial(n) + self.r * log(rest) + x * log(z))
        } else {
            0.0
        };
        let at_least = if n == 0 { 1.0 } else { beta_regularised(x, self.r, z, rest) };
        let left = if k == 0.0 { 0.0 } else { self.a / (self.b + k - 1.0) * at_least };
        (stayed * (exactly + left)).clamp(0.0, 1.0)
    }
}

/// Starting points: shapes that are common in practice, scaled to how often these customers buy.
fn starts(counted: &CountTables) -> Vec<[f64; 4]> {
    let rate = counted.rate();
    // Customers who drop out buy faster while alive than the mean rate over all time.
    [[0.3, 0.8, 2.5], [1.0, 0.2, 2.0], [3.0, 1.0, 10.0]].map(|[r, a, b]| [r, 0.5 * r / rate, a, b]).to_vec()
}

/// The log-likelihood with exact derivatives, in one pass over the rows.
///
/// Terms that depend on x alone or on T alone are summed over the marginal counts. A row adds ln(1 + e^δ), where
/// δ = ln a − ln(b+k−1) + (r+x)(ln(α+T) − ln(α+t_x)). With w = e^δ/(1+e^δ) its gradient is w∇δ and its Hessian
/// w∇²δ + w(1−w)∇δ∇δᵀ.
pub(super) fn likelihood<const FIRST: u32>(counted: &CountTables, parameters: &[f64; 4]) -> Option<Objective<4>> {
    let [r, alpha, a, b] = *parameters;
    let chances = || counted.frequencies.iter().map(|x| u64::from(*x) + u64::from(FIRST));
    let buys = Rising::of(r, counted.frequencies.iter().map(|x| u64::from(*x)));
    let (stays, leaves) = (Rising::of(b, chances()), Rising::of(a + b, chances()));
    let mut s = Objective::ZERO;
    for (i, n) in counted.frequency_customers.iter().enumerate() {
        s.value += n * (buys.ln[i] + stays.ln[i] - leaves.ln[i]);
        s.gradient[0] += n * buys.first[i];
        s.hessian[0][0] += n * buys.second[i];
        s.gradient[2] -= n * leaves.first[i];
        s.hessian[2][2] -= n * leaves.second[i];
        s.hessian[2][3] -= n * leaves.second[i];
        s.gradient[3] += n * (stays.first[i] - leaves.first[i]);
        s.hessian[3][3] += n * (stays.second[i] - leaves.second[i]);
    }
    let logs: Vec<f64> = counted.times.iter().map(|t| log(alpha + t)).collect();
    let inverses: Vec<f64> = counted.times.iter().map(|t| 1.0 / (alpha + t)).collect();
    for (i, t) in counted.times.iter().enumerate() {
        let (n, repeats, inverse) = (counted.age_customers[i], counted.age_repeats[i], inverses[i]);
        let grown = log1p(t / alpha);
        s.value -= n * r * grown + repeats * logs[i];
        s.gradient[0] -= n * grown;
        s.gradient[1] += n * r * t / alpha * inverse - repeats * inverse;
        s.hessian[0][1] += n * t / alpha * inverse;
        s.hessian[1][1] += repeats * inverse * inverse - n * r * t / alpha * inverse * (1.0 / alpha + inverse);
    }

    // r + x, ln a − ln(b+k−1) and 1/(b+k−1) by frequency. At k = 0 nobody can have dropped out; those rows come first and
    // are skipped.
    let left: Vec<(f64, f64, f64)> = counted
        .frequencies
        .iter()
        .zip(chances())
        .map(|(x, k)| {
            let at = b + k.max(1) as f64 - 1.0;
            (r + f64::from(*x), log(a / at), 1.0 / at)
        })
        .collect();
    let idle = |row: &IndexedCell| FIRST == 0 && counted.frequencies[row.frequency as usize] == 0;
    let rows = &counted.rows[counted.rows.partition_point(idle)..];
    let by_a = 1.0 / a;
    let dropped = Objective::sum_over(rows, |s, row| {
        let (recency, age) = (row.recency as usize, row.age as usize);
        let (shape, ln_ratio, per_b) = left[row.frequency as usize];
        let (early, late) = (inverses[recency], inverses[age]);
        let by = [logs[age] - logs[recency], shape * (late - early), by_a, -per_b];
        let delta = ln_ratio + shape * by[0];
        let e = exp(-delta.abs());
        let share = 1.0 / (1.0 + e);
        let n = f64::from(row.customers);
        let w = n * if delta >= 0.0 { share } else { e * share };
        let q = n * e * share * share;
        s.value += n * (delta.max(0.0) + log1p(e));
        for i in 0..4 {
            s.gradient[i] += w * by[i];
            for j in i..4 {
                s.hessian[i][j] += q * by[i] * by[j];
            }
        }
        s.hessian[0][1] += w * (late - early);
        s.hessian[1][1] -= w * by[1] * (early + late);
        s.hessian[2][2] -= w * by_a * by_a;
        s.hessian[3][3] += w * per_b * per_b;
    });
    Some(s.plus(&dropped))
}
