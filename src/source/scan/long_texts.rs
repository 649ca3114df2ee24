//! Texts that are long, in batches that are not.

use std::sync::Arc;

use arrow::array::*;

use crate::config::SourceKind::*;
use crate::progress::NoProgress;
use crate::rows::{Batch, Sink};
use crate::source::Reason::*;
use crate::source::columns::ids::LONGEST_ID;
use crate::source::testing::*;
use crate::source::{ReadLimits, scan};

fn texts(values: impl IntoIterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// 30,000 purchases whose ids come to 15 MB, every tenth with an id that is too long, every seventh with a filter's word.
fn shop() -> (tempfile::TempDir, crate::config::Pipeline) {
    let dir = tempfile::tempdir().unwrap();
    let n = 30_000usize;
    let id = |row: usize| format!("{:0>width$}", row % 50, width = if row % 10 == 3 { LONGEST_ID + 1 } else { 500 });
    write(
        &dir.path().join("tx.parquet"),
        vec![
            ("id", texts((0..n).map(id))),
            ("at", Arc::new(Date32Array::from(vec![19_000; n])) as ArrayRef),
            ("amount", Arc::new(Int64Array::from_iter_values((0..n as i64).map(|row| row % 97)))),
            ("shop", texts((0..n).map(|row| format!("a shop of a long name {}", row % 7)))),
        ],
        n,
    );
    let mut p = pipeline(dir.path());
    let columns = [("customer_id", "id"), ("occurred_at", "at"), ("amount", "amount")];
    add_source(&mut p, Transactions, "tx.parquet", &columns);
    add_segment(&mut p, Transactions, "shop");
    add_filter(&mut p, Transactions, "shop <> 'a shop of a long name 2'");
    (dir, p)
}

#[test]
fn a_batch_of_long_texts_is_delivered_in_pieces_and_gives_the_same() {
    let (_dir, p) = shop();
    let (scanned, whole) = run(&p, 30_000);
    let source = scanned.rejected.of(Transactions).unwrap();
    assert!(source.counts.keys().eq([&(TextTooLong, "id".into())]), "{:?}", source.counts);
    assert_eq!(source.rows.len() as u64, scanned.reports[&Transactions].rejected);
    assert_eq!(whole, run(&p, 77).1);
    assert_eq!(whole.rows.len() + whole.rejected.len(), 30_000 - 4286);
    let numbers: Vec<u64> = whole.rejected.iter().map(|r| r.row).take(3).collect();
    assert_eq!(numbers, [4, 14, 34], "the rows of the file, whatever the filter leaves out");
}

/// Takes nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn accept(&self, _: Batch) -> crate::error::Result<()> {
        Ok(())
    }
}

#[test]
fn texts_that_do_not_fit_the_memory_for_them_end_a_scan() {
    let (_dir, p) = shop();
    let limits = ReadLimits { kept: 1000, ..ReadLimits::default() };
    let error = scan(&look(&p).unwrap(), &p, &Nowhere, &NoProgress, limits).unwrap_err();
    assert!(error.what.contains("segment shop has too many different values"), "{}", error.what);
}

#[test]
fn attributes_that_differ_beyond_their_beginning_differ() {
    let dir = tempfile::tempdir().unwrap();
    let long = "a".repeat(1000);
    let notes = [long.clone(), format!("{long}b"), format!("{long}c"), long.clone(), "a".into()];
    write(
        &dir.path().join("customers.parquet"),
        vec![("id", Arc::new(Int64Array::from(vec![1; notes.len()])) as ArrayRef), ("note", texts(notes))],
        9,
    );
    let mut p = pipeline(dir.path());
    add_source(&mut p, Customers, "customers.parquet", &[("customer_id", "id"), ("note", "note")]);
    let (_, got) = run(&p, 5);
    let mut canonical = got.rows.clone();
    canonical.dedup();
    assert_eq!((got.rows.len(), canonical.len()), (5, 4), "{:?}", got.rows);
    assert!(got.rows.iter().all(|row| row.len() < 400), "{:?}", got.rows);
}
