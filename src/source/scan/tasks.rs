//! How the row groups of a source are shared among threads.

use std::ops::Range;

use crate::config::SourceKind;
use crate::source::inspect::InspectedSource;

/// A task has at most so many row groups, however few rows they hold. With larger tasks a thread would wait for another at
/// the end of the scan.
const MOST_GROUPS: usize = 1024;

/// Row groups are read together up to so many bytes. Beyond that it is better to share them among threads.
const MOST_BYTES: u64 = 1 << 20;

/// Consecutive row groups of a file that one thread reads, with one handle and into common batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadTask {
    pub kind: SourceKind,
    /// Index into [`InspectedSource::files`].
    pub file: usize,
    pub groups: Range<usize>,
    /// Rows of the file before the first of these groups.
    pub first_row: u64,
}

/// All row groups of a source in order. Small ones are read together until they fill a batch of `batch_rows`, so that a row
/// costs the same whatever the size of the row groups.
pub(super) fn tasks(kind: SourceKind, source: &InspectedSource, batch_rows: usize) -> Vec<ReadTask> {
    let mut tasks = vec![];
    for (file, about) in source.files.iter().enumerate() {
        let mut task = ReadTask { kind, file, groups: 0..0, first_row: 0 };
        let (mut rows, mut bytes, mut before) = (0, 0u64, 0);
        for group in 0..about.group_count() {
            let (more_rows, more_bytes) = (about.rows_of(group), about.bytes_of(group));
            let too_much = rows + more_rows > batch_rows as u64 || bytes.saturating_add(more_bytes) > MOST_BYTES;
            if !task.groups.is_empty() && (too_much || task.groups.len() == MOST_GROUPS) {
                tasks.push(task.clone());
                (task.groups, task.first_row) = (group..group, before);
                (rows, bytes) = (0, 0);
            }
            task.groups.end = group + 1;
            rows += more_rows;
            bytes = bytes.saturating_add(more_bytes);
            before += more_rows;
        }
        if !task.groups.is_empty() {
            tasks.push(task);
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array};

    use super::*;
    use crate::config::SourceKind::Transactions;
    use crate::source::testing::*;

    /// Ten row groups of three rows; rows 5, 17 and 30 have no customer.
    fn export(dir: &std::path::Path) -> crate::config::Pipeline {
        let id = |row: i64| (![5, 17, 30].contains(&row)).then_some(row);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(Int64Array::from_iter((1..=30).map(id)))),
            ("at", Arc::new(Date32Array::from_iter_values((1..=30).map(|row| 15_000 + row)))),
            ("amount", Arc::new(Float64Array::from(vec![1.0; 30]))),
        ];
        write(&dir.join("tx.parquet"), columns, 3);
        let mut p = pipeline(dir);
        let mapped = [("customer_id", "id"), ("occurred_at", "at"), ("amount", "amount")];
        add_source(&mut p, Transactions, "tx.parquet", &mapped);
        p
    }

    #[test]
    fn neighbours_fill_a_batch_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let p = export(dir.path());
        let source = &look(&p).unwrap().sources[&Transactions];
        let of = |batch| -> Vec<(Range<usize>, u64)> {
            tasks(Transactions, source, batch).into_iter().map(|task| (task.groups, task.first_row)).collect()
        };
        assert_eq!(of(10), [(0..3, 0), (3..6, 9), (6..9, 18), (9..10, 27)]);
        assert_eq!(of(1), (0..10).map(|i| (i..i + 1, 3 * i as u64)).collect::<Vec<_>>());
        assert_eq!(of(32_768), [(0..10, 0)]);
    }

    #[test]
    fn rows_keep_their_numbers_whatever_is_read_together_or_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut p = export(dir.path());
        let numbers = |p: &crate::config::Pipeline, batch| -> Vec<u64> {
            run(p, batch).1.rejected.iter().map(|rejected| rejected.row).collect()
        };
        for batch in [1, 3, 4, 10, 32_768] {
            assert_eq!(numbers(&p, batch), [5, 17, 30], "{batch} rows a batch");
        }
        // Leaves out the third row group and those from the sixth to the eighth.
        let third = "(\"at\" < DATE '2011-02-02' OR \"at\" > DATE '2011-02-04')";
        let sixth_to_eighth = "(\"at\" < DATE '2011-02-11' OR \"at\" > DATE '2011-02-19')";
        add_filter(&mut p, Transactions, &format!("{third} AND {sixth_to_eighth}"));
        assert_eq!(look(&p).unwrap().sources[&Transactions].ruled_out().groups, 4);
        for batch in [1, 3, 4, 10, 32_768] {
            assert_eq!(numbers(&p, batch), [5, 30], "{batch} rows a batch");
            assert_eq!(run(&p, batch).1, run_unpruned(&p, batch).unwrap().1);
        }
    }
}
