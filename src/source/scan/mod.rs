//! Rows of all exports to canonical batches, in parallel over files and row groups.
//!
//! The result does not depend on threads, batch size or the order of files, but for the numbering of segment values.

mod batch;
mod currencies;
mod pieces;
mod reader;
mod rows;
mod side_tables;
mod tasks;
mod traces;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use self::side_tables::{Costs, RatesRead};
use self::tasks::{Task, tasks};
use super::budget::Budget;
use super::columns::ids::IdKind;
use super::columns::texts::Dictionary;
use super::inspect::Inspected;
use super::rejections::{Collector, Rejections};
use super::{InputFile, SourceReport};
use crate::config::{Pipeline, SourceKind};
use crate::error::Result;
use crate::exchange::ExchangeRates;
use crate::progress::Progress;
use crate::rows::{Cost, Sink};

/// Rows decoded at a time: large enough to amortise what is done per batch, small enough to stay in the cache.
pub const BATCH_ROWS: usize = 32_768;

/// What reading may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Rows decoded at a time, at most; fewer where the rows are wide.
    pub batch_rows: usize,
    /// Bytes of pages, dictionaries and batches in memory at a time, over all threads. Where not every thread can read a
    /// row group within it, fewer threads read.
    pub memory: u64,
    /// Bytes for what is kept until the end of the run: texts of segments, channels and reasons, costs and rates, all
    /// together. A scan that meets more ends with an error.
    pub kept: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits { batch_rows: BATCH_ROWS, memory: 1 << 30, kept: usize::MAX }
    }
}

/// What a scan found, beside the rows it delivered.
#[derive(Clone, Debug)]
pub struct Scan {
    pub reports: BTreeMap<SourceKind, SourceReport>,
    /// In order of source and path.
    pub files: Vec<InputFile>,
    pub rejected: Rejections,
    /// For each of `Pipeline::segments`: the text of every code.
    pub dictionaries: Vec<Vec<Arc<str>>>,
    /// The text of every code of a channel, and of a reason.
    pub channels: Vec<Arc<str>>,
    pub reasons: Vec<Arc<str>>,
    /// By day and channel.
    pub costs: Vec<Cost>,
    pub rates: Arc<ExchangeRates>,
    pub ids: IdKind,
    /// The columns read of each source's exports, in order of name.
    pub columns: BTreeMap<SourceKind, Vec<String>>,
}

/// Texts that are numbered as they are met.
#[derive(Debug)]
struct Dictionaries<'a> {
    /// One for each of `Pipeline::segments`.
    segments: Vec<Dictionary<'a>>,
    /// `customers.acquired_by` and `acquisition_costs.channel`.
    channels: Dictionary<'a>,
    /// `subscriptions.cancel_reason` and `surveys.reason`.
    reasons: Dictionary<'a>,
}

/// What all tasks add to. Each part of it has its own bound, so that nothing grows with the rows that are read.
#[derive(Debug)]
struct Findings<'a> {
    dictionaries: Dictionaries<'a>,
    rejected: Collector,
    costs: Costs<'a>,
    rates: RatesRead<'a>,
}

impl<'a> Findings<'a> {
    fn new(pipeline: &Pipeline, budget: &'a Budget) -> Findings<'a> {
        let segment = |name: &String| Dictionary::new(format!("segment {name} has"), budget);
        let columns = |a: &str, b: &str| Dictionary::new(format!("{a} and {b} together have"), budget);
        Findings {
            dictionaries: Dictionaries {
                segments: pipeline.segments.iter().map(|s| segment(&s.name)).collect(),
                channels: columns("customers.acquired_by", "acquisition_costs.channel"),
                reasons: columns("subscriptions.cancel_reason", "surveys.reason"),
            },
            rejected: Collector::default(),
            costs: Costs::new(budget),
            rates: RatesRead::new(budget),
        }
    }
}

/// What the row groups of one task gave.
#[derive(Debug, Default)]
struct Part {
    report: SourceReport,
    /// Whether every page carried a checksum; `None` if none was read.
    verified: Option<bool>,
}

/// Reads every source and hands its rows to `sink`, on the rayon pool that it is called in, batch by batch.
///
/// # Errors
/// The first problem, by file and row group, that makes a file unusable; a file that has changed since it was inspected;
/// more different texts, costs or rates than `limits` has room for; what `sink` or `observer` return.
pub fn scan(
    inspected: &Inspected,
    pipeline: &Pipeline,
    sink: &dyn Sink,
    observer: &dyn Progress,
    limits: ReadLimits,
) -> Result<Scan> {
    let budget = Budget::new(limits.kept);
    let findings = Findings::new(pipeline, &budget);
    // What amounts are worth has to be known before they are read.
    let (first, rest): (Vec<Task>, Vec<Task>) = inspected
        .sources
        .iter()
        .filter(|(_, source)| source.is_read())
        .flat_map(|(kind, source)| tasks(*kind, source, limits.batch_rows.max(1)))
        .partition(|task| task.kind == SourceKind::ExchangeRates);
    let (own, digits) = (pipeline.money.currency.value(), pipeline.money.digits);
    let read = |tasks: &[Task], rates: &ExchangeRates| {
        let reading = Reading { inspected, pipeline, findings: &findings, rates, limits };
        reading.all(tasks, sink, observer)
    };
    let mut parts = read(&first, &ExchangeRates::none(own, digits))?;
    let rates = match pipeline.sources.contains_key(&SourceKind::ExchangeRates) {
        true => Arc::new(ExchangeRates::new(own, digits, findings.rates.take())?),
        false => Arc::new(ExchangeRates::none(own, digits)),
    };
    parts.extend(read(&rest, &rates)?);
    inspected.confirm()?;
    let Findings { dictionaries, rejected, costs, .. } = findings;

    let mut scan = Scan {
        reports: BTreeMap::new(),
        files: vec![],
        rejected: rejected.finish(),
        dictionaries: dictionaries.segments.into_iter().map(Dictionary::into_values).collect(),
        channels: dictionaries.channels.into_values(),
        reasons: dictionaries.reasons.into_values(),
        costs: costs.finish()?,
        rates,
        ids: inspected.ids,
        columns: BTreeMap::new(),
    };
    let mut verified: BTreeMap<(SourceKind, usize), bool> = BTreeMap::new();
    for (Task { kind, file, .. }, part) in parts {
        combine(scan.reports.entry(kind).or_default(), &part.report);
        if let Some(pages) = part.verified {
            *verified.entry((kind, file)).or_insert(true) &= pages;
        }
    }
    for (kind, source) in &inspected.sources {
        scan.reports.entry(*kind).or_default().read = source.is_read();
        scan.columns.insert(*kind, source.columns.clone());
        for (index, file) in source.files.iter().enumerate() {
            let verified = verified.get(&(*kind, index)).copied().unwrap_or(false);
            scan.files.push(InputFile { verified, ..file.input.clone() });
        }
    }
    Ok(scan)
}

/// What all tasks share.
struct Reading<'a> {
    inspected: &'a Inspected,
    pipeline: &'a Pipeline,
    findings: &'a Findings<'a>,
    rates: &'a ExchangeRates,
    limits: ReadLimits,
}

