//! The likelihood of the Pareto/NBD over counted histories, without an integral for each history.
//!
//! With h(t) = (1 + t/α)^−(r+x) (1 + t/β)^−s a customer's likelihood is (r)ₓ α⁻ˣ times h(T) + ∫ s/(β+τ) h(τ) dτ over
//! (t_x, T): the customer is alive at T, or died at τ during the silence. Since −h′(τ) = (s/(β+τ) + (r+x)/(α+τ)) h(τ), it
//! equals D(t_x) + B(T) for any time e after all others, where
//!
//! - D(t) = ∫ s/(β+τ) h(τ) dτ over (t, e): the customer dies after t;
//! - B(t) = h(e) + ∫ (r+x)/(α+τ) h(τ) dτ over (t, e): the customer buys after t, or survives to e.
//!
//! Neither is negative, so nothing cancels. Each depends on one time only. So both are summed backwards from the end, once
//! for every pair of frequency and time that occurs.

use std::ops::Range;

use libm::{exp, log, log1p};
use rayon::prelude::*;

use super::count_tables::{CountTables, IndexedCell};
use crate::stats::optimizer::Objective;
use crate::stats::quadrature::{Log, over_concave};
use crate::stats::special::Rising;

/// The frequencies and times at which B and D are needed.
pub(super) struct SilenceIntegral {
    /// The index of each frequency, and which of `times` belong to it.
    frequencies: Vec<(u32, Range<usize>)>,
    /// Indices of the times of each frequency, ascending.
    times: Vec<u32>,
    /// The counted rows, with recency and age as indices into `times`.
    rows: Vec<IndexedCell>,
}

impl SilenceIntegral {
    pub(super) fn of(counted: &CountTables) -> SilenceIntegral {
        const NOWHERE: u32 = u32::MAX;
        let mut ends =
            SilenceIntegral { frequencies: vec![], times: vec![], rows: Vec::with_capacity(counted.rows.len()) };
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
            ends.rows.extend(rows.iter().map(|r| IndexedCell { recency: place(r.recency), age: place(r.age), ..*r }));
            times.iter().for_each(|time| places[*time as usize] = NOWHERE);
            ends.frequencies.push((rows[0].frequency, start..ends.times.len()));
        }
        ends
    }
}

/// h, and the rates at which it falls, for customers of one frequency.
struct SurvivalKernel {
    /// r + x.
    shape: f64,
    alpha: f64,
    s: f64,
    beta: f64,
}

/// What is needed of a time τ: ln(1 + τ/α), ln(1 + τ/β), 1/(α+τ) and 1/(β+τ).
#[derive(Clone, Copy)]
struct TimePoint {
    by_alpha: f64,
    by_beta: f64,
    per_alpha: f64,
    per_beta: f64,
}

/// Derivatives of a summand's logarithm: the first by r, α, s, β; the second rr, rα, αα, ss, sβ, ββ. The others are 0.
#[derive(Clone, Copy)]
struct LogDerivatives {
    first: [f64; 4],
    second: [f64; 6],
}

impl SurvivalKernel {
    fn moment(&self, t: f64) -> TimePoint {
        TimePoint {
            by_alpha: log1p(t / self.alpha),
            by_beta: log1p(t / self.beta),
            per_alpha: 1.0 / (self.alpha + t),
            per_beta: 1.0 / (self.beta + t),
        }
    }

    /// ln h.
    fn ln(&self, m: &TimePoint) -> f64 {
        -self.shape * m.by_alpha - self.s * m.by_beta
    }

    fn slopes(&self, m: &TimePoint) -> LogDerivatives {
        let (per_alpha, per_beta) = (1.0 / self.alpha, 1.0 / self.beta);
        let (alpha, beta) = (per_alpha - m.per_alpha, per_beta - m.per_beta);
        let (bought, stayed) = (self.shape * alpha, self.s * beta);
        LogDerivatives {
            first: [-m.by_alpha, bought, -m.by_beta, stayed],
            second: [0.0, alpha, -bought * (per_alpha + m.per_alpha), 0.0, beta, -stayed * (per_beta + m.per_beta)],
        }
    }

