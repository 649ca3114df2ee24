//! A run of a world, conducted in one of many ways that must not matter.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::world::World;
use super::{exports, pipeline};
use crate::check::{self, Check};
use crate::config::Pipeline;
use crate::engine::score::{PartSink, score};
use crate::error::Result;
use crate::job::{self, Blueprint, Computed, Gathered, Phase, Watch, Watched};
use crate::publish::segments;
use crate::table::{Table, Values};
use crate::timeline::identity::Identity;
use crate::timeline::store::{BucketStore, MemoryStore, SpillEverything};

/// How a run is conducted.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    pub seed: u64,
    /// Of the hash of text ids.
    pub bits: u32,
    pub batch: usize,
    pub threads: usize,
    /// Number of a permutation of the rows.
    pub order: u64,
    pub spill: bool,
}

pub const PLAIN: Conduct = Conduct { seed: 0, bits: 73, batch: 32_768, threads: 1, order: 0, spill: false };

struct Quiet;

impl Watch for Quiet {
    fn phase(&self, _: Phase, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn stopped(&self) -> Result<()> {
        Ok(())
    }
}

/// Whose tables they are, and the per-customer ones in the order in which they would be written.
pub struct Outcome {
    pub tables: BTreeMap<String, Table>,
    pub checks: Vec<Check>,
    /// Which of `tables` have rows of customers: those come sorted.
    pub per_customer: Vec<String>,
    pub integer_ids: bool,
    pub digits: u8,
}

#[derive(Default)]
struct Pieces(Mutex<BTreeMap<(usize, usize), Vec<Table>>>);

impl PartSink for Pieces {
    fn write(&self, table: usize, part: usize, piece: &Table) -> Result<()> {
        self.0.lock().expect("no writer fails").entry((table, part)).or_default().push(piece.clone());
        Ok(())
    }

    fn close(&self, _: usize, _: usize) -> Result<()> {
        Ok(())
    }
}

/// Runs `work` on a pool of so many threads.
pub fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    static POOLS: LazyLock<BTreeMap<usize, ThreadPool>> = LazyLock::new(|| {
        let pool = |n| (n, ThreadPoolBuilder::new().num_threads(n).build().expect("threads start"));
        [1, 2, 5].map(pool).into()
    });
    POOLS[&threads].install(work)
}

/// Scatters a world's rows.
pub fn gather(world: &World, pipeline: &Pipeline, conduct: Conduct, with_orders: bool) -> Gathered {
    let identity = |seed| Identity { seed: seed + conduct.seed, bits: conduct.bits };
    let store = || -> Box<dyn BucketStore> {
        if conduct.spill { Box::new(SpillEverything::default()) } else { Box::new(MemoryStore::default()) }
    };
    let way = (conduct.order, conduct.batch);
    job::bring_together(pipeline, &identity, &store, &|scatter| {
        exports::deliver(world, pipeline, way, with_orders, scatter)
    })
    .expect("a world has rows in its window")
}

/// Runs a plan over gathered rows.
pub fn outcome(blueprint: &Blueprint, gathered: &Gathered) -> Outcome {
    let computed = job::compute(blueprint, gathered, &Quiet).expect("a world's money fits");
    let pieces = Pieces::default();
    let lenses = blueprint.plan.lenses().into();
    let Computed { per_customer, known, customers, .. } = &computed;
    score(per_customer, &lenses, known, &*gathered.store, *customers, &Watched(&Quiet), &pieces).expect("rows fit");

    let mut outcome = Outcome {
        tables: BTreeMap::new(),
        per_customer: vec![],
        integer_ids: gathered.shape.integer_ids,
        digits: blueprint.setting.digits,
        checks: computed.checks.clone(),
    };
    let mut put = |table: Table| {
        let name = table.schema.name.clone();
        assert!(outcome.tables.insert(name.clone(), table).is_none(), "two tables are called {name}");
        name
    };
    put(segments::table(&computed.segments));
    put(check::table(&computed.checks));
    computed.tables.into_iter().for_each(|table| {
        put(table);
    });
    for ((_, part), pieces) in pieces.0.into_inner().expect("no writer failed") {
        assert_eq!(part, 0, "a world's customers fit one part");
        let name = put(Table::gather(&pieces[0], pieces.iter().map(|p| (p, 0..p.rows()))));
        outcome.per_customer.push(name);
    }
    outcome
}

/// A whole run.
pub fn run(world: &World, conduct: Conduct) -> Outcome {
    on(conduct.threads, || {
        let pipeline = pipeline::of(world);
        let blueprint = job::blueprint(&pipeline, None).expect("a plan");
        outcome(&blueprint, &gather(world, &pipeline, conduct, blueprint.plan.needs().orders))
    })
}

/// One cell as text, exactly.
fn shown(values: &Values, row: usize) -> String {
    match values {
        Values::Text(v) => format!("{:?}", v[row]),
        Values::Word(v, words) => format!("{:?}", v[row].map(|w| &words[w as usize])),
        Values::Int(v) => format!("{:?}", v[row]),
        Values::Double(v) => format!("{:?}", v[row]),
        Values::Date(v) => format!("{:?}", v[row]),
        Values::Bool(v) => format!("{:?}", v[row]),
        Values::Money(v) => format!("{:?}", v[row]),
    }
}

/// A row's first `width` cells.
pub fn cells(table: &Table, row: usize, width: usize) -> Vec<String> {
    table.columns[..width].iter().map(|c| shown(c, row)).collect()
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
pub fn same_table(left: &Table, right: &Table) -> Result<(), String> {
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
pub fn same(left: &Outcome, right: &Outcome) -> Result<(), String> {
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
