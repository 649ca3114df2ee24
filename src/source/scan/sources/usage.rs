//! Use of the product: when, and how much.

use crate::calendar::Day;
use crate::error::Result;
use crate::rows::{Batch, Sink, UsageBatch};
use crate::source::Reason;
use crate::source::columns::times::Times;
use crate::source::scan::batch::FilteredBatch;
use crate::source::scan::findings::Findings;
use crate::source::scan::numbers::numbers;
use crate::source::scan::scanner::Scanner;
use crate::source::scan::source_rows::{SourceRows, retain, retain_segments};

/// Decimal digits of a quantity.
const DIGITS: u8 = 3;

impl SourceRows for UsageBatch {
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Self> {
        let ids = scanner.ids(batch)?;
        let at = scanner.row_times(batch, "occurred_at")?;
        let quantities = quantities(scanner, batch)?;
        let segments = scanner.segments(batch)?;
        scanner.drop_late(batch, &at.days);
        let Times { days, instants, .. } = at;
        Ok(UsageBatch { ids, days, instants, quantities, segments })
    }

    fn retain(&mut self, keep: &[bool]) {
        self.ids.retain(keep);
        retain(&mut self.days, keep);
        retain(&mut self.instants, keep);
        retain(&mut self.quantities, keep);
        retain_segments(&mut self.segments, keep);
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn days(&self) -> impl Iterator<Item = Day> {
        self.days.iter().copied()
    }

    fn instants(&self) -> &[i64] {
        &self.instants
    }

    fn send(self, _: &Findings<'_>, sink: &dyn Sink) -> Result<()> {
        sink.accept(Batch::Usage(self))
    }
}

/// Thousandths; each row counts 1 where quantities are not mapped.
fn quantities(scanner: &Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Vec<i64>> {
    let Some(index) = scanner.find("quantity") else { return Ok(vec![10i64.pow(DIGITS.into()); batch.n]) };
    let array = scanner.array(batch, index)?;
    let label = &scanner.field(index).label;
    let (quantities, faults) = numbers(&array, DIGITS, label);
    for (row, reason) in faults {
        let reason = if reason == Reason::NoAmount { Reason::NoQuantity } else { Reason::QuantityNotNumeric };
        batch.mark(row, reason, label, &array);
    }
    for row in (0..batch.n).filter(|row| quantities[*row] < 0) {
        batch.mark(row, Reason::QuantityNegative, label, &array);
    }
    Ok(quantities)
}
