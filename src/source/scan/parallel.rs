//! Tasks on all threads, within the memory that reading may take.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::ReadLimits;
use super::findings::Findings;
use super::reader::{self, MemoryShare, TaskOutcome, TaskReport};
use super::scanner::TaskContext;
use super::tasks::ReadTask;
use crate::config::Pipeline;
use crate::error::Result;
use crate::exchange::ExchangeRates;
use crate::progress::Progress;
use crate::rows::Sink;
use crate::source::inspect::Inspected;

/// What all tasks share.
pub(super) struct Parallel<'a> {
    pub inspected: &'a Inspected,
    pub pipeline: &'a Pipeline,
    pub findings: &'a Findings<'a>,
    pub rates: &'a ExchangeRates,
    pub limits: ReadLimits,
    pub sink: &'a dyn Sink,
    pub observer: &'a dyn Progress,
}

impl Parallel<'_> {
    /// Reads the row groups of all tasks; gives what each task found, in their order.
    ///
    /// Every thread has an equal share of the memory. Row groups that need more than a share are read afterwards, by as
    /// many threads as the memory then allows.
    ///
    /// # Errors
    /// The first failure in order of tasks. Tasks that have not begun by then are left out.
    pub(super) fn read(&self, tasks: &[ReadTask]) -> Result<Vec<(ReadTask, TaskReport)>> {
        let failed = AtomicBool::new(false);
        let mut outcomes: Vec<Option<Result<TaskOutcome>>> = tasks.iter().map(|_| None).collect();
        let mut waiting: Vec<usize> = (0..tasks.len()).collect();
        let mut readers = rayon::current_num_threads().max(1);
        while !waiting.is_empty() && !failed.load(Ordering::Relaxed) {
            let share = MemoryShare { bytes: self.limits.memory / readers as u64, is_whole: readers == 1 };
            let read = |task: &usize| {
                if failed.load(Ordering::Relaxed) {
                    return None;
                }
                let outcome = self.one(&tasks[*task], share);
                if outcome.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                Some((*task, outcome))
            };
            let done: Vec<Option<(usize, Result<TaskOutcome>)>> = if readers == rayon::current_num_threads() {
                waiting.par_iter().with_max_len(1).map(read).collect()
            } else {
                // One sequence of tasks for each reader.
                let sequence = |first| waiting.iter().skip(first).step_by(readers).map(read).collect::<Vec<_>>();
                (0..readers).into_par_iter().with_max_len(1).flat_map_iter(sequence).collect()
            };
            waiting.clear();
            let mut most = 0;
            for (task, outcome) in done.into_iter().flatten() {
                if let Ok(TaskOutcome::NeedsMemory(bytes)) = outcome {
                    most = most.max(bytes);
                    waiting.push(task);
                } else {
                    outcomes[task] = Some(outcome);
                }
            }
            waiting.sort_unstable();
            let fit = usize::try_from(self.limits.memory / most.max(1)).unwrap_or(usize::MAX);
            readers = fit.clamp(1, (readers - 1).max(1));
        }
        let done = tasks.iter().zip(outcomes).filter_map(|(task, outcome)| Some((task.clone(), outcome?)));
        done.filter_map(|(task, outcome)| match outcome {
            Ok(TaskOutcome::Read(part)) => Some(Ok((task, *part))),
            Ok(TaskOutcome::NeedsMemory(_)) => None,
            Err(e) => Some(Err(e)),
        })
        .collect()
    }

    fn one(&self, task: &ReadTask, share: MemoryShare) -> Result<TaskOutcome> {
        let Parallel { inspected, pipeline, findings, rates, limits, sink, observer } = *self;
        let (kind, file, source, ids) = (task.kind, task.file, &inspected.sources[&task.kind], inspected.ids);
        let context = TaskContext { pipeline, kind, source, file, ids, findings, rates };
        reader::read(&context, task, limits.batch_rows.max(1), share, sink, observer)
    }
}
