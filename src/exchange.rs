//! Exact exchange rates (DEFINITIONS §5): amounts are converted without floats.
//!
//! A rate says how many units of `money.currency` one unit of a currency is. The rate of a day is the latest on or before that
//! day, if that is at most [`MAX_AGE_DAYS`] days old.

use std::sync::Arc;

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::money::{self, AmountError, ExactDecimal, MAX_MINOR, div_half_even};

/// Days that a rate may be old.
pub const MAX_AGE_DAYS: i32 = 7;

/// Digits after the point that a rate keeps.
const DECIMALS: u8 = 18;

/// A rate is below 10^18: its numerator, with [`DECIMALS`] digits after the point, is below this.
const MOST: i128 = 10i128.pow(36);

/// Currencies of a run, at most. More mean that `currency` is mapped to a column of something else.
const MOST_CURRENCIES: usize = 10_000;

/// A currency's number among those that have rates, from 1 in order of their names; 0 is `money.currency`.
pub type CurrencyCode = u16;
/// The code of `money.currency`.
pub const OWN_CURRENCY: CurrencyCode = 0;

/// A rate: one unit of the currency is `numerator / 10^scale` units of `money.currency`. Always positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    numerator: i128,
    scale: u8,
}

/// Why a number cannot be a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateError {
    /// Zero or negative.
    NotPositive,
    /// 10^18 or more.
    Huge,
}

impl Rate {
    pub const ONE: Rate = Rate { numerator: 1, scale: 0 };

    /// The rate, and true if digits beyond the eighteenth after the point were rounded away (half to even).
    ///
    /// # Errors
    /// `number` is not positive, rounds to 0, or is 10^18 or more.
    pub fn new(number: ExactDecimal) -> std::result::Result<(Rate, bool), RateError> {
        let ExactDecimal { unscaled, scale } = number;
        if unscaled <= 0 {
            return Err(RateError::NotPositive);
        }
        let shift = i64::from(DECIMALS) - i64::from(scale);
        let power = u32::try_from(shift.unsigned_abs()).ok().and_then(|n| 10i128.checked_pow(n));
        let (mut numerator, rounded) = match power {
            Some(power) if shift >= 0 => (unscaled.checked_mul(power).ok_or(RateError::Huge)?, false),
            Some(power) => (div_half_even(unscaled, power), unscaled % power != 0),
            None if shift >= 0 => return Err(RateError::Huge),
            None => (0, true),
        };
        if numerator == 0 {
            return Err(RateError::NotPositive);
        }
        if numerator >= MOST {
            return Err(RateError::Huge);
        }
        let mut scale = DECIMALS;
        while scale > 0 && numerator % 10 == 0 {
            (numerator, scale) = (numerator / 10, scale - 1);
        }
        Ok((Rate { numerator, scale }, rounded))
    }

    /// Converts an amount of the currency into minor units of `money.currency`, which has `digits` of them after the point;
    /// rounded half to even once.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] beyond DECIMAL(18).
    pub fn convert(self, amount: ExactDecimal, digits: u8) -> std::result::Result<i64, AmountError> {
        let exponent = i64::from(digits) - i64::from(self.scale) - i64::from(amount.scale);
        let exponent = exponent.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        let units = money::product(amount.unscaled, self.numerator, exponent).ok_or(AmountError::Overflow)?;
        if (-MAX_MINOR..=MAX_MINOR).contains(&units) { Ok(units as i64) } else { Err(AmountError::Overflow) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&money::format(self.numerator, self.scale))
    }
}

/// Why an amount cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConversionError {
    /// There is no rate of the currency on that day.
    Missing(Day, CurrencyCode),
    /// The result is beyond DECIMAL(18).
    Beyond,
}

/// Decimal digits of a currency's minor unit (ISO 4217, list one); two for other currencies.
fn minor_digits(currency: &str) -> u8 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// A row of source `exchange_rates`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RateRow {
    pub currency: Arc<str>,
    pub day: Day,
    pub rate: Rate,
}

#[derive(Clone, Debug)]
struct Currency {
    name: Arc<str>,
    /// Sorted by day, one a day.
    rates: Vec<(Day, Rate)>,
}

/// The rates of a run.
#[derive(Clone, Debug, Default)]
pub struct ExchangeRates {
    own: Arc<str>,
    /// Decimal digits of its minor unit.
    digits: u8,
    /// True if the pipeline has source `exchange_rates`.
    mapped: bool,
    /// Sorted by name.
    currencies: Vec<Currency>,
}

impl ExchangeRates {
    /// No rates: all money is in currency `own`, whose minor unit has `digits` decimals.
    pub fn none(own: &str, digits: u8) -> ExchangeRates {
        ExchangeRates { own: own.into(), digits, ..ExchangeRates::default() }
    }

