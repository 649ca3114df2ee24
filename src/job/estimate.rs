//! How large a run's tallies can become: judged by its pipeline file alone, and by what its exports turned out to hold.

use std::sync::Arc;

use super::dictionary::dictionary;
use super::gather::LoadedData;
use super::plan::RunPlan;
use crate::calendar::Day;
use crate::config::Pipeline;
use crate::engine::estimate::{CellEstimate, estimate};
use crate::error::{Error, Result};
use crate::memory;
use crate::timeline::shape::Shape;

/// Days of a window that the file leaves open: three years.
const ASSUMED_DAYS: i32 = 3 * 365;

/// What the cells are counted for.
pub struct SizeEstimate<'a> {
    /// Days of the observed window.
    pub days: i32,
    /// The file does not say the window, so a usual one is assumed.
    pub assumed: bool,
    pub folds: Vec<CellEstimate<'a>>,
}

impl RunPlan {
    /// The folds with the most cells that each can have: every segment with all the values that its cap allows, history
    /// beginning with the observed window.
    pub fn estimate(&self, pipeline: &Pipeline) -> Result<SizeEstimate<'_>> {
        let (from, until) = (pipeline.calendar.observed_from, pipeline.calendar.as_of);
        let start = from.or(until.map(|u| u.plus(-ASSUMED_DAYS))).unwrap_or(Day(0));
        let end = until.unwrap_or(start.plus(ASSUMED_DAYS));
        // One more value than the cap: then there is `other` too.
        let values = |i: usize| (0..=pipeline.segments[i].cap).map(|value| value.to_string().into()).collect();
        let dictionary = dictionary(pipeline, (start, end), values)?;
        let shape = Shape::new(
            self.setting.basis,
            (start, end),
            start,
            pipeline.calendar.week_start,
            false,
            self.setting.has_transactions,
            false,
            dictionary,
        );
        let folds = estimate(&self.plan, Arc::new(shape), None)?;
        Ok(SizeEstimate { days: end.0 - start.0, assumed: from.is_none() || until.is_none(), folds })
    }
}

/// A run is refused where even one thread would need so many times the memory that it may take: no estimate is that
/// wrong. All others begin, and end with a sentence if they do not fit.
const MOST_TIMES: u64 = 2;

/// After the scan: makes room for the tallies by moving rows to the temporary file, where the two do not fit memory
/// together.
///
/// # Errors
/// Pipeline: the tallies and tables of this run are far beyond what it may take. Output: rows cannot be moved.
pub fn make_room(run_plan: &RunPlan, loaded: &mut LoadedData) -> Result<()> {
    let room = memory::room();
    if room == u64::MAX {
        return Ok(());
    }
    // Without a single row in memory there is this much.
    let most = room.saturating_add(loaded.store.resident() as u64);
    let customers = loaded.store.customers();
    let folds = estimate(&run_plan.plan, loaded.shape.clone(), Some(customers))?;
    refuse_if_too_large(&folds, most)?;
    let tallies = folds.iter().map(CellEstimate::tally_bytes).fold(0, u64::saturating_add);
    let wanted = tallies.saturating_mul(rayon::current_num_threads() as u64);
    if wanted > room {
        let kept = most.saturating_sub(wanted).max(most / 4);
        loaded.store.spill_until_below(usize::try_from(kept).unwrap_or(usize::MAX))?;
    }
    Ok(())
}

fn refuse_if_too_large(folds: &[CellEstimate<'_>], most: u64) -> Result<()> {
    let expected = || folds.iter().filter_map(|fold| Some((fold.expected_bytes()?, fold)));
    let needed = expected().map(|(bytes, _)| bytes).fold(0, u64::saturating_add);
    let Some((bytes, largest)) = expected().max_by_key(|(bytes, _)| *bytes).filter(|_| needed / MOST_TIMES > most)
    else {
        return Ok(());
    };
    Err(Error::pipeline(format!(
        "the run needs about {} of memory, {} of it for {} by {} and its tables; the memory limit leaves {}",
        size(needed),
        size(bytes),
        largest.spec.kind,
        largest.spec.lens.period.name(),
        size(most),
    ))
    .help(largest.remedy()))
}

fn size(bytes: u64) -> String {
    if bytes < 10 << 30 { format!("{} MiB", bytes >> 20) } else { format!("{} GiB", bytes >> 30) }
}
