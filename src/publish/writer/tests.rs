use arrow::array::AsArray;
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;

use super::*;
use crate::calendar::Day;
use crate::error::ErrorKind;
use crate::money::MAX_MINOR;
use crate::publish::row_group::ROW_GROUP;
use crate::table::{Values, column};

const FORMAT: TableFormat = TableFormat { digits: 2, integer_ids: false };
/// Rows handed over at a time.
const PIECE: usize = 1 << 14;

fn every_type() -> Arc<TableSchema> {
    Arc::new(TableSchema {
        name: "everything".into(),
        doc: "a column of every type".into(),
        key: 1,
        columns: vec![
            column("customer_id", Type::CustomerId, "who"),
            column("state", Type::Text, "retained, or churned; “quoted” — مرحبا"),
            column("orders", Type::Int, "how many"),
            column("rate", Type::Double, "a share"),
            column("first_at", Type::Date, "when"),
            column("live", Type::Bool, "whether"),
            column("revenue", Type::Money, "how much"),
        ],
    })
}

/// Rows `from..until` of an endless table with NULLs, extremes and text of every script.
fn rows(from: i64, until: i64) -> Table {
    let nullable = |i: i64| i % 7 != 0;
    let names = ["", "Zoë", "日本語", "مرحبا بالعالم", "line\nbreak, \"quote\"", "🦀", "-1"];
    let words = ["retained", "churned", "–"];
    let each = || from..until;
    Table {
        schema: every_type(),
        columns: vec![
            Values::Text(each().map(|i| Some(format!("{i:09}{}", names[(i % 7) as usize]))).collect()),
            Values::Text(each().map(|i| nullable(i).then_some(words[(i % 3) as usize])).collect()),
            Values::Int(
                each().map(|i| nullable(i).then_some(if i % 2 == 0 { i64::MAX - i } else { i64::MIN + i })).collect(),
            ),
            Values::Double(each().map(|i| nullable(i).then_some(f64::MAX / (i as f64 + 0.5))).collect()),
            Values::Date(
                each()
                    .map(|i| nullable(i).then_some(Day(if i % 5 == 0 { i32::MAX } else { i as i32 - 40_000 })))
                    .collect(),
            ),
            Values::Bool(each().map(|i| nullable(i).then_some(i % 2 == 0)).collect()),
            Values::Money(
                each().map(|i| nullable(i).then_some(if i % 2 == 0 { MAX_MINOR } else { -MAX_MINOR } as i64)).collect(),
            ),
        ],
    }
}

fn write(dir: &Path, pieces: &[(i64, i64)]) -> (Vec<u8>, WrittenFile) {
    let name = format!("{}.parquet", pieces.len());
    let mut writer = TableWriter::create(dir, &name, every_type(), FORMAT, None).unwrap();
    for &(from, until) in pieces {
        writer.write(&rows(from, until)).unwrap();
    }
    let written = writer.finish().unwrap();
    (fs::read(dir.join(&name)).unwrap(), written)
}

fn open(dir: &Path, written: &WrittenFile) -> File {
    File::open(dir.join(&written.path)).unwrap()
}

#[test]
fn bytes_do_not_depend_on_how_rows_are_handed_over() {
    let dir = tempfile::tempdir().unwrap();
    let n = ROW_GROUP as i64 + 2 * PIECE as i64 + 5;
    let (whole, written) = write(dir.path(), &[(0, n)]);
    let few: Vec<(i64, i64)> = vec![(0, 1), (1, 8), (8, 8), (8, PIECE as i64), (PIECE as i64, n - 3), (n - 3, n)];
    let many: Vec<(i64, i64)> = (0..n).step_by(997).map(|i| (i, n.min(i + 997))).collect();
    assert!(whole == write(dir.path(), &few).0, "six pieces differ from one");
    assert!(whole == write(dir.path(), &many).0, "pieces of 997 rows differ from one");
    assert_eq!(written.rows, n as u64);
    assert_eq!(written.bytes, whole.len() as u64);
    assert_eq!(written.sha256, hexadecimal(&Sha256::digest(&whole)));
    let mut sorted = TableWriter::create(dir.path(), "sorted.parquet", every_type(), FORMAT, None).unwrap();
    sorted.write_sorted(&rows(0, n)).unwrap();
    assert_eq!(sorted.finish().unwrap().sha256, written.sha256);
}

