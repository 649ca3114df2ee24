//! A row that cannot be used, and why.

use std::sync::Arc;

use crate::config::SourceKind;

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejected {
    pub source: SourceKind,
    /// Path relative to the pipeline file's folder where it lies below it, else as found.
    pub file: Arc<str>,
    /// Row in the file, from 1.
    pub row: u64,
    pub reason: Reason,
    /// The export's column (or the expression) at fault.
    pub column: Arc<str>,
    /// The value at fault as text, cut after [`LONGEST_VALUE`](super::LONGEST_VALUE) characters; `None` where it is NULL.
    pub value: Option<Box<str>>,
}

/// Why a row cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    NoCustomer,
    NoTime,
    /// A string that is not ISO 8601.
    TimeNotIso,
    /// Outside 1870-01-01 to 2299-12-31; for an end, before 1870-01-01.
    TimeOutOfRange,
    NoAmount,
    AmountNotANumber,
    AmountInfinite,
    AmountOverflow,
    /// A string that is not a decimal number.
    AmountNotNumeric,
    /// A subscription whose price is negative.
    AmountNegative,
    EndBeforeStart,
    /// A pause that ends before it begins.
    PauseEndBeforeStart,
    IntervalUnknown,
    /// A survey whose kind is not nps, csat, ces or exit.
    SurveyKindUnknown,
    /// A score that is not a number.
    ScoreNotNumeric,
    /// A score outside its scale.
    ScoreOutOfScale,
    NoQuantity,
    QuantityNotNumeric,
    QuantityNegative,
    /// A rate without its currency.
    NoCurrency,
    NoRate,
    RateNotNumeric,
    /// A rate of zero or less.
    RateNotPositive,
    /// A rate of 10^18 or more.
    RateOverflow,
    /// A customer id, a segment's value, a channel, a reason or a currency that is longer than the program keeps.
    TextTooLong,
}

impl Reason {
    /// The name that table `quarantine` shows.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NoCustomer => "no_customer",
            Reason::NoTime => "no_time",
            Reason::TimeNotIso => "time_not_iso",
            Reason::TimeOutOfRange => "time_out_of_range",
            Reason::NoAmount => "no_amount",
            Reason::AmountNotANumber => "amount_nan",
            Reason::AmountInfinite => "amount_infinite",
            Reason::AmountOverflow => "amount_overflow",
            Reason::AmountNotNumeric => "amount_not_numeric",
            Reason::AmountNegative => "amount_negative",
            Reason::EndBeforeStart => "end_before_start",
            Reason::PauseEndBeforeStart => "pause_end_before_start",
            Reason::IntervalUnknown => "interval_unknown",
            Reason::SurveyKindUnknown => "survey_kind_unknown",
            Reason::ScoreNotNumeric => "score_not_numeric",
            Reason::ScoreOutOfScale => "score_out_of_scale",
            Reason::NoQuantity => "no_quantity",
            Reason::QuantityNotNumeric => "quantity_not_numeric",
            Reason::QuantityNegative => "quantity_negative",
            Reason::NoCurrency => "no_currency",
            Reason::NoRate => "no_rate",
            Reason::RateNotNumeric => "rate_not_numeric",
            Reason::RateNotPositive => "rate_not_positive",
            Reason::RateOverflow => "rate_overflow",
            Reason::TextTooLong => "text_too_long",
        }
    }
}
