//! Table `ltv` of the methods without a fit, every column but `note`, against the naive model on random histories.

use std::collections::BTreeSet;

use crate::compare::{Want, WantRow, differences};
use crate::dice::Dice;
use crate::generate;
use crate::naive::Book;
use crate::naive::lifetime::{self, Terms};
use crate::scenario::{Cost, Scenario, Stage};
use crate::support::Workspace;

/// A history, and how its money counts.
struct Trial {
    scenario: Scenario,
    terms: Terms,
}

/// Lines of `[money]` with what they mean.
const MONEY: [(&str, Option<f64>, Option<f64>); 4] = [
    ("", None, None),
    ("gross_margin = 0.8\ndiscount_rate = 0.1", Some(0.8), Some(0.1)),
    ("gross_margin = 0.35", Some(0.35), None),
    ("discount_rate = 0.25", None, Some(0.25)),
];

/// Lines of the stage with the periods of its churn rate and the months of its horizon.
const OPTIONS: [(&str, usize, i64); 4] = [
    ("models = [\"ratio\", \"realised\", \"survival\"]", 6, 36),
    ("models = [\"ratio\", \"realised\", \"survival\"]\ntrailing = 3", 3, 36),
    ("models = [\"ratio\", \"realised\", \"survival\"]\ntrailing = 1", 1, 36),
    ("models = [\"ratio\", \"realised\", \"survival\"]\ntrailing = 12\nhorizon = \"7 months\"", 12, 7),
];

impl Trial {
    fn new(mut scenario: Scenario, seed: u64) -> Trial {
        let mut dice = Dice::new(seed ^ 0x17F);
        let (money, gross_margin, discount_rate) = dice.pick(&MONEY);
        let (options, trailing, horizon) = dice.pick(&OPTIONS);
        scenario.money = money;
        scenario.stages = vec![Stage { name: "ltv", kind: "ltv", period: None, options }];
        if dice.percent(60) {
            let book = Book::new(&scenario);
            let (from, to) = (book.observed_from - 10, book.as_of + 10);
            for _ in 0..dice.between(1, 12) {
                let cost = Cost { day: dice.between(from, to), cents: dice.between(1, 9_000) };
                scenario.costs.push(cost);
            }
        }
        let terms = Terms { gross_margin, discount_rate, trailing, horizon, ..Terms::default() };
        Trial { scenario, terms }
    }

    fn want(&self) -> Vec<WantRow> {
        let book = Book::new(&self.scenario);
        lifetime::table(&book, &book.lens(self.scenario.period), &self.terms)
    }
}

/// Runs the program on histories of these seeds; fails with the first differences of the first few that differ.
fn hold(seeds: std::ops::Range<u64>, history: impl Fn(u64) -> Scenario) {
    let mut report = vec![];
    for seed in seeds {
        let trial = Trial::new(history(seed), seed);
        let here = Workspace::of(&trial.scenario);
        let outcome = here.run();
        let found = match outcome.code {
            Some(0) => differences(&trial.want(), &here.table("ltv")),
            _ => vec![format!("the run failed: {outcome}")],
        };
        if !found.is_empty() {
            let lines: Vec<String> = found.iter().take(12).cloned().collect();
            let kept = here.keep();
            report.push(format!("seed {seed}, {} in {}:\n  {}", found.len(), kept.display(), lines.join("\n  ")));
        }
        if report.len() == 4 {
            break;
        }
    }
    assert!(report.is_empty(), "the program and the naive model differ:\n{}", report.join("\n\n"));
}

#[test]
fn lifetimes_of_purchases_by_period() {
    hold(0..30, |seed| generate::purchases(seed, false));
}

#[test]
fn lifetimes_of_purchases_by_days() {
    hold(1000..1030, |seed| generate::purchases(seed, true));
}

#[test]
fn lifetimes_of_subscribers() {
    hold(2000..2040, generate::subscribers);
}

/// Thirty-day rates are a month's, whatever the period of the stage.
#[test]
fn lifetimes_by_policy() {
    hold(7000..7040, generate::by_policy);
}

/// With ten and more at risk, so that method `survival` has a value.
#[test]
fn lifetimes_of_many() {
    hold(4000..4020, many);
}

fn many(seed: u64) -> Scenario {
    if seed.is_multiple_of(2) { generate::many_subscribers(seed) } else { generate::many_purchases(seed) }
}

/// A column that is NULL in every history would prove nothing.
#[test]
fn every_column_has_a_figure_in_some_history() {
    let mut alive = BTreeSet::new();
    for seed in 4000..4020 {
        for row in Trial::new(many(seed), seed).want() {
            let method = row.get("method").expect("a key").to_string();
            let known = row.cells.iter().filter(|(_, want)| *want != Want::Null);
            alive.extend(known.map(|(column, _)| format!("{method} {column}")));
        }
    }
    let of_all = ["customers", "gross_margin", "ltv", "ltv_discounted", "cac", "ltv_to_cac", "payback_periods"];
    let doubted = ["ci_low", "ci_high", "expected_lifetime_periods", "arpa"];
    let mut wanted: BTreeSet<String> = BTreeSet::from(["ratio churn_rate".to_string()]);
    wanted.extend(["ratio", "survival", "realised"].iter().flat_map(|m| of_all.map(|c| format!("{m} {c}"))));
    wanted.extend(["ratio", "survival"].iter().flat_map(|m| doubted.map(|c| format!("{m} {c}"))));
    assert_eq!(alive, wanted);
}