    /// The rates of source `exchange_rates`; `rows` may be in any order and repeat.
    ///
    /// # Errors
    /// Input: a currency has two different rates on one day; a rate of `own` is not 1; there are more than 10,000
    /// currencies.
    pub fn new(own: &str, digits: u8, mut rows: Vec<RateRow>) -> Result<ExchangeRates> {
        rows.sort();
        rows.dedup();
        let mut rates = ExchangeRates { mapped: true, ..ExchangeRates::none(own, digits) };
        for row in rows {
            if *row.currency == *own {
                if row.rate != Rate::ONE {
                    return Err(Error::input(format!(
                        "source exchange_rates says that 1 {own} was {} {own} on {}",
                        row.rate, row.day
                    ))
                    .help(format!(
                        "a rate is how many {own} (money.currency) one unit of `currency` is: are these quoted against \
                         another currency?"
                    )));
                }
                continue;
            }
            match rates.currencies.last_mut().filter(|last| last.name == row.currency) {
                Some(last) => {
                    if let Some((_, before)) = last.rates.last().filter(|(day, _)| *day == row.day) {
                        return Err(Error::input(format!(
                            "source exchange_rates has two rates of {} on {}: {before} and {}",
                            row.currency, row.day, row.rate
                        ))
                        .help("one rate a currency and day: leave the others out with sources.exchange_rates.filter"));
                    }
                    last.rates.push((row.day, row.rate));
                }
                None => {
                    rates.currencies.push(Currency { name: row.currency, rates: vec![(row.day, row.rate)] });
                }
            }
        }
        if rates.currencies.len() > MOST_CURRENCIES {
            return Err(Error::input(format!(
                "source exchange_rates has rates of {} currencies, more than {MOST_CURRENCIES}",
                rates.currencies.len()
            ))
            .help("is `currency` mapped to a column of currencies?"));
        }
        Ok(rates)
    }

    /// `money.currency`, the currency of amounts that name none.
    pub fn own(&self) -> &str {
        &self.own
    }

    /// The code of a currency, by its name exactly as written; `None` if it has no rates.
    pub fn code(&self, currency: &str) -> Option<CurrencyCode> {
        if currency == &*self.own {
            return Some(OWN_CURRENCY);
        }
        self.currencies.binary_search_by(|c| (*c.name).cmp(currency)).ok().map(|place| place as CurrencyCode + 1)
    }

    /// Decimal digits in which amounts of a currency are kept: those of its minor unit, and no fewer than those of
    /// `money.currency`, so that a rate of 1 changes nothing.
    pub fn digits(&self, currency: CurrencyCode) -> u8 {
        let name = usize::from(currency).checked_sub(1).and_then(|place| self.currencies.get(place));
        name.map_or(self.digits, |c| minor_digits(&c.name).max(self.digits))
    }

    /// Converts an amount, given in units of [`digits`](ExchangeRates::digits) decimals, into minor units of `money.currency`.
    ///
    /// # Errors
    /// The result is beyond DECIMAL(18).
    pub fn worth(&self, currency: CurrencyCode, units: i64, rate: Rate) -> std::result::Result<i64, ConversionError> {
        let amount = ExactDecimal { unscaled: units.into(), scale: self.digits(currency).into() };
        rate.convert(amount, self.digits).map_err(|_| ConversionError::Beyond)
    }

    /// Converts an amount at the rate of a day, as [`worth`](ExchangeRates::worth).
    ///
    /// # Errors
    /// There is no rate on that day, or the result is beyond DECIMAL(18).
    pub fn worth_on(&self, currency: CurrencyCode, units: i64, day: Day) -> std::result::Result<i64, ConversionError> {
        if currency == OWN_CURRENCY || units == 0 {
            return Ok(units);
        }
        self.worth(currency, units, self.at(currency, day).ok_or(ConversionError::Missing(day, currency))?)
    }

    /// Number of currencies with rates, `money.currency` not counted.
    pub fn currencies(&self) -> usize {
        self.currencies.len()
    }

    /// The error message for a failed conversion.
    pub fn error(&self, fault: ConversionError) -> Error {
        match fault {
            ConversionError::Missing(day, currency) => {
                let name = usize::from(currency).checked_sub(1).and_then(|place| self.currencies.get(place));
                self.missing(name.map_or(&*self.own, |c| &*c.name), day)
            }
            ConversionError::Beyond => Error::input("the MRR of one customer is more than DECIMAL(18) can hold")
                .help("check the unit of `amount` of source subscriptions, and the rates of source exchange_rates"),
        }
    }

