//! Reading exports: files → typed, exact, canonical rows, and what could not be used.
//!
//! The only place that reads exports. Pages are checked (their checksums too, where the file has them) and decompressed
//! in [`pages`]; the `parquet` crate decodes them; only columns named in an `sql` or `filter` expression visit Polars.
//!
//! ```text
//! paths ─files─► footers ─inspect─► Inspected: every mapping bound, typed, compiled   (check, --dry-run end here)
//!                                       │
//!                                     scan, one task per file and row group that the filter does not rule out
//!                                       │  batch ─filter─► columns ─typed loops─► canonical rows ─► Sink
//!                                       └────────────────────────────► Scan: reports, quarantine, dictionaries, costs
//! ```
//!
//! [`inspect`] decodes no data. [`scan`] delivers the same rows whatever the threads, the batch size and the order of
//! files; only the numbering of segment values differs, and [`Scan`] says what each number stands for.

mod bridge;
mod budget;
mod columns;
mod condition;
pub mod expression;
mod files;
mod footer;
mod guard;
mod handle;
mod inspect;
mod pages;
mod rejections;
mod scan;
mod statistics;
#[cfg(test)]
mod testing;
mod thrift;
mod walk;

pub use crate::rows::Needs;
pub use columns::faults::LONGEST_VALUE;
pub use columns::ids::IdKind;
pub use condition::Condition;
pub use inspect::{
    FOOTER_MEMORY, Inspected, InspectedFile, InspectedSource, RuledOut, inspect, inspect_within, mapped,
};
pub use rejections::{KEPT_BYTES, KEPT_ROWS, RejectedRows, Rejections};
pub use scan::{BATCH_ROWS, ReadLimits, Scan, scan};

use std::path::PathBuf;
use std::sync::Arc;

use crate::calendar::Day;
use crate::config::SourceKind;

/// A row that could not be used.
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
    /// The value at fault as text, cut after [`LONGEST_VALUE`] characters, NULL where there was none.
    pub value: Option<Box<str>>,
}

/// Why a row could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    NoCustomer,
    NoTime,
    /// A string that is not ISO 8601.
    TimeNotIso,
    /// Outside 1870-01-01 to 2299-12-31 (an end: before 1870-01-01).
    TimeOutOfRange,
    NoAmount,
    AmountNotANumber,
    AmountInfinite,
    AmountOverflow,
    /// A string that is not a decimal number.
    AmountNotNumeric,
    /// A subscription of negative amount.
    AmountNegative,
    EndBeforeStart,
    /// A pause that ends before it begins.
    PauseEndBeforeStart,
    IntervalUnknown,
    /// A survey of no kind that is known.
    SurveyKindUnknown,
    /// A score that is not a number.
    ScoreNotNumeric,
    /// A score beyond the ends of its scale.
    ScoreOutOfScale,
    NoQuantity,
    QuantityNotNumeric,
    QuantityNegative,
    /// A rate without its currency.
    NoCurrency,
    NoRate,
    RateNotNumeric,
    /// A rate of nothing, or less.
    RateNotPositive,
    /// A rate of a million million million and more.
    RateOverflow,
    /// A customer id, a segment's value, a channel, a reason or a currency of more bytes than are kept of one.
    TextTooLong,
}

impl Reason {
    /// As it stands in table `quarantine`.
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

/// One input file as read.
#[derive(Clone, Debug)]
pub struct InputFile {
    pub source: SourceKind,
    pub path: PathBuf,
    /// As in [`Rejected::file`].
    pub shown: String,
    pub bytes: u64,
    /// Modification time, seconds since the epoch.
    pub modified: i64,
    pub rows: u64,
    /// XXH3-64 of the footer's bytes, hexadecimal.
    pub footer_checksum: String,
    /// Every data page read carries a checksum, and at least one was read: of a file whose row groups the filter all rules
    /// out nothing was verified.
    pub verified: bool,
}

/// What the scan of one source found.
#[derive(Clone, Debug, Default)]
pub struct SourceReport {
    /// Whether anything of it was: of what nobody asks for, the schemas alone are looked at.
    pub read: bool,
    pub rows: u64,
    /// Rows that the filter left out.
    pub filtered: u64,
    pub rejected: u64,
    /// Rows dated at or after a configured as_of.
    pub after_as_of: u64,
    /// Amounts with digits beyond the minor unit, rounded half to even.
    pub amounts_rounded: u64,
    /// Amounts of other currencies than money.currency.
    pub converted: u64,
    /// Rates with more than 18 digits after the point, rounded half to even.
    pub rates_rounded: u64,
    /// Words of cancel_kind that are neither voluntary nor involuntary.
    pub cancel_kinds_unknown: u64,
    /// Customers who are said to have referred themselves.
    pub referred_to_self: u64,
    /// First and last day of `occurred_at` or `started_at` among the rows kept.
    pub first: Option<Day>,
    pub last: Option<Day>,
    /// Newest of occurred_at, or of started_at and cancelled_at, kept: what a default as_of goes by.
    pub newest_known: Option<Day>,
    /// Newest record as seconds since the epoch, for `freshness`.
    pub newest_instant: Option<i64>,
}
