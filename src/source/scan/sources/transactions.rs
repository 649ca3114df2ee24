//! Transactions: amounts in the currency of the run, and which of them make a customer live.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, TimestampMicrosecondArray};

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::rows::{Batch, Sink, TransactionBatch};
use crate::source::columns::amounts::Amounts;
use crate::source::columns::times::Times;
use crate::source::inspect::{Activity, ActivityInput};
use crate::source::scan::batch::FilteredBatch;
use crate::source::scan::currencies;
use crate::source::scan::findings::Findings;
use crate::source::scan::scanner::Scanner;
use crate::source::scan::source_rows::{SourceRows, retain, retain_segments};

impl SourceRows for TransactionBatch {
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Self> {
        let ids = scanner.ids(batch)?;
        let at = scanner.row_times(batch, "occurred_at")?;
        let (mut amounts, array) = scanner.amounts(batch)?;
        let segments = scanner.segments(batch)?;
        scanner.drop_late(batch, &at.days);
        currencies::convert(scanner, batch, &at.days, &mut amounts, &array)?;
        let active = active(scanner, batch, &at, &amounts)?;
        let orders = scanner.packed(batch, "order_id")?;
        batch.counted.amounts_rounded = amounts.rounded;
        let Times { days, instants, .. } = at;
        Ok(TransactionBatch { ids, days, instants, amounts: amounts.units, active, orders, segments })
    }

    fn retain(&mut self, keep: &[bool]) {
        self.ids.retain(keep);
        retain(&mut self.days, keep);
        retain(&mut self.instants, keep);
        retain(&mut self.amounts, keep);
        retain(&mut self.active, keep);
        if let Some(orders) = &mut self.orders {
            retain(orders, keep);
        }
        retain_segments(&mut self.segments, keep);
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn days(&self) -> impl Iterator<Item = Day> {
        self.days.iter().copied()
    }

    fn newest_known(&self) -> Option<Day> {
        self.days().max()
    }

    fn instants(&self) -> &[i64] {
        &self.instants
    }

    fn send(self, _: &Findings<'_>, sink: &dyn Sink) -> Result<()> {
        sink.accept(Batch::Transactions(self))
    }
}

/// Which rows satisfy `customers.activity`.
fn active(scanner: &mut Scanner<'_>, batch: &FilteredBatch<'_>, at: &Times, amounts: &Amounts) -> Result<Vec<bool>> {
    let (compiled, inputs) = match &scanner.context.source.activity {
        Activity::Positive => return Ok(amounts.units.iter().map(|units| *units > 0).collect()),
        Activity::Every => return Ok(vec![true; batch.n]),
        Activity::Sql(compiled, inputs) => (compiled, inputs),
    };
    let digits = scanner.context.pipeline.money.digits;
    let mut arrays: Vec<ArrayRef> = vec![];
    for input in inputs {
        arrays.push(match input {
            ActivityInput::Amount => {
                let values = Decimal128Array::from_iter_values(amounts.units.iter().map(|u| i128::from(*u)));
                let typed = values.with_precision_and_scale(38, digits as i8);
                Arc::new(typed.map_err(|e| Error::internal(format!("amounts as decimals: {e}")))?)
            }
            ActivityInput::Date => Arc::new(Date32Array::from_iter_values(at.days.iter().map(|d| d.0))),
            ActivityInput::Timestamp => {
                let micros: Vec<i64> = if at.wall {
                    at.instants.clone()
                } else {
                    at.instants.iter().map(|t| scanner.clock.local_micros(*t)).collect()
                };
                Arc::new(TimestampMicrosecondArray::from(micros))
            }
            ActivityInput::Field(index) => scanner.array(batch, *index)?,
        });
    }
    let holds = compiled.holds(&arrays, batch.n).map_err(|e| {
        Error::input(format!("customers.activity: `{}` fails on a value: {e}", compiled.sql()))
            .help("TRY_CAST gives NULL where CAST fails")
    })?;
    Ok(holds.values().iter().collect())
}
