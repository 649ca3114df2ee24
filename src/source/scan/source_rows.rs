//! What a source fills in so that its rows can be scanned.

use super::batch::FilteredBatch;
use super::findings::Findings;
use super::scanner::Scanner;
use crate::calendar::Day;
use crate::error::Result;
use crate::rows::{Sink, ValueCode};

/// The rows of one batch of a source, column by column. How they are read differs from source to source; what happens to
/// them next is the same for all ([`scan_batch`](super::steps::scan_batch)).
pub(super) trait SourceRows: Sized {
    /// Reads every row of the batch. Rows that cannot be used are marked in `batch` and keep a placeholder here.
    ///
    /// # Errors
    /// What makes the whole file unusable, such as an expression that fails.
    fn read(scanner: &mut Scanner<'_>, batch: &mut FilteredBatch<'_>) -> Result<Self>;

    /// Takes out the rows whose entry in `keep` is false.
    fn retain(&mut self, keep: &[bool]);

    fn is_empty(&self) -> bool;

    /// The days whose first and last the report gives.
    fn days(&self) -> impl Iterator<Item = Day>;

    /// The newest day that a default as_of goes by; `None` for sources that do not set it.
    fn newest_known(&self) -> Option<Day> {
        None
    }

    /// Microseconds since the epoch, for the age of the newest row; none for sources without times.
    fn instants(&self) -> &[i64] {
        &[]
    }

    /// Hands on the rows, of which there is at least one.
    fn send(self, findings: &Findings<'_>, sink: &dyn Sink) -> Result<()>;
}

/// Keeps the entries whose entry in `keep` is true.
pub(super) fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut stays = keep.iter();
    values.retain(|_| stays.next() == Some(&true));
}

pub(super) fn retain_segments(segments: &mut [(usize, Vec<ValueCode>)], keep: &[bool]) {
    segments.iter_mut().for_each(|(_, codes)| retain(codes, keep));
}
