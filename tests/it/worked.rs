//! Every worked example of the handbooks and of DEFINITIONS.md, as a history whose tables must show the quoted figure.
//!
//! Each example is run through the program, and all of them through the naive model as well.

mod definitions;
mod handbooks;

use crate::compare::{Want, WantRow};
use crate::naive;
use crate::scenario::Scenario;
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

#[test]
fn the_definitions_as_written_down_twice_give_every_quoted_figure() {
    let all = [
        handbooks::handbook_crr,
        handbooks::handbook_churn,
        handbooks::compounding,
        handbooks::lifetime,
        handbooks::benchmarks,
        definitions::march,
        definitions::annual_contracts,
        definitions::pooled_cohorts,
        definitions::refunds,
        definitions::a_window_of_days,
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
    the_handbooks_retention_rate_is_75_and_89_89_percent: handbooks::handbook_crr,
    the_handbooks_churn_is_11_69_and_5_percent: handbooks::handbook_churn,
    ten_percent_a_month_loses_almost_half_in_six_months: handbooks::compounding,
    two_percent_a_month_is_a_lifetime_of_fifty_months: handbooks::lifetime,
    below_3_percent_a_year_is_excellent_up_to_6_acceptable: handbooks::benchmarks,
    the_march_of_eight_customers: definitions::march,
    of_120_annual_customers_10_are_due_and_5_leave: definitions::annual_contracts,
    pooled_cohorts_never_divide_by_those_who_cannot_be_seen: definitions::pooled_cohorts,
    a_refund_leaves_money_unallocated: definitions::refunds,
    ninety_pounds_in_a_window_of_ninety_days: definitions::a_window_of_days,
}

#[test]
fn fifty_a_month_at_five_percent_churn_is_worth_800_and_discounted_695_46() {
    definitions::lifetime_value().holds();
}
