//! Figures that others have printed of models of buying and of survival, through the program.
//!
//! The data is not part of the repository; see [`crate::reference`].

use std::path::PathBuf;

use crate::days::{Day, day, plus_months};
use crate::fitted::contradictions;
use crate::published::{cents, float, int, path_text, rows_of};
use crate::reference::reference;
use crate::scenario::{At, Attribute, Scenario, Segment, Stage, Subscription};
use crate::support::{Table, Value, Workspace, whole};

#[track_caller]
fn near(what: &str, got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{what}: {got} is not {expected} ± {tolerance}");
}

/// Parameters within a relative tolerance, and the log-likelihood within an absolute one.
#[track_caller]
fn fitted(fits: &Table, model: &str, published: &[(&str, f64)], relative: f64, ll: (f64, f64), customers: i64) {
    for (parameter, expected) in published {
        let key = [("segment", "all"), ("model", model), ("window", "calibration"), ("parameter", parameter)];
        let row = fits.row(&key);
        near(&format!("{model} {parameter}"), float(row, "estimate"), *expected, relative * expected);
        near(&format!("{model} LL"), float(row, "log_likelihood"), ll.0, ll.1);
        assert_eq!((&row["converged"], int(row, "customers")), (&Value::Bool(true), customers), "{row:?}");
    }
}

/// The pipeline that ships, run on the tenth of CDNOW that models have been published on.
fn cdnow() -> Workspace {
    let export = reference("cdnow/cdnow_sample.parquet");
    let pipeline = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("pipelines/cdnow.toml");
    let here = Workspace::new();
    let set = format!("sources.transactions.path={:?}", path_text(&export));
    let (pipeline, out) = (path_text(&pipeline), path_text(&here.join("out")));
    here.tenure(&["run", &pipeline, "--quiet", "--set", &set, "--out", &out]).exits(0);
    here
}

/// REFERENCES §1 (B): the tenth of CDNOW, weeks, fitted to 30 September 1997.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn cdnow_models() {
    let here = cdnow();

    let fits = here.table("model_fits");
    let bgnbd = [("r", 0.242_594_5), ("alpha", 4.413_601_9), ("a", 0.792_919_9), ("b", 2.425_888_1)];
    fitted(&fits, "bgnbd", &bgnbd, 1e-4, (-9582.429, 1e-3), 2_357);
    let pareto = [("r", 0.55315), ("alpha", 10.57633), ("s", 0.60625), ("beta", 11.67150)];
    fitted(&fits, "paretonbd", &pareto, 1e-3, (-9594.976, 0.01), 2_357);
    let errors = [("r", 0.047_626_4), ("alpha", 0.842_722_2), ("s", 0.187_259_4), ("beta", 6.210_544_8)];
    for (parameter, expected) in errors {
        let key = [("segment", "all"), ("model", "paretonbd"), ("window", "calibration"), ("parameter", parameter)];
        // Printed to so many digits, of estimates that are themselves known to a thousandth.
        near(parameter, float(fits.row(&key), "std_error"), expected, 5e-3 * expected);
    }
    // Published of times rounded to two decimals of a week.
    let mbgnbd = [("r", 0.525), ("alpha", 6.183), ("a", 0.891), ("b", 1.614)];
    for (parameter, expected) in mbgnbd {
        let key = [("segment", "all"), ("model", "mbgnbd"), ("window", "calibration"), ("parameter", parameter)];
        near(parameter, float(fits.row(&key), "estimate"), expected, 1e-3);
    }

    let calibration = here.table("model_calibration");
    let by_x = calibration.filter(&[("segment", "all"), ("model", "bgnbd")]);
    let sum = |f: &dyn Fn(i128, i128) -> i128| -> i128 {
        by_x.iter().map(|r| f(whole(&r["x"]), whole(&r["customers"]))).sum()
    };
    assert_eq!((sum(&|_, n| n), sum(&|x, n| if x == 0 { n } else { 0 }), sum(&|x, n| x * n)), (2_357, 1_411, 2_457));
    let backtest = here.table("model_backtest");
    for model in ["bgnbd", "mbgnbd", "paretonbd", "last_period", "ratio"] {
        let key = [("segment", "all"), ("model", model), ("quantity", "transactions"), ("period", "NULL")];
        near(model, float(backtest.row(&key), "actual"), 1_882.0, 0.0);
    }
    // 6,696 customer-days over all: 2,357 first ones, and the repeats of both halves.
    let customers = here.table("customers");
    let repeats: i128 = customers.rows.iter().map(|r| whole(&r["frequency"])).sum();
    assert_eq!((customers.rows.len(), repeats), (2_357, 6_696 - 2_357));
    assert_eq!(contradictions(&|name| here.table(name), "ltv"), Vec::<String>::new());
}

/// REFERENCES §1: 946 repeat buyers' spend. Published of customer-days, money up to 30 September 1997.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn cdnow_spend() {
    let here = cdnow();
    let fits = here.table("model_fits");
    let of = |parameter| {
        fits.row(&[("segment", "all"), ("model", "gammagamma"), ("window", "calibration"), ("parameter", parameter)])
    };
    near("p", float(of("p"), "estimate"), 6.25, 0.01);
    near("q", float(of("q"), "estimate"), 3.74, 0.01);
    near("v", float(of("v"), "estimate"), 15.445, 0.015);
    near("LL", float(of("p"), "log_likelihood"), -4055.92, 0.01);
    assert_eq!(int(of("p"), "customers"), 946);
}

