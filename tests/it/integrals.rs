//! Models of buying by brute force: nothing solved, every average over customers a sum over a fine grid of rates and
//! chances (double exponential quadrature, Takahasi and Mori 1974). The program has these in closed form.

use std::collections::BTreeMap;
use std::f64::consts::FRAC_PI_2;

/// Which model, and its parameters: of the rate of purchases r, α, and of dropping out a, b or s, β.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    pub name: &'static str,
    pub rate: (f64, f64),
    pub leaving: (f64, f64),
}

/// Purchases of a customer, in units of time: x, t_x, T.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub x: f64,
    pub recency: f64,
    pub age: f64,
}

/// A kind of customers: the rate λ, the chance p (or rate μ) of leaving, and the logarithm of how many they are.
struct Node {
    rate: f64,
    ln_rate: f64,
    leaving: f64,
    ln_leaving: f64,
    /// ln(1 − p)
    ln_staying: f64,
    ln_weight: f64,
}

pub struct Grid {
    model: Model,
    nodes: Vec<Node>,
}

const STEP: f64 = 0.05;
/// Many purchases tell a customer's level of spend closely.
const FINE: f64 = 0.005;

/// Points of (0, ∞): logarithm, and logarithm of the weight.
fn half_line(step: f64) -> Vec<(f64, f64)> {
    let point = |i: i32| {
        let s = f64::from(i) * step;
        let ln = FRAC_PI_2 * s.sinh();
        (ln, ln + (FRAC_PI_2 * s.cosh() * step).ln())
    };
    let reach = |s: f64| (s / step) as i32;
    (reach(-6.5)..=reach(4.0)).map(point).collect()
}

/// Points of (0, 1): ln p, ln(1 − p), and logarithm of the weight.
fn interval() -> Vec<(f64, f64, f64)> {
    let point = |i: i32| {
        let s = f64::from(i) * STEP;
        let y = 2.0 * FRAC_PI_2 * s.sinh();
        let ln_of = |y: f64| if y > 0.0 { -(-y).exp().ln_1p() } else { y - y.exp().ln_1p() };
        let (ln_p, ln_q) = (ln_of(y), ln_of(-y));
        (ln_p, ln_q, ln_p + ln_q + (2.0 * FRAC_PI_2 * s.cosh() * STEP).ln())
    };
    (-115..=115).map(point).collect()
}

impl Grid {
    pub fn new(model: Model) -> Grid {
        let ((r, alpha), (a, b)) = (model.rate, model.leaving);
        let mut nodes = vec![];
        for (ln_rate, ln_weight) in half_line(STEP) {
            let rate = ln_rate.exp();
            let of_rate = (r - 1.0) * ln_rate - alpha * rate + ln_weight;
            let mut node = |leaving: f64, ln_leaving: f64, ln_staying: f64, ln_weight: f64| {
                let ln_weight = of_rate + ln_weight;
                nodes.push(Node { rate, ln_rate, leaving, ln_leaving, ln_staying, ln_weight });
            };
            if model.name == "paretonbd" {
                for (ln, w) in half_line(STEP) {
                    node(ln.exp(), ln, 0.0, (a - 1.0) * ln - b * ln.exp() + w);
                }
            } else {
                for (ln_p, ln_q, w) in interval() {
                    node(ln_p.exp(), ln_p, ln_q, (a - 1.0) * ln_p + (b - 1.0) * ln_q + w);
                }
            }
        }
        let top = nodes.iter().map(|n| n.ln_weight).fold(f64::NEG_INFINITY, f64::max);
        nodes.retain(|n| n.ln_weight > top - 700.0);
        Grid { model, nodes }
    }

    /// P(alive), and the transactions expected until each of these times from now.
    pub fn foresee(&self, seen: Seen, until: &[f64]) -> (f64, Vec<f64>) {
        let Seen { x, recency, age } = seen;
        // ln of the likelihood of what was seen: of customers still alive, and of those gone after the last purchase.
        let likelihood = |n: &Node| -> (f64, f64) {
            let bought = n.ln_weight + x * n.ln_rate;
            match self.model.name {
                "bgnbd" => {
                    let gone = n.ln_leaving + (x - 1.0) * n.ln_staying - n.rate * recency;
                    let gone = if x > 0.0 { bought + gone } else { f64::NEG_INFINITY };
                    (bought + x * n.ln_staying - n.rate * age, gone)
                }
                "mbgnbd" => (
                    bought + (x + 1.0) * n.ln_staying - n.rate * age,
                    bought + n.ln_leaving + x * n.ln_staying - n.rate * recency,
                ),
                "paretonbd" => {
                    let both = n.rate + n.leaving;
                    let between = -f64::exp_m1(-both * (age - recency));
                    (bought - both * age, bought + n.ln_leaving - both.ln() - both * recency + between.ln())
                }
                other => panic!("no model {other}"),
            }
        };
        let all: Vec<(f64, f64)> = self.nodes.iter().map(likelihood).collect();
        let top = all.iter().map(|(alive, gone)| alive.max(*gone)).fold(f64::NEG_INFINITY, f64::max);
        let (mut total, mut alive, mut future) = (0.0, 0.0, vec![0.0; until.len()]);
        for (node, (of_alive, of_gone)) in self.nodes.iter().zip(all) {
            let here = (of_alive - top).exp();
            total += here + (of_gone - top).exp();
            alive += here;
            if here > 1e-30 {
                future.iter_mut().zip(until).for_each(|(sum, t)| *sum += here * self.to_come(node, *t));
            }
        }
        (alive / total, future.into_iter().map(|f| f / total).collect())
    }

