//! Buyers who are free to come and go, from how often and how lately they bought.
//!
//! A customer's repeat transactions are counted from the first transaction on: frequency x, the last of them at recency
//! t_x, observed until age T. Models of them agree that while a customer is alive transactions follow a Poisson process
//! whose rate varies over customers as a Gamma(r, α), and differ in how customers die, which nobody observes.

mod ahead;
mod counted;
mod ends;
mod flight;
mod geometric;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod laws;
mod pareto;

use serde::{Deserialize, Serialize};

use self::counted::Counted;
use crate::stats::fit::{Fit, Parametric};
use crate::stats::maximise::{Objective, Optimum, Termination, maximise};

pub use geometric::{BetaGeometric, BgNbd, MbgNbd};
pub use pareto::ParetoNbd;

/// So many customers alike: `frequency` repeat transactions, the last of them `recency` ticks after the first
/// transaction, observed for `age` ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// x: repeat transactions, the first one not counted.
    pub frequency: u32,
    /// t_x, in ticks from the first transaction; 0 without a repeat.
    pub recency: u32,
    /// T, in ticks from the first transaction to the end of what was observed.
    pub age: u32,
    /// How many have this history.
    pub customers: u32,
}

/// The counted histories that a model is fitted to. Time is counted in whole ticks, so that logarithms of times can be
/// tabulated; the order of the cells does not matter, and equal cells may repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buyers {
    /// The histories, each with its customers.
    pub cells: Vec<Cell>,
    /// Ticks in the models' unit of time: 7 for days and weeks, 100 for weeks given to two decimals.
    pub per_unit: f64,
}

/// One customer's history, in the models' unit of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    frequency: u32,
    recency: f64,
    age: f64,
}

/// Times beyond this are taken for it: no unit of time makes them a customer's.
const LONGEST: f64 = 1e9;

impl History {
    /// `None` unless 0 ≤ recency ≤ age ≤ 10⁹, and recency is 0 where there was no repeat.
    pub fn new(frequency: u32, recency: f64, age: f64) -> Option<History> {
        let ordered = recency >= 0.0 && recency <= age && age <= LONGEST;
        (ordered && (frequency > 0 || recency == 0.0)).then_some(History { frequency, recency, age })
    }

    /// x: repeat transactions.
    pub fn frequency(&self) -> u32 {
        self.frequency
    }

    /// t_x: from the first to the last transaction.
    pub fn recency(&self) -> f64 {
        self.recency
    }

    /// T: from the first transaction to the end of what was observed.
    pub fn age(&self) -> f64 {
        self.age
    }
}

/// Expected transactions by age and time ahead, of customers of one frequency who are alive.
pub type Futures = Box<dyn Fn(f64, f64) -> f64 + Send + Sync>;

/// P(alive) by recency and age in ticks, of customers of one frequency; `None` for what is no history, or beyond what was
/// asked for.
pub type Alive = Box<dyn Fn(u32, u32) -> Option<f64> + Send + Sync>;

fn one_by_one<M: BuyerModel>(model: M, frequency: u32, per_unit: f64) -> Alive {
    let units = move |ticks: u32| f64::from(ticks) / per_unit;
    Box::new(move |recency, age| Some(model.p_alive(&History::new(frequency, units(recency), units(age))?)))
}