    /// The rate of a day; `None` if there is none, or the latest is more than [`MAX_AGE_DAYS`] old.
    pub fn at(&self, currency: CurrencyCode, day: Day) -> Option<Rate> {
        let Some(place) = usize::from(currency).checked_sub(1) else { return Some(Rate::ONE) };
        let rates = &self.currencies.get(place)?.rates;
        let (from, rate) = rates[..rates.partition_point(|(d, _)| *d <= day)].last()?;
        (i64::from(day.0) - i64::from(from.0) <= i64::from(MAX_AGE_DAYS)).then_some(*rate)
    }

    /// The error that there is no rate of a currency on a day.
    pub fn missing(&self, currency: &str, day: Day) -> Error {
        let own = &self.own;
        if !self.mapped {
            return Error::input(format!("there are amounts in {currency}, and money.currency is {own}"))
                .help(self.remedy(currency));
        }
        let known = self.currencies.iter().find(|c| *c.name == *currency);
        let next = known.map(|c| {
            let after = c.rates.partition_point(|(d, _)| *d <= day);
            match (c.rates[..after].last(), c.rates.get(after)) {
                (Some((before, _)), _) => format!("; the latest before is of {before}"),
                (None, Some((first, _))) => format!("; the first is of {first}"),
                (None, None) => String::new(),
            }
        });
        let next = next.unwrap_or_else(|| "; source exchange_rates has none of it at all".into());
        Error::input(format!(
            "there is no exchange rate of {currency} on {day}, nor of the {MAX_AGE_DAYS} days before{next}"
        ))
        .help(self.remedy(currency))
    }

