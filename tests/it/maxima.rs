//! Table `model_fits` against naive likelihoods: the one published is that of the published estimates, and no parameters
//! near or far have a greater one.

use crate::dice::Dice;
use crate::generate;
use crate::naive::buying::{Bought, Counting, value_then};
use crate::naive::{Book, Slice, likelihood};
use crate::scenario::{Scenario, Stage, Subscription};
use crate::support::{Row, Table, Value, Workspace};

/// The parameters of a fit that converged, and its log-likelihood.
fn published(fits: &Table, key: &[(&str, &str)], names: &[&str]) -> Option<(Vec<f64>, f64)> {
    let number =
        |row: &Row, column: &str| if let Value::Float(x) = row[column] { x } else { panic!("{column} of {row:?}") };
    let rows: Vec<&Row> = fits.filter(key).into_iter().filter(|r| r["converged"] == Value::Bool(true)).collect();
    let estimate = |name: &&str| {
        let row = rows.iter().find(|row| row["parameter"].to_string() == *name);
        number(row.unwrap_or_else(|| panic!("{key:?} has no {name}")), "estimate")
    };
    let ll = number(rows.first()?, "log_likelihood");
    Some((names.iter().map(estimate).collect(), ll))
}

/// The likelihood is as published, and the greatest: on a grid around the estimates in their logarithms, one and two
/// parameters at a time, from near to far.
fn hold(what: &str, (estimates, told): &(Vec<f64>, f64), ll: &dyn Fn(&[f64]) -> f64) {
    let here = ll(estimates);
    assert!((here - told).abs() <= 1e-8 * told.abs(), "{what}: {told} is published, {here} is that of {estimates:?}");
    let steps = [-0.7, -0.05, -0.005, 0.0, 0.005, 0.05, 0.7];
    for one in 0..estimates.len() {
        for other in 0..one.max(1) {
            for (by, along) in steps.iter().flat_map(|a| steps.iter().map(move |b| (*a, *b))) {
                let mut beside = estimates.clone();
                beside[one] *= f64::exp(by);
                if other != one {
                    beside[other] *= f64::exp(along);
                }
                let there = ll(&beside);
                assert!(there <= here + 1e-7, "{what}: {there} at {beside:?} exceeds {here} at {estimates:?}");
            }
        }
    }
}

const BUYING: [(&str, &[&str]); 4] = [
    ("bgnbd", &["r", "alpha", "a", "b"]),
    ("mbgnbd", &["r", "alpha", "a", "b"]),
    ("paretonbd", &["r", "alpha", "s", "beta"]),
    ("gammagamma", &["p", "q", "v"]),
];

/// Of everybody and of a segment's values, fitted to all that was seen and up to the cut.
#[test]
fn fits_of_buying_are_maxima() {
    let mut held = 0;
    let mut scenario = generate::shop(0, 300);
    let options = "models = [\"bgnbd\", \"mbgnbd\", \"paretonbd\", \"gammagamma\"]\ntime_unit = \"week\"";
    scenario.stages = vec![Stage { name: "ltv", kind: "ltv", period: None, options }];
    let here = Workspace::of(&scenario);
    here.run().exits(0);
    let (fits, book) = (here.table("model_fits"), Book::new(&scenario));
    let counting = Counting { by_order: false, calibrate_until: None };
    let cut = counting.cut(&book, &book.lens(scenario.period));
    for dimension in book.dimensions() {
        for slice in book.slices(dimension) {
            for (window, until) in [("full", book.as_of), ("calibration", cut)] {
                let of_slice = |p: &&crate::naive::Person| value_then(&book, p, dimension, until) == slice;
                let people = book.people.values().filter(of_slice);
                let bought: Vec<Bought> = people.filter_map(|p| counting.before(&book, p, until)).collect();
                let Slice { segment, value } = &slice;
                for (model, names) in BUYING {
                    let key = [("segment", *segment), ("value", value), ("model", model), ("window", window)];
                    let Some(found) = published(&fits, &key, names) else { continue };
                    let ll = |p: &[f64]| likelihood::of_buying(model, p, &bought, 7.0);
                    hold(&format!("{key:?}"), &found, &ll);
                    held += 1;
                }
            }
        }
    }
    assert!(held >= 20, "only {held} fits converged");
}

/// Contracts by the month and by the year: customers differ in how readily they leave, most of them at a renewal.
fn contracts(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed ^ 0x5B6);
    let first = crate::days::day("2019-01-01");
    let mut rows = vec![];
    for customer in 0..400 {
        let yearly = dice.percent(40);
        let days = if yearly { 365 } else { 30 };
        let started = first + dice.below(700);
        let leaving = dice.pick(&[2, 5, 15, 40]);
        let terms = (1..60).find(|_| dice.percent(leaving)).unwrap_or(60);
        let within = dice.percent(30);
        let months = if yearly { 12 } else { 1 };
        let end =
            crate::days::plus_months(started, months * terms) - if within { dice.between(1, days - 5) } else { 0 };
        let mut row = Subscription::new(customer, started, (end < first + 1600).then_some(end), 10_00);
        row.interval = Some(if yearly { "year" } else { "month" });
        rows.push(row);
    }
    Scenario::subscribers(rows).known_until("2023-06-15")
}

#[test]
fn fits_of_renewals_are_maxima() {
    let mut held = 0;
    for seed in 0..4 {
        let mut scenario = contracts(seed);
        scenario.stages =
            vec![Stage { name: "ltv", kind: "ltv", period: None, options: "models = [\"sbg\", \"bdw\"]" }];
        let here = Workspace::of(&scenario);
        here.run().exits(0);
        let (fits, book) = (here.table("model_fits"), Book::new(&scenario));
        for interval in ["month", "year"] {
            let counts = likelihood::renewals(&book, interval);
            for (model, names) in [("sbg", &["alpha", "beta"][..]), ("bdw", &["alpha", "beta", "c"])] {
                let name = format!("{model} {interval}");
                let key = [("segment", "all"), ("model", name.as_str()), ("window", "full")];
                let Some(found) = published(&fits, &key, names) else { continue };
                hold(&format!("seed {seed} {name}"), &found, &|p| likelihood::of_renewals(p, &counts));
                held += 1;
            }
        }
    }
    assert!(held >= 8, "only {held} fits converged");
}