    /// The rates at which h falls at τ, each with the derivatives of ln(rate · h): (r+x)/(α+τ) by buying, and s/(β+τ) by
    /// dying.
    fn rates(&self, m: &TimePoint) -> (f64, LogDerivatives, f64, LogDerivatives) {
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

/// Adds a summand, given the derivatives of its logarithm.
fn add(sum: &mut Objective<4>, summand: f64, LogDerivatives { first, second }: &LogDerivatives) {
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

/// B and D at one time, divided by h there.
#[derive(Clone)]
struct TailIntegrals {
    bought: Objective<4>,
    died: Objective<4>,
}

impl TailIntegrals {
    /// Initial values at the last time, e: B = h and D = 0.
    fn new(kernel: &SurvivalKernel, end: &TimePoint) -> TailIntegrals {
        let mut sums = TailIntegrals { bought: Objective::ZERO, died: Objective::ZERO };
        add(&mut sums.bought, 1.0, &kernel.slopes(end));
        sums
    }

    /// Steps back to an earlier time `to`, adding the integrals over (to, from). The variable of integration is
    /// u = ln((m+τ)/(m+to)), m = min(α, β), in which the logarithm of the integrand is concave and nearly linear.
    fn back(&mut self, kernel: &SurvivalKernel, (from, late): (f64, &TimePoint), (to, early): (f64, &TimePoint)) {
        let alpha_less = kernel.alpha < kernel.beta;
        let (least, most) = (kernel.alpha.min(kernel.beta) + to, kernel.alpha.max(kernel.beta) + to);
        let (by_less, by_more) = if alpha_less { (kernel.shape, kernel.s) } else { (kernel.s, kernel.shape) };
        // ln of h (m+τ)/(M+τ), M = max(α, β), relative to its value at `to`.
        let at = |u: f64| {
            let less = least * exp(u);
            let more = most + (less - least);
            let grown = log1p((less - least) / most);
            let value = (1.0 - by_less) * u - (1.0 + by_more) * grown;
            (Log { value, slope: 1.0 - by_less - (1.0 + by_more) * less / more }, (u, grown, less, more))
        };
        let mut fallen = TailIntegrals { bought: Objective::ZERO, died: Objective::ZERO };
        let peak = over_concave(0.0, log1p((from - to) / least), at, |share, (u, grown, less, more)| {
            let (by_alpha, by_beta, alpha, beta) =
                if alpha_less { (u, grown, less, more) } else { (grown, u, more, less) };
            let m = TimePoint {
                by_alpha: early.by_alpha + by_alpha,
                by_beta: early.by_beta + by_beta,
                per_alpha: 1.0 / alpha,
                per_beta: 1.0 / beta,
            };
            let (buys, bought, dies, died) = kernel.rates(&m);
            // dτ = (m+τ) du.
            add(&mut fallen.bought, share * more * buys, &bought);
            add(&mut fallen.died, share * more * dies, &died);
        });
        let (h, fell) = (exp(kernel.ln(late) - kernel.ln(early)), exp(peak) * (least / most));
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

/// The logarithm of a sum that was divided by h, with its derivatives; −∞ of 0.
fn ln(sum: &Objective<4>, ln_h: f64) -> Objective<4> {
    if sum.value <= 0.0 {
        return Objective { value: f64::NEG_INFINITY, ..Objective::ZERO };
    }
    let per = 1.0 / sum.value;
    let mut ln = Objective { value: ln_h + log(sum.value), ..Objective::ZERO };
    for i in 0..4 {
        ln.gradient[i] = per * sum.gradient[i];
        for j in i..4 {
            ln.hessian[i][j] = per * sum.hessian[i][j] - ln.gradient[i] * per * sum.gradient[j];
        }
    }
    ln
}

/// ln h, ln B and ln D at each of the times, which ascend.
fn logarithms(kernel: &SurvivalKernel, times: impl DoubleEndedIterator<Item = f64>) -> Vec<(f64, [Objective<4>; 2])> {
    let mut logarithms = vec![];
    let mut later: Option<(f64, TimePoint, TailIntegrals)> = None;
    for t in times.rev() {
        let here = kernel.moment(t);
        let sums = match later {
            None => TailIntegrals::new(kernel, &here),
            Some((from, late, mut sums)) => {
                sums.back(kernel, (from, &late), (t, &here));
                sums
            }
        };
        let ln_h = kernel.ln(&here);
        logarithms.push((ln_h, [ln(&sums.bought, ln_h), ln(&sums.died, ln_h)]));
        later = Some((t, here, sums));
    }
    logarithms.reverse();
    logarithms
}

/// P(alive | x, t_x, T) = h(T)/(B(T) + D(t_x)) for one x, as a function of the indices of t_x and T in `times`, which
/// ascend. The function gives `None` for an index beyond them.
pub(super) fn alive(
    [r, alpha, s, beta]: [f64; 4],
    frequency: u32,
    times: impl DoubleEndedIterator<Item = f64>,
) -> impl Fn(u32, u32) -> Option<f64> {
    let kernel = SurvivalKernel { shape: r + f64::from(frequency), alpha, s, beta };
    let of_time = |(ln_h, [bought, died]): (f64, [Objective<4>; 2])| (ln_h, exp(bought.value - ln_h), died.value);
    let table: Vec<(f64, f64, f64)> = logarithms(&kernel, times).into_iter().map(of_time).collect();
    move |recency, age| {
        let ((ln_h, bought, _), (.., ln_died)) = (table.get(age as usize)?, table.get(recency as usize)?);
        Some((1.0 / (bought + exp(ln_died - ln_h))).min(1.0))
    }
}

/// The log-likelihood of the Pareto/NBD with exact derivatives.
///
/// A row adds ln(B + D). With δ = ln D − ln B and w = e^δ/(1+e^δ), its gradient is (1−w)∇ln B + w∇ln D and its Hessian
/// (1−w)∇²ln B + w∇²ln D + w(1−w)∇δ∇δᵀ.
pub(super) fn likelihood(counted: &CountTables, ends: &SilenceIntegral, parameters: &[f64; 4]) -> Option<Objective<4>> {
    let [r, alpha, s, beta] = *parameters;
    let buys = Rising::of(r, counted.frequencies.iter().map(|x| u64::from(*x)));
    let mut sum = Objective::ZERO;
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
        logarithms(&SurvivalKernel { shape, alpha, s, beta }, times).into_iter().map(|(_, of_time)| of_time)
    };
    let logarithms: Vec<_> = ends.frequencies.par_iter().flat_map_iter(of_frequency).collect();
    let rows = Objective::sum_over(&ends.rows, |sum, row| {
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
