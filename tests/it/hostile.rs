//! Histories that no model was made for. Whatever comes in: no figure that is not a number, every NULL with its reason,
//! every share a share.

use std::path::Path;

use crate::days::{Period, day, plus_months};
use crate::fitted::{MODELS, contradictions};
use crate::oracle::differences_of;
use crate::scenario::{At, Attribute, Customer, Rule, Scenario, Segment, Stage, Subscription, Switches, Transaction};
use crate::support::{Row, Table, Value, Workspace};

const OF_PURCHASES: &str =
    "models = [\"ratio\", \"realised\", \"survival\", \"bgnbd\", \"mbgnbd\", \"paretonbd\", \"gammagamma\"]";
const OF_SUBSCRIPTIONS: &str = "models = [\"ratio\", \"realised\", \"survival\", \"sbg\", \"bdw\"]";

/// Every table of the last run.
fn tables(here: &Workspace) -> Vec<Table> {
    let run = here.join("out/latest");
    let name = |path: &Path| {
        let parquet = path.is_dir() || path.extension().is_some_and(|e| e == "parquet");
        parquet.then(|| path.file_stem().expect("a name").to_string_lossy().into_owned())
    };
    let entries = std::fs::read_dir(&run).expect("a finished run").flatten();
    entries.filter_map(|e| name(&e.path())).map(|name| Table::read(&run, &name)).collect()
}

fn float(row: &Row, column: &str) -> Option<f64> {
    match row.get(column) {
        Some(Value::Float(x)) => Some(*x),
        _ => None,
    }
}

fn is_null(row: &Row, column: &str) -> bool {
    row[column] == Value::Null
}

/// What no table may hold, whatever the data.
pub fn absurd(here: &Workspace) -> Vec<String> {
    let mut found = vec![];
    for table in &tables(here) {
        let mut complain = |what: &str, row: &Row| found.push(format!("{}: {what}: {row:?}", table.name));
        for row in &table.rows {
            for (column, value) in row {
                if matches!(value, Value::Float(x) if !x.is_finite()) {
                    complain(&format!("{column} is no number"), row);
                }
            }
            let odd = oddities(&table.name, row).into_iter();
            odd.filter(|(is_odd, _)| *is_odd).for_each(|(_, what)| complain(what, row));
        }
        if ["survival", "lasting"].contains(&table.name.as_str()) {
            for pair in table.rows.windows(2) {
                let same = pair[0]["segment_id"] == pair[1]["segment_id"];
                if same && float(&pair[1], "survival") > float(&pair[0], "survival") {
                    complain("survivors come back", &pair[1]);
                }
            }
        }
    }
    found
}

fn oddities(table: &str, row: &Row) -> Vec<(bool, &'static str)> {
    let between = |low: &str, column: &str, high: &str| {
        let [low, x, high] = [low, column, high].map(|c| float(row, c));
        low.zip(x).is_none_or(|(low, x)| low <= x) && x.zip(high).is_none_or(|(x, high)| x <= high)
    };
    let interval = |column: &str| between("ci_low", column, "ci_high");
    let share = |column: &str| float(row, column).is_none_or(|x| (0.0..=1.0).contains(&x));
    let not_negative = |column: &str| float(row, column).is_none_or(|x| x >= 0.0);
    let silent = |column: &str| is_null(row, column) && is_null(row, "note");
    match table {
        "checks" => vec![(row["status"] == Value::Text("fail".into()), "failed")],
        "survival" | "lasting" => vec![
            (!["survival", "ci_low", "ci_high", "hazard"].iter().all(|c| share(c)), "not a share"),
            (!interval("survival"), "outside of its interval"),
            (!not_negative("std_error"), "a negative error"),
        ],
        "survival_summary" | "lasting_summary" => vec![
            (!between("median_ci_low", "median", "median_ci_high"), "a median outside of its interval"),
            (!not_negative("restricted_mean_std_error"), "a negative error"),
            (silent("restricted_mean") || silent("median") && row["events"] == Value::Int(0), "NULL without a reason"),
        ],
        "survival_tests" | "lasting_tests" => vec![
            (silent("statistic") || silent("p_value"), "no test, and no reason"),
            (!share("p_value") || !not_negative("statistic"), "out of its range"),
        ],
        "ltv" => vec![(silent("ltv"), "no value, and no reason"), (!interval("ltv"), "outside of its interval")],
        "model_fits" => vec![
            (silent("estimate"), "no estimate, and no reason"),
            (!interval("estimate"), "outside of its interval"),
            (!not_negative("std_error"), "a negative error"),
            (row["converged"] == Value::Bool(false) && is_null(row, "note"), "did not converge, and no reason"),
        ],
        "customers" if row.contains_key("p_alive") => vec![
            (!share("p_alive"), "not a share"),
            (!not_negative("expected_orders") || !not_negative("clv"), "less than nothing to come"),
        ],
        _ => vec![],
    }
}