    fn remedy(&self, currency: &str) -> String {
        let upper = currency.trim().to_uppercase();
        if upper != currency && self.code(&upper).is_some() {
            return format!("if that is {upper}, map currency = {{ sql = 'UPPER(TRIM(…))' }}");
        }
        let own = &self.own;
        if self.mapped {
            format!(
                "add the rate to source exchange_rates, how many {own} one {currency} is, or leave such rows out with the \
                 source's filter"
            )
        } else {
            format!(
                "add source exchange_rates with the rates of {currency} in {own}, or leave such rows out with the \
                 source's filter"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let unscaled = format!("{whole}{fraction}").parse().unwrap();
        Rate::new(ExactDecimal { unscaled, scale: fraction.len() as i32 }).unwrap().0
    }

    fn row(currency: &str, day: i32, of: &str) -> RateRow {
        RateRow { currency: currency.into(), day: Day(day), rate: rate(of) }
    }

    #[test]
    fn a_rate_is_kept_as_it_was_written() {
        for text in ["0.80", "1", "150.25", "0.000000000000000001", "999999999999999999.999999999999999999"] {
            assert_eq!(rate(text).to_string(), text.trim_end_matches('0').trim_end_matches('.'), "{text}");
        }
        let of =
            |unscaled, scale| Rate::new(ExactDecimal { unscaled, scale }).map(|(r, rounded)| (r.to_string(), rounded));
        assert_eq!(of(0, 0), Err(RateError::NotPositive));
        assert_eq!(of(-1, 3), Err(RateError::NotPositive));
        assert_eq!(of(4, 19), Err(RateError::NotPositive), "less than half of the last digit");
        assert_eq!(of(1, i32::MIN), Err(RateError::Huge));
        assert_eq!(of(1, i32::MAX), Err(RateError::NotPositive));
        assert_eq!(of(1, 400), Err(RateError::NotPositive));
        assert_eq!(of(15, 19), Ok(("0.000000000000000002".into(), true)));
        assert_eq!(of(1, -18), Err(RateError::Huge));
        assert_eq!(of(1, -300), Err(RateError::Huge));
        assert_eq!(of(i128::MAX, 0), Err(RateError::Huge));
    }

    #[test]
    fn amounts_are_rounded_once_half_to_even() {
        let convert = |unscaled, scale, of: &str, digits| rate(of).convert(ExactDecimal { unscaled, scale }, digits);
        // 0.05 × 0.50 = 0.025, 0.15 × 0.50 = 0.075.
        assert_eq!(
            (convert(5, 2, "0.5", 2), convert(15, 2, "0.5", 2), convert(-5, 2, "0.5", 2)),
            (Ok(2), Ok(8), Ok(-2))
        );
        // 1.234 dinars at 2.5678 are 3.1686652; had the thousandths gone first, 3.16.
        assert_eq!(convert(1234, 3, "2.5678", 2), Ok(317));
        // 1,000 yen; and 9.99 dollars in yen.
        assert_eq!((convert(1000, 0, "0.0062", 2), convert(999, 2, "149.5", 0)), (Ok(620), Ok(1494)));
        assert_eq!(convert(MAX_MINOR, 2, "1", 2), Ok(MAX_MINOR as i64));
        assert_eq!(convert(MAX_MINOR, 2, "1.1", 2), Err(AmountError::Overflow));
        let fine = "1.000000000000000001";
        assert_eq!(convert(MAX_MINOR, 2, fine, 2), Err(AmountError::Overflow));
        assert_eq!(convert(MAX_MINOR - 2, 2, fine, 2), Ok(MAX_MINOR as i64 - 1));
        assert_eq!(convert(1, i32::MIN, "1", 2), Err(AmountError::Overflow));
        assert_eq!(convert(1, i32::MAX, "1", 2), Ok(0));
    }

    #[test]
    fn the_latest_rate_counts_for_a_week() {
        let rates = ExchangeRates::new(
            "GBP",
            2,
            vec![row("USD", 10, "0.8"), row("GBP", 3, "1"), row("CHF", 9, "0.9"), row("USD", 20, "0.7")],
        );
        let rates = rates.unwrap();
        assert_eq!(
            [Some("GBP"), Some("CHF"), Some("USD"), None].map(|c| rates.code(c.unwrap_or("usd"))),
            [Some(OWN_CURRENCY), Some(1), Some(2), None]
        );
        let at = |day| rates.at(2, Day(day)).map(|r| r.to_string());
        let expected = [None, Some("0.8"), Some("0.8"), None, None, Some("0.7"), Some("0.7"), None];
        assert_eq!([9, 10, 17, 18, 19, 20, 27, 28].map(at), expected.map(|r| r.map(String::from)));
        assert_eq!(rates.at(OWN_CURRENCY, Day(-9_999)), Some(Rate::ONE));
        assert_eq!(rates.at(2, Day(i32::MAX)), None);
    }

    #[test]
    fn amounts_are_kept_in_the_minor_unit_of_their_currency() {
        let rates = |digits| {
            let rows = vec![row("USD", 10, "149.5"), row("JPY", 10, "0.01"), row("KWD", 10, "2.5")];
            ExchangeRates::new("GBP", digits, rows).unwrap()
        };
        let digits = |own: u8| ["GBP", "JPY", "KWD", "USD"].map(|c| rates(own).digits(rates(own).code(c).unwrap()));
        assert_eq!((digits(2), digits(0), digits(4)), ([2, 2, 3, 2], [0, 0, 3, 2], [4; 4]));
        // 1.234 dinars, and 9.99 dollars in whole units.
        assert_eq!(rates(2).worth_on(2, 1234, Day(12)), Ok(308));
        assert_eq!(rates(0).worth_on(3, 999, Day(12)), Ok(1494));
        assert_eq!(rates(2).worth_on(3, 999, Day(18)), Err(ConversionError::Missing(Day(18), 3)));
        assert_eq!(rates(2).worth_on(3, 0, Day(18)), Ok(0));
        assert_eq!(rates(2).worth_on(3, MAX_MINOR as i64, Day(12)), Err(ConversionError::Beyond));
        assert_eq!(rates(2).worth_on(OWN_CURRENCY, 999, Day(-18)), Ok(999));
        assert!(rates(2).error(ConversionError::Missing(Day(18), 3)).what.contains("USD on 1970-01-19"));
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_named() {
        let same = ExchangeRates::new("GBP", 2, vec![row("USD", 10, "0.8"), row("USD", 10, "0.80")]).unwrap();
        let says = |currency, day| {
            let error = same.missing(currency, Day(day));
            assert_eq!(error.kind, crate::error::ErrorKind::Input);
            format!("{} [{}]", error.what, error.help.unwrap())
        };
        assert!(
            says("USD", 18).contains("USD on 1970-01-19, nor of the 7 days before; the latest before is of 1970-01-11")
        );
        assert!(says("USD", 5).contains("USD on 1970-01-06, nor of the 7 days before; the first is of 1970-01-11"));
        assert!(says("EUR", 5).contains("EUR on 1970-01-06, nor of the 7 days before; source exchange_rates has none"));
        assert!(says("usd ", 5).contains("if that is USD"));
        let none = ExchangeRates::none("GBP", 2).missing("USD", Day(5));
        assert_eq!(none.what, "there are amounts in USD, and money.currency is GBP");
        let twice = ExchangeRates::new("GBP", 2, vec![row("USD", 10, "0.81"), row("USD", 10, "0.8")]).unwrap_err();
        assert_eq!(twice.what, "source exchange_rates has two rates of USD on 1970-01-11: 0.8 and 0.81");
        let other = ExchangeRates::new("GBP", 2, vec![row("GBP", 10, "1.25")]).unwrap_err();
        assert_eq!(other.what, "source exchange_rates says that 1 GBP was 1.25 GBP on 1970-01-11");
        let many = (0..=MOST_CURRENCIES).map(|i| row(&i.to_string(), 1, "2")).collect();
        assert!(ExchangeRates::new("GBP", 2, many).unwrap_err().what.contains("10001 currencies"));
    }
}
