//! The quoted examples of DEFINITIONS.md.

use super::Example;
use super::handbooks::steady;
use crate::compare::{Want, money};
use crate::days::{Period, day, plus_months};
use crate::scenario::{Rule, Scenario, Stage, Subscription, Transaction};

/// DEFINITIONS §2: A stays. B leaves. C leaves and comes back. D joins. E joins and leaves. F (lapsed) is back.
/// G (lapsed) is back and leaves. H joins, leaves, rejoins.
pub fn march() -> Vec<Example> {
    let [a, b, c, d, e, f, g, h] = [1, 2, 3, 4, 5, 6, 7, 8];
    let row = |customer, from: &str, until: &str| {
        Subscription::new(customer, day(from), (!until.is_empty()).then(|| day(until)), 10_00)
    };
    let rows = vec![
        row(a, "2020-01-10", ""),
        row(b, "2020-01-10", "2020-03-10"),
        row(c, "2020-01-10", "2020-03-05"),
        row(c, "2020-03-20", ""),
        row(d, "2020-03-10", ""),
        row(e, "2020-03-05", "2020-03-15"),
        row(f, "2020-01-10", "2020-02-10"),
        row(f, "2020-03-10", ""),
        row(g, "2020-01-10", "2020-02-10"),
        row(g, "2020-03-05", "2020-03-20"),
        row(h, "2020-03-02", "2020-03-10"),
        row(h, "2020-03-20", ""),
    ];
    let rows = rows.into_iter().enumerate().map(|(i, r)| Subscription { number: i as i64, ..r }).collect();
    let mut example = Example::new(Scenario::subscribers(rows).known_until("2020-04-01"))
        .shows(
            "churn",
            [("period", "2020-03-01")],
            [
                ("opening", Want::Int(3)),
                ("new", Want::Int(2)),
                ("returned", Want::Int(1)),
                ("retained", Want::Int(2)),
                ("churned", Want::Int(1)),
                ("closing", Want::Int(5)),
                ("intra", Want::Int(2)),
                ("moved_in", Want::Int(0)),
                ("moved_out", Want::Int(0)),
            ],
        )
        .shows(
            "revenue_churn",
            [("period", "2020-03-01")],
            [
                ("opening", money("30.00")),
                ("new", money("20.00")),
                ("reactivation", money("10.00")),
                ("churned", money("-10.00")),
                ("expansion", money("0.00")),
                ("contraction", money("0.00")),
                ("closing", money("50.00")),
            ],
        );
    let states = [
        ("customer 2", "churned"),
        ("customer 4", "new"),
        ("customer 5", "intra"),
        ("customer 6", "returned"),
        ("customer 7", "intra"),
        ("customer 8", "new"),
    ];
    for (customer, state) in states {
        example = example.shows(
            "ledger",
            [("customer_id", customer), ("period", "2020-03-01")],
            [("state", Want::Text(state.to_string()))],
        );
    }
    vec![example]
}

/// DEFINITIONS §3: 120 annual customers, 10 due, 5 leave: churn_rate 4.2 %, renewal_rate 50 %.
pub fn annual_contracts() -> Vec<Example> {
    let mut rows = vec![];
    for customer in 0..120 {
        // Ten signed in each month of 2019; of those of March, five leave when their year is over.
        let started = plus_months(day("2019-01-15"), customer % 12);
        let ended = (customer % 12 == 2 && customer < 60).then(|| day("2020-03-15"));
        let row = Subscription::new(customer, started, ended, 1_200_00);
        rows.push(Subscription { interval: Some("year"), ..row });
    }
    vec![
        Example::new(Scenario::subscribers(rows).known_until("2020-04-01"))
            .shows(
                "churn",
                [("period", "2020-03-01")],
                [
                    ("opening", Want::Int(120)),
                    ("due", Want::Int(10)),
                    ("churned", Want::Int(5)),
                    ("churn_rate", Want::About(0.042, 5e-4)),
                    ("renewal_rate", Want::Rate(0.5)),
                ],
            )
            .shows(
                "churn",
                [("period", "2020-02-01")],
                [("due", Want::Int(10)), ("churned", Want::Int(0)), ("renewal_rate", Want::Rate(1.0))],
            )
            .shows(
                "revenue_churn",
                [("period", "2020-03-01")],
                [("opening", money("12000.00")), ("churned", money("-500.00"))],
            ),
    ]
}

