//! Rates between currencies, and amounts in other currencies than the run's own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};

use super::Part;
use super::batch::{Rows, Scanner, mark};
use super::rows::{newest_instant, span};
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::exchange::{CurrencyCode, Rate, RateError, RateRow};
use crate::money::{self, AmountError};
use crate::rows::Subscription;
use crate::source::Reason;
use crate::source::columns::amounts::{self, Amounts};
use crate::source::columns::texts::LONGEST;

/// Rows of the small side table of rates. None is late: one from as_of on is only used where as_of itself needs it.
pub(super) fn rates(scanner: &mut Scanner<'_>, rows: &mut Rows<'_>, part: &mut Part) -> Result<()> {
    let (at, _) = scanner.required_times(rows, "date")?;
    let currencies = read_names(scanner, rows)?;
    let index = scanner.required("rate")?;
    let array = scanner.array(rows, index)?;
    let label = &scanner.about(index).label;
    let (mut days, mut instants, mut rates) = (vec![], vec![], vec![]);
    for (row, currency) in currencies.iter().enumerate() {
        let rate = match amounts::exact(&array, row) {
            Some(Ok(number)) => Rate::new(number).map_err(|e| match e {
                RateError::NotPositive => Reason::RateNotPositive,
                RateError::Huge => Reason::RateOverflow,
            }),
            Some(Err(AmountError::NotANumber)) => Err(Reason::RateNotNumeric),
            Some(Err(AmountError::Infinite | AmountError::Overflow)) => Err(Reason::RateOverflow),
            None if amounts::is_blank(&array, row) => Err(Reason::NoRate),
            None => Err(Reason::RateNotNumeric),
        };
        match (rate, currency) {
            (Err(reason), _) => mark(rows, row, reason, label, &array),
            (Ok((rate, rounded)), Some(currency)) if !rows.faults.contains(row) => {
                days.push(at.days[row]);
                instants.push(at.instants[row]);
                part.report.rates_rounded += u64::from(rounded);
                rates.push(RateRow { currency: currency.clone(), day: at.days[row], rate });
            }
            (Ok(_), _) => {}
        }
    }
    scanner.place.findings.rates.add(rates.into_iter())?;
    span(&mut part.report, &days);
    newest_instant(scanner, &mut part.report, &instants, at.wall);
    Ok(())
}

/// The currency of each rate; one without, or of a name that is none, is set aside.
fn read_names(scanner: &Scanner<'_>, rows: &mut Rows<'_>) -> Result<Vec<Option<Arc<str>>>> {
    let index = scanner.required("currency")?;
    let array = scanner.array(rows, index)?;
    let label = &scanner.about(index).label;
    let texts = array.as_string_view_opt();
    let (n, mut last): (usize, Option<Arc<str>>) = (rows.n, None);
    let mut name = |row: usize| {
        let text = texts.filter(|t| t.is_valid(row)).map(|t| t.value(row)).filter(|t| !t.is_empty())?;
        if text.len() > LONGEST {
            mark(rows, row, Reason::TextTooLong, label, &array);
            return None;
        }
        if last.as_deref() != Some(text) {
            last = Some(text.into());
        }
        last.clone()
    };
    let names: Vec<_> = (0..n).map(&mut name).collect();
    for row in (0..rows.n).filter(|row| names[*row].is_none()) {
        mark(rows, row, Reason::NoCurrency, label, &array);
    }
    Ok(names)
}

/// The currency of each amount, where a row that is used says another than the run's own.
struct Foreign<'a> {
    texts: &'a StringViewArray,
    own: &'a str,
}

impl<'a> Foreign<'a> {
    /// `None` where the column is not mapped, or empty: every amount is in the run's own currency.
    fn of(scanner: &Scanner<'a>, array: Option<&'a ArrayRef>) -> Option<Foreign<'a>> {
        let texts = array?.as_string_view_opt()?;
        Some(Foreign { texts, own: scanner.place.rates.own() })
    }

    /// Rows that say another currency, but for those that are not used; NULL and the empty text say the own.
    fn rows(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let Foreign { texts, own } = *self;
        texts
            .iter()
            .enumerate()
            .filter_map(move |(row, text)| Some((row, text.filter(|t| *t != own && !t.is_empty())?)))
    }
}

fn is_used(rows: &Rows<'_>, row: usize) -> bool {
    !rows.faults.contains(row) && rows.late.binary_search(&row).is_err()
}

