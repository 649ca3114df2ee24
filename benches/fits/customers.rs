//! Customers to fit to: those of CDNOW, and any number of simulated ones.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs::File;
use std::path::Path;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rayon::prelude::*;
use tenure::calendar::Day;
use tenure::stats::buyers::{BuyerCell, BuyerHistories};
use tenure::stats::gammagamma::{SpendCell, Spends};

use crate::simulated::{self, Chance, SimulatedHistory, TICKS};

/// Days in the models' unit of time.
pub(crate) const WEEK: f64 = 7.0;

/// Each customer's frequency, recency and age in days, and the cents of the repeat transactions.
pub(crate) struct Customers {
    pub name: String,
    histories: Vec<(u32, u32, u32)>,
    spends: Vec<(u32, i64)>,
}

/// A customer's days of purchase and the cents of each, in order.
type Purchases = BTreeMap<i32, i64>;

impl Customers {
    /// Purchases of one customer and day are one transaction, as the published analyses have it; up to 30 September 1997.
    pub(crate) fn of_cdnow(name: &str, file: &Path, customer: &str) -> Result<Customers, Box<dyn Error>> {
        let until = Day::from_ymd(1997, 9, 30).ok_or("no such day")?.0;
        let mut bought: BTreeMap<i64, Purchases> = BTreeMap::new();
        for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.build()? {
            let batch = batch?;
            let column = |name: &str, to| {
                cast(batch.column_by_name(name).ok_or(format!("{name} is missing"))?, to)
                    .map_err(Box::<dyn Error>::from)
            };
            let (ids, days) = (column(customer, &DataType::Int64)?, column("date", &DataType::Int32)?);
            let amounts = column("amount", &DataType::Float64)?;
            let (ids, days, amounts) = (
                ids.as_primitive::<Int64Type>(),
                days.as_primitive::<Int32Type>(),
                amounts.as_primitive::<Float64Type>(),
            );
            for row in (0..batch.num_rows()).filter(|row| days.value(*row) <= until) {
                *bought.entry(ids.value(row)).or_default().entry(days.value(row)).or_default() +=
                    (amounts.value(row) * 100.0).round() as i64;
            }
        }
        let history = |days: &Purchases| {
            let (first, last) = (days.keys().next()?, days.keys().next_back()?);
            Some((days.len() as u32 - 1, (last - first) as u32, (until - first) as u32))
        };
        let histories: Vec<_> = bought.values().filter_map(history).collect();
        let spend = |days: &Purchases| (days.len() as u32 - 1, days.values().skip(1).sum());
        Ok(Customers {
            name: name.to_owned(),
            histories,
            spends: bought.values().map(spend).filter(|(x, _)| *x > 0).collect(),
        })
    }

    /// Customers of a BG/NBD and Gamma-Gamma as CDNOW's, who came evenly over two years; times are whole days.
    pub(crate) fn simulated(customers: u64) -> Customers {
        const AT_ONCE: u64 = 10_000;
        let one = |chance: &mut Chance| -> (SimulatedHistory, i64) {
            let age = (chance.uniform() * 730.0).floor();
            let (x, recency, _) = simulated::geometric(chance, 0, [0.243, 4.414, 0.793, 2.426], age / WEEK);
            let recency = (f64::from(recency) / TICKS * WEEK).ceil().min(age) as u32;
            let age = age as u32;
            ((if recency > 0 { x } else { 0 }, recency, age), simulated::spend(chance, [6.25, 3.74, 15.44], x))
        };
        let some = |batch: u64| {
            let mut chance = Chance::new(batch);
            (0..AT_ONCE.min(customers - batch * AT_ONCE)).map(|_| one(&mut chance)).collect::<Vec<_>>()
        };
        let all: Vec<_> = (0..customers.div_ceil(AT_ONCE)).into_par_iter().map(some).collect();
        let all = || all.iter().flatten();
        let spends = all().filter(|((x, ..), _)| *x > 0).map(|((x, ..), total)| (*x, *total)).collect();
        Customers {
            name: "simulated, two years".into(),
            histories: all().map(|(history, _)| *history).collect(),
            spends,
        }
    }

    pub(crate) fn histories(&self) -> &[SimulatedHistory] {
        &self.histories
    }

    /// Those alike counted together.
    pub(crate) fn buyers(&self) -> BuyerHistories {
        let cells = counted(&self.histories).map(|((frequency, recency, age), customers)| BuyerCell {
            frequency,
            recency,
            age,
            customers,
        });
        BuyerHistories { cells: cells.collect(), per_unit: WEEK }
    }

    pub(crate) fn spends(&self) -> Spends {
        let cells =
            counted(&self.spends).map(|((frequency, total), customers)| SpendCell { frequency, total, customers });
        Spends { cells: cells.collect(), minor_per_major: 100.0 }
    }
}

fn counted<K: Copy + Eq + std::hash::Hash>(all: &[K]) -> impl Iterator<Item = (K, u32)> {
    let mut counts: HashMap<K, u32> = HashMap::new();
    all.iter().for_each(|one| *counts.entry(*one).or_default() += 1);
    counts.into_iter()
}
