//! Do the fits find what the data were made from? Draws cohorts from every model at several points, fits them, and
//! prints how often the 95 % interval of each parameter holds the truth: 95 %, give or take three in two hundred draws.
//!
//! `recovery [draws] [customers] [model]`, 200 draws of 4,000 customers from all models unless told; of five times as
//! many customers from bdw, whose parameters fewer do not determine.

#[path = "../../src/stats/simulated.rs"]
mod simulated;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use simulated::{Chance, SimulatedHistory, TICKS, cohort};
use tenure::stats::buyers::{BgNbd, BuyerCell, BuyerHistories, BuyerModel, MbgNbd, ParetoNbd};
use tenure::stats::fit::{Fit, Parameter};
use tenure::stats::gammagamma::{GammaGamma, SpendCell, Spends};
use tenure::stats::renewals::Renewal;
use tenure::stats::renewals::bdw::Bdw;
use tenure::stats::renewals::sbg::Sbg;

/// A model, where its truth lies, and a fit of the seed's cohort of so many customers.
struct Study {
    model: &'static str,
    truth: Vec<f64>,
    /// Takes so many times the customers.
    times: u32,
    fit: Box<dyn Fn(u64, u32) -> Outcome + Sync>,
}

/// The parameters, none unless the fit converged, and how long it took.
struct Outcome {
    parameters: Vec<Parameter>,
    took: Duration,
}

fn outcome<M>(fit: impl FnOnce() -> Fit<M>) -> Outcome {
    let started = Instant::now();
    let fit = fit();
    let took = started.elapsed();
    Outcome { parameters: if fit.converged { fit.parameters } else { vec![] }, took }
}

fn buyers(histories: Vec<SimulatedHistory>) -> BuyerHistories {
    let cell = |(frequency, recency, age)| BuyerCell { frequency, recency, age, customers: 1 };
    BuyerHistories { cells: histories.into_iter().map(cell).collect(), per_unit: TICKS }
}

fn buying<M: BuyerModel>(
    truth: [f64; 4],
    draw: impl Fn(&mut Chance, f64) -> SimulatedHistory + Sync + 'static,
) -> Study {
    let fit = move |seed, customers| {
        let seen = buyers(cohort(seed, customers, &draw));
        outcome(|| M::fit(&seen))
    };
    Study { model: M::NAME, truth: truth.to_vec(), times: 1, fit: Box::new(fit) }
}

fn spending(truth: [f64; 3]) -> Study {
    let fit = move |seed, customers: u32| {
        let mut chance = Chance::new(seed);
        // Most repeat buyers have one repeat, few have many: 1, 1, 2, 1, 2, 3 …
        let frequencies = (1..).flat_map(|most| 1..=most % 8 + 1).take(customers as usize);
        let cell =
            |frequency| SpendCell { frequency, total: simulated::spend(&mut chance, truth, frequency), customers: 1 };
        let seen = Spends { cells: frequencies.map(cell).collect(), minor_per_major: 100.0 };
        outcome(|| GammaGamma::fit(&seen))
    };
    Study { model: "gammagamma", truth: truth.to_vec(), times: 1, fit: Box::new(fit) }
}

/// Cohorts of equal size seen for 1, 2 … 12 renewals, as a business has them that wins customers every month.
fn renewing<M: 'static>(model: &'static str, truth: &[f64], fit: fn(&[Renewal]) -> Fit<M>) -> Study {
    const LONGEST: u32 = 12;
    let all = [truth[0], truth[1], truth.get(2).copied().unwrap_or(1.0)];
    let fit = move |seed, customers| {
        let counts = simulated::renewals(seed, customers, LONGEST, all);
        let seen: Vec<_> = counts.into_iter().map(|(due, lost)| Renewal { due, lost }).collect();
        outcome(|| fit(&seen))
    };
    Study { model, truth: truth.to_vec(), times: if truth.len() > 2 { 5 } else { 1 }, fit: Box::new(fit) }
}

/// Further models join here.
fn studies() -> Vec<Study> {
    let mut all = vec![];
    for p in [[0.243, 4.414, 0.793, 2.426], [1.0, 5.0, 0.5, 3.0], [3.0, 12.0, 1.0, 6.0], [0.5, 8.0, 0.3, 1.0]] {
        all.push(buying::<BgNbd>(p, move |c, age| simulated::geometric(c, 0, p, age)));
        all.push(buying::<MbgNbd>(p, move |c, age| simulated::geometric(c, 1, p, age)));
    }
    for p in [[0.553, 10.58, 0.606, 11.67], [1.0, 5.0, 1.0, 20.0], [3.0, 12.0, 0.5, 10.0], [0.5, 8.0, 2.0, 60.0]] {
        all.push(buying::<ParetoNbd>(p, move |c, age| simulated::pareto(c, p, age)));
    }
    for p in [[6.25, 3.74, 15.44], [2.0, 2.0, 30.0], [20.0, 5.0, 4.0], [0.8, 8.0, 200.0]] {
        all.push(spending(p));
    }
    for p in [[0.668, 3.806], [0.704, 1.182], [2.0, 8.0], [0.5, 10.0]] {
        all.push(renewing("sbg", &p, Sbg::fit));
    }
    for p in [[0.214, 1.427, 1.724], [0.456, 0.779, 1.283], [1.0, 5.0, 0.7], [0.5, 5.0, 1.0]] {
        all.push(renewing("bdw", &p, Bdw::fit));
    }
    all.sort_by_key(|s| s.model);
    all
}

fn main() -> io::Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, otherwise: u32| asked.get(i).and_then(|a| a.parse().ok()).unwrap_or(otherwise);
    let (draws, customers) = (number(0, 200), number(1, 4000));
    let mut out = io::stdout().lock();
    writeln!(out, "{draws} draws each\n")?;
    writeln!(
        out,
        "| model | customers | parameter | truth | mean estimate | interval holds the truth | fits converged | ms a fit |"
    )?;
    writeln!(out, "|---|---:|---|---:|---:|---:|---:|---:|")?;
    for study in studies().iter().filter(|s| asked.get(2).is_none_or(|model| model == s.model)) {
        let (model, customers) = (study.model, customers.saturating_mul(study.times));
        let outcomes: Vec<Outcome> =
            (0..u64::from(draws)).into_par_iter().map(|seed| (study.fit)(seed + 1000, customers)).collect();
        let took: Duration = outcomes.iter().map(|o| o.took).sum();
        let found: Vec<_> = outcomes.iter().filter(|o| !o.parameters.is_empty()).collect();
        for (i, truth) in study.truth.iter().enumerate() {
            let of = found.iter().map(|o| &o.parameters[i]);
            let holds =
                |p: &&Parameter| p.low.is_some_and(|low| low <= *truth) && p.high.is_some_and(|high| *truth <= high);
            let held = of.clone().filter(holds).count();
            let mean = of.clone().map(|p| p.estimate).sum::<f64>() / found.len() as f64;
            let name = of.clone().next().map_or("", |p| p.name.as_str());
            let share = 100.0 * held as f64 / found.len() as f64;
            let ms = took.as_secs_f64() * 1000.0 / f64::from(draws);
            let converged = found.len();
            let shares = format!("{mean:.4} | {share:.1} % | {converged}");
            writeln!(out, "| {model} | {customers} | {name} | {truth} | {shares} | {ms:.2} |")?;
        }
    }
    Ok(())
}
