//! Reading within a limit of memory: fewer rows at a time, fewer readers, and the same rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int64Array, StringArray};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::config::SourceKind::*;
use crate::error::{Error, Result};
use crate::progress::NoProgress;
use crate::rows::{Batch, Sink};
use crate::source::testing::*;
use crate::source::{ReadLimits, scan};

/// Rows of the largest batch that arrived, and how many were in work at the same time.
#[derive(Default)]
struct Largest {
    rows: AtomicUsize,
    now: AtomicUsize,
    at_once: AtomicUsize,
}

impl Sink for Largest {
    fn accept(&self, batch: Batch) -> Result<()> {
        let Batch::Customers(batch) = batch else { return Err(Error::internal("customers were asked for")) };
        self.rows.fetch_max(batch.ids.len(), Ordering::Relaxed);
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.at_once.fetch_max(now, Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_millis(5));
        self.now.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Customers with a note of so many bytes each, in row groups of forty.
fn notes(dir: &std::path::Path, rows: i64, length: usize, encoding: Option<Encoding>) -> crate::config::Pipeline {
    let texts = (0..rows).map(|i| format!("{i}{}", "x".repeat(length)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("note", Arc::new(StringArray::from_iter_values(texts))),
    ];
    let mut properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(40))
        .set_write_batch_size(1)
        .set_compression(Compression::SNAPPY);
    if let Some(encoding) = encoding {
        let note = ColumnPath::from("note");
        properties = properties.set_column_dictionary_enabled(note.clone(), false).set_column_encoding(note, encoding);
    }
    write_as(&dir.join("c.parquet"), columns, properties.build());
    let mut p = pipeline(dir);
    add_source(&mut p, Customers, "c.parquet", &[("customer_id", "id"), ("note", "note")]);
    p
}

fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn wide_rows_are_read_a_few_at_a_time_and_are_the_same() {
    for encoding in
        [None, Some(Encoding::PLAIN), Some(Encoding::DELTA_LENGTH_BYTE_ARRAY), Some(Encoding::DELTA_BYTE_ARRAY)]
    {
        let dir = tempfile::tempdir().unwrap();
        let p = notes(dir.path(), 100, 1 << 20, encoding);
        let inspected = look(&p).unwrap();
        let (_, all) = deliver_within(&p, &inspected, ReadLimits::default()).unwrap();
        for (threads, mebibytes) in [(1, 400), (3, 400), (3, 90)] {
            let limits = ReadLimits { memory: mebibytes << 20, ..ReadLimits::default() };
            let (_, some) = on(threads, || deliver_within(&p, &inspected, limits).unwrap());
            assert!(some.rows == all.rows, "{encoding:?} {threads} {mebibytes}");
        }
    }
}

#[test]
fn a_batch_holds_as_many_rows_as_the_limit_allows() {
    let dir = tempfile::tempdir().unwrap();
    let p = notes(dir.path(), 80, 1 << 20, Some(Encoding::PLAIN));
    let inspected = look(&p).unwrap();
    for (mebibytes, most) in [(12, 4), (30, 20), (1 << 10, 40)] {
        let sink = Largest::default();
        let limits = ReadLimits { memory: mebibytes << 20, ..ReadLimits::default() };
        on(1, || scan(&inspected, &p, &sink, &NoProgress, limits)).unwrap();
        let rows = sink.rows.into_inner();
        assert!((1..=most).contains(&rows), "{rows} rows in {mebibytes} MiB");
    }
    let limits = ReadLimits { memory: 1 << 20, ..ReadLimits::default() };
    let refused = on(2, || scan(&inspected, &p, &Largest::default(), &NoProgress, limits)).unwrap_err();
    assert!(
        refused.what.starts_with("c.parquet cannot be read: row group 1, column note: that takes"),
        "{}",
        refused.what
    );
    assert!(refused.help.unwrap().contains("--memory-limit"));
}

#[test]
fn row_groups_too_large_for_a_share_are_read_by_fewer_threads() {
    let dir = tempfile::tempdir().unwrap();
    let p = notes(dir.path(), 400, 1 << 18, Some(Encoding::PLAIN));
    let inspected = look(&p).unwrap();
    let at_once = |mebibytes: u64| {
        let sink = Largest::default();
        let limits = ReadLimits { memory: mebibytes << 20, ..ReadLimits::default() };
        on(4, || scan(&inspected, &p, &sink, &NoProgress, limits)).unwrap();
        sink.at_once.into_inner()
    };
    // A row group takes about eleven mebibytes.
    assert!(at_once(26) <= 2);
    assert_eq!(at_once(12), 1);
}

#[test]
fn a_sum_of_texts_is_written_out_in_pieces() {
    // Two texts of a megabyte in a dictionary, a thousand rows: two gigabytes written out.
    let dir = tempfile::tempdir().unwrap();
    let texts: Vec<String> = ["a", "b"].iter().map(|t| t.repeat(1 << 20)).collect();
    let rows = (0..1000).map(|i| texts[i % 2].as_str());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..1000))),
        ("note", Arc::new(StringArray::from_iter_values(rows))),
    ];
    let properties = WriterProperties::builder().set_dictionary_page_size_limit(8 << 20).build();
    write_as(&dir.path().join("c.parquet"), columns, properties);
    let mut p = pipeline(dir.path());
    add_source(&mut p, Customers, "c.parquet", &[("customer_id", "id"), ("first", "=SUBSTRING(UPPER(note), 1, 1)")]);
    let inspected = look(&p).unwrap();
    let sink = Largest::default();
    let limits = ReadLimits { memory: 64 << 20, ..ReadLimits::default() };
    on(1, || scan(&inspected, &p, &sink, &NoProgress, limits)).unwrap();
    assert!(sink.rows.into_inner() <= 16);
    let (_, some) = on(1, || deliver_within(&p, &inspected, limits).unwrap());
    assert_eq!(some.rows.len(), 1000);
    assert!(some.rows.iter().all(|row| row.contains('A') || row.contains('B')));
}