/// Runs with everything on, under each rule that there is.
#[track_caller]
fn bears(scenario: &Scenario) -> Vec<Workspace> {
    bears_with(scenario, "")
}

#[track_caller]
fn bears_with(scenario: &Scenario, ltv: &str) -> Vec<Workspace> {
    let rules = match scenario.rule {
        Rule::Transactions { every_row_counts, .. } => {
            [None, Some(30)].map(|window| Rule::Transactions { window, every_row_counts }).to_vec()
        }
        rule => vec![rule],
    };
    let run = |rule: Rule| {
        let mut scenario = Scenario { rule, ..scenario.clone() };
        let models = if scenario.on_subscriptions() { OF_SUBSCRIPTIONS } else { OF_PURCHASES };
        let survival = |name, options| Stage { name, kind: "survival", period: None, options };
        scenario.stages.extend([
            survival("survival", "unit = \"month\""),
            survival("lasting", "unit = \"week\"\nspells = \"all\"\nhorizon = 26"),
            Stage { name: "ltv", kind: "ltv", period: None, options: format!("{models}\n{ltv}").leak() },
        ]);
        scenario.money = "discount_rate = 0.1\ngross_margin = 0.5";
        let here = Workspace::of(&scenario);
        here.run().exits(0);
        let mut found = absurd(&here);
        if !scenario.on_subscriptions() {
            found.extend(contradictions(&|name| here.table(name), "ltv"));
        }
        found.extend(differences_of(&scenario, &|name| here.table(name)));
        assert!(found.is_empty(), "{rule:?}: {} complaints\n{}", found.len(), found[..found.len().min(6)].join("\n"));
        here
    };
    rules.into_iter().map(run).collect()
}

fn bought(rows: impl IntoIterator<Item = (i64, i64, i64)>) -> Scenario {
    let first = day("2021-01-04");
    Scenario::purchases(rows.into_iter().map(|(who, at, cents)| Transaction::new(who, first + at, cents)).collect())
}

fn crowd(customers: i64, days: impl IntoIterator<Item = i64> + Clone) -> Scenario {
    bought((0..customers).flat_map(|who| days.clone().into_iter().map(move |at| (who, at + who % 3, 10_00 + who))))
}

/// No model of buying has an answer, and each says so.
#[track_caller]
fn nobody_is_scored(here: &[Workspace]) {
    for here in here {
        let customers = here.table("customers");
        assert!(customers.rows.iter().all(|r| is_null(r, "clv") && is_null(r, "p_alive")), "{:?}", customers.rows);
        let ltv = here.table("ltv");
        for model in MODELS {
            assert!(ltv.filter(&[("method", model)]).iter().all(|r| is_null(r, "ltv")), "{model}");
        }
    }
}

#[test]
fn one_customer() {
    nobody_is_scored(&bears(&bought([0, 3, 40, 41, 90, 200].map(|at| (1, at, 9_99)))));
}

#[test]
fn nobody_comes_back() {
    nobody_is_scored(&bears(&bought((0..40).map(|who| (who, 7 * who, 5_00 + who)))));
}

#[test]
fn one_purchase_in_all() {
    nobody_is_scored(&bears(&bought([(1, 0, 5_00)])));
    nobody_is_scored(&bears(&bought([(1, 0, 5_00)]).known_until("2021-06-01")));
}

#[test]
fn more_is_refunded_than_paid() {
    let rows = (0..20).flat_map(|who| {
        let visit = move |n: i64| [(who, 30 * n + who, 10_00), (who, 30 * n + who + 2, -45_00)];
        (0..1 + who % 7).flat_map(visit)
    });
    for here in bears(&bought(rows)) {
        let fits = here.table("model_fits");
        let value = fits.filter(&[("model", "gammagamma"), ("segment", "all"), ("window", "full")]);
        assert!(value.iter().all(|r| is_null(r, "estimate") && !is_null(r, "note")), "{value:?}");
    }
}