#[test]
fn every_type_comes_back_with_its_nulls_and_extremes() {
    let dir = tempfile::tempdir().unwrap();
    let (_, written) = write(dir.path(), &[(0, 3000)]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(open(dir.path(), &written)).unwrap();
    let types: Vec<DataType> = reader.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    let decimal = DataType::Decimal128(18, 2);
    use DataType::{Boolean, Date32, Float64, Int64, Utf8};
    assert_eq!(types, [Utf8, Utf8, Int64, Float64, Date32, Boolean, decimal]);
    let batch = reader.with_batch_size(5000).build().unwrap().next().unwrap().unwrap();
    let Values::Text(ids) = &rows(0, 3000).columns[0] else { unreachable!() };
    for i in 0..3000 {
        assert_eq!(batch.column(0).as_string::<i32>().value(i), ids.get(i).unwrap());
        let null = i % 7 == 0;
        assert!(batch.columns()[1..4].iter().all(|c| c.is_null(i) == null));
        if !null {
            assert_eq!(batch.column(1).as_string::<i32>().value(i), ["retained", "churned", "–"][i % 3]);
            let int = if i % 2 == 0 { i64::MAX - i as i64 } else { i64::MIN + i as i64 };
            assert_eq!(batch.column(2).as_primitive::<Int64Type>().value(i), int);
            assert_eq!(batch.column(3).as_primitive::<Float64Type>().value(i), f64::MAX / (i as f64 + 0.5));
            assert_eq!(batch.column(4).is_null(i), i % 5 == 0, "the absence of a date is NULL");
            if i % 5 != 0 {
                assert_eq!(batch.column(4).as_primitive::<Date32Type>().value(i), i as i32 - 40_000);
            }
            assert_eq!(batch.column(5).as_boolean().value(i), i % 2 == 0);
            let money = if i % 2 == 0 { MAX_MINOR } else { -MAX_MINOR };
            assert_eq!(batch.column(6).as_primitive::<Decimal128Type>().value(i), money);
        }
    }
}

#[test]
fn the_file_describes_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (_, written) = write(dir.path(), &[(0, ROW_GROUP as i64 + 1)]);
    let options = ReadOptionsBuilder::new()
        .with_reader_properties(ReaderProperties::builder().set_read_bloom_filter(true).build())
        .build();
    let reader = SerializedFileReader::new_with_options(open(dir.path(), &written), options).unwrap();
    let file = reader.metadata().file_metadata();
    assert_eq!(file.created_by(), Some(concat!("tenure version ", env!("CARGO_PKG_VERSION"))));
    let pairs = file.key_value_metadata().unwrap();
    let value = |key: &str| pairs.iter().find(|p| p.key == key).and_then(|p| p.value.clone());
    for c in &every_type().columns {
        assert_eq!(value(&format!("comment.{}", c.name)).as_ref(), Some(&c.doc));
    }
    assert_eq!(value("tenure.table").unwrap(), "everything");
    assert_eq!(value("tenure.key").unwrap(), "customer_id");
    assert_eq!(value("tenure.schema_version").unwrap(), SCHEMA_VERSION.to_string());
    assert_eq!(pairs.len(), 4 + every_type().columns.len(), "nothing that could vary");

    assert_eq!(reader.metadata().num_row_groups(), 2);
    let group = reader.metadata().row_group(0);
    assert_eq!(group.num_rows(), ROW_GROUP as i64);
    let sorting = group.sorting_columns().unwrap();
    assert_eq!((sorting.len(), sorting[0].column_idx, sorting[0].nulls_first), (1, 0, false));
    for column in group.columns() {
        assert!(column.statistics().is_some(), "{}", column.column_path());
        assert!(matches!(column.compression(), Compression::ZSTD(_)));
    }
    let bloom = reader.get_row_group(0).unwrap();
    let bloom = bloom.get_column_bloom_filter(0).expect("a bloom filter on customer_id");
    let Values::Text(ids) = &rows(0, 100).columns[0] else { unreachable!() };
    assert!(ids.iter().flatten().all(|id| bloom.check(id.as_bytes())));
    let unknown_customers = (0..1000).filter(|i| bloom.check(format!("stranger {i}").as_bytes())).count();
    assert!(unknown_customers < 50, "{unknown_customers} of 1000 strangers pass");
}

#[test]
fn an_empty_table_is_a_file_with_its_columns() {
    let dir = tempfile::tempdir().unwrap();
    let (_, written) = write(dir.path(), &[]);
    assert_eq!(written.rows, 0);
    let reader = ParquetRecordBatchReaderBuilder::try_new(open(dir.path(), &written)).unwrap();
    assert_eq!(reader.schema().fields().len(), 7);
}

/// What a file refuses of a column, in words.
fn refused(kind: Type, values: Values) -> Option<Error> {
    let dir = tempfile::tempdir().unwrap();
    let columns = vec![column("c", kind, "a column")];
    let schema = Arc::new(TableSchema { name: "t".into(), doc: String::new(), key: 0, columns });
    let mut writer = TableWriter::create(dir.path(), "t.parquet", schema.clone(), FORMAT, None).unwrap();
    let written = writer.write(&Table { schema, columns: vec![values] });
    written.and_then(|()| writer.finish()).err()
}

