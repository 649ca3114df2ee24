//! "Buy till you die" models: how often buyers without a contract buy, and who of them is still alive.
//!
//! A customer's history is summarised by three numbers, counted from the first transaction: the frequency x of repeat
//! transactions, the recency t_x of the last one, and the age T until which the customer was observed. While a customer is
//! alive (still buying) transactions follow a Poisson process, whose rate varies over customers as a Gamma(r, α). The
//! models differ in how customers die, which is never observed:
//!
//! - [`BgNbd`]: perhaps after each repeat transaction;
//! - [`MbgNbd`]: perhaps after each transaction, the first one included;
//! - [`ParetoNbd`]: at any time.

mod count_tables;
mod dropout_limit;
mod expected_purchases;
mod geometric;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod laws;
mod pareto;
mod silence_integral;

use serde::{Deserialize, Serialize};

use self::count_tables::CountTables;
use crate::stats::fit::{Fit, Parametric};
use crate::stats::optimizer::{Objective, Optimum, Termination, maximise};

pub use geometric::{BetaGeometric, BgNbd, MbgNbd};
pub use pareto::ParetoNbd;

/// A history and the number of customers who have it: `frequency` repeat transactions, the last of them `recency` ticks
/// after the first transaction, observed for `age` ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BuyerCell {
    /// x: repeat transactions, the first one not counted.
    pub frequency: u32,
    /// t_x: ticks from the first to the last transaction; 0 without a repeat.
    pub recency: u32,
    /// T: ticks from the first transaction to the end of observation.
    pub age: u32,
    /// How many customers have this history.
    pub customers: u32,
}

/// The counted histories that a model is fitted to. Times are whole ticks, so that a logarithm of each distinct time is
/// computed once. The order of the cells does not matter, and equal cells may repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuyerHistories {
    /// The histories, each with its customers.
    pub cells: Vec<BuyerCell>,
    /// Ticks in the model's unit of time: 7 if ticks are days and the unit is a week, 100 for weeks to two decimals.
    pub per_unit: f64,
}

/// One customer's history, in the model's unit of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PurchaseHistory {
    frequency: u32,
    recency: f64,
    age: f64,
}

/// Longer times count as this long. No unit of time makes them a customer's.
const LONGEST: f64 = 1e9;

impl PurchaseHistory {
    /// A history of `frequency` repeat transactions, the last one at `recency`, observed until `age` (in units of time).
    /// `None` unless 0 ≤ recency ≤ age ≤ 10⁹, and recency is 0 if there was no repeat.
    pub fn new(frequency: u32, recency: f64, age: f64) -> Option<PurchaseHistory> {
        let ordered = recency >= 0.0 && recency <= age && age <= LONGEST;
        (ordered && (frequency > 0 || recency == 0.0)).then_some(PurchaseHistory { frequency, recency, age })
    }

    /// x: the number of repeat transactions.
    pub fn frequency(&self) -> u32 {
        self.frequency
    }

    /// t_x: units of time from the first to the last transaction.
    pub fn recency(&self) -> f64 {
        self.recency
    }

    /// T: units of time from the first transaction to the end of observation.
    pub fn age(&self) -> f64 {
        self.age
    }
}

/// A function of age and time ahead: the transactions expected of an alive customer of one frequency.
pub type FuturePurchases = Box<dyn Fn(f64, f64) -> f64 + Send + Sync>;

/// A function of recency and age in ticks: P(alive) of a customer of one frequency. `None` for a pair that is no history,
/// or beyond the longest time asked for.
pub type AliveProbability = Box<dyn Fn(u32, u32) -> Option<f64> + Send + Sync>;

fn one_by_one<M: BuyerModel>(model: M, frequency: u32, per_unit: f64) -> AliveProbability {
    let units = move |ticks: u32| f64::from(ticks) / per_unit;
    Box::new(move |recency, age| Some(model.p_alive(&PurchaseHistory::new(frequency, units(recency), units(age))?)))
}

