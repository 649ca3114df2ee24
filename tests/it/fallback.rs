//! Where a model has no answer: what steps in, and what is said.

use crate::dice::Dice;
use crate::scenario::{Scenario, Transaction};
use crate::support::{Table, Workspace};

/// A year of customers of whom so many in a hundred come once, and the others each day with a chance of their own, of
/// whom three in a thousand leave after a purchase.
fn regulars(customers: i64, once: i64) -> Scenario {
    let mut dice = Dice::new(11);
    let mut transactions = vec![];
    for customer in 0..customers {
        let first = crate::days::day("2023-01-01") + dice.below(90);
        let mut exponential = || -((dice.below(1_000_000) + 1) as f64 / 1e6).ln();
        let rate = 0.025 * (exponential() + exponential());
        let chance = if dice.percent(once) { 0 } else { (rate * 1e6) as i64 };
        for day in first..crate::days::day("2024-01-01") {
            if day == first || dice.below(1_000_000) < chance {
                transactions.push(Transaction::new(customer, day, 1_00 * dice.between(5, 45)));
                if day > first && dice.below(1000) < 3 {
                    break;
                }
            }
        }
    }
    Scenario::purchases(transactions).known_until("2024-01-01")
}

fn with(scenario: &Scenario, stages: &str) -> Workspace {
    let here = Workspace::of(scenario);
    let text = std::fs::read_to_string(here.join("pipeline.toml")).expect("our own pipeline");
    here.write("pipeline.toml", &(text + stages));
    here
}

fn cells(table: &Table, column: &str, where_: &[(&str, &str)]) -> Vec<String> {
    table.filter(where_).into_iter().map(|row| table.cell(row, column).to_string()).collect()
}

/// Many come once and never again, the others hardly ever leave: after a repeat purchase nearly nobody drops out, which
/// is all that BG/NBD knows of leaving. MBG/NBD, in which one may leave at once, fits.
#[test]
fn mbgnbd_steps_in_where_bgnbd_has_no_answer() {
    let here = with(&regulars(1000, 40), "\n[stages.fitted]\nkind = \"ltv\"\nmodels = [\"bgnbd\"]\n");
    here.run().exits(0);
    let (fits, ltv, customers) = (here.table("model_fits"), here.table("fitted"), here.table("customers"));
    let full = |model, column| cells(&fits, column, &[("segment", "all"), ("model", model), ("window", "full")]);
    assert!(full("bgnbd", "converged").iter().all(|c| c == "false"));
    assert!(full("bgnbd", "note").iter().all(|note| note.contains("not converged")));
    assert!(full("bgnbd", "std_error").iter().all(|e| e == "NULL"));
    assert!(full("mbgnbd", "converged").iter().all(|c| c == "true"));
    let note = |method| cells(&ltv, "note", &[("segment", "all"), ("method", method)]).remove(0);
    assert_eq!(cells(&ltv, "ltv", &[("segment", "all"), ("method", "bgnbd")]), ["NULL"]);
    assert!(note("mbgnbd").contains("stands in for bgnbd") && note("mbgnbd").contains("scores the customers"));
    // Not the kind's own name, so the columns have the stage's before them.
    let alive = cells(&customers, "fitted_p_alive", &[("frequency", "0")]);
    assert!(alive.len() > 300 && alive.iter().all(|p| p.parse::<f64>().expect("a number") < 0.5));
    let alive = cells(&customers, "fitted_p_alive", &[]);
    assert!(alive.iter().filter(|p| p.parse::<f64>().is_ok_and(|p| p > 0.9)).count() > 300);
}

/// Nobody ever buys again: there is nothing to fit, nobody is scored, and what was realised has to do.
#[test]
fn realised_has_to_do_where_no_model_has_an_answer() {
    let here = with(&regulars(60, 100), "\n[stages.ltv]\nmodels = [\"bgnbd\", \"paretonbd\"]\n");
    here.run().exits(0);
    let (fits, ltv, customers) = (here.table("model_fits"), here.table("ltv"), here.table("customers"));
    assert!(cells(&fits, "converged", &[]).iter().all(|c| c == "false"));
    assert!(cells(&fits, "note", &[]).iter().all(|note| note != "NULL"));
    let methods: std::collections::BTreeSet<_> = cells(&ltv, "method", &[("segment", "all")]).into_iter().collect();
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["bgnbd", "mbgnbd", "paretonbd", "realised"]);
    for column in ["p_alive", "expected_orders", "clv"] {
        assert!(cells(&customers, column, &[]).iter().all(|x| x == "NULL"), "{column}");
    }
    assert!(here.table("model_backtest").filter(&[("model", "bgnbd")]).is_empty());
}

/// A stage on its own writes its tables, and no customers.
#[test]
fn a_stage_of_models_runs_alone() {
    let stages = "\n[stages.ltv]\nmodels = [\"mbgnbd\"]\ncalibrate_share = 0.5\n[stages.twice]\nkind = \"ltv\"\n\
                  models = [\"mbgnbd\"]\ntime_unit = \"day\"\n";
    let here = with(&regulars(1000, 40), stages);
    here.run().exits(0);
    let fits = here.table("model_fits");
    // Rates by the day are a seventh of those by the week, shapes the same.
    let estimate = |stage, parameter| -> f64 {
        let found = [("stage", stage), ("model", "mbgnbd"), ("window", "full"), ("parameter", parameter)];
        cells(&fits, "estimate", &found).remove(0).parse().expect("a number")
    };
    assert!((estimate("twice", "alpha") / estimate("ltv", "alpha") - 7.0).abs() < 1e-4);
    assert!((estimate("twice", "r") / estimate("ltv", "r") - 1.0).abs() < 1e-5);
    // The first half of 2023 ends with June.
    let periods = cells(&here.table("model_backtest"), "period", &[("stage", "ltv"), ("model", "last_period")]);
    assert_eq!(periods.iter().filter(|p| *p != "NULL").min().map(String::as_str), Some("2023-07-01"));
    here.tenure(&["run", "pipeline.toml", "--only", "twice", "--out", "alone"]).exits(0);
    let mut runs = std::fs::read_dir(here.join("alone/runs")).expect("a run").map(|f| f.expect("a folder").path());
    let run = runs.find(|p| p.is_dir()).expect("a run");
    assert!(run.join("twice.parquet").exists() && run.join("model_fits.parquet").exists());
    assert!(!run.join("customers.parquet").exists());
}