impl Reading<'_> {
    /// Reads row groups in parallel; what each task gave, in their order.
    ///
    /// Every thread has an equal share of the memory. Row groups that need more than a share are read afterwards, by as
    /// few threads at a time as they fit.
    fn all(&self, tasks: &[Task], sink: &dyn Sink, observer: &dyn Progress) -> Result<Vec<(Task, Part)>> {
        let failed = AtomicBool::new(false);
        let mut outcomes: Vec<Option<Result<Outcome>>> = tasks.iter().map(|_| None).collect();
        let mut waiting: Vec<usize> = (0..tasks.len()).collect();
        let mut readers = rayon::current_num_threads().max(1);
        while !waiting.is_empty() && !failed.load(Ordering::Relaxed) {
            let share = Share { bytes: self.limits.memory / readers as u64, is_whole: readers == 1 };
            let read = |task: &usize| {
                if failed.load(Ordering::Relaxed) {
                    return None;
                }
                let outcome = self.one(&tasks[*task], share, sink, observer);
                if outcome.is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
                Some((*task, outcome))
            };
            let done: Vec<Option<(usize, Result<Outcome>)>> = if readers == rayon::current_num_threads() {
                waiting.par_iter().with_max_len(1).map(read).collect()
            } else {
                // One sequence of tasks for each reader.
                let sequence = |first| waiting.iter().skip(first).step_by(readers).map(read).collect::<Vec<_>>();
                (0..readers).into_par_iter().with_max_len(1).flat_map_iter(sequence).collect()
            };
            waiting.clear();
            let mut most = 0;
            for (task, outcome) in done.into_iter().flatten() {
                if let Ok(Outcome::NeedsMemory(bytes)) = outcome {
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
            Ok(Outcome::Read(part)) => Some(Ok((task, *part))),
            Ok(Outcome::NeedsMemory(_)) => None,
            Err(e) => Some(Err(e)),
        })
        .collect()
    }

    fn one(&self, task: &Task, share: Share, sink: &dyn Sink, observer: &dyn Progress) -> Result<Outcome> {
        let Reading { inspected, pipeline, findings, rates, limits } = *self;
        let (kind, file, source, ids) = (task.kind, task.file, &inspected.sources[&task.kind], inspected.ids);
        let place = batch::Place { pipeline, kind, source, file, ids, findings, rates };
        reader::read(&place, task, limits.batch_rows.max(1), share, sink, observer)
    }
}

/// The memory that a task may take.
#[derive(Clone, Copy)]
struct Share {
    bytes: u64,
    /// Nobody else reads: there is no more to wait for.
    is_whole: bool,
}

enum Outcome {
    Read(Box<Part>),
    /// Nothing was read, because it takes so many bytes.
    NeedsMemory(u64),
}

fn combine(into: &mut SourceReport, part: &SourceReport) {
    into.rows += part.rows;
    into.filtered += part.filtered;
    into.rejected += part.rejected;
    into.after_as_of += part.after_as_of;
    into.amounts_rounded += part.amounts_rounded;
    into.converted += part.converted;
    into.rates_rounded += part.rates_rounded;
    into.cancel_kinds_unknown += part.cancel_kinds_unknown;
    into.referred_to_self += part.referred_to_self;
    into.first = [into.first, part.first].into_iter().flatten().min();
    into.last = into.last.max(part.last);
    into.newest_known = into.newest_known.max(part.newest_known);
    into.newest_instant = into.newest_instant.max(part.newest_instant);
}

#[cfg(test)]
mod broken_files;
#[cfg(test)]
mod converted;
#[cfg(test)]
mod decoded;
#[cfg(test)]
mod limited;
#[cfg(test)]
mod long_texts;
#[cfg(test)]
mod pruned;
#[cfg(test)]
mod pruned_or_not;
#[cfg(test)]
mod replaced;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traced;
