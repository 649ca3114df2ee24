//! Amounts in other currencies than the run's own.

use arrow::array::{ArrayRef, AsArray, StringViewArray};

use super::batch::FilteredBatch;
use super::scanner::Scanner;
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::exchange::{CurrencyCode, Rate};
use crate::money;
use crate::rows::Subscription;
use crate::source::Reason;
use crate::source::columns::amounts::{self, Amounts};

/// The currency of each amount, where it is not the run's own.
struct ForeignCurrencies<'a> {
    texts: &'a StringViewArray,
    own: &'a str,
}

impl<'a> ForeignCurrencies<'a> {
    /// `None` where the column is not mapped or has no values: every amount is then in the run's own currency.
    fn of(scanner: &Scanner<'a>, array: Option<&'a ArrayRef>) -> Option<ForeignCurrencies<'a>> {
        let texts = array?.as_string_view_opt()?;
        Some(ForeignCurrencies { texts, own: scanner.context.rates.own() })
    }

    /// The rows in another currency, and that currency. NULL and the empty text mean the run's own.
    fn rows(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let ForeignCurrencies { texts, own } = *self;
        texts
            .iter()
            .enumerate()
            .filter_map(move |(row, text)| Some((row, text.filter(|t| *t != own && !t.is_empty())?)))
    }
}

fn column(scanner: &Scanner<'_>, batch: &FilteredBatch<'_>) -> Result<Option<ArrayRef>> {
    scanner.find("currency").map(|index| scanner.array(batch, index)).transpose()
}

/// Converts amounts of other currencies at the rate of their day, and counts them. Each is rounded once, half to even.
///
/// `array`: the export's amounts with all their digits, of which `amounts` keeps only those of the run's own currency.
///
/// # Errors
/// Input: there is no rate of a currency on a day.
pub(super) fn convert(
    scanner: &Scanner<'_>,
    batch: &mut FilteredBatch<'_>,
    days: &[Day],
    amounts: &mut Amounts,
    array: &ArrayRef,
) -> Result<()> {
    let currencies = column(scanner, batch)?;
    let Some(foreign) = ForeignCurrencies::of(scanner, currencies.as_ref()) else { return Ok(()) };
    let (rates, digits) = (scanner.context.rates, scanner.context.pipeline.money.digits);
    let label = &scanner.field(scanner.required("amount")?).label;
    let mut last: Option<(&str, Day, CurrencyCode, Rate)> = None;
    for (row, currency) in foreign.rows() {
        if !batch.is_used(row) {
            continue;
        }
        let Some(Ok(amount)) = amounts::exact(array, row) else { continue };
        amounts.rounded[row] = false;
        if amount.unscaled == 0 {
            batch.counted.converted += 1;
            continue;
        }
        let day = days[row];
        // Neighbouring rows mostly have the same currency, and often the same day.
        let (code, known) = match last {
            Some((name, on, code, rate)) if name == currency => (Some(code), (on == day).then_some(rate)),
            _ => (rates.code(currency), None),
        };
        let found = known.or_else(|| rates.at(code?, day));
        let (Some(code), Some(rate)) = (code, found) else { return Err(missing(scanner, batch, currency, day, row)) };
        last = Some((currency, day, code, rate));
        match rate.convert(amount, digits) {
            Ok(units) => {
                amounts.units[row] = units;
                batch.counted.converted += 1;
            }
            Err(_) => batch.mark(row, Reason::AmountOverflow, label, array),
        }
    }
    Ok(())
}

/// Gives each subscription its currency and its amount in the minor unit of that currency, and counts those in another
/// than the run's own. What they are worth depends on the periods in which they are live, and is found out later.
///
/// # Errors
/// Input: there is no rate of a currency at all.
pub(super) fn denominate(
    scanner: &Scanner<'_>,
    batch: &mut FilteredBatch<'_>,
    terms: &mut [Subscription],
    amounts: &mut Amounts,
    array: &ArrayRef,
) -> Result<()> {
    let currencies = column(scanner, batch)?;
    let Some(foreign) = ForeignCurrencies::of(scanner, currencies.as_ref()) else { return Ok(()) };
    let rates = scanner.context.rates;
    let label = &scanner.field(scanner.required("amount")?).label;
    let mut last: Option<(&str, CurrencyCode)> = None;
    for (row, currency) in foreign.rows() {
        if !batch.is_used(row) {
            continue;
        }
        let Some(Ok(amount)) = amounts::exact(array, row) else { continue };
        // A free subscription is worth nothing in every currency, so its rate is not asked for.
        if amount.unscaled == 0 {
            continue;
        }
        let code = last.filter(|(name, _)| *name == currency).map(|(_, code)| code).or_else(|| rates.code(currency));
        let Some(code) = code else { return Err(missing(scanner, batch, currency, terms[row].started, row)) };
        last = Some((currency, code));
        match money::from_decimal(amount.unscaled, amount.scale, rates.digits(code)) {
            Ok(minor) if minor.units >= 0 => {
                (terms[row].amount, terms[row].currency) = (minor.units, code);
                amounts.rounded[row] = minor.rounded;
                batch.counted.converted += 1;
            }
            Ok(_) => batch.mark(row, Reason::AmountNegative, label, array),
            Err(_) => batch.mark(row, Reason::AmountOverflow, label, array),
        }
    }
    Ok(())
}

/// There is no rate of a row's currency on its day.
fn missing(scanner: &Scanner<'_>, batch: &FilteredBatch<'_>, currency: &str, day: Day, row: usize) -> Error {
    // A column that is mapped by mistake may hold texts of any length.
    let currency: String = currency.chars().take(40).collect();
    let mut error = scanner.context.rates.missing(&currency, day);
    error.what = format!("row {} of {}: {}", batch.number(row), scanner.shown, error.what);
    error
}