#[test]
fn everything_is_free() {
    let mut scenario = bought((0..30).flat_map(|who| (0..=who % 5).map(move |n| (who, who + 31 * n + n * n, 0))));
    scenario.rule = Rule::Transactions { window: None, every_row_counts: true };
    for here in bears(&scenario) {
        let customers = here.table("customers");
        assert!(customers.rows.iter().all(|r| is_null(r, "clv")), "what is free has no value model");
    }
}

#[test]
fn everybody_buys_on_one_day() {
    nobody_is_scored(&bears(&bought((0..50).map(|who| (who, 0, 3_00 + who))).known_until("2021-07-01")));
}

#[test]
fn nobody_ever_leaves() {
    for (here, window) in bears(&crowd(30, (0..24).map(|n| 28 * n))).iter().zip([None, Some(30)]) {
        let summary = here.table("survival_summary");
        let all = summary.row(&[("segment", "all")]);
        assert_eq!((&all["events"], &all["median"]), (&Value::Int(0), &Value::Null), "{window:?}");
        assert!(here.table("survival").rows.iter().all(|r| r["survival"] == Value::Float(1.0)));
        let ltv = here.table("ltv");
        let ratio = ltv.filter(&[("method", "ratio"), ("segment", "all")]);
        let last = ratio.last().expect("complete periods");
        assert!(is_null(last, "ltv") && last["note"].to_string().contains("nobody left"), "{last:?}");
    }
}

#[test]
fn all_leave_at_once() {
    let scenario = crowd(30, (0..12).map(|n| 28 * n)).known_until("2022-12-01");
    for here in bears(&scenario) {
        let curve = here.table("survival");
        let last = curve.filter(&[("segment", "all")]).pop().cloned().expect("a curve");
        assert_eq!(last["survival"], Value::Float(0.0));
        assert!(is_null(&last, "std_error") && is_null(&last, "ci_low"), "{last:?}");
    }
    // The same, of the holdout: it is empty of purchases, not of days.
    for here in bears_with(&scenario, "calibrate_until = \"2021-12-31\"") {
        let backtest = here.table("model_backtest");
        let of_all = [("segment", "all"), ("period", "NULL"), ("quantity", "transactions")];
        assert!(!backtest.filter(&of_all).is_empty());
        for row in backtest.filter(&of_all) {
            assert_eq!(row["actual"], Value::Float(0.0));
            assert!(is_null(row, "relative_error"), "nothing to be relative to: {row:?}");
        }
    }
}

/// No day on one side of the cut: no backtest, and the values say why.
#[test]
fn a_cut_outside_the_window_or_on_its_edge() {
    let scenario = crowd(30, [0, 20, 90, 95, 180, 300]).known_until("2022-01-01");
    for cut in ["2019-01-01", "2021-01-03", "2021-12-31", "2022-01-01", "2030-01-01"] {
        for here in bears_with(&scenario, &format!("calibrate_until = \"{cut}\"")) {
            assert!(here.table("model_backtest").rows.is_empty(), "{cut}");
            assert!(here.table("model_calibration").rows.is_empty(), "{cut}");
            let ltv = here.table("ltv");
            for model in MODELS {
                let row = ltv.row(&[("method", model), ("segment", "all")]);
                assert!(is_null(row, "holdout_error") && row["note"].to_string().contains("holdout"), "{cut}: {row:?}");
            }
        }
    }
    // A day inside on either side is enough.
    for cut in ["2021-01-04", "2021-12-30"] {
        for here in bears_with(&scenario, &format!("calibrate_until = \"{cut}\"")) {
            let ltv = here.table("ltv");
            let row = ltv.row(&[("method", "bgnbd"), ("segment", "all")]);
            assert!(!row["note"].to_string().contains("no holdout"), "{cut}: {row:?}");
        }
    }
}

#[test]
fn a_single_period() {
    let scenario = crowd(20, [0, 2, 5, 9]);
    for as_of in ["2021-01-20", "2021-02-01"] {
        bears(&scenario.clone().known_until(as_of));
    }
    let whole = Scenario { observed_from: Some(day("2021-01-01")), ..scenario }.known_until("2021-02-01");
    bears(&whole.clone().period(Period::Quarter));
    bears(&whole);
}

