//! Acquisition costs: a small table, summed by day and channel.

use crate::calendar::Day;
use crate::error::Result;
use crate::rows::{Sink, ValueCode};
use crate::source::scan::batch::FilteredBatch;
use crate::source::scan::findings::Findings;
use crate::source::scan::scanner::Scanner;
use crate::source::scan::source_rows::{SourceRows, retain};

/// Costs of one batch, those from as_of on included.
pub(crate) struct CostRows {
    days: Vec<Day>,
    channels: Vec<ValueCode>,
    /// Minor units.
    amounts: Vec<i64>,
}

impl SourceRows for CostRows {
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Self> {
        let start = scanner.row_times(batch, "period_start")?;
        let (amounts, _) = scanner.amounts(batch)?;
        let channels = scanner.channels(batch, "channel")?;
        batch.counted.amounts_rounded = amounts.rounded;
        Ok(CostRows { days: start.days, channels, amounts: amounts.units })
    }

    fn retain(&mut self, keep: &[bool]) {
        retain(&mut self.days, keep);
        retain(&mut self.channels, keep);
        retain(&mut self.amounts, keep);
    }

    fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    fn days(&self) -> impl Iterator<Item = Day> {
        self.days.iter().copied()
    }

    fn send(self, findings: &Findings<'_>, _: &dyn Sink) -> Result<()> {
        let rows = self.days.into_iter().zip(self.channels).zip(self.amounts);
        findings.costs.add(rows.map(|((day, channel), amount)| (day, channel, amount)))
    }
}
