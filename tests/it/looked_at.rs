//! What an independent look at the fitted tables stumbled over once, each by the smallest history that shows it.

use crate::days::day;
use crate::scenario::{At, Attribute, Scenario, Segment, Stage, Subscription, Transaction};
use crate::support::{Value, Workspace, whole};

fn bought(rows: &[(i64, &str, i64)]) -> Scenario {
    Scenario::purchases(rows.iter().map(|(who, at, cents)| Transaction::new(*who, day(at), *cents)).collect())
}

fn stage(name: &'static str, options: &'static str) -> Stage {
    Stage { name, kind: name, period: None, options }
}

/// A customer whose `latest` value at the cut is nobody's at as_of belongs to no value of the segment, and once to all.
#[test]
fn a_value_that_nobody_has_any_more_is_not_everybody() {
    let mut scenario = bought(&[(1, "2020-01-05", 10_00), (2, "2020-01-09", 10_00), (1, "2020-02-20", 10_00)]);
    for (t, shade) in scenario.transactions.iter_mut().zip(["red", "blue", "blue"]) {
        t.shade = Some(shade);
    }
    scenario.segments = vec![Segment { name: "by_now", attribute: Attribute::Shade, at: At::Latest }];
    scenario.stages = vec![stage("ltv", "models = [\"bgnbd\"]\ncalibrate_until = \"2020-01-31\"")];
    let here = Workspace::of(&scenario.known_until("2020-03-01"));
    here.run().exits(0);
    let fits = here.table("model_fits");
    let key = [("segment", "all"), ("model", "bgnbd"), ("window", "calibration")];
    assert_eq!(fits.row(&key)["customers"], Value::Int(2));
}

/// Churn and the curve agree: of five who can be judged all have left.
fn five_of_five_left(scenario: &Scenario) {
    let here = Workspace::of(scenario);
    here.run().exits(0);
    let churn = here.table("churn");
    let sum = |column: &str| churn.rows.iter().map(|r| whole(&r[column])).sum::<i128>();
    assert_eq!((sum("churned"), sum("opening")), (5, 5));
    let curve = here.table("survival");
    let at_1 = curve.row(&[("segment", "all"), ("time", "1")]);
    assert_eq!(
        (&at_1["events"], &at_1["at_risk"], &at_1["survival"]),
        (&Value::Int(5), &Value::Int(5), &Value::Float(0.0))
    );
}

/// Six customers buy once, in six months. Of five it is known that they did not buy again in the next; of the last
/// nothing is, for that month is not over. Of those whose first month can be judged all have left: S(1) = 0, as
/// Σ churned / Σ opening = 5/5 says. Counted among those at risk at 1, the sixth makes it 1/6, and the youngest cohort
/// lifts the curve of any history at each of its times.
#[test]
fn who_cannot_be_judged_yet_is_not_at_risk() {
    let rows: Vec<(i64, String)> = (1..=6).map(|month| (month, format!("2020-{month:02}-01"))).collect();
    let rows: Vec<(i64, &str, i64)> = rows.iter().map(|(who, at)| (*who, at.as_str(), 10_00)).collect();
    let mut scenario = bought(&rows).known_until("2020-07-01");
    scenario.stages = vec![stage("churn", ""), stage("survival", "")];
    five_of_five_left(&scenario);
}

/// Four of forty leave: no median, and `note` should say why.
#[test]
fn a_median_that_is_not_reached_says_so() {
    let row = |who: i64| Subscription::new(who, day("2021-01-04"), (who < 4).then(|| day("2021-08-01")), 10_00);
    let mut scenario = Scenario::subscribers((0..40).map(row).collect()).known_until("2022-01-01");
    scenario.stages = vec![stage("survival", "unit = \"month\"")];
    let here = Workspace::of(&scenario);
    here.run().exits(0);
    let summary = here.table("survival_summary");
    let all = summary.row(&[("segment", "all")]);
    assert_eq!(all["median"], Value::Null);
    assert_ne!(all["note"], Value::Null, "{all:?}");
}

