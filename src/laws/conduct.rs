//! A run of a world, conducted in one of many ways that must not matter.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::world::World;
use super::{exports, pipeline};
use crate::check::Check;
use crate::config::Pipeline;
use crate::engine::memory_sink::MemorySink;
use crate::engine::score::Score;
use crate::error::Result;
use crate::job::{self, LoadedData, RunPlan, RunResult};
use crate::progress::NoProgress;
use crate::source::Needs;
use crate::table::{Cell, Table, Values};
use crate::tables::{checks, segments};
use crate::timeline::identity::CustomerHasher;
use crate::timeline::store::Store;

/// How a run is conducted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conduct {
    /// Bits of the hash of customer ids that are used.
    pub bits: u32,
    pub batch: usize,
    pub threads: usize,
    /// Number of a permutation of the rows.
    pub order: u64,
    /// Bytes that rows may take in memory: with few of them, everything is in temporary files soon.
    pub limit: Option<usize>,
}

pub(super) const PLAIN: Conduct = Conduct { bits: 64, batch: 32_768, threads: 1, order: 0, limit: None };

/// The tables of a run by name, and which of them are per customer, in the order in which they would be written.
pub(super) struct Outcome {
    pub tables: BTreeMap<String, Table>,
    pub checks: Vec<Check>,
    /// Which of `tables` have rows of customers: those come sorted.
    pub per_customer: Vec<String>,
    pub integer_ids: bool,
    pub digits: u8,
}

pub(super) fn cell(values: &Values, row: usize) -> Cell<'_> {
    match values {
        Values::Text(v) => v.get(row).into(),
        Values::Int(v) => v[row].into(),
        Values::Double(v) => v[row].into(),
        Values::Date(v) => v[row].into(),
        Values::Bool(v) => v[row].into(),
        Values::Money(v) => v[row].map_or(Cell::Null, Cell::Money),
    }
}

/// Runs `work` on a pool of so many threads.
pub(super) fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    static POOLS: LazyLock<BTreeMap<usize, ThreadPool>> = LazyLock::new(|| {
        let pool = |n| (n, ThreadPoolBuilder::new().num_threads(n).build().expect("threads start"));
        [1, 2, 5].map(pool).into()
    });
    POOLS[&threads].install(work)
}

/// Scatters a world's rows.
pub(super) fn gather(world: &World, pipeline: &Pipeline, conduct: Conduct, needs: Needs) -> LoadedData {
    let store = Store::new(conduct.limit, &std::env::temp_dir());
    let identity = CustomerHasher { bits: conduct.bits };
    let way = (conduct.order, conduct.batch);
    job::bring_together(pipeline, identity, store, &|scatter| exports::deliver(world, pipeline, way, needs, scatter))
        .expect("a world has rows in its window")
}

/// Runs a plan over gathered rows.
pub(super) fn outcome(run_plan: &RunPlan, loaded: &LoadedData) -> Outcome {
    let computed = job::compute(run_plan, loaded, &NoProgress).expect("a world's money fits");
    let rows = MemorySink::default();
    let lenses = run_plan.plan.lenses().into();
    let RunResult { per_customer: tables, known, customers, .. } = &computed;
    let (store, customers, observer) = (&loaded.store, *customers, &NoProgress);
    Score { tables, lenses, outputs: known, store, customers, observer }.write(&rows).expect("rows fit");

    let mut outcome = Outcome {
        tables: BTreeMap::new(),
        per_customer: vec![],
        integer_ids: loaded.shape.integer_ids,
        digits: run_plan.setting.digits,
        checks: computed.checks.clone(),
    };
    let mut put = |table: Table| {
        let name = table.schema.name.clone();
        assert!(outcome.tables.insert(name.clone(), table).is_none(), "two tables are called {name}");
        name
    };
    put(segments::table(&computed.segments));
    put(checks::table(&computed.checks));
    computed.tables.into_iter().for_each(|table| {
        put(table);
    });
    for ((_, part), table) in rows.into_parts().expect("no writer failed") {
        assert_eq!(part, 0, "a world's customers fit one part");
        let name = put(table);
        outcome.per_customer.push(name);
    }
    outcome
}

/// A whole run.
pub(super) fn run(world: &World, conduct: Conduct) -> Outcome {
    on(conduct.threads, || {
        let pipeline = pipeline::of(world);
        let run_plan = job::run_plan(&pipeline, None).expect("a plan");
        outcome(&run_plan, &gather(world, &pipeline, conduct, run_plan.plan.needs()))
    })
}

/// A row's first `width` cells.
pub(super) fn cells(table: &Table, row: usize, width: usize) -> Vec<String> {
    table.columns[..width].iter().map(|c| format!("{:?}", cell(c, row))).collect()
}

/// All rows, sorted: publishing sorts by the key, which is unique.
fn rows(table: &Table) -> Vec<Vec<String>> {
    let mut rows: Vec<_> = (0..table.rows()).map(|row| cells(table, row, table.columns.len())).collect();
    rows.sort_unstable();
    rows
}

/// Says where two tables differ, if they do.
///
/// # Errors
/// The first rows that only one has.
pub(super) fn same_table(left: &Table, right: &Table) -> Result<(), String> {
    let name = &left.schema.name;
    if left.schema != right.schema {
        return Err(format!("{name} has another schema"));
    }
    if left.columns == right.columns {
        return Ok(());
    }
    let (left, right) = (rows(left), rows(right));
    let first = left.iter().zip(&right).find(|(l, r)| l != r);
    match first {
        Some((l, r)) => Err(format!("{name} differs:\n{l:?}\n{r:?}")),
        None if left.len() != right.len() => Err(format!("{name} has {} rows, or {}", left.len(), right.len())),
        None => Ok(()),
    }
}

/// Says where two outcomes differ, if they do; per-customer tables must agree in the order of rows too.
///
/// # Errors
/// The first table that differs, and where.
pub(super) fn same(left: &Outcome, right: &Outcome) -> Result<(), String> {
    let names = |o: &Outcome| o.tables.keys().cloned().collect::<Vec<_>>();
    if names(left) != names(right) {
        return Err(format!("other tables: {:?}, {:?}", names(left), names(right)));
    }
    for (name, table) in &left.tables {
        same_table(table, &right.tables[name])?;
        if left.per_customer.contains(name) && table.columns != right.tables[name].columns {
            return Err(format!("{name} has its rows in another order"));
        }
    }
    Ok(())
}
