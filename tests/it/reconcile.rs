//! Table `reconcile`: each policy's figures, and the part of each switch in what they differ by.

use std::collections::BTreeMap;

use crate::compare::differences;
use crate::generate;
use crate::naive;
use crate::naive::lifetime::Terms;
use crate::scenario::{Scenario, Stage};
use crate::small::{Business, shows};
use crate::support::{Table, Value, Workspace, whole};

/// Ann cancels on 20 February and has paid until 10 March; Eve comes and goes in February; Bob stays.
///
/// By standard nobody leaves in February. Stripe dates Ann's end by her cancellation (churned 1, of two: a half), then takes
/// the rate of 30 days (31 January to 29 February: the same two, so no change), then counts Eve (churned 2 of 3).
#[test]
fn a_difference_is_attributed_to_its_switches() {
    let business = Business::of_subscriptions("2020-05-01").source(
        "subscriptions",
        "customer_id | started_at | cancelled_at | paid_until | amount
         Ann         | 2020-01-10 | 2020-02-20   | 2020-03-10 | 10.00
         Bob         | 2020-01-10 |              |            | 20.00
         Eve         | 2020-02-05 | 2020-02-15   | 2020-02-15 | 40.00",
    );
    let here = business.stage("reconcile", "").runs();
    shows(
        &here,
        "reconcile",
        "policy     | period     | measure     | switch        : amount | exact
         standard   | 2020-02-01 | churned     | NULL          : 0      | 0
         standard   | 2020-03-01 | churned     | NULL          : 1      | 1
         stripe     | 2020-02-01 | churned     | NULL          : 2      | 2
         stripe     | 2020-02-01 | churned     | churn_dated   : 1      | 1
         stripe     | 2020-02-01 | churned     | churn_rate    : 0      | 0
         stripe     | 2020-02-01 | churned     | within_period : 1      | 1
         stripe     | 2020-02-01 | new         | NULL          : 1      | 1
         stripe     | 2020-02-01 | new         | within_period : 1      | 1
         stripe     | 2020-02-01 | closing     | NULL          : 1      | 1
         stripe     | 2020-02-01 | closing     | churn_dated   : -1     | -1
         stripe     | 2020-03-01 | churned     | NULL          : 0      | 0
         stripe     | 2020-03-01 | churned     | churn_dated   : -1     | -1
         stripe     | 2020-02-01 | mrr_churned | NULL          : -50    | -5000
         stripe     | 2020-02-01 | mrr_churned | churn_dated   : -10    | -1000
         stripe     | 2020-02-01 | mrr_churned | within_period : -40    | -4000
         stripe     | 2020-02-01 | mrr_new     | within_period : 40     | 4000
         standard   | 2020-02-01 | churn_rate  | NULL          : 0      | NULL
         stripe     | 2020-02-01 | churn_rate  | NULL          : 2/3    | NULL
         stripe     | 2020-02-01 | churn_rate  | churn_dated   : 1/2    | NULL
         stripe     | 2020-02-01 | churn_rate  | churn_rate    : 0      | NULL
         stripe     | 2020-02-01 | churn_rate  | within_period : 1/6    | NULL
         maxio      | 2020-02-01 | churned     | NULL          : 1      | 1
         maxio      | 2020-02-01 | churned     | within_period : 1      | 1
         maxio      | 2020-02-01 | churned     | reactivation  : 0      | 0
         chartmogul | 2020-02-01 | churned     | NULL          : 0      | 0
         chartmogul | 2020-02-01 | churned     | churn_dated   : 0      | 0",
    );
    // February to April are complete; profitwell does as standard does, and has no parts.
    let table = here.table("reconcile");
    let rows = |policy: &str| table.filter(&[("policy", policy)]).len();
    let measures = 3 * table.filter(&[("policy", "standard"), ("period", "2020-02-01")]).len();
    assert_eq!(
        ["standard", "profitwell", "chartmogul", "stripe", "maxio"].map(rows),
        [measures, measures, 5 * measures, 4 * measures, 3 * measures]
    );
}

