//! The likelihood of the Pareto/NBD over counted histories, in which no row takes an integral.
//!
//! With h(t) = (1 + t/α)^−(r+x) (1 + t/β)^−s a customer's likelihood is (r)ₓ α⁻ˣ times h(T) + ∫ s/(β+τ) h(τ) dτ over
//! (t_x, T): alive at T, or died at τ. Since −h′(τ) = (s/(β+τ) + (r+x)/(α+τ)) h(τ), that is D(t_x) + B(T) for any end e of
//! all times, where D(t) = ∫ s/(β+τ) h(τ) dτ over (t, e), who dies after t, and B(t) = h(e) + ∫ (r+x)/(α+τ) h(τ) dτ over
//! (t, e), who buys after t or lasts. Neither is negative, so that nothing cancels; each depends on one time, so that both
//! are summed backwards from the end, once for every frequency and time that occur together.

use std::ops::Range;

use libm::{exp, log, log1p};
use rayon::prelude::*;

use super::counted::{Counted, Row};
use crate::stats::maximise::Objective;
use crate::stats::quadrature::{Log, over_concave};
use crate::stats::special::Rising;

/// Where B and D are wanted.
pub(super) struct Ends {
    /// Indices of frequencies, and which of `times` are theirs.
    frequencies: Vec<(u32, Range<usize>)>,
    /// Indices of the times of each frequency, rising.
    times: Vec<u32>,
    /// As the counted rows, but that recency and age point to `times`.
    rows: Vec<Row>,
}

impl Ends {
    pub(super) fn of(counted: &Counted) -> Ends {
        const NOWHERE: u32 = u32::MAX;
        let mut ends = Ends { frequencies: vec![], times: vec![], rows: Vec::with_capacity(counted.rows.len()) };
        let mut places = vec![NOWHERE; counted.times.len()];
        for rows in counted.rows.chunk_by(|a, b| a.frequency == b.frequency) {
            let start = ends.times.len();
            for time in rows.iter().flat_map(|row| [row.recency, row.age]) {
                if std::mem::replace(&mut places[time as usize], 0) == NOWHERE {
                    ends.times.push(time);
                }
            }
            let times = &mut ends.times[start..];
            times.sort_unstable();
            times.iter().zip(start as u32..).for_each(|(time, place)| places[*time as usize] = place);
            let place = |time: u32| places[time as usize];
            ends.rows.extend(rows.iter().map(|r| Row { recency: place(r.recency), age: place(r.age), ..*r }));
            times.iter().for_each(|time| places[*time as usize] = NOWHERE);
            ends.frequencies.push((rows[0].frequency, start..ends.times.len()));
        }
        ends
    }
}

/// h and the rates at which it falls, for customers of one frequency.
struct Fading {
    /// r + x.
    shape: f64,
    alpha: f64,
    s: f64,
    beta: f64,
}

/// A time τ: ln(1 + τ/α), ln(1 + τ/β), 1/(α+τ), 1/(β+τ).
#[derive(Clone, Copy)]
struct Moment {
    by_alpha: f64,
    by_beta: f64,
    per_alpha: f64,
    per_beta: f64,
}

/// Of a summand's logarithm: by r, α, s, β, and second derivatives rr, rα, αα, ss, sβ, ββ, beyond which there are none.
#[derive(Clone, Copy)]
struct Slopes {
    first: [f64; 4],
    second: [f64; 6],
}

impl Fading {
    fn moment(&self, t: f64) -> Moment {
        Moment {
            by_alpha: log1p(t / self.alpha),
            by_beta: log1p(t / self.beta),
            per_alpha: 1.0 / (self.alpha + t),
            per_beta: 1.0 / (self.beta + t),
        }
    }

    /// ln h.
    fn ln(&self, m: &Moment) -> f64 {
        -self.shape * m.by_alpha - self.s * m.by_beta
    }

    fn slopes(&self, m: &Moment) -> Slopes {
        let (per_alpha, per_beta) = (1.0 / self.alpha, 1.0 / self.beta);
        let (alpha, beta) = (per_alpha - m.per_alpha, per_beta - m.per_beta);
        let (bought, stayed) = (self.shape * alpha, self.s * beta);
        Slopes {
            first: [-m.by_alpha, bought, -m.by_beta, stayed],
            second: [0.0, alpha, -bought * (per_alpha + m.per_alpha), 0.0, beta, -stayed * (per_beta + m.per_beta)],
        }
    }

