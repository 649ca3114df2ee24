//! Every mistake of a pipeline file about its exports is found, placed and answered with a remedy.

use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;

use super::*;
use crate::config::SourceKind::*;
use crate::source::testing::*;

fn tx(path: &Path) {
    write(
        path,
        vec![
            ("CustomerID", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
            ("InvoiceDate", Arc::new(TimestampMicrosecondArray::from(vec![0, 1]))),
            ("Quantity", Arc::new(Int64Array::from(vec![1, 2]))),
            ("UnitPrice", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
            ("Country", Arc::new(StringArray::from(vec!["DE", "UK"]))),
            ("CustomerFloat", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
            ("Epoch", Arc::new(Int64Array::from(vec![1, 2]))),
            ("Tags", new_null_array(&DataType::new_list(DataType::Utf8, true), 2)),
        ],
        1,
    );
}

const GOOD: &[(&str, &str)] =
    &[("customer_id", "CustomerID"), ("occurred_at", "InvoiceDate"), ("amount", "=Quantity * UnitPrice")];

fn with(columns: &[(&str, &str)]) -> (tempfile::TempDir, Pipeline) {
    let dir = tempfile::tempdir().unwrap();
    tx(&dir.path().join("tx.parquet"));
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx.parquet", columns);
    (dir, p)
}

#[test]
fn a_good_pipeline_reads_only_the_columns_it_needs() {
    let (_dir, mut p) = with(GOOD);
    add_segment(&mut p, Transactions, "Country");
    add_filter(&mut p, Transactions, "\"Quantity\" > 0");
    let found = look(&p).unwrap();
    let source = &found.sources[&Transactions];
    assert_eq!(source.columns, ["Country", "CustomerID", "InvoiceDate", "Quantity", "UnitPrice"]);
    assert_eq!((source.rows(), source.files.len(), found.ids), (2, 1, IdKind::Integer));
    let file = &source.files[0].input;
    assert_eq!((file.shown.as_str(), file.footer_checksum.len()), ("tx.parquet", 16));
    assert!(file.modified > 1_600_000_000 && file.bytes > 0);
}

#[test]
fn columns_that_are_only_checked_are_not_read() {
    let (_dir, mut p) = with(&[GOOD, &[("order_id", "Country"), ("product", "Country")]].concat());
    let found = inspect(&p, Needs::default()).unwrap();
    assert!(!found.sources[&Transactions].columns.contains(&"Country".to_string()));
    assert!(look(&p).unwrap().sources[&Transactions].columns.contains(&"Country".to_string()));
    add_source(&mut p, Transactions, "tx.parquet", &[GOOD, &[("product", "Nope")]].concat());
    assert_eq!(problems(&p).len(), 1);
}

#[test]
fn all_problems_come_at_once_each_at_its_place() {
    let (_dir, mut p) =
        with(&[("customer_id", "CustomerId"), ("occurred_at", "InvoiceDat"), ("amount", "=Quantity *")]);
    add_filter(&mut p, Transactions, "SUM(Quantity) > 0");
    add_segment(&mut p, Transactions, "Countri");
    let found = problems(&p);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(
        found.iter().any(|e| e
            .starts_with("Pipeline at 100: there is no column `CustomerId` in tx.parquet; did you mean `CustomerID`?")
            && e.contains("[the columns are Custo")),
        "{found:#?}"
    );
    assert!(found.iter().any(|e| e.starts_with("Pipeline at 110: there is no column `InvoiceDat`")), "{found:#?}");
    assert!(
        found.iter().any(|e| e.starts_with("Pipeline at 120: sources.transactions.amount: `Quantity *` is not a SQL")),
        "{found:#?}"
    );
    assert!(found.iter().any(|e| e.starts_with("Pipeline at 70: there is no column `Countri`")), "{found:#?}");

    let (_dir, mut p) = with(GOOD);
    add_filter(&mut p, Transactions, "SUM(Quantity) > 0");
    p.customers.activity = Some(crate::config::Expression { sql: "amunt > 0".into(), span: 40..50 });
    let found = problems(&p);
    assert!(
        found.iter().any(|e| e.starts_with("Pipeline at 50: sources.transactions.filter: SUM needs several rows")),
        "{found:#?}"
    );
    assert!(
        found.iter().any(|e| e
            .starts_with("Pipeline at 40: customers.activity: there is no column `amunt`; did you mean \"amount\"")),
        "{found:#?}"
    );
}

#[test]
fn types_that_do_not_fit_are_refused_with_a_remedy() {
    for (name, from, says, remedy) in [
        (
            "customer_id",
            "CustomerFloat",
            "floating-point",
            "customer_id = { sql = 'CAST(\"CustomerFloat\" AS BIGINT)' }",
        ),
        ("customer_id", "=Quantity / 2", "floating-point", "CAST((Quantity / 2) AS BIGINT)"),
        ("customer_id", "InvoiceDate", "timestamps", "map another column"),
        ("customer_id", "Tags", "nested", "unpack"),
        ("occurred_at", "Epoch", "whole numbers", "TO_TIMESTAMP(\"Epoch\" / 1000)"),
        ("occurred_at", "=Quantity > 1", "boolean", "map another column"),
        ("amount", "InvoiceDate", "timestamps", "map another column"),
        ("amount", "=Quantity > 1", "boolean", "map another column"),
        ("amount", "=Quantity * Country", "cannot combine", "CAST"),
        ("currency", "Quantity", "whole numbers", "map another column"),
        ("order_id", "CustomerFloat", "floating-point", "AS BIGINT"),
        ("product", "InvoiceDate", "timestamps", "AS DATE"),
    ] {
        let mut columns: Vec<_> = GOOD.iter().filter(|(n, _)| *n != name).copied().collect();
        columns.push((name, from));
        let (_dir, p) = with(&columns);
        let found = problems(&p);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(says) && found[0].contains(remedy) && found[0].starts_with("Pipeline"), "{found:#?}");
    }
    let (_dir, mut p) = with(GOOD);
    add_filter(&mut p, Transactions, "Quantity + 1");
    assert!(problems(&p)[0].contains("not a condition"));
    // The remedies are accepted.
    for columns in [
        [("customer_id", "=CAST(\"CustomerFloat\" AS BIGINT)"), GOOD[1], GOOD[2]],
        [GOOD[0], ("occurred_at", "=TO_TIMESTAMP(\"Epoch\" / 1000)"), GOOD[2]],
    ] {
        let (_dir, p) = with(&columns);
        assert_eq!(look(&p).unwrap().ids, IdKind::Integer);
    }
}

#[test]
fn two_schemas_in_one_folder_name_both_files_and_the_column() {
    let dir = tempfile::tempdir().unwrap();
    tx(&dir.path().join("tx/a.parquet"));
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let at: ArrayRef = Arc::new(Date32Array::from(vec![1]));
    let amount: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let columns = vec![("CustomerID", ids), ("InvoiceDate", at), ("Quantity", amount.clone())];
    write(&dir.path().join("tx/b.parquet"), columns, 10);
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx", GOOD);
    let found = problems(&p);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("Input")
            && found[0].contains("column `CustomerID` is whole numbers in tx/a.parquet and text in tx/b.parquet"),
        "{found:#?}"
    );
    assert!(
        found[1].contains("column `UnitPrice` is floating-point numbers in tx/a.parquet and missing in tx/b.parquet"),
        "{found:#?}"
    );
}

#[test]
fn numbers_of_any_kind_and_columns_without_values_agree() {
    let dir = tempfile::tempdir().unwrap();
    for (name, quantity) in [
        ("a", Arc::new(NullArray::new(1)) as ArrayRef),
        ("b", Arc::new(Int32Array::from(vec![2]))),
        ("c", Arc::new(Float64Array::from(vec![2.0]))),
        ("d", Arc::new(Decimal128Array::from(vec![20]).with_precision_and_scale(9, 1).unwrap())),
    ] {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let at: ArrayRef = Arc::new(Date32Array::from(vec![1]));
        write(&dir.path().join(format!("tx/{name}.parquet")), vec![("id", id), ("at", at), ("q", quantity)], 10);
    }
    let mut p = pipeline(dir.path());
    add_source(&mut p, Transactions, "tx", &[("customer_id", "id"), ("occurred_at", "at"), ("amount", "=q * 0.5")]);
    assert_eq!(look(&p).unwrap().sources[&Transactions].layouts.len(), 4);
    let (_, delivered) = run(&p, 10);
    assert_eq!(delivered.rows, vec!["1 1970-01-02 86400000000 100 true 0 "; 3]);
    assert_eq!(delivered.rejected.len(), 1);
}

#[test]
fn ids_are_integers_only_if_every_source_says_so() {
    let id_kind = |arrays: Vec<ArrayRef>| {
        let dir = tempfile::tempdir().unwrap();
        let mut p = pipeline(dir.path());
        for (kind, array) in [Customers, Transactions].into_iter().zip(arrays) {
            let n = array.len();
            let at: ArrayRef = Arc::new(Date32Array::from(vec![1; n]));
            let amount: ArrayRef = Arc::new(Float64Array::from(vec![1.0; n]));
            let file = format!("{}.parquet", kind.name());
            write(&dir.path().join(&file), vec![("id", array), ("at", at), ("m", amount)], 1);
            let time = if kind == Transactions { "occurred_at" } else { "signed_up_at" };
            let columns = [("customer_id", "id"), (time, "at"), ("amount", "m")];
            add_source(&mut p, kind, &file, if kind == Transactions { &columns } else { &columns[..2] });
        }
        look(&p).unwrap().ids
    };
    let int: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let fits: ArrayRef = Arc::new(UInt64Array::from(vec![1, i64::MAX as u64]));
    let beyond: ArrayRef = Arc::new(UInt64Array::from(vec![1, i64::MAX as u64 + 1]));
    assert_eq!(id_kind(vec![int.clone(), int.clone()]), IdKind::Integer);
    assert_eq!(id_kind(vec![int.clone(), text]), IdKind::Text);
    assert_eq!(id_kind(vec![int.clone(), fits]), IdKind::Integer);
    assert_eq!(id_kind(vec![int, beyond]), IdKind::Text);
}

#[test]
fn files_that_are_not_what_they_should_be_are_input_errors_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.parquet");
    tx(&good);
    let bytes = std::fs::read(&good).unwrap();
    let mut zeroed = bytes.clone();
    let n = zeroed.len();
    let footer = n - 8 - u32::from_le_bytes(bytes[n - 8..n - 4].try_into().unwrap()) as usize;
    zeroed[footer..footer + 20].fill(0xFF);
    let mut long = bytes.clone();
    long[n - 8..n - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut encrypted = bytes.clone();
    encrypted[n - 4..].copy_from_slice(b"PARE");
    for (content, says) in [
        (&b""[..], "too short"),
        (b"PAR1", "too short"),
        (b"id,amount\n1,2\n3,4\n", "is not a Parquet file"),
        (&bytes[..n / 2], "truncated"),
        (&long, "truncated"),
        (&zeroed, "not a readable Parquet file"),
        (&encrypted, "encrypted"),
    ] {
        let bad = dir.path().join("bad.parquet");
        std::fs::write(&bad, content).unwrap();
        let mut p = pipeline(dir.path());
        add_source(&mut p, Transactions, "*.parquet", GOOD);
        let found = problems(&p);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with("Input at 10: bad.parquet") && found[0].contains(says), "{found:#?}");
        assert!(!found[0].contains("[]"), "{found:#?}");
    }
}
