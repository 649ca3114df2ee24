//! REFERENCES §7: what handbooks print.

use super::Example;
use crate::compare::Want;
use crate::days::{Day, Period, day, plus_months};
use crate::scenario::{Scenario, Stage, Subscription};

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
pub fn handbook_crr() -> Vec<Example> {
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
pub fn handbook_churn() -> Vec<Example> {
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
pub fn compounding() -> Vec<Example> {
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
pub fn steady(period: Period, periods: i64, lost: i64, cents: i64) -> Vec<Subscription> {
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
pub fn lifetime() -> Vec<Example> {
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
pub fn benchmarks() -> Vec<Example> {
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
