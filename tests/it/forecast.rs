//! Forecasts, and how they were held against what came.

use std::fmt::Write;

use crate::days::{day, plus_months, show};
use crate::published::float;
use crate::small::{Business, Rows, shows};
use crate::support::{Value, Workspace};

/// A company with 100 customers at every opening from February 2020 on, of whom `lost(month)` leave in each month and are
/// replaced at once, each paying 10.00, observed for so many months.
fn company(months: i64, lost: impl Fn(i64) -> usize) -> Business {
    let mut text = String::from("customer_id | started_at | ended_at | amount\n");
    let mut rows: Vec<(String, i64, Option<i64>)> = vec![];
    let mut live: Vec<usize> = vec![];
    let join = |rows: &mut Vec<(String, i64, Option<i64>)>, live: &mut Vec<usize>, on: i64| {
        live.push(rows.len());
        rows.push((format!("c{}", rows.len()), on, None));
    };
    let start = day("2020-01-01");
    (0..100).for_each(|_| join(&mut rows, &mut live, start));
    for month in 1..months {
        let on = plus_months(start, month) + 14;
        for _ in 0..lost(month) {
            let gone = live.remove(0);
            rows[gone].2 = Some(on);
            join(&mut rows, &mut live, on);
        }
    }
    for (id, from, to) in rows {
        let to = to.map(show).unwrap_or_default();
        writeln!(text, "{id} | {} | {to} | 10.00", show(from)).expect("strings grow");
    }
    Business::of_subscriptions(&show(plus_months(start, months)))
        .source_of("subscriptions", Rows::read(&text), "")
        .stage("forecast", "")
}

fn expected(here: &Workspace, metric: &str, period: &str) -> Value {
    let table = here.table("forecast");
    table.row(&[("segment", "all"), ("metric", metric), ("period", period)])["expected"].clone()
}

#[test]
fn what_stays_as_it_is_is_forecast_to_stay() {
    let here = company(16, |_| 5).runs();
    let near = |metric: &str, period: &str, want: f64| {
        let Value::Float(x) = expected(&here, metric, period) else { panic!("{metric} {period}") };
        assert!((x - want).abs() < 0.06 * want, "{metric} {period}: {x}");
    };
    for period in ["2021-05-01", "2021-06-01", "2021-07-01"] {
        // (5 + ½)/(100 + 1), turned back: 5.
        near("churn_rate", period, 0.05);
        near("churned_customers", period, 5.0);
        near("opening", period, 100.0);
        near("lost_revenue", period, 50.0);
    }
    let table = here.table("forecast");
    for row in table.filter(&[("segment", "all"), ("metric", "churn_rate")]) {
        assert!(float(row, "ci_low") < float(row, "expected") && float(row, "expected") < float(row, "ci_high"));
        assert!((float(row, "last_year") - 0.05).abs() < 1e-12, "{row:?}");
    }
    // February 2020 to April 2021.
    shows(&here, "checks", "check | subject : status | actual\n forecast_history | forecast : pass | 15");
}

#[test]
fn fewer_than_eight_periods_are_no_history() {
    let here = company(8, |_| 5).runs();
    assert_eq!(expected(&here, "churn_rate", "2020-09-01"), Value::Null);
    let table = here.table("forecast");
    assert!(table.rows.iter().all(|r| r["expected"] == Value::Null && r["note"].to_string().contains("fewer than 8")));
    shows(&here, "checks", "check | subject : status\n forecast_history | forecast : warn");
    let here = company(10, |_| 5).runs();
    assert_ne!(expected(&here, "churn_rate", "2020-11-01"), Value::Null);
}

/// Twenty leave every January and two in every other month: after three Januaries the fourth is seen coming, which the same
/// as last month does not see.
#[test]
fn a_season_is_seen_coming() {
    let here = company(48, |month| if month % 12 == 0 { 20 } else { 2 }).runs();
    let (Value::Float(january), Value::Float(february)) =
        (expected(&here, "churned_customers", "2024-01-01"), expected(&here, "churned_customers", "2024-02-01"))
    else {
        panic!("both are forecast")
    };
    assert!((january - 20.0).abs() < 2.0 && (february - 2.0).abs() < 1.0, "{january} {february}");
    let table = here.table("forecast_backtest");
    let row = table.row(&[("metric", "churned_customers"), ("horizon", "1"), ("method", "smoothing")]);
    assert!(float(row, "against_last_period") < 1.0, "{row:?}");
    let naive = table.row(&[("metric", "churned_customers"), ("horizon", "1"), ("method", "last_year")]);
    assert_eq!(naive["mean_absolute_error"], Value::Float(0.0));
    let index = here.table("forecast");
    let row = index.row(&[("segment", "all"), ("metric", "churned_customers"), ("period", "2024-01-01")]);
    assert!((float(row, "seasonal_index") - 20.0 / (42.0 / 12.0)).abs() < 0.5, "{row:?}");
}

/// What comes later changes nothing that was expected before.
#[test]
fn a_forecast_knows_its_past_alone() {
    let table = |months| {
        let business = company(months, |month| 3 + (month * 7 % 5) as usize).calendar("");
        business.runs()
    };
    let (short, long) = (table(20), table(30));
    let test = |here: &Workspace| {
        let table = here.table("forecast_backtest");
        table.row(&[("metric", "churn_rate"), ("horizon", "1"), ("method", "smoothing")])["origins"].clone()
    };
    assert_ne!(test(&short), test(&long));
    let replayed = company(30, |month| 3 + (month * 7 % 5) as usize).workspace();
    replayed.tenure(&["run", "pipeline.toml", "--quiet", "--as-of", "2021-09-01"]).exits(0);
    let rows = |here: &Workspace| here.table("forecast").rows;
    assert_eq!(rows(&short), rows(&replayed));
}
