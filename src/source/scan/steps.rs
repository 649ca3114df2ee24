//! The steps that a batch takes: filter, read, mask, retain, span, newest, send.

use arrow::array::ArrayRef;

use super::batch::FilteredBatch;
use super::scanner::Scanner;
use super::source_rows::SourceRows;
use super::sources::{CostRows, RateRows};
use crate::config::{Mapping, SourceKind};
use crate::error::Result;
use crate::rows::{CustomerBatch, Sink, SubscriptionBatch, SurveyBatch, TransactionBatch, UsageBatch};
use crate::source::SourceReport;

/// Scans a batch of `n` rows that has `first_row` rows of the file before it.
///
/// # Errors
/// What makes the file unusable, and what `sink` returns.
pub(super) fn scan_batch(
    scanner: &mut Scanner<'_>,
    columns: &[ArrayRef],
    n: usize,
    first_row: u64,
    report: &mut SourceReport,
    sink: &dyn Sink,
) -> Result<()> {
    report.rows += n as u64;
    let (kept, numbers) = scanner.filtered(columns, n)?.unzip();
    let rows_left = numbers.as_ref().map_or(n, Vec::len);
    report.filtered += (n - rows_left) as u64;
    if rows_left == 0 {
        return Ok(());
    }
    let mut batch = FilteredBatch::new(kept.as_deref().unwrap_or(columns), rows_left, first_row, numbers);
    match scanner.context.kind {
        SourceKind::Transactions => deliver::<TransactionBatch>(scanner, &mut batch, report, sink)?,
        SourceKind::Subscriptions => deliver::<SubscriptionBatch>(scanner, &mut batch, report, sink)?,
        SourceKind::Customers => deliver::<CustomerBatch>(scanner, &mut batch, report, sink)?,
        SourceKind::Usage => deliver::<UsageBatch>(scanner, &mut batch, report, sink)?,
        SourceKind::Surveys => deliver::<SurveyBatch>(scanner, &mut batch, report, sink)?,
        SourceKind::AcquisitionCosts => deliver::<CostRows>(scanner, &mut batch, report, sink)?,
        SourceKind::ExchangeRates => deliver::<RateRows>(scanner, &mut batch, report, sink)?,
    }
    reject(scanner, &batch, report);
    Ok(())
}

fn deliver<R: SourceRows>(
    scanner: &mut Scanner<'_>,
    batch: &mut FilteredBatch<'_>,
    report: &mut SourceReport,
    sink: &dyn Sink,
) -> Result<()> {
    let mut rows = R::read(scanner, batch)?;
    let keep = batch.keep();
    if let Some(keep) = &keep {
        rows.retain(keep);
    }
    batch.counted.add_to(report, keep.as_deref());
    if rows.is_empty() {
        return Ok(());
    }
    report.first = [report.first, rows.days().min()].into_iter().flatten().min();
    report.last = report.last.max(rows.days().max());
    report.newest_known = report.newest_known.max(rows.newest_known());
    if let Some(newest) = rows.instants().iter().copied().max() {
        let instant = if batch.wall_clock { scanner.clock.instant(newest) } else { newest };
        report.newest_instant = report.newest_instant.max(Some(instant.div_euclid(1_000_000)));
    }
    rows.send(scanner.context.findings, sink)
}

/// Counts the rows that were taken out, and puts the faulty ones in the quarantine.
fn reject(scanner: &Scanner<'_>, batch: &FilteredBatch<'_>, report: &mut SourceReport) {
    report.rejected += batch.faults.len() as u64;
    report.after_as_of += batch.late.len() as u64;
    // A value that an expression made from the environment may be a secret: the quarantine does not show it.
    let is_secret = |label: &str| {
        let mut named = scanner.context.source.fields.iter().filter(|f| &*f.label == label);
        named.any(|f| matches!(&f.mapping, Mapping::Sql(sql) if sql.is_filled_in()))
    };
    let (kind, number) = (scanner.context.kind, |row| batch.number(row));
    scanner.context.findings.rejected.add(kind, &scanner.shown, &batch.faults, &is_secret, &number);
}
