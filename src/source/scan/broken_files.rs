//! Files that are damaged, malformed, empty or real.

use std::sync::Arc;

use arrow::array::{Date32Array, Float64Array, Int64Array};

use crate::calendar::Day;
use crate::config::SourceKind::*;
use crate::source::footer::FooterMemory;
use crate::source::handle::InputHandle;
use crate::source::testing::*;

const MAPPED: &[(&str, &str)] = &[("customer_id", "id"), ("occurred_at", "at"), ("amount", "amount")];

/// Written by pyarrow 26 with `write_page_checksum=True`: columns id (int64 0..100), at (date32), amount (float64).
pub(super) const CHECKSUMMED: &[u8] = include_bytes!("../testdata/checksummed.parquet");

#[test]
fn page_checksums_are_reported_and_every_flipped_bit_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tx.parquet");
    std::fs::write(&file, CHECKSUMMED).unwrap();
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx.parquet", MAPPED);
    let (scan, expected) = run(&p, 10);
    assert!(scan.files[0].verified);
    assert_eq!(expected.rows.len(), 100);
    let footer = u32::from_le_bytes(CHECKSUMMED[CHECKSUMMED.len() - 8..][..4].try_into().unwrap()) as usize;
    let pages = CHECKSUMMED.len() - 8 - footer;
    // All before the first is read: a file that was just written is waited for.
    let flipped = |at: usize| format!("{at}.parquet");
    for at in (4..pages).step_by(3) {
        let mut bytes = CHECKSUMMED.to_vec();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(dir.path().join(flipped(at)), &bytes).unwrap();
    }
    let mut found = 0;
    for at in (4..pages).step_by(3) {
        p.sources.get_mut(&Transactions).unwrap().paths[0].value = crate::config::Text::plain(flipped(at));
        match try_run(&p, 10) {
            Err(error) => found += u32::from(error.what.contains("checksum")),
            // A bit of a header that nothing depends on, such as a statistic.
            Ok((_, got)) => assert_eq!(got.rows, expected.rows, "bit at {at} altered rows in silence"),
        }
    }
    assert!(found > pages as u32 / 3 / 2, "{found} of {}", pages / 3);
}

/// A file or folder of the reference data, which is not part of the repository. Tests that need it are ignored by name
/// unless `TENURE_REFERENCE_DATA` is set when they are compiled (build.rs).
fn reference(name: &str) -> std::path::PathBuf {
    let folder = std::env::var_os("TENURE_REFERENCE_DATA").expect("TENURE_REFERENCE_DATA names the reference data");
    let path = std::path::Path::new(&folder).join(name);
    assert!(path.exists(), "TENURE_REFERENCE_DATA is set, but {} is not there", path.display());
    path
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn malformed_files_give_rows_or_errors() {
    let folder = reference("malformed_parquet");
    let mut files = vec![];
    for sub in ["bad_data", "fuzzing", "odd"] {
        files.extend(std::fs::read_dir(folder.join(sub)).unwrap().map(|e| e.unwrap().path()));
    }
    files.sort();
    assert!(files.len() >= 100);
    let mut read = 0;
    for file in &files {
        let started = std::time::Instant::now();
        let handle = InputHandle::open(file, "x");
        let footer = handle.and_then(|h| crate::source::footer::read(&h, "x", &FooterMemory::new(1 << 30)));
        if let Ok(footer) = &footer {
            // Every column that a mapping could use, as an attribute of customers.
            let columns: Vec<String> = footer
                .schema()
                .fields()
                .iter()
                .filter(|f| crate::source::columns::Class::of(f.data_type()) != crate::source::columns::Class::Other)
                .map(|f| f.name().clone())
                .collect();
            for column in columns {
                let mut p = pipeline(file.parent().unwrap());
                let name = file.to_str().unwrap();
                for (kind, columns) in [
                    (Customers, vec![("customer_id", column.as_str())]),
                    (Customers, vec![("customer_id", column.as_str()), ("signed_up_at", column.as_str())]),
                    (AcquisitionCosts, vec![("period_start", column.as_str()), ("amount", column.as_str())]),
                ] {
                    p.sources.clear();
                    add_source(&mut p, kind, name, &columns);
                    read += u32::from(try_run(&p, 1000).is_ok());
                }
            }
        }
        assert!(started.elapsed().as_secs() < 20, "{} took {:?}", file.display(), started.elapsed());
    }
    assert!(read > 0);
}

#[test]
fn an_empty_file_is_a_file_without_rows() {
    let dir = tempfile::tempdir().unwrap();
    let none: Vec<i64> = vec![];
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(none))),
        ("at", Arc::new(Date32Array::from(Vec::<i32>::new()))),
        ("amount", Arc::new(Float64Array::from(Vec::<f64>::new()))),
    ];
    write(&dir.path().join("tx.parquet"), columns, 10);
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx.parquet", MAPPED);
    let (scan, got) = run(&p, 10);
    assert_eq!((got.rows.len(), scan.files[0].rows), (0, 0));
    assert_eq!(scan.reports[&Transactions].last, None::<Day>);
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn a_real_export_reads_as_published() {
    let mut p = pipeline(&reference("online_retail"));
    let columns = [
        ("customer_id", "CustomerID"),
        ("occurred_at", "InvoiceDate"),
        ("amount", "=\"Quantity\" * \"UnitPrice\""),
        ("order_id", "InvoiceNo"),
    ];
    add_source(&mut p, Transactions, "online_retail.parquet", &columns);
    p.money.digits = 3;
    add_filter(&mut p, Transactions, "\"CustomerID\" IS NOT NULL AND \"Quantity\" > 0");
    let (scan, got) = run(&p, 10_000);
    let report = &scan.reports[&Transactions];
    assert_eq!((report.rows, report.filtered, report.rejected), (541_909, 541_909 - 397_924, 0));
    let column = |i: usize| got.rows.iter().map(move |r| r.split(' ').nth(i).unwrap().to_string());
    let revenue: i64 = column(3).map(|units| units.parse::<i64>().unwrap()).sum();
    let distinct = |i: usize| column(i).collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!((revenue, distinct(0), distinct(5)), (8_911_407_904, 4339, 18_536));
    assert_eq!((report.first, report.last), (Some(day("2010-12-01")), Some(day("2011-12-09"))));
}
