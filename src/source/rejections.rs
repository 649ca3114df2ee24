//! The rejected rows of a run: all of them are counted, and the first of each source are kept.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex, PoisonError};

use super::columns::Faults;
use super::rejected::{Reason, Rejected};
use crate::config::SourceKind;

/// So many rejected rows of a source are kept at most: the first in order of file and row.
pub const KEPT_ROWS: usize = 100_000;

/// So many bytes of their values are kept at most: where values are long, fewer rows are kept.
pub const KEPT_BYTES: usize = 8 << 20;

/// The rejected rows of a run, by source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejections(BTreeMap<SourceKind, RejectedRows>);

/// The rejected rows of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RejectedRows {
    /// How many rows there are in all, by reason and column.
    pub counts: BTreeMap<(Reason, Arc<str>), u64>,
    /// The first of them in order of file and row: at most [`KEPT_ROWS`], with values of at most [`KEPT_BYTES`].
    pub rows: Vec<Rejected>,
}

impl RejectedRows {
    /// The number of rows that are counted but not kept.
    pub fn beyond(&self) -> u64 {
        self.counts.values().sum::<u64>() - self.rows.len() as u64
    }
}

impl Rejections {
    /// The rejected rows of a source; `None` if there are none.
    pub fn of(&self, source: SourceKind) -> Option<&RejectedRows> {
        self.0.get(&source)
    }

    /// The rows that are kept, in order of source, file and row.
    pub fn rows(&self) -> impl Iterator<Item = &Rejected> {
        self.0.values().flat_map(|source| &source.rows)
    }
}

#[cfg(test)]
impl FromIterator<Rejected> for Rejections {
    fn from_iter<I: IntoIterator<Item = Rejected>>(rows: I) -> Rejections {
        let collector = Collector::default();
        for row in rows {
            let mut source = collector.lock(row.source);
            *source.counts.entry((row.reason, row.column.clone())).or_default() += 1;
            source.keep(row);
        }
        collector.finish()
    }
}

/// Gathers rejected rows from all tasks of a scan, in whatever order these come.
///
/// What is kept does not depend on that order. When a bound is exceeded, the last row in order of file and row is dropped,
/// and from then on every row behind it is dropped at once. So the rows kept are always the longest beginning, in that
/// order, that is within the bounds.
#[derive(Debug)]
pub(super) struct Collector {
    sources: BTreeMap<SourceKind, Mutex<Gathering>>,
}

/// The rejected rows of one source so far.
#[derive(Debug)]
struct Gathering {
    counts: BTreeMap<(Reason, Arc<str>), u64>,
    /// The last row in order of file and row is on top.
    rows: BinaryHeap<ByPlace>,
    /// Bytes of the values of `rows`.
    bytes: usize,
    /// From this file and row on nothing is kept.
    end: Option<(Arc<str>, u64)>,
    most: (usize, usize),
}

/// A row, compared by file and row: within a source no two rows are equal.
#[derive(Debug)]
struct ByPlace(Rejected);

impl Ord for ByPlace {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.0.file, self.0.row).cmp(&(&other.0.file, other.0.row))
    }
}

impl PartialOrd for ByPlace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByPlace {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByPlace {}

impl Default for Collector {
    fn default() -> Self {
        Collector::with_bounds(KEPT_ROWS, KEPT_BYTES)
    }
}

impl Collector {
    fn with_bounds(rows: usize, bytes: usize) -> Collector {
        let new =
            || Gathering { counts: BTreeMap::new(), rows: BinaryHeap::new(), bytes: 0, end: None, most: (rows, bytes) };
        Collector { sources: SourceKind::ALL.into_iter().map(|kind| (kind, Mutex::new(new()))).collect() }
    }

    fn lock(&self, source: SourceKind) -> std::sync::MutexGuard<'_, Gathering> {
        // A poisoned lock means that another worker panicked; the run ends with its error.
        self.sources[&source].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the faulty rows of a batch. `is_secret`: whether values of a column are not to be shown. `number`: the row in
    /// the file, from 1, of a row in the batch.
    pub(super) fn add(
        &self,
        source: SourceKind,
        file: &Arc<str>,
        faults: &Faults,
        is_secret: &dyn Fn(&str) -> bool,
        number: &dyn Fn(usize) -> u64,
    ) {
        if faults.is_empty() {
            return;
        }
        let mut all = self.lock(source);
        for (reason, column, rows) in faults.counts() {
            *all.counts.entry((reason, column.clone())).or_default() += rows;
        }
        for fault in faults.iter() {
            let row = number(fault.row);
            // Faults are in order of rows, so the rest of the batch would not be kept either.
            if !all.takes(file, row) {
                break;
            }
            let (file, column) = (file.clone(), fault.column.clone());
            let value = if is_secret(&column) { None } else { fault.value().map(String::into_boxed_str) };
            all.keep(Rejected { source, file, row, reason: fault.reason, column, value });
        }
    }