/// A model of buyers, fitted or with given parameters. Times are in its unit; negative and undefined (NaN) ones count as 0.
/// Every result is finite.
pub trait BuyerModel: Parametric + Copy + Send + Sync + 'static {
    /// The name in configuration and tables.
    const NAME: &'static str;

    /// Fits the model by maximum likelihood.
    ///
    /// # Returns
    /// The fit. It has no model, and a note that says why, if there are fewer than two customers or two repeat buyers, if
    /// all have the same history, or if the search does not converge. Impossible cells (recency beyond age, repeats at
    /// age 0) are left out and counted in a note.
    ///
    /// # Example
    /// 480 buyers, observed for 50 weeks. They buy every 2, 4, 8 … weeks or never again, and most stop after a few repeats.
    /// The estimates are those of an independent maximisation of the published likelihood.
    /// ```
    /// use tenure::stats::buyers::{BgNbd, BuyerCell, BuyerHistories, BuyerModel};
    ///
    /// let mut cells = vec![];
    /// for gap in [2, 4, 8, 16, 32, 100, 100, 100] {
    ///     for last_repeat in [1, 1, 2, 4, 10, 99] {
    ///         let frequency = u32::min(last_repeat, 50 / gap);
    ///         cells.push(BuyerCell { frequency, recency: frequency * gap, age: 50, customers: 10 });
    ///     }
    /// }
    /// let fit = BgNbd::fit(&BuyerHistories { cells, per_unit: 1.0 });
    /// assert!(fit.converged && fit.customers == 480);
    /// for (parameter, expected) in fit.parameters.iter().zip([0.3858, 4.338, 0.4143, 1.023]) {
    ///     assert!((parameter.estimate / expected - 1.0).abs() < 1e-3, "{}", parameter.name);
    /// }
    /// ```
    fn fit(buyers: &BuyerHistories) -> Fit<Self>;

    /// The log-likelihood of one history as the papers write it: ln of the joint density of the times of x transactions,
    /// the last of them at t_x, given T. The density has the unit time⁻ˣ.
    fn ln_likelihood(&self, history: &PurchaseHistory) -> f64;

    /// The probability that a customer with this history is still alive at the end of observation.
    ///
    /// # Example
    /// The BG/NBD with the parameters that Fader, Hardie & Lee (2005) print for CDNOW:
    /// ```
    /// use tenure::stats::buyers::{BgNbd, BuyerModel, PurchaseHistory};
    /// use tenure::stats::fit::Parametric;
    ///
    /// let model = BgNbd::of(&[0.2426, 4.4136, 0.7929, 2.4259]).unwrap();
    /// let history = PurchaseHistory::new(2, 30.43, 38.86).unwrap();
    /// assert!((model.p_alive(&history) - 0.7266).abs() < 1e-4);
    /// // Their spreadsheet has 1.226 transactions in the next 39 weeks.
    /// assert!((model.conditional(&history, 39.0) - 1.226).abs() < 5e-4);
    /// ```
    fn p_alive(&self, history: &PurchaseHistory) -> f64;

    /// [`p_alive`](BuyerModel::p_alive) as a function of recency and age, for many customers of one frequency.
    ///
    /// The function takes times of up to `longest` ticks, of which `per_unit` make a unit of time. `wanted` is about how
    /// often it will be called: a model prepares a table where that costs less.
    fn alive(&self, frequency: u32, _longest: u32, per_unit: f64, _wanted: usize) -> AliveProbability {
        one_by_one(*self, frequency, per_unit)
    }

    /// E[X(t)]: the repeat transactions expected of a new customer in (0, t].
    fn expected(&self, t: f64) -> f64;

    /// The transactions expected in (age, age + t] of a customer who is alive at that age. They depend on frequency and
    /// age alone, so a caller can cache them.
    fn future(&self, frequency: u32, age: f64, t: f64) -> f64;

    /// [`future`](BuyerModel::future) as a function of age and time ahead, for many customers of one frequency.
    ///
    /// The function takes any age and looks up to `longest` ahead. `wanted` is about how often it will be called: a model
    /// prepares an interpolation where that costs less.
    fn futures(&self, frequency: u32, _longest: f64, _wanted: usize) -> FuturePurchases {
        let model = *self;
        Box::new(move |age, t| model.future(frequency, age, t))
    }

    /// P(X(t) = n): the probability that a new customer makes n repeat transactions in (0, t].
    fn pmf(&self, n: u32, t: f64) -> f64;

    /// The transactions expected in (age, age + t] of a customer with this history, who may be alive or not:
    /// P(alive) · [`future`](BuyerModel::future).
    fn conditional(&self, history: &PurchaseHistory, t: f64) -> f64 {
        self.p_alive(history) * self.future(history.frequency, history.age, t)
    }

    /// [`future`](BuyerModel::future), discounted: see [`discounted`].
    fn discounted(&self, frequency: u32, age: f64, step: f64, steps: u32, rate: f64) -> Option<f64> {
        discounted(|t| self.future(frequency, age, t), step, steps, rate)
    }
}