/// Gus is back after 45 days: to the pipeline's own policy that is a new customer.
#[test]
fn the_pipelines_own_policy_is_compared_too() {
    let business = Business::of_subscriptions("2020-05-01").customers("reactivation = \"30 days\"").source(
        "subscriptions",
        "customer_id | started_at | ended_at   | amount
         Bob         | 2020-01-10 |            | 20.00
         Gus         | 2020-01-10 | 2020-02-10 | 10.00
         Gus         | 2020-03-26 |            | 10.00",
    );
    let here = business.stage("reconcile", "").runs();
    shows(
        &here,
        "reconcile",
        "policy   | period     | measure          | switch       : amount | exact
         standard | 2020-03-01 | returned         | NULL         : 1      | 1
         pipeline | 2020-03-01 | new              | NULL         : 1      | 1
         pipeline | 2020-03-01 | new              | reactivation : 1      | 1
         pipeline | 2020-03-01 | returned         | reactivation : -1     | -1
         pipeline | 2020-03-01 | mrr_new          | reactivation : 10     | 1000
         pipeline | 2020-03-01 | mrr_reactivation | reactivation : -10    | -1000
         maxio    | 2020-03-01 | returned         | NULL         : 1      | 1",
    );
}

/// $100 at 0.80, from 15 February $150; the day before it the dollar stood at 0.84, on 1 March at 0.90. By standard the
/// upgrade is $50 × 0.80, and the rate makes the rest up to $150 × 0.90. Without movement the subscription keeps 0.84:
/// 126, of which 46 are the upgrade.
#[test]
fn moves_of_exchange_rates_have_their_part() {
    let business = Business::of_subscriptions("2020-04-01")
        .source(
            "subscriptions",
            "customer_id | subscription_id | started_at | ended_at   | amount | currency
             Ann         | 1               | 2020-01-01 | 2020-02-15 | 100.00 | USD
             Ann         | 1               | 2020-02-15 |            | 150.00 | USD",
        )
        .source(
            "exchange_rates",
            "currency | date       | rate
             USD      | 2020-01-01 | 0.80
             USD      | 2020-01-31 | 0.80
             USD      | 2020-02-01 | 0.80
             USD      | 2020-02-14 | 0.84
             USD      | 2020-03-01 | 0.90
             USD      | 2020-04-01 | 0.90",
        );
    let here = business.stage("reconcile", "").runs();
    shows(
        &here,
        "reconcile",
        "policy     | period     | measure             | switch              : amount | exact
         standard   | 2020-02-01 | mrr_expansion       | NULL                : 40     | 4000
         standard   | 2020-02-01 | mrr_currency_effect | NULL                : 15     | 1500
         standard   | 2020-02-01 | mrr_closing         | NULL                : 135    | 13500
         chartmogul | 2020-02-01 | mrr_expansion       | NULL                : 46     | 4600
         chartmogul | 2020-02-01 | mrr_expansion       | exchange_rate_moves : 6      | 600
         chartmogul | 2020-02-01 | mrr_currency_effect | NULL                : 0      | 0
         chartmogul | 2020-02-01 | mrr_currency_effect | exchange_rate_moves : -15    | -1500
         chartmogul | 2020-02-01 | mrr_closing         | exchange_rate_moves : -9     | -900
         chartmogul | 2020-02-01 | mrr_closing         | churn_dated         : 0      | 0",
    );
}

#[test]
fn purchases_have_no_policies_and_a_comparison_of_everybody_no_segments() {
    let bought = "customer_id | occurred_at | amount\nAnn | 2020-01-10 | 10.00";
    let business = Business::of_transactions("2020-05-01").source("transactions", bought).stage("reconcile", "");
    let (_, outcome) = business.outcome();
    outcome.exits(2);
    assert!(outcome.to_string().contains("the basis is transactions"), "{outcome}");
    let subscribed = "customer_id | started_at | plan | amount\nAnn | 2020-01-10 | a | 10.00";
    let business = Business::of_subscriptions("2020-05-01").source("subscriptions", subscribed);
    let business = business.segment("plan = \"subscriptions.plan\"").stage("reconcile", "segments = [\"plan\"]");
    let (_, outcome) = business.outcome();
    outcome.exits(2);
    assert!(outcome.to_string().contains("which is of everybody"), "{outcome}");
}