    /// h less at τ: by 1/(β+τ) · s of those who die, by 1/(α+τ) · (r+x) of those who buy.
    fn rates(&self, m: &Moment) -> (f64, Slopes, f64, Slopes) {
        let (per_shape, per_s) = (1.0 / self.shape, 1.0 / self.s);
        let mut bought = self.slopes(m);
        let mut died = bought;
        bought.first[0] += per_shape;
        bought.first[1] -= m.per_alpha;
        bought.second[0] -= per_shape * per_shape;
        bought.second[2] += m.per_alpha * m.per_alpha;
        died.first[2] += per_s;
        died.first[3] -= m.per_beta;
        died.second[3] -= per_s * per_s;
        died.second[5] += m.per_beta * m.per_beta;
        (self.shape * m.per_alpha, bought, self.s * m.per_beta, died)
    }
}

/// Adds a summand, given its logarithm's slopes.
fn add(sum: &mut Objective<4>, summand: f64, Slopes { first, second }: &Slopes) {
    sum.value += summand;
    for (i, slope) in first.iter().enumerate() {
        let by = summand * slope;
        sum.gradient[i] += by;
        sum.hessian[i].iter_mut().zip(first).skip(i).for_each(|(bend, other)| *bend += by * other);
    }
    for ((i, j), bend) in [(0, 0), (0, 1), (1, 1), (2, 2), (2, 3), (3, 3)].into_iter().zip(second) {
        sum.hessian[i][j] += summand * bend;
    }
}

/// B and D at one time, in units of h there.
#[derive(Clone)]
struct Sums {
    bought: Objective<4>,
    died: Objective<4>,
}

impl Sums {
    /// At the end of all times, at which nobody has died or bought, and all last.
    fn new(fading: &Fading, end: &Moment) -> Sums {
        let mut sums = Sums { bought: Objective::FLAT, died: Objective::FLAT };
        add(&mut sums.bought, 1.0, &fading.slopes(end));
        sums
    }

    /// At an earlier time `to`: with what falls until `from`, over u = ln((m+τ)/(m+to)), m = min(α, β), in which the
    /// integrand's logarithm is concave and nearly a line.
    fn back(&mut self, fading: &Fading, (from, late): (f64, &Moment), (to, early): (f64, &Moment)) {
        let alpha_less = fading.alpha < fading.beta;
        let (least, most) = (fading.alpha.min(fading.beta) + to, fading.alpha.max(fading.beta) + to);
        let (by_less, by_more) = if alpha_less { (fading.shape, fading.s) } else { (fading.s, fading.shape) };
        // ln of h (m+τ)/(M+τ), M = max(α, β), beside what it is at `to`.
        let at = |u: f64| {
            let less = least * exp(u);
            let more = most + (less - least);
            let grown = log1p((less - least) / most);
            let value = (1.0 - by_less) * u - (1.0 + by_more) * grown;
            (Log { value, slope: 1.0 - by_less - (1.0 + by_more) * less / more }, (u, grown, less, more))
        };
        let mut fallen = Sums { bought: Objective::FLAT, died: Objective::FLAT };
        let peak = over_concave(0.0, log1p((from - to) / least), at, |share, (u, grown, less, more)| {
            let (by_alpha, by_beta, alpha, beta) =
                if alpha_less { (u, grown, less, more) } else { (grown, u, more, less) };
            let m = Moment {
                by_alpha: early.by_alpha + by_alpha,
                by_beta: early.by_beta + by_beta,
                per_alpha: 1.0 / alpha,
                per_beta: 1.0 / beta,
            };
            let (buys, bought, dies, died) = fading.rates(&m);
            // dτ = (m+τ) du.
            add(&mut fallen.bought, share * more * buys, &bought);
            add(&mut fallen.died, share * more * dies, &died);
        });
        let (h, fell) = (exp(fading.ln(late) - fading.ln(early)), exp(peak) * (least / most));
        for (sum, fallen) in [(&mut self.bought, &fallen.bought), (&mut self.died, &fallen.died)] {
            sum.value = h * sum.value + fell * fallen.value;
            for i in 0..4 {
                sum.gradient[i] = h * sum.gradient[i] + fell * fallen.gradient[i];
                for j in i..4 {
                    sum.hessian[i][j] = h * sum.hessian[i][j] + fell * fallen.hessian[i][j];
                }
            }
        }
    }
}

/// The logarithm of a sum in units of h, differentiated; −∞ of nothing.
fn ln(sum: &Objective<4>, ln_h: f64) -> Objective<4> {
    if sum.value <= 0.0 {
        return Objective { value: f64::NEG_INFINITY, ..Objective::FLAT };
    }
    let per = 1.0 / sum.value;
    let mut ln = Objective { value: ln_h + log(sum.value), ..Objective::FLAT };
    for i in 0..4 {
        ln.gradient[i] = per * sum.gradient[i];
        for j in i..4 {
            ln.hessian[i][j] = per * sum.hessian[i][j] - ln.gradient[i] * per * sum.gradient[j];
        }
    }
    ln
}

