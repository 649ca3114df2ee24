//! One run: from a validated pipeline to finished tables, checks and what writes the per-customer tables.
//!
//! Knows the modules, not the terminal, the clock or the output folder: those belong to `cli`.

mod checks;
mod dictionary;
mod estimate;
mod gather;
mod parts;
mod plan;
mod publishing;
mod run;
mod shares;

pub use checks::{failures, input_checks};
pub use estimate::{SizeEstimate, make_room};
#[cfg(test)]
pub(crate) use gather::bring_together;
pub use gather::{LoadedData, gather};
pub use plan::{RunPlan, every_table, run_plan};
pub use publishing::{PublishedRun, Publishing, publish, tables_of_every_run};
pub use run::{compute_checked, exports};
pub use shares::{BESIDE_ROWS, FEWEST_ROW_BYTES, for_footers, for_reading, for_rows, reading_threads, temporary};

use crate::check::Check;
use crate::engine::local;
use crate::engine::step_outputs::StepOutputs;
use crate::error::{Error, Result};
use crate::memory;
use crate::progress::{Phase, Progress};
use crate::stage::{PerCustomer, SummaryMetric};
use crate::table::Table;
use crate::tables::churn_windows;
use crate::tables::customers::CustomersTable;
use crate::tables::ledger::Ledger;
use crate::tables::segments::SegmentRow;
use crate::timeline::segments::{ALL, SegmentIndex};

/// All that a run found out, before anything is written.
pub struct RunResult {
    pub known: StepOutputs,
    pub customers: u64,
    pub tables: Vec<Table>,
    pub segments: Vec<SegmentRow>,
    pub checks: Vec<Check>,
    pub headlines: Vec<SummaryMetric>,
    /// What writes `customers`, `ledger` and the stages' own.
    pub per_customer: Vec<Box<dyn PerCustomer>>,
}

/// Folds walk by walk, finishes every stage.
pub fn compute(run_plan: &RunPlan, loaded: &LoadedData, progress: &dyn Progress) -> Result<RunResult> {
    // At most: where there is nothing to look for a walk is saved.
    let expected = loaded.store.customers() * run_plan.plan.rounds() as u64;
    progress.phase(Phase::Fold, Some(expected));
    let known = local::run(&run_plan.plan, loaded.shape.clone(), &loaded.store, progress)?;
    let (census, index) = (known.get(run_plan.common.census)?, known.get(run_plan.common.index)?);
    let mut computed = RunResult {
        customers: census.customers as u64,
        tables: vec![],
        segments: segment_rows(&index, census.customers),
        checks: checks::census_checks(&census, &index, &known, loaded),
        headlines: vec![],
        per_customer: vec![],
        known: known.clone(),
    };
    if let Some(habits) = run_plan.habits.map(|habits| known.get(habits)).transpose()? {
        computed.tables.push(churn_windows::table(&habits));
        computed.checks.push(churn_windows::check(&habits, &known.shape));
    }
    let mut scorers = vec![];
    for (stage, (_, spec)) in run_plan.stages.iter().zip(&run_plan.specs) {
        let finished = stage.finish(&known)?;
        if memory::is_exceeded() {
            return Err(too_large(&spec.name, &finished.tables));
        }
        finished.tables.into_iter().for_each(|table| add(&mut computed.tables, table));
        computed.checks.extend(finished.checks);
        computed.headlines.extend(finished.headlines);
        computed.per_customer.extend(stage.per_customer(&known)?);
        scorers.extend(stage.scorer(&known)?);
    }
    if run_plan.whole {
        let setting = &run_plan.setting;
        computed.per_customer.push(Box::new(Ledger::new(None, run_plan.lens, setting.has_transactions)));
        computed.per_customer.push(Box::new(CustomersTable::new(setting.clone(), run_plan.lens, index, scorers)));
    }
    Ok(computed)
}

/// The tables of a stage that do not fit memory.
fn too_large(stage: &str, tables: &[Table]) -> Error {
    let largest = tables.iter().max_by_key(|table| table.rows());
    let rows = largest.map_or(String::new(), |t| format!(": table {} has {} rows", t.schema.name, t.rows()));
    Error::pipeline(format!(
        "the run needs more memory than --memory-limit allows, for the tables of stage {stage}{rows}"
    ))
    .help("give the stage fewer segments or a lower `cap`, choose a longer `period`, or raise --memory-limit")
}

/// Several stages may write rows of one table: those tables have a column `stage`.
fn add(tables: &mut Vec<Table>, table: Table) {
    match tables.iter_mut().find(|t| t.schema.name == table.schema.name) {
        Some(same) => same.append(table),
        None => tables.push(table),
    }
}

fn segment_rows(index: &SegmentIndex, everybody: i64) -> Vec<SegmentRow> {
    let rows = index.cells.iter().enumerate().map(|(id, cell)| SegmentRow {
        segment_id: id as i64,
        segment: cell.parts.as_ref().map_or_else(|| cell.segment.clone(), |[(name, _), _]| name.clone()),
        value: cell.parts.as_ref().map_or_else(|| cell.value.clone(), |[(_, value), _]| value.clone()),
        second: cell.parts.as_ref().map(|[_, second]| second.clone()),
        is_other: cell.is_other,
        customers: if id == ALL as usize { everybody } else { cell.customers } as u64,
    });
    rows.collect()
}