/// A count or minor units; a rate or a value.
type Figure = (Option<i128>, Option<f64>);
/// By period and measure.
type Figures = BTreeMap<(String, String), Figure>;

const CUSTOMERS: [&str; 5] = ["opening", "new", "returned", "churned", "closing"];
const MONEY: [&str; 8] =
    ["opening", "new", "expansion", "contraction", "churned", "reactivation", "currency_effect", "closing"];

/// What the stages show of the complete periods of everybody.
fn shown(here: &Workspace) -> Figures {
    let mut figures = Figures::new();
    let real = |value: &Value| if let Value::Float(x) = value { Some(*x) } else { None };
    let complete = [("segment", "all"), ("maturity", "complete")];
    let (churn, revenue, ltv) = (here.table("churn"), here.table("revenue_churn"), here.table("ltv"));
    for row in churn.filter(&complete) {
        let mut put = |measure: &str, figure| figures.insert((row["period"].to_string(), measure.to_string()), figure);
        for column in CUSTOMERS {
            put(column, (Some(whole(&row[column])), None));
        }
        put("churn_rate", (None, real(&row["churn_rate"])));
        put("ltv", (None, None));
    }
    for row in revenue.filter(&complete) {
        let mut put = |measure: &str, figure| figures.insert((row["period"].to_string(), measure.to_string()), figure);
        for column in MONEY {
            put(&format!("mrr_{column}"), (Some(whole(&row[column])), None));
        }
        put("gross_churn_rate", (None, real(&row["gross_churn_rate"])));
    }
    for row in ltv.filter(&[("segment", "all"), ("method", "ratio")]) {
        figures.insert((row["period"].to_string(), "ltv".to_string()), (None, real(&row["ltv"])));
    }
    figures
}

/// What `reconcile` says of a policy and a switch.
fn told(table: &Table, policy: &str, switch: &str) -> Figures {
    let rows = table.filter(&[("policy", policy), ("switch", switch)]);
    let figure = |row: &&crate::support::Row| {
        let exact = if row["exact"] == Value::Null { None } else { Some(whole(&row["exact"])) };
        let real = if let (None, Value::Float(x)) = (exact, &row["amount"]) { Some(*x) } else { None };
        ((row["period"].to_string(), row["measure"].to_string()), (exact, real))
    };
    rows.iter().map(figure).collect()
}

fn less(after: &Figures, before: &Figures) -> Figures {
    let pairs = after.iter().zip(before.values());
    let part = |a: &Figure, b: &Figure| (a.0.zip(b.0).map(|(a, b)| a - b), a.1.zip(b.1).map(|(a, b)| a - b));
    pairs.map(|((key, a), b)| (key.clone(), part(a, b))).collect()
}

#[track_caller]
fn same(left: &Figures, right: &Figures, what: &str) {
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "{what}");
    for ((key, a), b) in left.iter().zip(right.values()) {
        let near = match (a.1, b.1) {
            (Some(x), Some(y)) => (x - y).abs() <= 1e-9 * x.abs().max(1.0),
            (x, y) => x == y,
        };
        assert!(a.0 == b.0 && near, "{what} {key:?}: {a:?} and {b:?}");
    }
}

/// Ways from the standard policy, switch by switch in the order of the definitions' table.
const WAYS: [(&str, &[(&str, &str)]); 4] = [
    (
        "chartmogul",
        &[
            ("churn_dated", "ended_at"),
            ("exchange_rate_moves", "no movement"),
            ("free_after_paid", "live at 0"),
            ("ltv_churn_rate", "mean_of_previous"),
        ],
    ),
    ("stripe", &[("churn_dated", "cancelled_at"), ("churn_rate", "rolling_30_days"), ("within_period", "both")]),
    ("profitwell", &[]),
    ("maxio", &[("within_period", "both"), ("reactivation", "90 days")]),
];

