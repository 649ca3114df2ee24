//! What the company's exports promise.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Date32Type, Decimal128Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

fn read(path: &Path) -> RecordBatch {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// `data/saas` and this generator cannot drift apart. Rows, not bytes: another zstd may pack them otherwise.
#[test]
fn the_files_in_the_repository_are_what_this_generates() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/saas");
    for (name, rows) in exports(1).unwrap() {
        let found = read(&shipped.join(format!("{name}.parquet")));
        assert!(
            found == rows,
            "data/saas/{name}.parquet differs; run `cargo run --release --example generate -- saas data/saas`"
        );
    }
}

#[test]
fn the_same_bytes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    write(&first, 1).unwrap();
    write(&second, 1).unwrap();
    let mut total = 0;
    for entry in fs::read_dir(&first).unwrap() {
        let name = entry.unwrap().file_name();
        let bytes = fs::read(first.join(&name)).unwrap();
        assert!(bytes == fs::read(second.join(&name)).unwrap(), "{name:?}");
        total += bytes.len();
    }
    assert!(total < 3 << 20, "{total} bytes are too many to ship");
}

#[test]
fn the_wrong_rows_are_few_and_the_others_right() {
    let exports: BTreeMap<_, _> = exports(1).unwrap().into_iter().collect();
    let terms = &exports["subscriptions"];
    let rows = terms.num_rows();
    let dates = |name: &str| terms.column_by_name(name).unwrap().as_primitive::<Date32Type>().clone();
    let day = |column: &arrow::array::Date32Array, row: usize| column.is_valid(row).then(|| column.value(row));
    let (started, ended, paid) = (dates("started_on"), dates("ended_on"), dates("paid_until"));
    let (cancelled, trial, past_due) = (dates("cancelled_on"), dates("trial_ends_on"), dates("past_due_since"));
    let amount = terms.column_by_name("amount").unwrap().as_primitive::<Decimal128Type>();
    let mut backwards = 0;
    for row in 0..rows {
        let from = started.value(row);
        assert!(from < company::AS_OF.0 && amount.value(row) >= 0);
        if day(&ended, row).is_some_and(|end| end < from) {
            backwards += 1;
            continue;
        }
        for known in [day(&ended, row), day(&cancelled, row), day(&past_due, row)] {
            assert!(known.is_none_or(|day| day < company::AS_OF.0), "row {row} knows the future");
        }
        assert!(day(&cancelled, row).is_none_or(|day| day >= from));
        let converted = day(&trial, row).is_none_or(|ends| day(&ended, row).is_none_or(|end| end >= ends));
        assert!(converted, "row {row} ends before its trial");
        // Paid time ends on the cancelled term's last day: after the cancellation, unless a payment failed.
        if let (Some(until), Some(day)) = (day(&paid, row), day(&cancelled, row)) {
            assert!(until >= day || past_due.is_valid(row));
        }
    }
    assert_eq!(backwards, 3);
    assert_eq!(terms.column_by_name("customer_id").unwrap().null_count(), 1);
    assert_eq!(exports["usage"].column_by_name("customer_id").unwrap().null_count(), 3);
    assert!(4.0 / (rows as f64) < 0.001, "far below a quarantine limit of 1 %");
    // Every wrong row passes the filter of pipelines/saas.toml.
    let currency = terms.column_by_name("currency").unwrap().as_string::<i32>();
    let ids = terms.column_by_name("customer_id").unwrap();
    for row in 0..rows {
        if ids.is_null(row) || day(&ended, row).is_some_and(|end| end < started.value(row)) {
            assert_eq!(currency.value(row), "EUR");
        }
    }
}

#[test]
fn ids_are_distinct_and_known() {
    let exports: BTreeMap<_, _> = exports(1).unwrap().into_iter().collect();
    let ids = |table: &str, column: &str| -> Vec<String> {
        let column = exports[table].column_by_name(column).unwrap().as_string::<i32>().clone();
        column.iter().flatten().map(str::to_string).collect()
    };
    let customers: BTreeSet<_> = ids("customers", "customer_id").into_iter().collect();
    assert_eq!(customers.len() + 2, exports["customers"].num_rows(), "one row twice, one in two versions");
    assert!((5_500..6_500).contains(&customers.len()), "{} customers", customers.len());
    for (table, strangers) in [("subscriptions", 0), ("usage", 0), ("surveys", 12)] {
        let unknown = ids(table, "customer_id").iter().filter(|id| !customers.contains(*id)).count();
        assert_eq!(unknown, strangers, "{table}");
    }
    assert!(ids("customers", "referred_by").iter().all(|id| customers.contains(id)));
}
