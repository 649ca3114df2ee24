//! Every worked example of the handbooks and of DEFINITIONS.md, as a history whose tables must show the quoted figure.
//!
//! Each example is run through the program, and all of them through the naive model as well.

use crate::compare::{Want, WantRow, money};
use crate::days::{Day, Period, day, plus_months};
use crate::naive;
use crate::scenario::{Scenario, Stage, Subscription, Transaction};
use crate::support::{Table, Workspace};

/// A history and what its tables show.
struct Example {
    scenario: Scenario,
    shown: Vec<Shown>,
}

/// Cells of one row.
struct Shown {
    table: &'static str,
    key: Vec<(&'static str, &'static str)>,
    cells: Vec<(&'static str, Want)>,
}

impl Example {
    fn new(scenario: Scenario) -> Example {
        Example { scenario, shown: vec![] }
    }

    /// In the row of `table` with this key (and of all customers, if it has segments) stand these cells.
    fn shows<const K: usize, const C: usize>(
        mut self,
        table: &'static str,
        key: [(&'static str, &'static str); K],
        cells: [(&'static str, Want); C],
    ) -> Example {
        let mut key = key.to_vec();
        if table != "ledger" {
            key.push(("segment", "all"));
        }
        self.shown.push(Shown { table, key, cells: cells.to_vec() });
        self
    }

    fn check(&self, table: impl Fn(&str) -> Option<Table>) {
        for shown in &self.shown {
            let Some(table) = table(shown.table) else { continue };
            let row = table.row(&shown.key);
            for (column, want) in &shown.cells {
                let value = table.cell(row, column);
                assert!(
                    want.matches(value),
                    "{} {:?} {column}: expected {want}, found {value} ({value:?})",
                    shown.table,
                    shown.key
                );
            }
        }
    }

    /// The tables that the program writes.
    fn holds(&self) {
        let here = Workspace::of(&self.scenario);
        here.run().exits(0);
        self.check(|name| Some(here.table(name)));
    }

    /// The tables that the naive model knows.
    fn follows_from_the_definitions(&self) {
        let tables = naive::tables(&self.scenario);
        let cells = |row: &WantRow| {
            row.key.iter().chain(&row.cells).map(|(column, want)| (column.to_string(), want.value())).collect()
        };
        self.check(|name| {
            let rows = tables.get(name)?;
            Some(Table { name: name.to_string(), rows: rows.iter().map(cells).collect() })
        });
    }
}

/// `n` monthly subscriptions of 10.00 from `from` on: customers `first`, `first + 1`, ….
fn subscribers(first: i64, n: i64, from: &str, until: Option<&str>) -> Vec<Subscription> {
    let (from, until) = (day(from), until.map(day));
    (first..first + n).map(|customer| Subscription::new(customer, from, until, 10_00)).collect()
}

/// Subscribers of one company: so many at the start, so many of them gone in March, so many new in March.
fn a_march(start: i64, lost: i64, new: i64) -> Scenario {
    let mut rows = subscribers(1, lost, "2020-01-15", Some("2020-03-10"));
    rows.extend(subscribers(10_001, start - lost, "2020-01-15", None));
    rows.extend(subscribers(20_001, new, "2020-03-05", None));
    Scenario::subscribers(rows).known_until("2020-04-01")
}

/// REFERENCES §7: CRR = (end − new) / start.
fn handbook_crr() -> Vec<Example> {
    vec![
        // Start 1,000, new 200, end 950.
        Example::new(a_march(1000, 250, 200)).shows(
            "churn",
            [("period", "2020-03-01")],
            [
                ("opening", Want::Int(1000)),
                ("new", Want::Int(200)),
                ("closing", Want::Int(950)),
                ("crr", Want::About(0.75, 1e-12)),
            ],
        ),
        // Start 178, lost 18, new 24, end 184.
        Example::new(a_march(178, 18, 24)).shows(
            "churn",
            [("period", "2020-03-01")],
            [
                ("opening", Want::Int(178)),
                ("churned", Want::Int(18)),
                ("new", Want::Int(24)),
                ("closing", Want::Int(184)),
                ("crr", Want::About(0.8989, 5e-5)),
            ],
        ),
    ]
}

/// REFERENCES §7: churn = lost / start.
fn handbook_churn() -> Vec<Example> {
    [(154, 18, 0.1169), (1000, 50, 0.05)]
        .map(|(start, lost, rate)| {
            Example::new(a_march(start, lost, 0)).shows(
                "churn",
                [("period", "2020-03-01")],
                [
                    ("opening", Want::Int(start)),
                    ("churned", Want::Int(lost)),
                    ("churn_rate", Want::About(rate, 5e-5)),
                    ("crr_strict", Want::About(1.0 - rate, 5e-5)),
                ],
            )
        })
        .into()
}

/// A thousand subscribers of January, of whom each later month the given share leaves.
fn decaying(left: [i64; 7]) -> Scenario {
    let mut rows = vec![];
    for (month, pair) in left.windows(2).enumerate() {
        let leaves = plus_months(day("2020-02-14"), month as i64);
        let gone = (pair[1]..pair[0]).map(|c| Subscription::new(c, day("2020-01-01"), Some(leaves), 10_00));
        rows.extend(gone);
    }
    rows.extend((0..left[6]).map(|c| Subscription::new(c, day("2020-01-01"), None, 10_00)));
    let mut scenario = Scenario::subscribers(rows).known_until("2020-08-01");
    scenario.stages = vec![
        Stage::plain("churn"),
        Stage { name: "survivors", kind: "cohort", period: None, options: "mode = \"live\"" },
    ];
    scenario
}

/// REFERENCES §7: 10 % a month loses almost half in six months (46.9 %), 3 % less than a fifth (16.7 %). The figure
/// stands in the cohort table: of those who came in January, the share left at the end of July.
fn compounding() -> Vec<Example> {
    vec![
        Example::new(decaying([1000, 900, 810, 729, 656, 590, 531]))
            .shows("churn", [("period", "2020-02-01")], [("churn_rate", Want::Rate(0.1))])
            .shows(
                "survivors",
                [("cohort", "2020-01-01"), ("age", "6")],
                [("retention_rate", Want::About(1.0 - 0.469, 5e-4)), ("period", Want::Date(day("2020-07-01")))],
            ),
        Example::new(decaying([1000, 970, 941, 913, 885, 859, 833]))
            .shows("churn", [("period", "2020-02-01")], [("churn_rate", Want::Rate(0.03))])
            .shows(
                "survivors",
                [("cohort", "2020-01-01"), ("age", "6")],
                [("retention_rate", Want::About(1.0 - 0.167, 5e-4))],
            ),
    ]
}

/// A thousand subscribers, of whom `lost` leave and are replaced in each of `periods` periods after the first.
fn steady(period: Period, periods: i64, lost: i64, cents: i64) -> Vec<Subscription> {
    let start = day("2010-01-01");
    let at = |n: i64| period.after(start, n) + 3;
    let mut rows = vec![];
    let mut customer = 0;
    let mut push = |from: Day, until: Option<Day>| {
        customer += 1;
        rows.push(Subscription::new(customer, from, until, cents));
    };
    // Whoever leaves in period n has come in the first; whoever replaces them stays.
    for n in 1..=periods {
        for _ in 0..lost {
            push(start, Some(at(n)));
            push(at(n), None);
        }
    }
    for _ in 0..1000 - lost * periods {
        push(start, None);
    }
    rows
}

/// REFERENCES §7: 2 % a month → expected lifetime 50 months.
fn lifetime() -> Vec<Example> {
    let scenario = Scenario::subscribers(steady(Period::Month, 7, 20, 10_00)).known_until("2010-09-01");
    vec![Example::new(scenario).shows(
        "churn",
        [("period", "2010-08-01")],
        [
            ("opening", Want::Int(1000)),
            ("churned", Want::Int(20)),
            ("churn_rate_trailing", Want::Rate(0.02)),
            ("expected_lifetime_periods", Want::About(50.0, 1e-9)),
            ("churn_rate_annual", Want::About(1.0 - 0.98f64.powi(12), 1e-12)),
        ],
    )]
}

/// REFERENCES §7: annual churn below 3 % is excellent, 5–6 % acceptable; DEFINITIONS §3: up to 6 %, above is high.
fn benchmarks() -> Vec<Example> {
    let grade = |lost: i64, grade: &str| {
        let rows = steady(Period::Year, 4, lost, 10_00);
        Example::new(Scenario::subscribers(rows).period(Period::Year).known_until("2015-01-01")).shows(
            "churn",
            [("period", "2014-01-01")],
            [("churned", Want::Int(lost)), ("benchmark", Want::Text(grade.to_string()))],
        )
    };
    vec![
        grade(20, "excellent"),
        grade(29, "excellent"),
        grade(30, "acceptable"),
        grade(50, "acceptable"),
        grade(60, "acceptable"),
        grade(61, "high"),
    ]
}

/// DEFINITIONS §2: A stays. B leaves. C leaves and comes back. D joins. E joins and leaves. F (lapsed) is back.
/// G (lapsed) is back and leaves. H joins, leaves, rejoins.
fn march() -> Vec<Example> {
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
fn annual_contracts() -> Vec<Example> {
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
fn pooled_cohorts() -> Vec<Example> {
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
fn refunds() -> Vec<Example> {
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
fn a_window_of_days() -> Vec<Example> {
    let mut scenario =
        Scenario::purchases(vec![Transaction::new(1, day("2020-01-10"), 90_00)]).known_until("2020-05-01");
    scenario.rule = crate::scenario::Rule::Transactions { window: Some(90), every_row_counts: false };
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
fn lifetime_value() -> Example {
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

#[test]
fn the_definitions_as_written_down_twice_give_every_quoted_figure() {
    let all = [
        handbook_crr,
        handbook_churn,
        compounding,
        lifetime,
        benchmarks,
        march,
        annual_contracts,
        pooled_cohorts,
        refunds,
        a_window_of_days,
    ];
    all.iter().flat_map(|examples| examples()).for_each(|e| e.follows_from_the_definitions());
}

macro_rules! program {
    ($($name:ident: $examples:path),* $(,)?) => {$(
        #[test]
        fn $name() {
            $examples().iter().for_each(Example::holds);
        }
    )*};
}
program! {
    the_handbooks_retention_rate_is_75_and_89_89_percent: handbook_crr,
    the_handbooks_churn_is_11_69_and_5_percent: handbook_churn,
    ten_percent_a_month_loses_almost_half_in_six_months: compounding,
    two_percent_a_month_is_a_lifetime_of_fifty_months: lifetime,
    below_3_percent_a_year_is_excellent_up_to_6_acceptable: benchmarks,
    the_march_of_eight_customers: march,
    of_120_annual_customers_10_are_due_and_5_leave: annual_contracts,
    pooled_cohorts_never_divide_by_those_who_cannot_be_seen: pooled_cohorts,
    a_refund_leaves_money_unallocated: refunds,
    ninety_pounds_in_a_window_of_ninety_days: a_window_of_days,
}

#[test]
fn fifty_a_month_at_five_percent_churn_is_worth_800_and_discounted_695_46() {
    lifetime_value().holds();
}