fn column(scanner: &Scanner<'_>, rows: &Rows<'_>) -> Result<Option<ArrayRef>> {
    scanner.field("currency").map(|index| scanner.array(rows, index)).transpose()
}

/// Converts amounts of other currencies at the rate of their day, each rounded once, half to even; says how many those are.
/// `array`: the amounts to their last digit, which the minor unit of the run's own currency may not hold.
pub(super) fn convert(
    scanner: &Scanner<'_>,
    rows: &mut Rows<'_>,
    days: &[Day],
    (amounts, array): (&mut Amounts, &ArrayRef),
    number: &dyn Fn(usize) -> u64,
) -> Result<u64> {
    let currencies = column(scanner, rows)?;
    let Some(foreign) = Foreign::of(scanner, currencies.as_ref()) else { return Ok(0) };
    let (rates, digits) = (scanner.place.rates, scanner.place.pipeline.money.digits);
    let label = &scanner.about(scanner.required("amount")?).label;
    let (mut converted, mut last): (u64, Option<(&str, Day, CurrencyCode, Rate)>) = (0, None);
    for (row, currency) in foreign.rows() {
        if !is_used(rows, row) {
            continue;
        }
        let Some(Ok(amount)) = amounts::exact(array, row) else { continue };
        amounts.rounded[row] = false;
        converted += 1;
        if amount.unscaled == 0 {
            continue;
        }
        let day = days[row];
        let (code, known) = match last {
            Some((name, on, code, rate)) if name == currency => (Some(code), (on == day).then_some(rate)),
            _ => (rates.code(currency), None),
        };
        let found = known.or_else(|| rates.at(code?, day));
        let (Some(code), Some(rate)) = (code, found) else { return Err(missing(scanner, currency, day, number(row))) };
        last = Some((currency, day, code, rate));
        match rate.convert(amount, digits) {
            Ok(units) => amounts.units[row] = units,
            Err(_) => {
                converted -= 1;
                mark(rows, row, Reason::AmountOverflow, label, array);
            }
        }
    }
    Ok(converted)
}

/// Says what currency each subscription is in, its amount in the minor unit of that; says how many are in another than the
/// run's own. What they are worth follows from the periods in which they are live.
pub(super) fn denominate(
    scanner: &Scanner<'_>,
    rows: &mut Rows<'_>,
    terms: &mut [Subscription],
    (amounts, array): (&mut Amounts, &ArrayRef),
    number: &dyn Fn(usize) -> u64,
) -> Result<u64> {
    let currencies = column(scanner, rows)?;
    let Some(foreign) = Foreign::of(scanner, currencies.as_ref()) else { return Ok(0) };
    let rates = scanner.place.rates;
    let label = &scanner.about(scanner.required("amount")?).label;
    let (mut abroad, mut last): (u64, Option<(&str, CurrencyCode)>) = (0, None);
    for (row, currency) in foreign.rows() {
        if !is_used(rows, row) {
            continue;
        }
        let Some(Ok(amount)) = amounts::exact(array, row) else { continue };
        // What costs nothing is worth that in every currency.
        if amount.unscaled == 0 {
            continue;
        }
        let code = last.filter(|(name, _)| *name == currency).map(|(_, code)| code).or_else(|| rates.code(currency));
        let Some(code) = code else { return Err(missing(scanner, currency, terms[row].started, number(row))) };
        last = Some((currency, code));
        match money::from_decimal(amount.unscaled, amount.scale, rates.digits(code)) {
            Ok(minor) if minor.units >= 0 => {
                (terms[row].amount, terms[row].currency) = (minor.units, code);
                amounts.rounded[row] = minor.rounded;
                abroad += 1;
            }
            Ok(_) => mark(rows, row, Reason::AmountNegative, label, array),
            Err(_) => mark(rows, row, Reason::AmountOverflow, label, array),
        }
    }
    Ok(abroad)
}

/// There is no rate of a row's currency on its day.
fn missing(scanner: &Scanner<'_>, currency: &str, day: Day, number: u64) -> Error {
    let mut error = scanner.place.rates.missing(&short(currency), day);
    let file = &scanner.place.source.files[scanner.place.file].input.shown;
    error.what = format!("row {number} of {file}: {}", error.what);
    error
}

/// A column of something else may hold anything.
fn short(currency: &str) -> String {
    currency.chars().take(40).collect()
}