fn history(seed: u64) -> Scenario {
    let mut scenario = generate::subscribers(seed);
    scenario.segments.clear();
    scenario.stages = vec![
        Stage::plain("churn"),
        Stage::plain("revenue_churn"),
        Stage { name: "ltv", kind: "ltv", period: None, options: "models = [\"ratio\"]" },
        Stage::plain("reconcile"),
    ];
    // Plans for nothing after paid ones, and notice that takes effect later.
    for (i, row) in scenario.subscriptions.iter_mut().enumerate() {
        if i % 7 == 3 {
            row.cents = 0;
        }
        if i % 3 == 0 && row.cancelled.is_none() {
            row.cancelled = row.ended.or(row.paid_until).map(|end| (end - 20).max(row.started + 1));
        }
    }
    scenario
}

/// Every figure and every part, against runs with the policy and with the switches set one after the other.
#[test]
fn parts_are_what_flipping_one_switch_after_the_other_changes() {
    let mut changed: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 3000..3014 {
        let scenario = history(seed);
        let here = Workspace::of(&scenario);
        let text = scenario.toml();
        let under = |lines: &str| {
            here.write("pipeline.toml", &text.replace("[customers]\n", &format!("[customers]\n{lines}\n")));
            here.run().exits(0);
            shown(&here)
        };
        let standard = under("");
        let table = here.table("reconcile");
        same(&told(&table, "standard", "NULL"), &standard, &format!("seed {seed} standard"));
        for (policy, switches) in WAYS {
            let own = told(&table, policy, "NULL");
            same(&own, &under(&format!("policy = \"{policy}\"")), &format!("seed {seed} {policy}"));
            let (mut before, mut lines, mut sum) = (standard.clone(), String::new(), standard.clone());
            for (switch, value) in switches {
                lines += &format!("{switch} = \"{value}\"\n");
                let after = under(&lines);
                let part = told(&table, policy, switch);
                same(&part, &less(&after, &before), &format!("seed {seed} {policy} {switch}"));
                *changed.entry(switch).or_default() +=
                    part.values().filter(|(n, x)| n.is_some_and(|n| n != 0) || x.is_some_and(|x| x != 0.0)).count()
                        as u32;
                for (total, part) in sum.values_mut().zip(part.values()) {
                    total.0 = total.0.zip(part.0).map(|(a, b)| a + b);
                    total.1 = total.1.zip(part.1).map(|(a, b)| a + b);
                }
                before = after;
            }
            // Exactly, for customers and money; a rate that was unknown on the way has no sum.
            for ((key, total), own) in sum.iter().zip(own.values()) {
                assert_eq!(total.0, own.0, "seed {seed} {policy} {key:?}");
                let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
                assert!(
                    total.1.is_none_or(|sum| own.1.is_some_and(|own| near(sum, own))),
                    "seed {seed} {policy} {key:?}"
                );
            }
        }
    }
    // In one currency exchange rates move nothing; all else makes a difference somewhere.
    let idle: Vec<&str> = changed.iter().filter(|(_, n)| **n == 0).map(|(switch, _)| *switch).collect();
    assert_eq!(idle, ["exchange_rate_moves"], "{changed:?}");
}

/// Every figure and every part, against the naive model under each policy: the pipeline's own too where it is none of the
/// presets.
#[test]
fn policies_are_recomputed_from_the_rows() {
    let mut report = vec![];
    for seed in 3000..3020_u64 {
        let mut scenario = if seed.is_multiple_of(2) { history(seed) } else { generate::by_policy(seed) };
        scenario.segments.clear();
        scenario.stages = vec![Stage::plain("reconcile")];
        let here = Workspace::of(&scenario);
        let outcome = here.run();
        let found = match outcome.code {
            Some(0) => differences(&naive::reconcile::table(&scenario, &Terms::default()), &here.table("reconcile")),
            _ => vec![format!("the run failed: {outcome}")],
        };
        if !found.is_empty() {
            let lines: Vec<String> = found.iter().take(12).cloned().collect();
            let kept = here.keep();
            report.push(format!("seed {seed}, {} in {}:\n  {}", found.len(), kept.display(), lines.join("\n  ")));
        }
    }
    assert!(report.is_empty(), "the program and the naive model differ:\n{}", report.join("\n\n"));
}