#[test]
fn money_beyond_decimal_18_names_table_column_and_amount() {
    for units in [MAX_MINOR + 1, -MAX_MINOR - 1, i64::MAX.into(), i64::MIN.into()] {
        let e = refused(Type::Money, Values::Money(vec![None, Some(units as i64)])).unwrap();
        assert_eq!(e.kind, ErrorKind::Input);
        assert!(e.what.contains("t.c") && e.what.contains("DECIMAL(18,2)"), "{}", e.what);
    }
    let most = MAX_MINOR as i64;
    assert!(refused(Type::Money, Values::Money(vec![Some(most), Some(-most), Some(0)])).is_none());
}

#[test]
fn what_cannot_be_a_figure_is_a_defect() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let e = refused(Type::Double, Values::Double(vec![Some(bad)])).unwrap();
        assert_eq!(e.kind, ErrorKind::Internal);
    }
    let e = refused(Type::Int, Values::Bool(vec![Some(true)])).unwrap();
    assert!(e.what.contains("t.c holds Bool instead of Int"), "{}", e.what);
}

fn keyed(keys: Vec<Option<i64>>) -> Table {
    let columns = vec![column("age", Type::Int, "NULL pools"), column("n", Type::Int, "the row's number")];
    let schema = Arc::new(TableSchema { name: "cohort".into(), doc: String::new(), key: 1, columns });
    let n = keys.len() as i64;
    Table { schema, columns: vec![Values::Int(keys), Values::Int((0..n).map(Some).collect())] }
}

#[test]
fn rows_out_of_order_or_twice_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let attempt = |pieces: Vec<Vec<Option<i64>>>, name: &str| {
        let mut w = TableWriter::create(dir.path(), name, keyed(vec![]).schema, FORMAT, None)?;
        for p in pieces {
            w.write(&keyed(p))?;
        }
        w.finish()
    };
    assert!(attempt(vec![vec![Some(1), Some(2)], vec![Some(3), None]], "a").is_ok());
    let boundary: Vec<Option<i64>> = (0..PIECE as i64).map(Some).collect();
    for (i, bad) in [
        vec![vec![Some(2), Some(1)]],
        vec![vec![Some(1), Some(1)]],
        vec![vec![None, Some(1)]],
        vec![vec![Some(1)], vec![Some(1)]],
        vec![boundary.clone(), vec![Some(PIECE as i64 - 1)]],
    ]
    .into_iter()
    .enumerate()
    {
        let e = attempt(bad, &format!("bad{i}")).unwrap_err();
        assert_eq!(e.kind, ErrorKind::Internal);
        assert!(e.what.contains("table cohort are out of order or twice by their key (age)"), "{}", e.what);
    }
    assert!(attempt(vec![boundary, vec![Some(PIECE as i64)]], "b").is_ok());
}

#[test]
fn a_table_written_twice_is_a_defect() {
    let dir = tempfile::tempdir().unwrap();
    let create = || TableWriter::create(dir.path(), "x.parquet", every_type(), FORMAT, None);
    let first = create().unwrap();
    let e = create().err().unwrap();
    assert_eq!((e.kind, e.what.as_str()), (ErrorKind::Internal, "table everything is written twice"));
    first.finish().unwrap();
}

#[test]
fn whole_tables_are_sorted_by_their_key_with_null_last() {
    let dir = tempfile::tempdir().unwrap();
    let table = keyed(vec![None, Some(3), Some(-1), Some(2)]);
    let mut w = TableWriter::create(dir.path(), "c.parquet", table.schema.clone(), FORMAT, None).unwrap();
    w.write_sorted(&table).unwrap();
    w.finish().unwrap();
    let file = File::open(dir.path().join("c.parquet")).unwrap();
    let batch = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().next().unwrap().unwrap();
    let order: Vec<i64> = batch.column(1).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(order, [2, 3, 1, 0]);
}

#[test]
fn per_customer_files_are_private_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |name: &str, schema: Arc<TableSchema>, mode: Option<u32>| {
        TableWriter::create(dir.path(), name, schema, FORMAT, mode).unwrap().finish().unwrap();
        fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("a", every_type(), None), 0o600);
    assert_eq!(mode("b", every_type(), Some(0o664)), 0o664);
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let by_umask = fs::metadata(plain).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("c", keyed(vec![]).schema, Some(0o600)), by_umask & 0o644);
    assert_eq!(mode("d", Arc::new(quarantine::schema()), None), 0o600);
    restrict_folder(dir.path(), Some(0o640)).unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o750);
    restrict_folder(dir.path(), None).unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_full_disk_is_a_sentence() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: this system has no /dev/full");
        return;
    };
    let attempt = || {
        let mut w = TableWriter::on(full, "out/x.parquet".into(), "x.parquet", every_type(), FORMAT, false)?;
        w.write(&rows(0, 2 * ROW_GROUP as i64))?;
        w.finish()
    };
    let e = attempt().unwrap_err();
    assert_eq!((e.kind, e.what.as_str()), (ErrorKind::Output, "cannot write out/x.parquet: the disk is full"));
    assert!(e.help.unwrap().contains("--out"));
}
