//! Simulated customers of each model, for tests. The same seed gives the same customers everywhere.
//!
//! This file uses nothing of the crate, because the recovery study in benches/recovery includes it.

use libm::{cos, log, log1p, pow, sqrt};

/// SplitMix64 (Steele, Lea & Flood 2014) and the distributions that the models are made of.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Within (0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub(super) fn exponential(&mut self) -> f64 {
        -log(self.uniform())
    }

    /// Box & Muller.
    fn normal(&mut self) -> f64 {
        sqrt(2.0 * self.exponential()) * cos(std::f64::consts::TAU * self.uniform())
    }

    /// Gamma(shape, 1), by Marsaglia & Tsang (2000, ACM TOMS 26:363).
    pub(super) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * pow(self.uniform(), 1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        loop {
            let x = self.normal();
            let root = 1.0 + x / sqrt(9.0 * d);
            let v = root * root * root;
            if v > 0.0 && log(self.uniform()) < 0.5 * x * x + d - d * v + d * log(v) {
                return d * v;
            }
        }
    }

    pub(super) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        x / (x + y)
    }
}

/// Ticks in a unit of time: so fine that whole ticks are as good as real numbers.
pub(super) const TICKS: f64 = 10_000.0;

/// Frequency, recency and age in ticks.
pub(super) type SimulatedHistory = (u32, u32, u32);

fn ticks(t: f64) -> u32 {
    (t * TICKS).round() as u32
}

/// A customer of the BG/NBD (`first` = 0) or MBG/NBD (1), observed for `age`.
pub(super) fn geometric(chance: &mut Chance, first: u32, [r, alpha, a, b]: [f64; 4], age: f64) -> SimulatedHistory {
    let (rate, p) = (chance.gamma(r) / alpha, chance.beta(a, b));
    let (mut t, mut last, mut x) = (0.0, 0.0, 0);
    let mut alive = first == 0 || chance.uniform() > p;
    while alive {
        t += chance.exponential() / rate;
        if t > age {
            break;
        }
        (last, x) = (t, x + 1);
        alive = chance.uniform() > p;
    }
    (x, ticks(last), ticks(age))
}

/// A customer of the Pareto/NBD.
pub(super) fn pareto(chance: &mut Chance, [r, alpha, s, beta]: [f64; 4], age: f64) -> SimulatedHistory {
    let (rate, death) = (chance.gamma(r) / alpha, chance.exponential() * beta / chance.gamma(s));
    let (mut t, mut last, mut x) = (0.0, 0.0, 0);
    loop {
        t += chance.exponential() / rate;
        if t > age.min(death) {
            return (x, ticks(last), ticks(age));
        }
        (last, x) = (t, x + 1);
    }
}

/// What x transactions of a customer of the Gamma-Gamma come to, in hundredths.
pub(super) fn spend(chance: &mut Chance, [p, q, v]: [f64; 3], x: u32) -> i64 {
    let scale = chance.gamma(q) / v;
    (chance.gamma(p * f64::from(x)) / scale * 100.0).round() as i64
}

/// `customers` histories whose ages are spread over [26, 78].
pub(super) fn cohort(
    seed: u64,
    customers: u32,
    mut one: impl FnMut(&mut Chance, f64) -> SimulatedHistory,
) -> Vec<SimulatedHistory> {
    let mut chance = Chance::new(seed);
    (0..customers).map(|i| one(&mut chance, 26.0 + 52.0 * f64::from(i) / f64::from(customers))).collect()
}

/// How many of at most `most` renewals a customer of the beta-discrete-Weibull makes (c = 1: of the
/// shifted-beta-geometric), whose own chance of leaving at the first is p ~ Beta(α, β): n of them with probability
/// (1 − p)^(nᶜ).
pub(super) fn renewals_made(chance: &mut Chance, [alpha, beta, c]: [f64; 3], most: u32) -> u32 {
    let (leaves, stays) = (chance.gamma(alpha), chance.gamma(beta));
    let (lost_heart, patience) = (log1p(leaves / stays), chance.exponential());
    (1..=most).find(|n| pow(f64::from(*n), c) * lost_heart > patience).map_or(most, |left_at| left_at - 1)
}

/// Of `customers` in equal cohorts that were seen for 1, 2 … `longest` renewals: how many stood before each of the
/// renewals, and how many were lost at it.
pub(super) fn renewals(seed: u64, customers: u32, longest: u32, parameters: [f64; 3]) -> Vec<(u64, u64)> {
    let mut chance = Chance::new(seed);
    let mut counts = vec![(0, 0); longest as usize];
    for seen in (0..customers).map(|i| 1 + i % longest) {
        let made = renewals_made(&mut chance, parameters, seen) as usize;
        counts[..made].iter_mut().for_each(|(due, _)| *due += 1);
        if let Some((due, lost)) = counts.get_mut(made).filter(|_| made < seen as usize) {
            (*due, *lost) = (*due + 1, *lost + 1);
        }
    }
    counts
}