/// DEFINITIONS §4: sizes 100 and 200, age-2 cells 40 and not observable: pooled 40/100, never 40/300.
pub fn pooled_cohorts() -> Vec<Example> {
    let buy = |customers: std::ops::Range<i64>, on: &str| {
        let on = day(on);
        customers.map(move |c| Transaction::new(c, on, 5_00))
    };
    let rows = buy(0..100, "2020-01-20")
        .chain(buy(100..300, "2020-02-20"))
        .chain(buy(0..40, "2020-03-20"))
        .chain(buy(100..160, "2020-03-21"))
        .collect();
    vec![
        Example::new(Scenario::purchases(rows).known_until("2020-04-01"))
            .shows(
                "cohort",
                [("cohort", "2020-01-01"), ("age", "2")],
                [
                    ("cohort_size", Want::Int(100)),
                    ("customers", Want::Int(40)),
                    ("retention_rate", Want::Rate(0.4)),
                    ("revenue", money("200.00")),
                    ("revenue_retention", Want::Rate(0.4)),
                    ("cumulative_revenue", money("700.00")),
                    ("maturity", Want::Text("complete".to_string())),
                ],
            )
            .shows(
                "cohort",
                [("cohort", "2020-02-01"), ("age", "2")],
                [
                    ("customers", Want::Null),
                    ("retention_rate", Want::Null),
                    ("revenue", Want::Null),
                    ("cumulative_revenue", Want::Null),
                    ("maturity", Want::Text("not_observable".to_string())),
                ],
            )
            .shows(
                "cohort",
                [("cohort", "NULL"), ("age", "2")],
                [("cohort_size", Want::Int(100)), ("customers", Want::Int(40)), ("retention_rate", Want::Rate(0.4))],
            )
            .shows(
                "cohort",
                [("cohort", "NULL"), ("age", "1")],
                [("cohort_size", Want::Int(300)), ("customers", Want::Int(60)), ("retention_rate", Want::Rate(0.2))],
            ),
    ]
}

/// DEFINITIONS §5: Jan 100; Feb +10 and −100; Mar −20 only. Jan new +100. Feb contraction −100, unallocated −90. Mar
/// churned 0, unallocated −20.
pub fn refunds() -> Vec<Example> {
    let row = |on: &str, cents| Transaction::new(1, day(on), cents);
    let rows = vec![
        row("2020-01-10", 100_00),
        row("2020-02-05", 10_00),
        row("2020-02-20", -100_00),
        row("2020-03-10", -20_00),
    ];
    let cells = |opening: &str, new: &str, contraction: &str, churned: &str, closing: &str, unallocated: &str| {
        [
            ("opening", money(opening)),
            ("new", money(new)),
            ("contraction", money(contraction)),
            ("churned", money(churned)),
            ("closing", money(closing)),
            ("unallocated", money(unallocated)),
        ]
    };
    vec![
        Example::new(Scenario::purchases(rows).known_until("2020-04-01"))
            .shows(
                "revenue_churn",
                [("period", "2020-01-01")],
                cells("0.00", "100.00", "0.00", "0.00", "100.00", "0.00"),
            )
            .shows(
                "revenue_churn",
                [("period", "2020-02-01")],
                cells("100.00", "0.00", "-100.00", "0.00", "0.00", "-90.00"),
            )
            .shows("revenue_churn", [("period", "2020-03-01")], cells("0.00", "0.00", "0.00", "0.00", "0.00", "-20.00"))
            .shows(
                "churn",
                [("period", "2020-03-01")],
                [("opening", Want::Int(1)), ("churned", Want::Int(1)), ("closing", Want::Int(0))],
            )
            .shows(
                "ledger",
                [("customer_id", "customer 1"), ("period", "2020-02-01")],
                [("state", Want::Text("retained".to_string())), ("contraction", money("-100.00"))],
            ),
    ]
}

/// DEFINITIONS §5: £90 on 10 Jan, window 90 days: Jan new +30.42; April churned −30.42.
pub fn a_window_of_days() -> Vec<Example> {
    let mut scenario =
        Scenario::purchases(vec![Transaction::new(1, day("2020-01-10"), 90_00)]).known_until("2020-05-01");
    scenario.rule = Rule::Transactions { window: Some(90), every_row_counts: false };
    vec![
        Example::new(scenario)
            .shows("revenue_churn", [("period", "2020-01-01")], [("new", money("30.42")), ("closing", money("30.42"))])
            .shows(
                "revenue_churn",
                [("period", "2020-02-01")],
                [("opening", money("30.42")), ("closing", money("30.42"))],
            )
            .shows(
                "revenue_churn",
                [("period", "2020-04-01")],
                [("opening", money("30.42")), ("churned", money("-30.42")), ("closing", money("0.00"))],
            )
            .shows("churn", [("period", "2020-04-01")], [("churned", Want::Int(1)), ("churn_rate", Want::Rate(1.0))]),
    ]
}

/// DEFINITIONS §6: arpa 50, m .8, r .05, D .10 monthly: 800.00 and 695.46. The naive model knows no lifetime values.
pub fn lifetime_value() -> Example {
    let mut scenario = Scenario::subscribers(steady(Period::Month, 7, 50, 50_00)).known_until("2010-09-01");
    scenario.money = "gross_margin = 0.8\ndiscount_rate = 0.10";
    scenario.stages = vec![Stage { name: "ltv", kind: "ltv", period: None, options: "models = [\"ratio\"]" }];
    Example::new(scenario).shows(
        "ltv",
        [("period", "2010-08-01"), ("method", "ratio")],
        [
            ("customers", Want::Int(1000)),
            ("arpa", Want::About(50.0, 1e-9)),
            ("churn_rate", Want::Rate(0.05)),
            ("expected_lifetime_periods", Want::About(20.0, 1e-9)),
            ("gross_margin", Want::Rate(0.8)),
            ("ltv", Want::About(800.0, 0.005)),
            ("ltv_discounted", Want::About(695.46, 0.005)),
        ],
    )
}
