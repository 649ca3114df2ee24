//! What the program makes of customers' histories, against the definitions written down a second time.
//!
//! The bytes are the throws of the dice with which the tests make histories, so that a changed byte changes a date, an
//! amount, a switch. Every cell of every table has to agree.

use tenure::calendar::Day;
use tenure::config;
use tenure::error::Errors;
use tenure::job;
use tenure::progress::NoProgress;
use tenure::source::{self, ReadLimits};
use tenure::table::{self, Values};
use tenure::timeline::store::Store;

use crate::cells::{Row, Table, Value};
use crate::compare::differences;
use crate::days::Period;
use crate::dice::Dice;
use crate::scenario::Scenario;
use crate::{export, generate, naive};

pub fn run(bytes: &[u8]) {
    let Some((kind, throws)) = bytes.split_first() else { return };
    // More rows make a fuzzer slower and find nothing new.
    if throws.len() > 1000 {
        return;
    }
    let mut dice = Dice::scripted(throws);
    let period = Period::ALL[usize::from(kind / 4) % 5];
    let scenario = match kind % 4 {
        0 => generate::purchases_of(&mut dice, period, false),
        1 => generate::purchases_of(&mut dice, period, true),
        2 => generate::subscribers_of(&mut dice, period),
        _ => {
            let scenario = generate::subscribers_of(&mut dice, period);
            generate::with_a_policy(&mut dice, scenario)
        }
    };
    let tables = tables(&scenario).unwrap_or_else(|errors| {
        panic!("the run failed: {:?}\n{}", errors.iter().collect::<Vec<_>>(), scenario.toml())
    });
    for (name, want) in naive::tables(&scenario) {
        let rows = tables.iter().find(|t| t.schema.name == name).map(rows_of).unwrap_or_default();
        let found = differences(&want, &Table { name, rows });
        assert!(found.is_empty(), "{}\n{scenario:#?}", found.join("\n"));
    }
}

/// The tables of a run, without the per-customer ones, and without writing any.
fn tables(scenario: &Scenario) -> Result<Vec<table::Table>, Errors> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shape = &scenario.shape;
    let columns = [
        ("transactions", scenario.transactions.len(), shape.transactions(&scenario.transactions)),
        ("subscriptions", scenario.subscriptions.len(), shape.subscriptions(&scenario.subscriptions)),
        ("customers", scenario.customers.len(), shape.customers(&scenario.customers)),
    ];
    for (name, _, columns) in columns.into_iter().filter(|(_, rows, _)| *rows > 0) {
        export::write(&folder.path().join(format!("exports/{name}/part-0.parquet")), columns, shape.row_group);
    }
    let pipeline =
        config::parse(&folder.path().join("pipeline.toml"), &scenario.toml(), &[], &|_| None, tenure::stage::KINDS)?;
    let run_plan = job::run_plan(&pipeline, None)?;
    let inspected = source::inspect(&pipeline, run_plan.plan.needs())?;
    let loaded = job::gather(&pipeline, &inspected, ReadLimits::default(), Store::unlimited(), &NoProgress)?;
    Ok(job::compute(&run_plan, &loaded, &NoProgress)?.tables)
}

/// As the tests read them from files.
fn rows_of(table: &table::Table) -> Vec<Row> {
    let rows = table.columns.first().map_or(0, Values::len);
    let cells = |row: usize| {
        let cell = |(spec, values): (&table::ColumnSpec, &Values)| (spec.name.clone(), cell(values, row));
        table.schema.columns.iter().zip(&table.columns).map(cell).collect()
    };
    (0..rows).map(cells).collect()
}

fn cell(values: &Values, row: usize) -> Value {
    let cell = match values {
        Values::Text(v) => v.get(row).map(|text| Value::Text(text.to_string())),
        Values::Int(v) => v[row].map(Value::Int),
        Values::Double(v) => v[row].map(Value::Float),
        Values::Date(v) => v[row].filter(|day| *day != Day::NEVER).map(|day| Value::Date(day.0.into())),
        Values::Bool(v) => v[row].map(Value::Bool),
        Values::Money(v) => v[row].map(|minor| Value::Money(minor.into())),
    };
    cell.unwrap_or(Value::Null)
}
