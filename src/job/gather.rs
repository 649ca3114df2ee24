//! Exports → buckets, and what the scan tells of their shape.

use std::sync::Arc;

use super::dictionary::dictionary;
use crate::config::{Pipeline, SourceKind};
use crate::error::{Error, Result};
use crate::numbers::grouped;
use crate::progress::{Phase, Progress};
use crate::rows::Cost;
use crate::source::{IdKind, Inspected, InspectedSource, ReadLimits, Scan, scan};
use crate::timeline::identity::CustomerHasher;
use crate::timeline::labels::{LabelColumn, Labels};
use crate::timeline::scatter::Scatter;
use crate::timeline::shape::{Basis, CostRow, Shape};
use crate::timeline::store::Store;

/// The data of a run, brought together by customer.
pub struct LoadedData {
    pub shape: Arc<Shape>,
    pub store: Store,
    pub scan: Scan,
}

/// Reads every export once and scatters its rows by customer into an empty store.
///
/// # Errors
/// When an export cannot be read, no row is left to tell a window from, or the progress stops the run.
pub fn gather(
    pipeline: &Pipeline,
    inspected: &Inspected,
    limits: ReadLimits,
    store: Store,
    progress: &dyn Progress,
) -> Result<LoadedData> {
    let read = inspected.sources.values().filter(|source| source.is_read());
    let rows = read.map(InspectedSource::rows).sum();
    store.expect(rows);
    let limits = ReadLimits { kept: limits.kept.min(kept_bytes(store.limit())), ..limits };
    bring_together(pipeline, CustomerHasher::default(), store, &|scatter| {
        progress.phase(Phase::Scan, Some(rows));
        scan(inspected, pipeline, scatter, progress, limits)
    })
}

/// Bytes that a scan may take for texts, costs and rates, beside what rows may take.
fn kept_bytes(rows: usize) -> usize {
    (rows / 4).max(16 << 20)
}

/// Lets `deliver` hand all rows to a scatter. `identity` is the default but in tests.
pub(crate) fn bring_together(
    pipeline: &Pipeline,
    identity: CustomerHasher,
    store: Store,
    deliver: &dyn Fn(&Scatter<'_>) -> Result<Scan>,
) -> Result<LoadedData> {
    let scatter = Scatter::new(identity, &store);
    let scan = deliver(&scatter)?;
    scatter.finish()?;
    Ok(LoadedData { shape: Arc::new(shape(pipeline, &scan, &store)?), store, scan })
}

fn shape(pipeline: &Pipeline, scan: &Scan, store: &Store) -> Result<Shape> {
    let basis = pipeline.customers.basis;
    let source = match basis {
        Basis::Transactions => SourceKind::Transactions,
        Basis::Subscriptions => SourceKind::Subscriptions,
    };
    let report = scan.reports.get(&source).cloned().unwrap_or_default();
    let (Some(first), Some(newest)) = (report.first, report.newest_known) else {
        let (rows, filtered, rejected) = (report.rows, report.filtered, report.rejected);
        if rejected > 0 && rejected == rows - filtered {
            return Err(super::checks::nothing_usable(scan, source));
        }
        let (why, help) = match (rows, rows - filtered, rows - filtered - rejected) {
            (0, ..) => ("its files have no rows".into(), "check `path`, or whether the export has arrived"),
            (_, 0, _) => (format!("`filter` leaves out all {} rows", grouped(rows)), "correct `filter` of the source"),
            (.., late) if late == report.after_as_of && rejected == 0 && filtered == 0 => {
                (format!("all {} rows are dated at or after as_of", grouped(rows)), "set a later as_of")
            }
            _ => (
                format!(
                    "of {} rows the filter leaves out {}, {} cannot be used and {} are dated at or after as_of",
                    grouped(rows),
                    grouped(filtered),
                    grouped(rejected),
                    grouped(report.after_as_of)
                ),
                "check `filter` of the source and calendar.as_of",
            ),
        };
        let what = format!("source {} has no row that can be used: {why}", source.name());
        return Err(Error::input(what).help(help));
    };
    let as_of = pipeline.calendar.as_of.unwrap_or(newest.plus(1));
    let observed_from = pipeline.calendar.observed_from.unwrap_or(first);
    if observed_from >= as_of {
        return Err(Error::pipeline(format!(
            "nothing is observed: calendar.observed_from is {observed_from}, and the data ends before {as_of}"
        ))
        .help("set an earlier observed_from, or a later as_of"));
    }
    let firsts = [SourceKind::Transactions, SourceKind::Subscriptions].map(|s| scan.reports.get(&s)?.first);
    let mut earliest = firsts.into_iter().flatten().min().unwrap_or(first);
    let cohorts_by_sign_up = pipeline.stages.iter().any(|s| s.kind.starts_at_sign_up(&s.options));
    if cohorts_by_sign_up {
        earliest = earliest.min(store.first_sign_up());
    }
    let span = (earliest.min(observed_from), as_of);
    let dictionary = dictionary(pipeline, span, |i| scan.dictionaries.get(i).cloned().unwrap_or_default())?;
    let has_column = |kind, name: &str| pipeline.sources.get(&kind).is_some_and(|s| s.columns.contains_key(name));
    let shape = Shape::new(
        basis,
        (observed_from, as_of),
        earliest,
        pipeline.calendar.week_start,
        scan.ids == IdKind::Integer,
        pipeline.sources.contains_key(&SourceKind::Transactions),
        has_column(SourceKind::Customers, "signed_up_at"),
        dictionary,
    );
    let labels = Labels {
        channels: LabelColumn::without_blanks(&scan.channels),
        reasons: LabelColumn::without_blanks(&scan.reasons),
    };
    let mut costs: Vec<CostRow> = scan.costs.iter().map(|c| cost(c, &labels.channels)).collect();
    costs.sort_unstable();
    Ok(shape.with_costs(costs).with_labels(labels).with_rates(scan.rates.clone()))
}

fn cost(cost: &Cost, channels: &LabelColumn) -> CostRow {
    CostRow { day: cost.period_start, amount: cost.amount, rows: cost.rows, channel: channels.rank(cost.channel) }
}
