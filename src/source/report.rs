//! What a scan reports of files and sources.

use std::path::PathBuf;

use crate::calendar::Day;
use crate::config::SourceKind;

/// An input file as it was read.
#[derive(Clone, Debug)]
pub struct InputFile {
    pub source: SourceKind,
    pub path: PathBuf,
    /// As in [`Rejected::file`](super::Rejected::file).
    pub shown: String,
    pub bytes: u64,
    /// Modification time, seconds since the epoch.
    pub modified: i64,
    pub rows: u64,
    /// XXH3-64 of the footer's bytes, hexadecimal.
    pub footer_checksum: String,
    /// True if at least one data page was read and every page that was read carries a checksum. It is false for a file
    /// whose row groups the filter rules out, all of them.
    pub verified: bool,
}

/// What the scan of a source found. Rows rejected, filtered and after as_of are in none of the other counts but `rows`.
#[derive(Clone, Debug, Default)]
pub struct SourceReport {
    /// True if its rows were read. A source that no stage needs is only checked for its schema.
    pub read: bool,
    pub rows: u64,
    /// Rows that the filter left out.
    pub filtered: u64,
    pub rejected: u64,
    /// Rows dated at or after a configured as_of.
    pub after_as_of: u64,
    /// Amounts with digits beyond the minor unit, rounded half to even.
    pub amounts_rounded: u64,
    /// Amounts in other currencies than money.currency.
    pub converted: u64,
    /// Rates with more than 18 digits after the point, rounded half to even.
    pub rates_rounded: u64,
    /// Rows whose cancel_kind is neither voluntary nor involuntary.
    pub cancel_kinds_unknown: u64,
    /// Rows of customers that name their own id in referred_by.
    pub referred_to_self: u64,
    /// First day of the rows kept, by the column that dates them: `occurred_at`, `started_at`, `signed_up_at`, …
    pub first: Option<Day>,
    /// Last day of the rows kept.
    pub last: Option<Day>,
    /// Newest day of occurred_at, or of started_at and cancelled_at, among the rows kept. A default as_of follows from it.
    pub newest_known: Option<Day>,
    /// Newest record as seconds since the epoch, for `freshness`.
    pub newest_instant: Option<i64>,
}

impl SourceReport {
    /// Adds what another part of the source gave.
    pub(super) fn add(&mut self, part: &SourceReport) {
        self.rows += part.rows;
        self.filtered += part.filtered;
        self.rejected += part.rejected;
        self.after_as_of += part.after_as_of;
        self.amounts_rounded += part.amounts_rounded;
        self.converted += part.converted;
        self.rates_rounded += part.rates_rounded;
        self.cancel_kinds_unknown += part.cancel_kinds_unknown;
        self.referred_to_self += part.referred_to_self;
        self.first = [self.first, part.first].into_iter().flatten().min();
        self.last = self.last.max(part.last);
        self.newest_known = self.newest_known.max(part.newest_known);
        self.newest_instant = self.newest_instant.max(part.newest_instant);
    }
}
