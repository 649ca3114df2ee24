//! A run from its exports to checked results: what the command line and a library's caller share.

use super::{
    LoadedData, RunPlan, RunResult, compute, failures, for_footers, for_reading, gather, input_checks, make_room,
};
use crate::check::Check;
use crate::config::Pipeline;
use crate::error::{Errors, Result};
use crate::progress::Progress;
use crate::source::{self, Inspected, Rejections};
use crate::timeline::store::Store;

/// Looks at the exports that a plan needs: their files, schemas and footers.
///
/// # Errors
/// When an export cannot be read, or does not have what the pipeline says.
pub fn exports(pipeline: &Pipeline, plan: &RunPlan) -> Result<Inspected, Errors> {
    source::inspect_within(pipeline, plan.plan.needs(), for_footers())
}

/// Reads the exports into `store`, computes everything and checks it. `now`: seconds since the epoch, for `freshness`.
///
/// # Errors
/// When an export cannot be read, something does not fit memory, `progress` stops the run, or a check fails: then one error
/// for each check that failed.
pub fn compute_checked(
    pipeline: &Pipeline,
    plan: &RunPlan,
    inspected: &Inspected,
    store: Store,
    now: i64,
    progress: &dyn Progress,
) -> Result<(LoadedData, RunResult), Errors> {
    let mut loaded = gather(pipeline, inspected, for_reading(), store, progress)?;
    let mut checks = input_checks(pipeline, &loaded.scan, loaded.shape.as_of, now);
    stop_if_failed(&checks, &loaded.scan.rejected)?;
    make_room(plan, &mut loaded)?;
    let mut result = compute(plan, &loaded, progress)?;
    checks.append(&mut result.checks);
    checks.sort();
    stop_if_failed(&checks, &loaded.scan.rejected)?;
    result.checks = checks;
    Ok((loaded, result))
}

fn stop_if_failed(checks: &[Check], rejected: &Rejections) -> Result<(), Errors> {
    let failed = failures(checks, rejected);
    if failed.is_empty() { Ok(()) } else { Err(failed.into()) }
}
