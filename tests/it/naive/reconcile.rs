//! Table `reconcile`: each policy's figures, and the part of each switch in what they differ by.
//!
//! Each figure is worked out from the rows once more under each policy, which stand here as DEFINITIONS §5's table has them.
//! Amounts are of one currency, in which the switch `exchange_rate_moves` changes nothing.

use super::lifetime::{self, Terms};
use super::{Book, churn, revenue};
use crate::compare::{Want, WantRow};
use crate::days::Day;
use crate::scenario::{Dated, Policy, Rule, Scenario};

/// All seven switches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Switches {
    policy: Policy,
    rates_do_not_move: bool,
    mean_of_previous: bool,
}

/// A switch by its name, in the order in which they are flipped, and how one policy's setting of it is taken over.
type Flip = (&'static str, fn(&mut Switches, &Switches));

const FLIPS: [Flip; 7] = [
    ("churn_dated", |to, from| to.policy.dated = from.policy.dated),
    ("churn_rate", |to, from| to.policy.of_thirty_days = from.policy.of_thirty_days),
    ("within_period", |to, from| to.policy.passing_counts = from.policy.passing_counts),
    ("reactivation", |to, from| to.policy.reactivation = from.policy.reactivation),
    ("exchange_rate_moves", |to, from| to.rates_do_not_move = from.rates_do_not_move),
    ("free_after_paid", |to, from| to.policy.free_after_paid_is_live = from.policy.free_after_paid_is_live),
    ("ltv_churn_rate", |to, from| to.mean_of_previous = from.mean_of_previous),
];

/// The presets, and the pipeline's own policy where it is none of them.
fn policies(own: Policy) -> Vec<(&'static str, Switches)> {
    let standard = Switches::default();
    let of = |policy: Policy| Switches { policy, ..standard };
    let mut all = vec![
        ("standard", standard),
        (
            "chartmogul",
            Switches {
                rates_do_not_move: true,
                mean_of_previous: true,
                ..of(Policy { dated: Dated::EndedAt, free_after_paid_is_live: true, ..Policy::default() })
            },
        ),
        (
            "stripe",
            of(Policy { dated: Dated::CancelledAt, of_thirty_days: true, passing_counts: true, ..Policy::default() }),
        ),
        ("profitwell", standard),
        ("maxio", of(Policy { passing_counts: true, reactivation: Some(90), ..Policy::default() })),
    ];
    if !all.iter().any(|(_, preset)| *preset == of(own)) {
        all.push(("pipeline", of(own)));
    }
    all
}

/// One measure of one period.
struct Figure {
    period: Day,
    measure: String,
    /// Customers, or minor units.
    exact: Option<i128>,
    /// The same in customers or major units; a rate; a value.
    amount: Option<f64>,
}

const CUSTOMERS: [&str; 5] = ["opening", "new", "returned", "churned", "closing"];
const MONEY: [&str; 8] =
    ["opening", "new", "expansion", "contraction", "churned", "reactivation", "currency_effect", "closing"];

/// Every measure of everybody in every complete period.
fn figures(scenario: &Scenario, switches: &Switches, terms: &Terms) -> Vec<Figure> {
    let mut scenario = scenario.clone();
    let Rule::Subscriptions(rule) = &mut scenario.rule else { panic!("purchases have no policies") };
    rule.policy = switches.policy;
    scenario.segments.clear();
    let book = Book::new(&scenario);
    let lens = book.lens(scenario.period);
    let terms = Terms { mean_of_previous: switches.mean_of_previous, ..*terms };
    let (churn, money) = (churn::table(&book, &lens, false), revenue::table(&book, &lens));
    let values = lifetime::ratios(&book, &lens, &terms);
    let of_period = |rows: &[WantRow], period: Day| {
        let row = rows.iter().find(|row| row.get("period") == Some(&Want::Date(period)));
        row.expect("a row a complete period").clone()
    };
    let mut found = vec![];
    for (start, _) in lens.ranges.iter().copied().filter(|r| book.complete(*r)) {
        let (churn, money, value) = (of_period(&churn, start), of_period(&money, start), of_period(&values, start));
        let mut push = |measure: &str, row: &WantRow, column: &str| {
            let (exact, amount) = match row.get(column).expect("a column of the naive table") {
                Want::Int(n) => (Some(i128::from(*n)), Some(*n as f64)),
                Want::Money(cents) => (Some(*cents), Some(*cents as f64 / 100.0)),
                Want::Rate(x) => (None, Some(*x)),
                Want::Null => (None, None),
                other => panic!("{measure} is {other}"),
            };
            found.push(Figure { period: start, measure: measure.to_string(), exact, amount });
        };
        CUSTOMERS.iter().for_each(|column| push(column, &churn, column));
        MONEY.iter().for_each(|column| push(&format!("mrr_{column}"), &money, column));
        push("churn_rate", &churn, "churn_rate");
        push("gross_churn_rate", &money, "gross_churn_rate");
        push("ltv", &value, "ltv");
    }
    found
}

/// Every row, every column.
pub fn table(scenario: &Scenario, terms: &Terms) -> Vec<WantRow> {
    let own = Book::new(scenario).switches().policy;
    let mut rows = vec![];
    for (name, policy) in policies(own) {
        rows.extend(figures(scenario, &policy, terms).iter().map(|f| row(name, None, f, f.exact, f.amount)));
        let mut at = Switches::default();
        for (switch, flip) in FLIPS {
            let before = at;
            flip(&mut at, &policy);
            if at == before {
                continue;
            }
            let (before, after) = (figures(scenario, &before, terms), figures(scenario, &at, terms));
            for (b, a) in before.iter().zip(&after) {
                let exact = a.exact.zip(b.exact).map(|(a, b)| a - b);
                let amount = a.amount.zip(b.amount).map(|(a, b)| a - b);
                rows.push(row(name, Some(switch), a, exact, amount));
            }
        }
        assert_eq!(at, policy, "every switch is flipped");
    }
    rows
}

fn row(policy: &str, switch: Option<&str>, figure: &Figure, exact: Option<i128>, amount: Option<f64>) -> WantRow {
    let text = |t: &str| Want::Text(t.to_string());
    WantRow::new(
        vec![
            ("policy", text(policy)),
            ("period", Want::Date(figure.period)),
            ("measure", text(&figure.measure)),
            ("switch", switch.map_or(Want::Null, text)),
        ],
        vec![
            ("exact", exact.map_or(Want::Null, |n| Want::Int(n as i64))),
            // A difference of two values of any size, to nine digits of the greater.
            ("amount", amount.map_or(Want::Null, |x| Want::About(x, 1e-9 * x.abs().max(1e3)))),
        ],
    )
}
