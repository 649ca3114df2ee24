//! Exchange rates: a small table, by currency and day.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};

use crate::calendar::Day;
use crate::error::Result;
use crate::exchange::{Rate, RateError, RateRow};
use crate::money::AmountError;
use crate::rows::Sink;
use crate::source::Reason;
use crate::source::columns::amounts;
use crate::source::columns::texts::LONGEST;
use crate::source::scan::batch::FilteredBatch;
use crate::source::scan::findings::Findings;
use crate::source::scan::scanner::Scanner;
use crate::source::scan::source_rows::{SourceRows, retain};

/// Rates of one batch. None is late: a rate from as_of on is used only where as_of itself needs it.
pub(crate) struct RateRows {
    days: Vec<Day>,
    instants: Vec<i64>,
    /// `None` where the row is marked.
    rates: Vec<Option<RateRow>>,
}

impl SourceRows for RateRows {
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Self> {
        let at = scanner.row_times(batch, "date")?;
        let currencies = currencies(scanner, batch)?;
        let index = scanner.required("rate")?;
        let array = scanner.array(batch, index)?;
        let label = &scanner.field(index).label;
        let mut rates = Vec::with_capacity(batch.n);
        let mut rounded = vec![false; batch.n];
        for (row, currency) in currencies.into_iter().enumerate() {
            match rate(&array, row) {
                Ok((rate, is_rounded)) => {
                    rounded[row] = is_rounded;
                    rates.push(currency.map(|currency| RateRow { currency, day: at.days[row], rate }));
                }
                Err(reason) => {
                    batch.mark(row, reason, label, &array);
                    rates.push(None);
                }
            }
        }
        batch.counted.rates_rounded = rounded;
        Ok(RateRows { days: at.days, instants: at.instants, rates })
    }

    fn retain(&mut self, keep: &[bool]) {
        retain(&mut self.days, keep);
        retain(&mut self.instants, keep);
        retain(&mut self.rates, keep);
    }

    fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    fn days(&self) -> impl Iterator<Item = Day> {
        self.days.iter().copied()
    }

    fn instants(&self) -> &[i64] {
        &self.instants
    }

    fn send(self, findings: &Findings<'_>, _: &dyn Sink) -> Result<()> {
        findings.rates.add(self.rates.into_iter().flatten())
    }
}

/// The rate of a row, and whether it was rounded.
fn rate(array: &ArrayRef, row: usize) -> Result<(Rate, bool), Reason> {
    match amounts::exact(array, row) {
        Some(Ok(number)) => Rate::new(number).map_err(|e| match e {
            RateError::NotPositive => Reason::RateNotPositive,
            RateError::Huge => Reason::RateOverflow,
        }),
        Some(Err(AmountError::NotANumber)) => Err(Reason::RateNotNumeric),
        Some(Err(AmountError::Infinite | AmountError::Overflow)) => Err(Reason::RateOverflow),
        None if amounts::is_blank(array, row) => Err(Reason::NoRate),
        None => Err(Reason::RateNotNumeric),
    }
}

/// The currency of each rate. A row without one, or with a text that is too long for one, is marked.
fn currencies(scanner: &Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Vec<Option<Arc<str>>>> {
    let index = scanner.required("currency")?;
    let array = scanner.array(batch, index)?;
    let label = &scanner.field(index).label;
    let texts = array.as_string_view_opt();
    let (mut names, mut last): (Vec<Option<Arc<str>>>, Option<Arc<str>>) = (vec![], None);
    for row in 0..batch.n {
        let text = texts.filter(|t| t.is_valid(row)).map(|t| t.value(row)).filter(|t| !t.is_empty());
        let reason = match text {
            None => Reason::NoCurrency,
            Some(text) if text.len() > LONGEST => Reason::TextTooLong,
            Some(text) => {
                // Rates of one currency mostly stand one behind the other, and then share its name.
                if last.as_deref() != Some(text) {
                    last = Some(text.into());
                }
                names.push(last.clone());
                continue;
            }
        };
        batch.mark(row, reason, label, &array);
        names.push(None);
    }
    Ok(names)
}
