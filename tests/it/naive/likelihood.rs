//! DEFINITIONS §6: likelihoods of the fitted models, from their papers, customer by customer.
//!
//! What customers bought and which renewals fell due is counted from the rows, so that a published log-likelihood says that
//! both the counts and the formula are right.

use super::buying::Bought;
use super::{Book, contracts};

fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// Times in units of so many days.
#[derive(Clone, Copy)]
struct Times {
    x: f64,
    recency: f64,
    age: f64,
}

/// Log-likelihood of purchases at the parameters in the order of their names in table `model_fits`.
pub fn of_buying(model: &str, p: &[f64], bought: &[Bought], unit: f64) -> f64 {
    let of_one = |b: &Bought| {
        let t = Times { x: b.x as f64, recency: b.recency as f64 / unit, age: b.age as f64 / unit };
        match model {
            "bgnbd" => beta_geometric(p, t, false),
            "mbgnbd" => beta_geometric(p, t, true),
            "paretonbd" => pareto(p, t),
            "gammagamma" if b.x > 0 && b.cents > 0 => spends(p, t.x, b.cents as f64 / 100.0 / t.x),
            "gammagamma" => 0.0,
            other => panic!("no model {other}"),
        }
    };
    bought.iter().map(of_one).sum()
}

/// Fader, Hardie and Lee 2005, equation 6; modified: Batislam, Denizel and Filiztekin 2007, in which a customer may also drop
/// out after the first transaction.
fn beta_geometric(p: &[f64], Times { x, recency, age }: Times, modified: bool) -> f64 {
    let [r, alpha, a, b] = p else { panic!("r, alpha, a, b") };
    let chances = if modified { x + 1.0 } else { x };
    let buying = ln_gamma(r + x) - ln_gamma(*r) + r * alpha.ln();
    let alive = ln_beta(*a, b + chances) - ln_beta(*a, *b) - (r + x) * (alpha + age).ln();
    if chances == 0.0 {
        return buying + alive;
    }
    let dropped = ln_beta(a + 1.0, b + chances - 1.0) - ln_beta(*a, *b) - (r + x) * (alpha + recency).ln();
    let (high, low) = (alive.max(dropped), alive.min(dropped));
    buying + high + (low - high).exp().ln_1p()
}

/// Schmittlein, Morrison and Colombo 1987: alive to the end of the time seen, or dead at some time after the last purchase,
/// over which the sum is taken in steps (Simpson's rule).
fn pareto(p: &[f64], Times { x, recency, age }: Times) -> f64 {
    let [r, alpha, s, beta] = p else { panic!("r, alpha, s, beta") };
    let at_end = -(r + x) * (alpha + age).ln() + s * (beta / (beta + age)).ln();
    // Of dying at a time, relative to what is highest.
    let dying =
        |t: f64| (-(r + x) * (alpha + t).ln() + s.ln() + s * beta.ln() - (s + 1.0) * (beta + t).ln() - at_end).exp();
    // In the logarithm of α + t, in which powers are smooth.
    let (steps, from, to) = (200, (alpha + recency).ln(), (alpha + age).ln());
    let width = (to - from) / f64::from(steps);
    let sum: f64 = (0..=steps)
        .map(|i| {
            let weight = if i == 0 || i == steps { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
            let moved = (from + f64::from(i) * width).exp();
            weight * moved * dying(moved - alpha)
        })
        .sum();
    ln_gamma(r + x) - ln_gamma(*r) + r * alpha.ln() + at_end + (sum * width / 3.0).ln_1p()
}

/// Fader and Hardie 2013, the gamma-gamma model of monetary value, equation 1a.
fn spends(p: &[f64], x: f64, mean: f64) -> f64 {
    let [p, q, v] = p else { panic!("p, q, v") };
    ln_gamma(p * x + q) - ln_gamma(p * x) - ln_gamma(*q) + q * v.ln() + (p * x - 1.0) * mean.ln() + p * x * x.ln()
        - (p * x + q) * (v + x * mean).ln()
}

/// Due and lost at each renewal of contracts of one billing interval, from the first on. Subscriptions here are one row each
/// and none is paused or overdue. Who leaves within a term is lost at its end, if that is before as_of.
pub fn renewals(book: &Book, interval: &str) -> Vec<(i64, i64)> {
    let mut counts: Vec<(i64, i64)> = vec![];
    let rows = book.people.values().flat_map(|p| &p.subscriptions);
    for s in rows.filter(|s| s.interval.unwrap_or("month") == interval) {
        for (n, day) in (0..).map(|n| (n, contracts::renewal(s, n as i64 + 1))).take_while(|(_, day)| *day < book.as_of)
        {
            counts.resize(counts.len().max(n + 1), (0, 0));
            counts[n].0 += 1;
            if book.end(s) <= day {
                counts[n].1 += 1;
                break;
            }
        }
    }
    counts
}

/// Fader and Hardie 2007 (sbg), and with a power of time Fader, Hardie, Liu, Davin and Steenburgh 2018 (bdw).
pub fn of_renewals(p: &[f64], counts: &[(i64, i64)]) -> f64 {
    let (alpha, beta, c) = (p[0], p[1], p.get(2).copied().unwrap_or(1.0));
    let ln_survival = |t: f64| ln_beta(alpha, beta + t.powf(c)) - ln_beta(alpha, beta);
    let of_one = |(n, (due, lost)): (i32, &(i64, i64))| {
        let kept = ln_survival(f64::from(n)) - ln_survival(f64::from(n - 1));
        (due - lost) as f64 * kept + if *lost > 0 { *lost as f64 * (-kept.exp_m1()).ln() } else { 0.0 }
    };
    (1..).zip(counts).map(of_one).sum()
}
