//! The identities of every stage hold on arbitrary histories, and its tables are what it said they would be.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::cases;
use super::conduct::{Outcome, PLAIN, cell, cells, gather, on, outcome};
use super::pipeline;
use super::world::{World, worlds};
use crate::check::Status;
use crate::job;
use crate::source::Needs;
use crate::table::Cell;

fn hold(world: &World) -> Result<(), TestCaseError> {
    let pipeline = pipeline::of(world);
    let run_plan = job::run_plan(&pipeline, None).unwrap();
    let outcome = outcome(&run_plan, &gather(world, &pipeline, PLAIN, Needs::ALL));
    for check in &outcome.checks {
        prop_assert!(check.status != Status::Fail, "{check:?}");
    }
    // What is checked is not nothing: every stage that says an identity says of how many rows it held.
    let adds_up = outcome.checks.iter().filter(|c| c.check.ends_with("adds_up") || c.check.ends_with("add_up"));
    prop_assert!(adds_up.filter(|c| c.expected == c.actual).count() > 0);
    runs_are_whole(&outcome)?;
    loyal_are_live(&outcome, world.buys())?;
    promised(&outcome, run_plan.tables())
}

/// Periods that follow each other and are alike are one row of a ledger.
fn runs_are_whole(outcome: &Outcome) -> Result<(), TestCaseError> {
    for (name, table) in outcome.tables.iter().filter(|(name, _)| name.starts_with("ledger")) {
        let rows: Vec<_> = (0..table.rows()).map(|row| cells(table, row, table.columns.len())).collect();
        for pair in rows.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            let goes_on = before[0] == after[0] && before[2] == after[1] && before[3..] == after[3..];
            prop_assert!(!goes_on, "{name} has two rows for one run:\n{before:?}\n{after:?}");
        }
    }
    Ok(())
}

/// A loyal customer is live and has the two orders that the pipeline asks for; without orders `loyal` is NULL.
fn loyal_are_live(outcome: &Outcome, buys: bool) -> Result<(), TestCaseError> {
    let customers = &outcome.tables["customers"];
    let of = |name: &str, row: usize| cell(&customers.columns[customers.schema.column(name).unwrap()], row);
    for row in 0..customers.rows() {
        let loyal = of("state", row) == Cell::from("live") && matches!(of("orders", row), Cell::Int(n) if n >= 2);
        prop_assert_eq!(of("loyal", row), Cell::from(buys.then_some(loyal)));
    }
    Ok(())
}

/// Each table that was announced is there, with that schema and one row a key; and no other.
fn promised(outcome: &Outcome, schemas: Vec<crate::table::TableSchema>) -> Result<(), TestCaseError> {
    let mut left: BTreeSet<&str> = outcome.tables.keys().map(String::as_str).collect();
    // These two are made when a run is published, of nothing that stages know.
    for schema in schemas.iter().filter(|s| s.name != "dates" && s.name != "quarantine") {
        prop_assert!(left.remove(&*schema.name), "{} was announced and is not there", schema.name);
        prop_assert!(*outcome.tables[&schema.name].schema == *schema, "{} has another schema", schema.name);
    }
    prop_assert!(left.is_empty(), "nobody announced {left:?}");
    for (name, table) in &outcome.tables {
        let mut keys = BTreeSet::new();
        for row in 0..table.rows() {
            let key = cells(table, row, table.schema.key);
            prop_assert!(keys.insert(key.clone()), "{name} has {key:?} twice");
        }
        prop_assert!(table.columns.iter().all(|c| c.len() == table.rows()), "{name} is ragged");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn the_identities_hold_on_any_history(world in worlds()) {
        on(2, || hold(&world))?;
    }
}