/// h, ln B and ln D, by times that rise.
fn logarithms(fading: &Fading, times: impl DoubleEndedIterator<Item = f64>) -> Vec<(f64, [Objective<4>; 2])> {
    let mut logarithms = vec![];
    let mut later: Option<(f64, Moment, Sums)> = None;
    for t in times.rev() {
        let here = fading.moment(t);
        let sums = match later {
            None => Sums::new(fading, &here),
            Some((from, late, mut sums)) => {
                sums.back(fading, (from, &late), (t, &here));
                sums
            }
        };
        let ln_h = fading.ln(&here);
        logarithms.push((ln_h, [ln(&sums.bought, ln_h), ln(&sums.died, ln_h)]));
        later = Some((t, here, sums));
    }
    logarithms.reverse();
    logarithms
}

/// P(alive | x, t_x, T) = h(T)/(B(T) + D(t_x)) of one x, by t_x and T among times that rise; `None` beyond them.
pub(super) fn alive(
    [r, alpha, s, beta]: [f64; 4],
    frequency: u32,
    times: impl DoubleEndedIterator<Item = f64>,
) -> impl Fn(u32, u32) -> Option<f64> {
    let fading = Fading { shape: r + f64::from(frequency), alpha, s, beta };
    let of_time = |(ln_h, [bought, died]): (f64, [Objective<4>; 2])| (ln_h, exp(bought.value - ln_h), died.value);
    let table: Vec<(f64, f64, f64)> = logarithms(&fading, times).into_iter().map(of_time).collect();
    move |recency, age| {
        let ((ln_h, bought, _), (.., ln_died)) = (table.get(age as usize)?, table.get(recency as usize)?);
        Some((1.0 / (bought + exp(ln_died - ln_h))).min(1.0))
    }
}

/// The log-likelihood, exactly differentiated. A row adds ln(B + D): with δ = ln D − ln B and w = e^δ/(1+e^δ), its gradient
/// is (1−w)∇ln B + w∇ln D and its Hessian (1−w)∇²ln B + w∇²ln D + w(1−w)∇δ∇δᵀ.
pub(super) fn likelihood(counted: &Counted, ends: &Ends, parameters: &[f64; 4]) -> Option<Objective<4>> {
    let [r, alpha, s, beta] = *parameters;
    let buys = Rising::of(r, counted.frequencies.iter().map(|x| u64::from(*x)));
    let mut sum = Objective::FLAT;
    for (i, (x, n)) in counted.frequencies.iter().zip(&counted.frequency_customers).enumerate() {
        let repeats = n * f64::from(*x);
        sum.value += n * buys.ln[i] - repeats * log(alpha);
        sum.gradient[0] += n * buys.first[i];
        sum.hessian[0][0] += n * buys.second[i];
        sum.gradient[1] -= repeats / alpha;
        sum.hessian[1][1] += repeats / (alpha * alpha);
    }
    let of_frequency = |(frequency, range): &(u32, Range<usize>)| {
        let shape = r + f64::from(counted.frequencies[*frequency as usize]);
        let times = ends.times[range.clone()].iter().map(|time| counted.times[*time as usize]);
        logarithms(&Fading { shape, alpha, s, beta }, times).into_iter().map(|(_, of_time)| of_time)
    };
    let logarithms: Vec<_> = ends.frequencies.par_iter().flat_map_iter(of_frequency).collect();
    let rows = Objective::over(&ends.rows, |sum, row| {
        let ([bought, _], [_, died]) = (&logarithms[row.age as usize], &logarithms[row.recency as usize]);
        let delta = died.value - bought.value;
        let e = exp(-delta.abs());
        let share = 1.0 / (1.0 + e);
        let n = f64::from(row.customers);
        let w = n * if delta >= 0.0 { share } else { e * share };
        let (rest, q) = (n - w, n * e * share * share);
        let by: [f64; 4] = std::array::from_fn(|i| died.gradient[i] - bought.gradient[i]);
        sum.value += n * (bought.value + delta.max(0.0) + log1p(e));
        for i in 0..4 {
            sum.gradient[i] += rest * bought.gradient[i] + w * died.gradient[i];
            for j in i..4 {
                sum.hessian[i][j] += rest * bought.hessian[i][j] + w * died.hessian[i][j] + q * by[i] * by[j];
            }
        }
    });
    Some(sum.plus(&rows))
}