/// A fitted (or given) model of buyers. Times are in its unit; negative or undefined ones count as 0. Every result is
/// finite.
pub trait BuyerModel: Parametric + Copy + Send + Sync + 'static {
    /// As configuration and tables name it.
    const NAME: &'static str;

    /// Maximum likelihood.
    fn fit(buyers: &Buyers) -> Fit<Self>;

    /// ln of the joint density of the times of x transactions, of which the last lies at t_x, given T: the likelihood as
    /// the models' papers write it. Its unit is time⁻ˣ.
    fn ln_likelihood(&self, history: &History) -> f64;

    /// P(alive at the age | history).
    fn p_alive(&self, history: &History) -> f64;

    /// [`p_alive`](BuyerModel::p_alive) of one frequency, for who wants so many of them, up to `longest` ticks, of which
    /// `per_unit` are a unit of time: prepared, where that is worth it.
    fn alive(&self, frequency: u32, _longest: u32, per_unit: f64, _wanted: usize) -> Alive {
        one_by_one(*self, frequency, per_unit)
    }

    /// E[X(t)]: repeat transactions of a new customer in (0, t].
    fn expected(&self, t: f64) -> f64;

    /// Expected transactions in (age, age + t] of a customer who is alive at the age. Depends on frequency and age
    /// alone: worth caching by these.
    fn future(&self, frequency: u32, age: f64, t: f64) -> f64;

    /// [`future`](BuyerModel::future) of one frequency, at any age and up to `longest` ahead, for who wants so many of
    /// them: prepared, where that is worth it.
    fn futures(&self, frequency: u32, _longest: f64, _wanted: usize) -> Futures {
        let model = *self;
        Box::new(move |age, t| model.future(frequency, age, t))
    }

    /// P(X(t) = n): a new customer makes n repeat transactions in (0, t].
    fn pmf(&self, n: u32, t: f64) -> f64;

    /// E[transactions in (age, age + t] | history], whether alive or not.
    fn conditional(&self, history: &History, t: f64) -> f64 {
        self.p_alive(history) * self.future(history.frequency, history.age, t)
    }

    /// The same of `future`, discounted: see [`discounted`].
    fn discounted(&self, frequency: u32, age: f64, step: f64, steps: u32, rate: f64) -> Option<f64> {
        discounted(|t| self.future(frequency, age, t), step, steps, rate)
    }
}

/// Discounted expected transactions over `steps` steps of length `step`, of a customer who is alive: Σᵢ (E(i·u) −
/// E((i−1)·u)) / (1 + d)ⁱ, d = `rate` a step, E(t) = `future` until t (DEFINITIONS §6).
///
/// Times P(alive) and expected margin a transaction it is the customer's value. `None` for a rate of −1 or less.
pub fn discounted(future: impl Fn(f64) -> f64, step: f64, steps: u32, rate: f64) -> Option<f64> {
    if !(rate > -1.0 && rate.is_finite()) {
        return None;
    }
    let (mut sum, mut before, mut discount) = (0.0, 0.0, 1.0);
    for i in 1..=steps {
        let until = future(f64::from(i) * step);
        discount /= 1.0 + rate;
        sum += (until - before).max(0.0) * discount;
        before = until;
    }
    Some(sum).filter(|s| s.is_finite())
}

/// A time that the models can count with.
fn time(t: f64) -> f64 {
    if t > 0.0 { t.min(LONGEST) } else { 0.0 }
}

/// Parameters that the models can count with: `None` unless there are N, all within [10⁻¹⁰, 10¹⁰].
fn sound<const N: usize>(parameters: &[f64]) -> Option<[f64; N]> {
    let all: [f64; N] = parameters.try_into().ok()?;
    all.iter().all(|p| (1e-10..=1e10).contains(p)).then_some(all)
}

/// More rows than this are thinned to it, to find where on all of them to begin.
const SCOUTED: usize = 20_000;

/// The fit of any of the models, whose likelihood and starts are given, and what the likelihood wants prepared.
fn fit<M: Parametric, P, const N: usize>(
    counted: &Counted,
    starts: Vec<[f64; N]>,
    prepare: impl Fn(&Counted) -> P,
    likelihood: impl Fn(&Counted, &P, &[f64; N]) -> Option<Objective<N>>,
) -> Fit<M> {
    let climb = |counted: &Counted, starts: &[[f64; N]]| {
        let prepared = prepare(counted);
        maximise(starts, counted.customers as f64, |parameters| likelihood(counted, &prepared, parameters))
    };
    let mut fit = match counted.hopeless() {
        Some(why) => Fit::none(counted.customers, why),
        None => Fit::of(summit(counted, &starts, climb), counted.customers),
    };
    if counted.impossible > 0 {
        let note = "customers left out: their last purchase lies beyond their age, or they bought again within no time";
        fit.notes.push(format!("{} {note}", counted.impossible));
    }
    fit
}

fn summit<const N: usize>(
    counted: &Counted,
    starts: &[[f64; N]],
    climb: impl Fn(&Counted, &[[f64; N]]) -> Option<Optimum<N>>,
) -> Option<Optimum<N>> {
    let all = || climb(counted, starts);
    if counted.rows.len() <= 2 * SCOUTED {
        return all();
    }
    let scouted = climb(&counted.thinned(SCOUTED), starts)?;
    if scouted.ending == Termination::Optimum
        && let Some(found) = climb(counted, &[scouted.parameters]).filter(|s| s.ending == Termination::Optimum)
    {
        return Some(found);
    }
    all()
}
