//! What a fold does not declare, it does not use.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::cases;
use super::conduct::{PLAIN, cell, gather, on, outcome, same, same_table};
use super::pipeline;
use super::world::{Rule, World, worlds};
use crate::calendar::{Day, Period};
use crate::engine::plan::Needs;
use crate::job;
use crate::table::{Cell, Table};
use crate::timeline::history::{CustomerHistory, CustomerId};
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::lens_evaluator::LensEvaluator;
use crate::timeline::rows::DayRow;
use crate::timeline::segments::SegmentDictionary;
use crate::timeline::shape::{Basis, Shape};

#[test]
fn orders_not_asked_for_are_absent() {
    let (from, to) = (Day(19_000), Day(19_100));
    let monday = jiff::civil::Weekday::Monday;
    let shape =
        Shape::new(Basis::Transactions, (from, to), from, monday, true, true, false, SegmentDictionary::default());
    let lens = Lens { period: Period::Month, rule: LiveRule::Period, until: None };
    let days = [DayRow { day: from, active: 2, orders: 2, net: 500 }];
    let history = CustomerHistory {
        id: CustomerId::Integer(1),
        days: &days,
        subscriptions: &[],
        member: None,
        values: &[],
        usage: &[],
        answers: &[],
    };
    let mut evaluator = LensEvaluator::new(shape.into(), [lens].into(), &[0]);
    let person = evaluator.evaluate(&history).unwrap().unwrap();
    let seen = |needs| person.through(0, needs).days().iter().map(|d| person.through(0, needs).orders(d)).sum();
    assert_eq!((seen(Needs::ALL), seen(Needs::default())), (2, 0i64));
}

/// The tables are the same whether folds are shown what they declared, or everything.
fn declared_is_used(world: &World) -> Result<(), TestCaseError> {
    let pipeline = pipeline::of(world);
    let mut run_plan = job::run_plan(&pipeline, None).unwrap();
    let loaded = gather(world, &pipeline, PLAIN, Needs::ALL);
    let declared = outcome(&run_plan, &loaded);
    run_plan.plan.show_all(Needs::ALL);
    let everything = outcome(&run_plan, &loaded);
    prop_assert!(same(&declared, &everything).is_ok(), "{}", same(&declared, &everything).unwrap_err());
    Ok(())
}

/// The rows that a stage wrote: of a table that several write, those that name it.
fn of_stage(table: &Table, stage: &str) -> Table {
    let Some(column) = table.schema.column("stage") else { return table.clone() };
    let mut own = table.clone();
    own.clear();
    for row in 0..table.rows() {
        if cell(&table.columns[column], row) == Cell::from(stage) {
            own.push(table.columns.iter().map(|values| cell(values, row)));
        }
    }
    own
}

/// A stage alone, with no more read than it declared, writes the table that it writes among all.
fn read_is_declared(world: &World) -> Result<(), TestCaseError> {
    let pipeline = pipeline::of(world);
    let whole = job::run_plan(&pipeline, None).unwrap();
    let whole = outcome(&whole, &gather(world, &pipeline, PLAIN, Needs::ALL));
    for stage in &pipeline.stages {
        let alone = job::run_plan(&pipeline, Some(std::slice::from_ref(&stage.name))).unwrap();
        let needs = alone.plan.needs();
        let alone = outcome(&alone, &gather(world, &pipeline, PLAIN, needs));
        for (name, table) in alone.tables.iter().filter(|(name, _)| *name != "checks") {
            let found = same_table(&of_stage(&whole.tables[name], &stage.name), table);
            prop_assert!(found.is_ok(), "{} alone: {}", stage.name, found.unwrap_err());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_fold_that_sees_more_than_it_declared_says_the_same(world in worlds()) {
        on(2, || declared_is_used(&world))?;
    }
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn a_stage_alone_says_what_it_says_among_others(world in worlds()) {
        on(2, || read_is_declared(&world))?;
    }
}

/// The same one in every run.
fn any_world() -> World {
    worlds().new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

/// A ledger of a stage's own shows orders, whatever the stage itself folds.
#[test]
fn a_stage_with_a_ledger_needs_orders() {
    let mut world = any_world();
    world.rule = Rule::Days(90);
    let pipeline = pipeline::of(&world);
    let with_ledger: Vec<_> = pipeline.stages.iter().filter(|s| s.kind.writes_per_customer(&s.options)).collect();
    assert!(!with_ledger.is_empty());
    for stage in with_ledger {
        let plan = job::run_plan(&pipeline, Some(std::slice::from_ref(&stage.name))).unwrap().plan;
        assert_eq!(plan.needs(), Needs { orders: true, ..Needs::default() }, "{}", stage.name);
    }
}

/// The laws above can fail: cohorts count orders, and without them their table is another.
#[test]
fn withheld_orders_are_missed() {
    let mut world = any_world();
    world.rule = Rule::OnePeriod;
    let pipeline = pipeline::of(&world);
    let mut run_plan = job::run_plan(&pipeline, None).unwrap();
    let loaded = gather(&world, &pipeline, PLAIN, Needs::ALL);
    let declared = outcome(&run_plan, &loaded);
    run_plan.plan.show_all(Needs::default());
    assert!(same(&declared, &outcome(&run_plan, &loaded)).is_err());
}