    /// Repeat transactions of a new customer until a time.
    pub fn of_new(&self, until: f64) -> f64 {
        let top = self.nodes.iter().map(|n| n.ln_weight).fold(f64::NEG_INFINITY, f64::max);
        let (mut total, mut sum) = (0.0, 0.0);
        for node in &self.nodes {
            let weight = (node.ln_weight - top).exp();
            let stays = if self.model.name == "mbgnbd" { node.ln_staying.exp() } else { 1.0 };
            total += weight;
            sum += weight * stays * self.to_come(node, until);
        }
        sum / total
    }

    /// Transactions until a time of somebody who is alive.
    fn to_come(&self, node: &Node, until: f64) -> f64 {
        let leaving = if self.model.name == "paretonbd" { node.leaving } else { node.rate * node.leaving };
        if leaving * until < 1e-12 { node.rate * until } else { node.rate * -f64::exp_m1(-leaving * until) / leaving }
    }
}

/// Gamma-Gamma: what a transaction is expected to bring of a customer whose x repeat transactions had this mean.
pub fn spend((p, q, v): (f64, f64, f64), x: f64, mean: f64) -> f64 {
    let ln: Vec<(f64, f64)> = half_line(FINE)
        .into_iter()
        .map(|(ln, weight)| (ln, (q - 1.0 + p * x) * ln - ln.exp() * (v + x * mean) + weight))
        .collect();
    let top = ln.iter().map(|n| n.1).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = ln.iter().map(|n| (n.1 - top).exp()).sum();
    ln.iter().map(|n| p * (n.1 - top - n.0).exp()).sum::<f64>() / total
}

impl Model {
    /// From estimates by parameter.
    pub fn of(name: &'static str, estimates: &BTreeMap<String, f64>) -> Model {
        let leaving = if name == "paretonbd" { ["s", "beta"] } else { ["a", "b"] };
        let of = |parameter: &str| estimates[parameter];
        Model { name, rate: (of("r"), of("alpha")), leaving: (of(leaving[0]), of(leaving[1])) }
    }
}

#[test]
fn brute_force_gives_printed_figures() {
    let near = |got: f64, expected: f64, tolerance: f64| {
        assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
    };
    // CDNOW: lifetimes' quickstart, and E[X(t)] of Fader, Hardie and Lee's spreadsheet.
    let bg = Model { name: "bgnbd", rate: (0.242593, 4.413532), leaving: (0.792886, 2.425752) };
    let grid = Grid::new(bg);
    near(grid.foresee(Seen { x: 2.0, recency: 30.43, age: 38.86 }, &[39.0]).1[0], 1.226, 1e-3);
    for (t, expected) in [(1.0 / 7.0, 0.0078), (1.0, 0.0532), (3.0, 0.1506), (31.8571, 1.0405), (78.0, 1.8576)] {
        near(grid.of_new(t), expected, 5e-4);
    }
    for (x, recency, age, week) in [(26.0, 30.86, 31.0, 0.710623), (17.0, 28.43, 28.86, 0.486526)] {
        near(grid.foresee(Seen { x, recency, age }, &[1.0]).1[0], week, 1e-4);
    }
    let pareto = Model { name: "paretonbd", rate: (0.5534, 10.5802), leaving: (0.6061, 11.6562) };
    near(Grid::new(pareto).foresee(Seen { x: 26.0, recency: 30.86, age: 31.0 }, &[]).0, 0.9979, 1e-3);
    let printed = (6.25, 3.74, 15.44);
    near(spend(printed, 0.0, 0.0), 35.17, 0.1);
    near(spend(printed, 2.0, 22.35), 24.65, 0.1);
}