#[test]
fn a_segment_value_with_one_customer() {
    let mut scenario = crowd(30, [0, 20, 90, 95, 180, 300]).known_until("2022-01-01");
    scenario.customers = (0..31)
        .map(|customer| {
            let region = Some(["north", "south", "nowhere"][if customer == 7 { 2 } else { customer as usize % 2 }]);
            Customer { customer, region, signed_up: None }
        })
        .collect();
    scenario.segments = vec![Segment { name: "region", attribute: Attribute::Region, at: At::Latest }];
    for here in bears(&scenario) {
        let fits = here.table("model_fits");
        for row in fits.filter(&[("value", "nowhere")]) {
            assert!(row["converged"] == Value::Bool(false) && is_null(row, "estimate"), "{row:?}");
        }
        assert_eq!(here.table("survival_summary").row(&[("value", "nowhere")])["customers"], Value::Int(1));
    }
}

/// DECIMAL(18) holds them, and their sum; a double holds their square.
#[test]
fn amounts_near_the_largest() {
    let most = 999_999_999_999_999_999;
    let mut all_of_it = bought([(1, 0, most - 2), (1, 40, 1), (2, 3, 1)]);
    all_of_it.stages.push(Stage { name: "ltv", kind: "ltv", period: None, options: OF_PURCHASES });
    let here = Workspace::of(&all_of_it);
    here.run().exits(0);
    assert_eq!(absurd(&here), Vec::<String>::new());
    // The net revenue of 30 days is scaled to a month: it needs a little room.
    let shared = most / 66;
    bears(&bought((0..16).flat_map(|who| (0..4).map(move |n| (who, who * 3 + n * (20 + who), shared - 1000 * n)))));
    // One cent more than a DECIMAL(18) holds.
    let mut beyond = bought([(1, 0, most), (2, 1, 1)]).known_until("2021-02-01");
    beyond.stages.push(Stage { name: "ltv", kind: "ltv", period: None, options: OF_PURCHASES });
    Workspace::of(&beyond).run().exits(3).says_one_of(&["DECIMAL", "too large", "overflow"]);
}

/// From the first year on that anybody might have kept books, to today.
#[test]
fn a_century_and_a_half() {
    let first = day("1870-03-01");
    let rows =
        (0..40).flat_map(|who: i64| (0..=who % 6).map(move |n| (who, first + 365 * who + 3000 * n + 17 * n * n)));
    let rows: Vec<Transaction> = rows.map(|(who, at)| Transaction::new(who, at, 100 + who)).collect();
    let scenario = Scenario::purchases(rows).known_until("2024-07-15");
    bears(&scenario.clone().period(Period::Quarter));
    bears_with(&scenario.period(Period::Year), "horizon = \"100 years\"\ntime_unit = \"month\"");
}

/// What lies in the future is no history: DEFINITIONS §1.
#[test]
fn a_history_that_has_yet_to_happen() {
    let rows = (0..20).map(|n| Transaction::new(n % 4, day("1870-03-01") + 8_000 * n, 100)).collect();
    let mut scenario = Scenario::purchases(rows).period(Period::Year);
    scenario.stages.push(Stage { name: "ltv", kind: "ltv", period: None, options: OF_PURCHASES });
    let told = Workspace::of(&scenario).run();
    told.exits(1).says(&["2286"]);
}

fn subscribed(rows: impl IntoIterator<Item = (i64, i64, Option<i64>)>) -> Scenario {
    let first = day("2021-01-04");
    let row = |(who, from, to): (i64, i64, Option<i64>)| {
        Subscription::new(who, first + from, to.map(|to| first + to), 10_00 + who)
    };
    Scenario::subscribers(rows.into_iter().map(row).collect())
}

#[test]
fn subscriptions_of_a_day() {
    bears(&subscribed((0..40).map(|who| (who, 5 * who, Some(5 * who + 1)))));
    let mut daily = subscribed((0..40).map(|who| (who, 5 * who, Some(5 * who + 1 + who % 4))));
    daily.subscriptions.iter_mut().for_each(|s| s.interval = Some("day"));
    bears(&daily.known_until("2021-12-01"));
}

