//! The rows of all exports, in parallel over files and row groups, as canonical batches.
//!
//! ```text
//! row groups ─tasks─► parallel: one task a thread, within its share of the memory
//!                        └► reader: decodes row groups, puts them together to batches
//!                              └► steps, for each batch:
//!                                   filter ► read (one file a source, in sources/) ► mask ► retain ► span ► newest ► send
//! ```
//!
//! The result does not depend on threads, batch size or the order of files, except for the numbering of segment values.

mod batch;
mod currencies;
mod findings;
mod numbers;
mod parallel;
mod pieces;
mod reader;
mod scanner;
mod side_tables;
mod source_rows;
mod sources;
mod steps;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::findings::Findings;
use self::parallel::Parallel;
use self::tasks::{ReadTask, tasks};
use super::budget::Budget;
use super::columns::ids::IdKind;
use super::columns::texts::ValueDictionary;
use super::inspect::Inspected;
use super::rejections::Rejections;
use super::{InputFile, SourceReport};
use crate::config::{Pipeline, SourceKind};
use crate::error::Result;
use crate::exchange::ExchangeRates;
use crate::progress::Progress;
use crate::rows::{Cost, Sink};

/// Rows decoded at a time: large enough to amortise what is done per batch, small enough to stay in the cache.
pub const BATCH_ROWS: usize = 32_768;

/// How much memory reading may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Rows decoded at a time, at most; fewer where rows are wide.
    pub batch_rows: usize,
    /// Bytes of pages, dictionaries and batches in memory at a time, over all threads. Where not every thread can read a
    /// row group within it, fewer threads read.
    pub memory: u64,
    /// Bytes for what is kept until the end of the run: texts of segments, channels and reasons, costs and rates, all
    /// together. A scan that needs more ends with an error.
    pub kept: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits { batch_rows: BATCH_ROWS, memory: 1 << 30, kept: usize::MAX }
    }
}

/// What a scan found beside the rows that it delivered.
#[derive(Clone, Debug)]
pub struct Scan {
    pub reports: BTreeMap<SourceKind, SourceReport>,
    /// In order of source and path.
    pub files: Vec<InputFile>,
    pub rejected: Rejections,
    /// For each of `Pipeline::segments`: the text of every code.
    pub dictionaries: Vec<Vec<Arc<str>>>,
    /// The text of every code of a channel.
    pub channels: Vec<Arc<str>>,
    /// The text of every code of a reason.
    pub reasons: Vec<Arc<str>>,
    /// In order of day, amount, rows and channel.
    pub costs: Vec<Cost>,
    pub rates: Arc<ExchangeRates>,
    pub ids: IdKind,
    /// The columns read of each source's exports, in order of name.
    pub columns: BTreeMap<SourceKind, Vec<String>>,
}

/// Reads every source and hands its rows to `sink`, on the rayon pool that it is called in, batch by batch.
///
/// # Errors
/// The first problem, by file and row group, that makes a file unusable; a file that has changed since it was inspected;
/// more different texts, costs or rates than `limits` has room for; what `sink` or `observer` returns.
pub fn scan(
    inspected: &Inspected,
    pipeline: &Pipeline,
    sink: &dyn Sink,
    observer: &dyn Progress,
    limits: ReadLimits,
) -> Result<Scan> {
    let budget = Budget::new(limits.kept);
    let findings = Findings::new(pipeline, &budget);
    // Rates are read before the amounts that they convert.
    let (first, rest): (Vec<ReadTask>, Vec<ReadTask>) = inspected
        .sources
        .iter()
        .filter(|(_, source)| source.is_read())
        .flat_map(|(kind, source)| tasks(*kind, source, limits.batch_rows.max(1)))
        .partition(|task| task.kind == SourceKind::ExchangeRates);
    let (own, digits) = (pipeline.money.currency.value(), pipeline.money.digits);
    let read = |tasks: &[ReadTask], rates: &ExchangeRates| {
        Parallel { inspected, pipeline, findings: &findings, rates, limits, sink, observer }.read(tasks)
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
        dictionaries: dictionaries.segments.into_iter().map(ValueDictionary::into_values).collect(),
        channels: dictionaries.channels.into_values(),
        reasons: dictionaries.reasons.into_values(),
        costs: costs.finish()?,
        rates,
        ids: inspected.ids,
        columns: BTreeMap::new(),
    };
    let mut verified: BTreeMap<(SourceKind, usize), bool> = BTreeMap::new();
    for (ReadTask { kind, file, .. }, part) in parts {
        scan.reports.entry(kind).or_default().add(&part.report);
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