    /// The rejected rows of all tasks.
    pub(super) fn finish(self) -> Rejections {
        let sources = self.sources.into_iter().map(|(kind, gathering)| {
            let gathering = gathering.into_inner().unwrap_or_else(PoisonError::into_inner);
            let rows = gathering.rows.into_sorted_vec().into_iter().map(|ByPlace(row)| row).collect();
            (kind, RejectedRows { counts: gathering.counts, rows })
        });
        Rejections(sources.filter(|(_, rows)| !rows.counts.is_empty()).collect())
    }
}

impl Gathering {
    /// True if a row of this file and number would be kept.
    fn takes(&self, file: &Arc<str>, row: u64) -> bool {
        self.end.as_ref().is_none_or(|(last, end)| (file, row) < (last, *end))
    }

    fn keep(&mut self, row: Rejected) {
        self.bytes += bytes(&row);
        self.rows.push(ByPlace(row));
        let (rows, bytes_of_values) = self.most;
        while self.rows.len() > rows || self.bytes > bytes_of_values {
            let Some(ByPlace(last)) = self.rows.pop() else { break };
            self.bytes -= bytes(&last);
            self.end = Some((last.file, last.row));
        }
    }
}

fn bytes(row: &Rejected) -> usize {
    row.value.as_ref().map_or(0, |value| value.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    /// The faulty rows of a batch: places in it, and values of so many bytes.
    fn faults(values: &[usize]) -> Faults {
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(values.iter().map(|n| "x".repeat(*n))));
        let mut faults = Faults::default();
        (0..values.len()).for_each(|row| faults.mark_value(row, Reason::AmountNotNumeric, &"paid".into(), &texts));
        faults
    }

    proptest! {
        #![proptest_config(crate::properties::cases(256))]

        /// The longest beginning within the bounds, in whatever batches and order rows come.
        #[test]
        fn the_first_rows_stay_whatever_the_order(
            files in prop::collection::vec(prop::collection::vec(0..60usize, 0..40), 1..5),
            size in 1..9usize,
            seed in any::<u64>(),
            (rows, bytes) in (0..50usize, 0..900usize),
        ) {
            let mut expected = vec![];
            let mut spent = 0;
            for (file, values) in files.iter().enumerate() {
                for (row, value) in values.iter().enumerate() {
                    spent += value;
                    expected.push((file, row as u64 + 1, spent <= bytes && expected.len() < rows));
                }
            }
            let expected: Vec<_> = expected.iter().take_while(|(.., kept)| *kept).map(|(f, r, _)| (*f, *r)).collect();
            let mut batches: Vec<(usize, usize)> = vec![];
            for (file, values) in files.iter().enumerate() {
                batches.extend((0..values.len()).step_by(size).map(|first| (file, first)));
            }
            batches.sort_by_key(|(file, first)| (*file as u64 * 977 + *first as u64).wrapping_mul(seed | 1));
            let collector = Collector::with_bounds(rows, bytes);
            for (file, first) in batches {
                let values = &files[file][first..(first + size).min(files[file].len())];
                let name: Arc<str> = format!("{file}.parquet").into();
                collector.add(SourceKind::Usage, &name, &faults(values), &|_| false, &|row| (first + row) as u64 + 1);
            }
            let found = collector.finish();
            let kept: Vec<_> = found.rows().map(|r| (r.file[..1].parse::<usize>().unwrap(), r.row)).collect();
            let all: usize = files.iter().map(Vec::len).sum();
            let beyond = found.of(SourceKind::Usage).map_or(0, RejectedRows::beyond);
            prop_assert_eq!(beyond, (all - kept.len()) as u64);
            prop_assert_eq!(kept, expected);
        }
    }

    #[test]
    fn sources_are_bounded_one_by_one_and_counts_are_of_all_rows() {
        let collector = Collector::with_bounds(2, 100);
        let file: Arc<str> = "a".into();
        for source in [SourceKind::Usage, SourceKind::Transactions] {
            collector.add(source, &file, &faults(&[1, 2, 3]), &|_| false, &|row| row as u64 + 1);
        }
        let found = collector.finish();
        assert_eq!(found.rows().count(), 4);
        let usage = found.of(SourceKind::Usage).unwrap();
        assert_eq!(usage.beyond(), 1);
        assert_eq!(usage.counts, [((Reason::AmountNotNumeric, "paid".into()), 3)].into());
        assert_eq!(usage.rows[1].value.as_deref(), Some("xx"));
        assert_eq!(found.of(SourceKind::Surveys), None);
    }
}
