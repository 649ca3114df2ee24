//! How long fits take, and scores: of CDNOW's customers, and of ten million simulated ones.
//!
//! `fits [customers] [runs]`, ten million customers (none at all for 0) and the fastest of three runs unless told. Cells
//! are counted beforehand: that is the fold's part of a run. Parameters are in weeks and dollars.

mod customers;
#[path = "../../src/stats/simulated.rs"]
#[expect(dead_code, reason = "not every model's customers are drawn")]
mod simulated;

use std::error::Error;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use customers::{Customers, WEEK};
use rayon::prelude::*;
use tenure::stats::buyers::{BgNbd, BuyerHistories, BuyerModel, MbgNbd, ParetoNbd, PurchaseHistory, discounted};
use tenure::stats::fit::Fit;
use tenure::stats::gammagamma::GammaGamma;

/// Frequency, recency and age, in days.
type Days = (u32, u32, u32);

const MONTHS: u32 = 36;
const MONTH: f64 = 365.25 / 12.0 / WEEK;

struct Bench {
    runs: u32,
    fits: Vec<String>,
    scores: Vec<String>,
}

impl Bench {
    /// The least milliseconds of some runs, and what the last gave.
    fn least<T>(&self, what: impl Fn() -> T) -> (f64, T) {
        let timed = || {
            let started = Instant::now();
            let got = what();
            (started.elapsed().as_secs_f64() * 1000.0, got)
        };
        let (mut least, mut got) = timed();
        for _ in 1..self.runs {
            let (ms, again) = timed();
            (least, got) = (least.min(ms), again);
        }
        (least, got)
    }

    fn fit<M>(&mut self, of: &str, model: &str, cells: usize, fit: impl Fn() -> Fit<M>) -> Fit<M> {
        let (ms, fit) = self.least(fit);
        let parameters: Vec<String> = fit.parameters.iter().map(|p| format!("{:.4}", p.estimate)).collect();
        let (parameters, ll) = (parameters.join(" "), fit.log_likelihood.unwrap_or(f64::NAN));
        let customers = fit.customers;
        self.fits.push(format!("| {of} | {model} | {customers} | {cells} | {ms:.1} | {parameters} | {ll:.3} |"));
        fit
    }

    /// As a run does it: for each frequency once what is to come at every age, and what tells who is alive; then each
    /// customer's chance of being alive times what is to come. Beside it the chance computed one by one.
    fn score<M: BuyerModel>(&mut self, customers: &Customers, model: M) {
        let histories = customers.histories();
        let longest = histories.iter().map(|h| h.2).max().unwrap_or(0);
        let mut wanted = vec![0; histories.iter().map(|h| h.0 as usize + 1).max().unwrap_or(0)];
        histories.iter().for_each(|h| wanted[h.0 as usize] += 1);
        let of_frequency = |(x, wanted): (usize, &usize)| {
            if *wanted == 0 {
                return None;
            }
            let (future, alive) = (
                model.futures(x as u32, f64::from(MONTHS) * MONTH, longest as usize * MONTHS as usize),
                model.alive(x as u32, longest, WEEK, *wanted),
            );
            let ahead = |age: u32| discounted(|t| future(f64::from(age) / WEEK, t), MONTH, MONTHS, 0.01);
            Some(((0..=longest).map(|age| ahead(age).unwrap_or(0.0)).collect::<Vec<_>>(), alive))
        };
        let (prepared, by_frequency) =
            self.least(|| wanted.par_iter().enumerate().map(of_frequency).collect::<Vec<_>>());
        let weeks = |days: u32| f64::from(days) / WEEK;
        let alone = |(x, recency, age): &Days| {
            PurchaseHistory::new(*x, weeks(*recency), weeks(*age)).map_or(0.0, |h| model.p_alive(&h))
        };
        let score = |(x, recency, age): &Days| {
            let Some((to_come, alive)) = &by_frequency[*x as usize] else { return 0.0 };
            alive(*recency, *age).unwrap_or(0.0) * to_come[*age as usize]
        };
        let sums = |figure: &(dyn Fn(&Days) -> f64 + Sync)| {
            let parts = histories.par_chunks(65_536);
            parts.map(|part| part.iter().map(figure).sum::<f64>()).collect::<Vec<_>>()
        };
        let (alone, _) = self.least(|| black_box(sums(&alone)));
        let (scored, _) = self.least(|| black_box(sums(&score)));
        let (of, count) = (&customers.name, histories.len());
        self.scores.push(format!("| {of} | {} | {count} | {prepared:.1} | {scored:.1} | {alone:.1} |", M::NAME));
    }

    fn buying<M: BuyerModel>(&mut self, customers: &Customers, buyers: &BuyerHistories) {
        let fit = self.fit(&customers.name, M::NAME, buyers.cells.len(), || M::fit(buyers));
        if let Some(model) = fit.model {
            self.score(customers, model);
        }
    }

    fn all(&mut self, customers: &Customers) {
        let (buyers, spends) = (customers.buyers(), customers.spends());
        self.buying::<BgNbd>(customers, &buyers);
        self.buying::<MbgNbd>(customers, &buyers);
        self.buying::<ParetoNbd>(customers, &buyers);
        self.fit(&customers.name, "gammagamma", spends.cells.len(), || GammaGamma::fit(&spends));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let simulated = asked.first().copied().unwrap_or(10_000_000);
    let runs = asked.get(1).map_or(3, |runs| *runs as u32);
    let mut bench = Bench { runs, fits: vec![], scores: vec![] };
    if let Some(folder) = std::env::var_os("TENURE_REFERENCE_DATA") {
        let sample = Path::new(&folder).join("cdnow/cdnow_sample.parquet");
        bench.all(&Customers::of_cdnow("CDNOW, the published tenth", &sample, "master_customer_id")?);
    }
    let cdnow = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cdnow/purchases.parquet");
    bench.all(&Customers::of_cdnow("CDNOW", &cdnow, "customer_id")?);
    if simulated > 0 {
        bench.all(&Customers::simulated(simulated));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "| customers of | model | customers | cells | fit, ms | estimates | log-likelihood |")?;
    writeln!(out, "|---|---|---:|---:|---:|---|---:|\n{}", bench.fits.join("\n"))?;
    writeln!(out, "\n| customers of | model | customers | prepared, ms | scored, ms | p_alive one by one, ms |")?;
    writeln!(out, "|---|---|---:|---:|---:|---:|\n{}", bench.scores.join("\n"))?;
    Ok(())
}