#[test]
fn all_subscriptions_end_at_once() {
    let scenario = subscribed((0..40).map(|who| (who, 5 * who, Some(400)))).known_until("2023-01-01");
    for here in bears(&scenario) {
        let ltv = here.table("ltv");
        let last = ltv.filter(&[("method", "survival"), ("segment", "all")]);
        assert!(!last.is_empty() && last.iter().all(|r| !is_null(r, "note")));
    }
    // On one day they began, on one day they end.
    bears(&subscribed((0..40).map(|who| (who, 0, Some(100)))).known_until("2022-01-01"));
}

#[test]
fn no_subscription_is_ever_due() {
    let mut scenario = subscribed((0..40).map(|who| (who, who, None))).known_until("2021-06-01");
    scenario.subscriptions.iter_mut().for_each(|s| s.interval = Some("year"));
    for here in bears(&scenario) {
        let ltv = here.table("ltv");
        for method in ["sbg year", "bdw year"] {
            for row in ltv.filter(&[("method", method)]) {
                assert!(is_null(row, "ltv") && !is_null(row, "note"), "{row:?}");
            }
        }
    }
}

#[test]
fn one_subscription_and_those_who_stay() {
    bears(&subscribed([(1, 0, None)]).known_until("2021-01-05"));
    bears(&subscribed([(1, 0, Some(90))]).known_until("2022-01-05"));
    bears(&subscribed((0..40).map(|who| (who, who % 7, None))).known_until("2023-01-01"));
    // Too few leave for a median.
    bears(&subscribed((0..40).map(|who| (who, who % 7, (who % 10 == 0).then_some(200)))).known_until("2023-01-01"));
    // As many as leave: one of each length, under every interval.
    let mut each = subscribed((0..60).map(|who| (who, 0, (who % 9 > 0).then_some(31 * (who % 9)))));
    let intervals = [None, Some("year"), Some("week"), Some("3 months"), Some("10 days")].map(|i| i.or(Some("month")));
    for (s, interval) in each.subscriptions.iter_mut().zip(intervals.iter().cycle()) {
        s.interval = *interval;
    }
    bears(&each.known_until("2022-06-01"));
}

#[test]
fn subscriptions_for_generations_and_for_fortunes() {
    let from = day("1870-03-01");
    let row = |who: i64| {
        let started = plus_months(from, 37 * who);
        let ended = (who % 3 > 0).then(|| plus_months(started, 11 * who + 1));
        Subscription::new(who, started, ended, 10_00)
    };
    let rows: Vec<Subscription> = (0..40).map(row).collect();
    bears(&Scenario::subscribers(rows.clone()).period(Period::Quarter).known_until("2024-07-15"));
    let mut dear = rows;
    dear.iter_mut().for_each(|s| s.cents = 999_999_999_999_999_999 / 600_000);
    bears(&Scenario::subscribers(dear).period(Period::Year).known_until("2024-07-15"));
    // All of a DECIMAL(18) in one subscription of ten days, whose MRR is three times as much.
    let mut most = subscribed([(1, 0, None)]).known_until("2021-06-01");
    most.subscriptions[0] =
        Subscription { cents: 999_999_999_999_999_999, interval: Some("10 days"), ..most.subscriptions[0].clone() };
    most.stages.push(Stage { name: "ltv", kind: "ltv", period: None, options: OF_SUBSCRIPTIONS });
    let told = Workspace::of(&most).run();
    assert!(matches!(told.code, Some(1 | 3)) && !told.stderr.contains("panicked"), "{told}");
}

#[test]
fn paused_free_and_overdue_for_ever() {
    let mut scenario = subscribed((0..30).map(|who| (who, 3 * who, None))).known_until("2022-01-01");
    for (n, s) in scenario.subscriptions.iter_mut().enumerate() {
        match n % 3 {
            0 => s.paused_from = Some(s.started),
            1 => s.cents = 0,
            _ => s.past_due_since = Some(s.started),
        }
    }
    scenario.rule = Rule::Subscriptions(Switches { past_due_is_live: false, ..Switches::default() });
    for here in bears(&scenario) {
        let summary = here.table("survival_summary");
        let all = summary.row(&[("segment", "all")]);
        assert!(all["customers"] == Value::Int(0) && !is_null(all, "note"), "{all:?}");
    }
}