/// Discounted expected transactions of a customer who is alive: Σᵢ (E(i·u) − E((i−1)·u)) / (1 + d)ⁱ, i = 1 … n
/// (DEFINITIONS §6).
///
/// Multiplied by P(alive) and the expected margin of a transaction it is the customer's value.
///
/// # Parameters
/// - `future`: E(t), the transactions expected until t.
/// - `step`, `steps`: u, the length of a step in units of time, and n, how many there are.
/// - `rate`: d, the discount rate of one step.
///
/// # Returns
/// The sum, in transactions; `None` for a rate of −1 or less, or where the sum is not finite.
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

/// A time within the range that the models compute with.
fn time(t: f64) -> f64 {
    if t > 0.0 { t.min(LONGEST) } else { 0.0 }
}

/// Parameters within the range that the models compute with: `None` unless there are N, all within [10⁻¹⁰, 10¹⁰].
fn checked<const N: usize>(parameters: &[f64]) -> Option<[f64; N]> {
    let all: [f64; N] = parameters.try_into().ok()?;
    all.iter().all(|p| (1e-10..=1e10).contains(p)).then_some(all)
}

/// A fit of more than twice as many rows begins with a sample of so many, which finds a starting point near the maximum.
const SAMPLE_ROWS: usize = 20_000;

/// Fits any of the models, given its starting points and its likelihood. `prepare` computes what the likelihood needs
/// whatever the parameters.
fn fit<M: Parametric, P, const N: usize>(
    counted: &CountTables,
    starts: Vec<[f64; N]>,
    prepare: impl Fn(&CountTables) -> P,
    likelihood: impl Fn(&CountTables, &P, &[f64; N]) -> Option<Objective<N>>,
) -> Fit<M> {
    let search = |counted: &CountTables, starts: &[[f64; N]]| {
        let prepared = prepare(counted);
        maximise(starts, counted.customers as f64, |parameters| likelihood(counted, &prepared, parameters))
    };
    let mut fit = match counted.refusal() {
        Some(why) => Fit::none(counted.customers, why),
        None => Fit::of(optimum(counted, &starts, search), counted.customers),
    };
    if counted.impossible > 0 {
        let note = "customers left out: their last purchase lies beyond their age, or they bought again at age 0";
        fit.notes.push(format!("{} {note}", counted.impossible));
    }
    fit
}

/// Searches on a sample first where there are many rows, then on all of them from where the sample's search ended. Searches
/// all rows from every start if that finds no maximum.
fn optimum<const N: usize>(
    counted: &CountTables,
    starts: &[[f64; N]],
    search: impl Fn(&CountTables, &[[f64; N]]) -> Option<Optimum<N>>,
) -> Option<Optimum<N>> {
    let all = || search(counted, starts);
    if counted.rows.len() <= 2 * SAMPLE_ROWS {
        return all();
    }
    let sampled = search(&counted.thinned(SAMPLE_ROWS), starts)?;
    if sampled.termination == Termination::Optimum
        && let Some(found) = search(counted, &[sampled.parameters]).filter(|s| s.termination == Termination::Optimum)
    {
        return Some(found);
    }
    all()
}