/// A value that was fitted on the whole window but not up to the cut has no holdout_error, and should say why.
#[test]
fn a_backtest_that_did_not_converge_says_so() {
    let mut scenario = crate::generate::shop(3, 300);
    // Nobody has come back by the cut: nothing can be fitted up to it.
    let mut first = std::collections::BTreeMap::new();
    scenario.transactions.iter().for_each(|t| {
        let day = first.entry(t.customer).or_insert(t.day);
        *day = t.day.min(*day);
    });
    let cut = day("2021-01-31");
    scenario.transactions.retain(|t| t.day > cut || first[&t.customer] == t.day);
    scenario.stages = vec![stage("ltv", "models = [\"bgnbd\"]\ncalibrate_until = \"2021-01-31\"")];
    let here = Workspace::of(&scenario);
    here.run().exits(0);
    let ltv = here.table("ltv");
    let row = ltv.row(&[("segment", "all"), ("method", "bgnbd")]);
    assert!(row["ltv"] != Value::Null && row["holdout_error"] == Value::Null, "{row:?}");
    let note = row["note"].to_string();
    assert!(["holdout", "calibration", "backtest", "cut"].iter().any(|word| note.contains(word)), "{note}");
}
/// The same by contract: five monthly subscriptions ended on the day of their first renewal, the sixth would have on
/// as_of, which is not known yet.
#[test]
fn a_contract_that_is_due_at_as_of_is_not_at_risk() {
    let row = |n: i64| {
        let started = day("2020-01-01");
        let [from, to] = [n, n + 1].map(|k| crate::days::plus_months(started, k));
        Subscription::new(n, from, Some(to), 10_00)
    };
    let mut scenario = Scenario::subscribers((0..6).map(row).collect()).known_until("2020-07-01");
    scenario.stages = vec![stage("churn", ""), stage("survival", "unit = \"month\"")];
    five_of_five_left(&scenario);
}

/// Contracts that end at a constant rate, begun all through the window: by whatever unit they are counted, the curve is
/// that of the rate. Ends counted in a unit that is not over, or entries before all of one was seen, would bend it.
#[test]
fn the_unit_does_not_bend_the_curve() {
    let mut dice = crate::dice::Dice::new(5);
    let (first, last, a_day) = (day("2020-01-01"), day("2024-01-01"), 0.5 / 365.25);
    let mut row = |who: i64| {
        let length = -(((dice.below(1_000_000) + 1) as f64 / 1e6).ln()) / a_day;
        let started = first + dice.below(last - first);
        Subscription::new(who, started, Some(started + 1 + length as i64), 10_00)
    };
    let mut scenario = Scenario::subscribers((0..8000).map(&mut row).collect()).known_until("2024-01-01");
    // Late entry as well.
    scenario.observed_from = Some(day("2021-05-10"));
    scenario.stages = ["year", "quarter", "month"]
        .map(|unit| Stage { name: unit, kind: "survival", period: None, options: unit_of(unit) })
        .to_vec();
    let here = Workspace::of(&scenario);
    here.run().exits(0);
    let mut far = 0;
    for (unit, days, units) in [("year", 365.25, 3), ("quarter", 91.3125, 12), ("month", 30.4375, 36)] {
        let curve = here.table(unit);
        for k in 1..=units {
            let row = curve.row(&[("segment", "all"), ("time", &k.to_string())]);
            let (Value::Float(s), Value::Float(error)) = (&row["survival"], &row["std_error"]) else {
                panic!("{unit} {k}: {row:?}")
            };
            let off = (s - (-a_day * days * f64::from(k)).exp()).abs() / error;
            assert!(off < 4.0, "{unit} {k}: {s} is {off} standard errors off");
            far += i32::from(off > 2.0);
        }
    }
    // Of 51, two or three lie further off than two standard errors; along a curve they go together.
    assert!(far < 15, "{far}");
}

fn unit_of(unit: &str) -> &'static str {
    match unit {
        "year" => "unit = \"year\"",
        "quarter" => "unit = \"quarter\"",
        _ => "unit = \"month\"",
    }
}
