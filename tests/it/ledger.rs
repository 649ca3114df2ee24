//! The ledger, unrolled: what it says of each customer in each period, and whether the other tables are its sums.

use std::collections::BTreeMap;

use crate::days::{Day, show};
use crate::naive::revenue::Movement;
use crate::support::{Row, Table, Value, whole};

/// One customer in one period, as booked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Booked {
    pub state: String,
    pub money: Movement,
    pub orders: i128,
    /// Of several periods that one row stands for: its orders are then not told apart.
    pub in_a_run: bool,
}

/// By customer (as in the table) and period start, for the given period starts.
pub struct Ledger(pub BTreeMap<(String, Day), Booked>);

impl Ledger {
    /// # Panics
    /// If a row is not what a run of unchanged periods can be.
    pub fn unroll(table: &Table, starts: &[Day]) -> Ledger {
        let mut booked = BTreeMap::new();
        for row in &table.rows {
            let customer = table.cell(row, "customer_id").to_string();
            let (Value::Date(from), Value::Date(until)) = (table.cell(row, "period"), table.cell(row, "until")) else {
                panic!("a ledger row without dates: {row:?}")
            };
            assert!(from < until, "a ledger row that covers nothing: {row:?}");
            let covered: Vec<Day> = starts.iter().copied().filter(|s| from <= s && s < until).collect();
            let money = movement(table, row);
            let moves = [money.new, money.expansion, money.contraction, money.churned, money.reactivation];
            if covered.len() > 1 {
                // Who comes and goes in each of them leaves as much as was brought.
                let state = table.cell(row, "state").to_string();
                let passed =
                    ["intra_new", "intra_returned"].contains(&state.as_str()) && moves.iter().sum::<i128>() == 0;
                assert!(
                    (moves == [0; 5] || passed) && money.opening == money.closing,
                    "a run of unchanged periods in which money moves: {row:?}"
                );
            }
            for start in &covered {
                let entry = Booked {
                    state: table.cell(row, "state").to_string(),
                    money,
                    orders: whole(table.cell(row, "orders")),
                    in_a_run: covered.len() > 1,
                };
                let before = booked.insert((customer.clone(), *start), entry);
                assert!(before.is_none(), "two ledger rows tell of {customer} in {}", show(*start));
            }
        }
        Ledger(booked)
    }

    fn of(&self, start: Day) -> impl Iterator<Item = &Booked> {
        self.0.iter().filter(move |((_, period), _)| *period == start).map(|(_, booked)| booked)
    }

    /// Σ ledger = churn and revenue_churn, for each complete period, one line for each figure that differs.
    pub fn sums_differ(&self, churn: &Table, revenue: &Table) -> Vec<String> {
        let mut found = vec![];
        let mut compare = |table: &Table, row: &Row, start: Day, column: &str, sum: i128| {
            let told = whole(table.cell(row, column));
            if told != sum {
                found.push(format!("{} {} {column} is {told}, the ledger sums to {sum}", table.name, show(start)));
            }
        };
        for row in complete(churn) {
            let Value::Date(start) = row["period"] else { continue };
            for state in ["new", "retained", "returned", "churned", "intra"] {
                let sum = self.of(start).filter(|b| counts_as(&b.state).contains(&state)).count() as i128;
                compare(churn, row, start, state, sum);
            }
        }
        for row in complete(revenue) {
            let Value::Date(start) = row["period"] else { continue };
            let sum = |part: fn(&Movement) -> i128| self.of(start).map(|b| part(&b.money)).sum();
            for (column, part) in MONEY {
                compare(revenue, row, start, column, sum(part));
            }
        }
        found
    }
}

/// The columns of `churn` that a state of the ledger counts in.
fn counts_as(state: &str) -> Vec<&str> {
    match state {
        "intra_new" => vec!["new", "churned", "intra"],
        "intra_returned" => vec!["returned", "churned", "intra"],
        one => vec![one],
    }
}

/// Rows of the whole company whose period was wholly observed.
pub fn complete(table: &Table) -> Vec<&Row> {
    table.filter(&[("segment", "all"), ("maturity", "complete")])
}

type Part = (&'static str, fn(&Movement) -> i128);

const MONEY: [Part; 8] = [
    ("opening", |m| m.opening),
    ("new", |m| m.new),
    ("expansion", |m| m.expansion),
    ("contraction", |m| m.contraction),
    ("churned", |m| m.churned),
    ("reactivation", |m| m.reactivation),
    ("closing", |m| m.closing),
    ("unallocated", |m| m.unallocated),
];

fn movement(table: &Table, row: &Row) -> Movement {
    let get = |column| whole(table.cell(row, column));
    Movement {
        opening: get("opening"),
        new: get("new"),
        expansion: get("expansion"),
        contraction: get("contraction"),
        churned: get("churned"),
        reactivation: get("reactivation"),
        closing: get("closing"),
        unallocated: get("unallocated"),
    }
}

#[test]
fn a_run_stands_for_each_of_its_periods() {
    let text = |t: &str| Value::Text(t.to_string());
    let row = |from: Day, until: Day, state: &str, cells: &[(&str, i128)]| {
        let mut row: Row = MONEY.iter().map(|(name, _)| (name.to_string(), Value::Money(0))).collect();
        row.extend(cells.iter().map(|(name, cents)| (name.to_string(), Value::Money(*cents))));
        row.extend([
            ("customer_id".to_string(), text("a")),
            ("period".to_string(), Value::Date(from)),
            ("until".to_string(), Value::Date(until)),
            ("state".to_string(), text(state)),
            ("orders".to_string(), Value::Int(1)),
        ]);
        row
    };
    let rows = vec![
        row(0, 10, "new", &[("new", 5), ("closing", 5)]),
        row(10, 30, "retained", &[("opening", 5), ("closing", 5)]),
    ];
    let table = Table { name: "ledger".to_string(), rows };
    let ledger = Ledger::unroll(&table, &[0, 10, 20]);
    let opening: Vec<i128> = ledger.0.values().map(|b| b.money.opening).collect();
    assert_eq!(opening, [0, 5, 5]);
    assert_eq!(ledger.of(20).map(|b| (b.state.as_str(), b.in_a_run)).collect::<Vec<_>>(), [("retained", true)]);
}