/// Kaplan–Meier of the telephone customers by contract, in months.
fn telephone(as_of: Day, started: impl Fn(i64) -> Day, ended: Day) -> Workspace {
    let snapshot = reference("telco_churn/telco_churn.parquet");
    let contracts = ["Month-to-month", "One year", "Two year"];
    let mut scenario = Scenario::subscribers(vec![]);
    scenario.as_of = Some(as_of);
    for (customer, row) in (0..).zip(&rows_of(&snapshot)) {
        let plan = contracts.iter().copied().find(|c| row["Contract"].to_string() == *c);
        let ended = (row["Churn"].to_string() == "Yes").then_some(ended);
        let price = cents(float(row, "MonthlyCharges"));
        scenario
            .subscriptions
            .push(Subscription { plan, ..Subscription::new(customer, started(int(row, "tenure")), ended, price) });
    }
    scenario.segments = vec![Segment { name: "contract", attribute: Attribute::Plan, at: At::First }];
    scenario.stages = vec![Stage { name: "survival", kind: "survival", period: None, options: "unit = \"month\"" }];
    let here = Workspace::of(&scenario);
    here.run().exits(0);
    here
}

/// `later`: months by which the mapping lengthens everybody.
fn telephone_figures(here: &Workspace, later: i64, customers: i64) {
    let curve = here.table("survival");
    for (t, expected) in [(1, 0.945961), (12, 0.843200), (24, 0.788736), (48, 0.708840), (72, 0.592790)] {
        let time = (t + later).to_string();
        near(&time, float(curve.row(&[("segment", "all"), ("time", &time)]), "survival"), expected, 5e-7);
    }
    let first = (1 + later).to_string();
    assert_eq!(int(curve.row(&[("segment", "all"), ("time", &first)]), "at_risk"), 7_032);
    let summary = here.table("survival_summary");
    let all = summary.row(&[("segment", "all")]);
    assert_eq!((int(all, "customers"), int(all, "events"), &all["median"]), (customers, 1_869, &Value::Null));
    let monthly = summary.row(&[("value", "Month-to-month")]);
    assert_eq!(monthly["median"], Value::Float((35 + later) as f64));
    let tests = here.table("survival_tests");
    let log_rank = tests.row(&[("segment", "contract"), ("test", "log-rank")]);
    near("log-rank", float(log_rank, "statistic"), 2352.872538, 1e-6);
    assert_eq!(int(log_rank, "df"), 2);
}

/// REFERENCES §4 by §5: everybody began on 31 December less their months and is seen into the next, so all lengths,
/// of ends (rounded up) and of those who stay (down), are a month longer than in the snapshot.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn telephone_customers_as_in_the_snapshot() {
    let started = |months: i64| plus_months(day("2019-12-31"), -months);
    let here = telephone(day("2020-02-01"), started, day("2020-01-15"));
    telephone_figures(&here, 1, 7_043);
}

/// REFERENCES §4 to the month: all lengths end on the day of the snapshot, which was seen to its end.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn telephone_customers_to_the_month() {
    let started = |months: i64| plus_months(day("2020-02-01"), -months);
    let here = telephone(day("2020-02-02"), started, day("2020-02-01"));
    telephone_figures(&here, 0, 7_043);
}

/// REFERENCES §3: Fader and Hardie 2007, table 1: of a thousand annual subscribers so many are left after each year.
#[test]
fn contracts_by_the_year() {
    type Published = (&'static str, &'static [(&'static str, f64)], f64);
    let high_end: ([i64; 7], [Published; 2]) = (
        [869, 743, 653, 593, 551, 517, 491],
        [
            ("sbg year", &[("alpha", 0.668), ("beta", 3.806)], -1611.158),
            ("bdw year", &[("alpha", 0.214_253), ("beta", 1.426_575), ("c", 1.723_565)], -1605.314),
        ],
    );
    let regular: ([i64; 7], [Published; 2]) = (
        [631, 468, 382, 326, 289, 262, 241],
        [
            ("sbg year", &[("alpha", 0.704), ("beta", 1.182)], -1680.265),
            ("bdw year", &[("alpha", 0.455_614), ("beta", 0.779_326), ("c", 1.283_451)], -1679.603),
        ],
    );
    for (left, models) in [high_end, regular] {
        let began = day("2000-01-15");
        let row = |customer: i64| {
            let years = left.iter().position(|n| customer >= *n);
            let ended = years.map(|k| plus_months(began, 12 * (k as i64 + 1)));
            Subscription { interval: Some("year"), ..Subscription::new(customer, began, ended, 120_00) }
        };
        // Everybody's seventh renewal is seen, nobody's eighth.
        let mut scenario = Scenario::subscribers((0..1000).map(row).collect()).known_until("2007-06-01");
        scenario.stages =
            vec![Stage { name: "ltv", kind: "ltv", period: None, options: "models = [\"sbg\", \"bdw\"]" }];
        let here = Workspace::of(&scenario);
        here.run().exits(0);
        let fits = here.table("model_fits");
        for (model, parameters, ll) in models {
            for (parameter, expected) in parameters {
                let key = [("segment", "all"), ("model", model), ("window", "full"), ("parameter", parameter)];
                let row = fits.row(&key);
                near(&format!("{model} {parameter}"), float(row, "estimate"), *expected, 1e-3 * expected);
                near(&format!("{model} LL"), float(row, "log_likelihood"), ll, 1e-3);
                assert_eq!(row["converged"], Value::Bool(true), "{row:?}");
            }
        }
    }
}
