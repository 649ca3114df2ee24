//! The encoder against the `parquet` crate's own `ArrowWriter`: the same table written by both.
//!
//! A third file is written by the way out (`arrow_writer`), which has to hold the same cells and metadata as well.

use std::fs;

use arrow::array::ArrayRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::properties::{ReaderProperties, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;

use super::*;
use crate::publish::arrow_writer;
use crate::publish::row_group::ROW_GROUP;
use crate::table::TextColumn;

/// What the values of a column are like.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    AllNull,
    OneValue,
    AllDifferent,
    FewValues,
    /// Mostly NULL.
    Sparse,
    /// Anything, extremes included, one in eight NULL.
    Anything,
}

const PATTERNS: [Pattern; 6] = [
    Pattern::AllNull,
    Pattern::OneValue,
    Pattern::AllDifferent,
    Pattern::FewValues,
    Pattern::Sparse,
    Pattern::Anything,
];

const KINDS: [Type; 6] = [Type::Text, Type::Int, Type::Double, Type::Date, Type::Bool, Type::Money];

/// Mixes the bits of a number; different numbers stay different.
fn mixed(n: u64) -> u64 {
    let n = (n ^ n >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ n >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

impl Pattern {
    /// The bits of a row's value; `None` for NULL.
    fn bits(self, row: u64, seed: u64) -> Option<u64> {
        let any = mixed(row ^ seed << 20);
        match self {
            Pattern::AllNull => None,
            Pattern::OneValue => Some(mixed(seed)),
            Pattern::AllDifferent => Some(any),
            Pattern::FewValues => Some(mixed(any % 5 + seed)),
            Pattern::Sparse => any.is_multiple_of(97).then_some(any),
            Pattern::Anything => (!any.is_multiple_of(8)).then_some(any),
        }
    }
}

fn text(bits: u64) -> String {
    let words = ["", "Zoë", "日本語", "\u{10ffff}", "\0", "retained", "🦀"];
    match bits % 11 {
        // Longer than bounds, with a character of several bytes where they are cut.
        7 => format!("{}{}{bits}", "x".repeat(55 + bits as usize / 11 % 12), "é🦀\u{10ffff}".repeat(4)),
        8 => format!("{bits:x}").repeat(1 + bits as usize / 11 % 60),
        9 | 10 => format!("{bits:x}"),
        n => format!("{}{}", words[n as usize], if bits & 1 << 40 == 0 { String::new() } else { bits.to_string() }),
    }
}

fn double(bits: u64) -> f64 {
    let special = [0.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::MIN, 0.1, -1.0 / 3.0];
    match bits % 16 {
        n @ 0..=7 => special[n as usize],
        _ => Some(f64::from_bits(bits)).filter(|x| x.is_finite()).unwrap_or(bits as f64),
    }
}

fn int(bits: u64) -> i64 {
    let special = [i64::MIN, i64::MAX, 0, -1, 1 << 14, -(1 << 14) - 1];
    special.get(bits as usize % 12).copied().unwrap_or((bits as i64) >> (bits & 63))
}

fn day(bits: u64) -> Day {
    let special = [Day::EARLIEST, Day::LATEST, Day(0), Day(-1)];
    special.get(bits as usize % 9).copied().unwrap_or(Day((bits % 150_000) as i32 - 30_000))
}

fn money(bits: u64) -> i64 {
    let most = MAX_MINOR as i64;
    [most, -most, 0, 1, -1].get(bits as usize % 10).copied().unwrap_or((bits as i64 >> (bits & 63)).clamp(-most, most))
}

fn column_of(kind: Type, bits: impl Iterator<Item = Option<u64>>) -> Values {
    match kind {
        Type::Text | Type::CustomerId => Values::Text(bits.map(|b| b.map(text)).collect()),
        Type::Int => Values::Int(bits.map(|b| b.map(int)).collect()),
        Type::Double => Values::Double(bits.map(|b| b.map(double)).collect()),
        Type::Date => Values::Date(bits.map(|b| b.map(day)).collect()),
        Type::Bool => Values::Bool(bits.map(|b| b.map(|b| b >> 8 & 1 == 1)).collect()),
        Type::Money => Values::Money(bits.map(|b| b.map(money)).collect()),
    }
}

/// A table with a key and a column of every type. `key`: 1 for ids that are all different, 2 for ids of three rows each
/// with NULL at the end, 0 for no key.
fn any_table(rows: u64, key: usize, patterns: &[(Pattern, u64, bool)], integer_ids: bool) -> Table {
    let group = if key == 2 { 3 } else { 1 };
    let last = |row: u64| key == 2 && row + 4 >= rows;
    let number = |row: u64| (!last(row)).then_some((row / group) as i64 - 70);
    let ids = if integer_ids {
        Values::Int((0..rows).map(number).collect())
    } else {
        let long = |n: i64| if rows < 2000 { "ü".repeat(n as usize % 50) } else { String::new() };
        Values::Text((0..rows).map(|row| number(row).map(|n| format!("{:09}{}", n + 70, long(n + 70)))).collect())
    };
    let mut specs = vec![column("id", Type::CustomerId, "who"), column("n", Type::Int, "the row's number")];
    let mut columns = vec![ids, Values::Int((0..rows as i64).map(Some).collect())];
    for (kind, (pattern, seed, distinct)) in KINDS.into_iter().zip(patterns) {
        let spec = column(format!("{kind:?}"), kind, "any");
        specs.push(if *distinct { spec.distinct() } else { spec });
        columns.push(column_of(kind, (0..rows).map(|row| pattern.bits(row, *seed))));
    }
    Table { schema: Arc::new(TableSchema { name: "t".into(), doc: String::new(), key, columns: specs }), columns }
}

fn read_back(bytes: Vec<u8>) -> (RecordBatch, ParquetMetaData) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes::Bytes::from(bytes), options).unwrap();
    let (metadata, schema) = (reader.metadata().as_ref().clone(), reader.schema().clone());
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    (concat_batches(&schema, &batches).unwrap(), metadata)
}

/// The table by the crate's `ArrowWriter`, with row groups as large as ours.
fn by_arrow_writer(table: &Table, format: TableFormat) -> Vec<u8> {
    let arrays: Vec<(&str, ArrayRef, bool)> = table
        .schema
        .columns
        .iter()
        .zip(&table.columns)
        .map(|(spec, values)| (spec.name.as_str(), arrow_writer::array(values, 0..table.rows(), format.digits), true))
        .collect();
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROW_GROUP)).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(vec![], batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// The table by a [`TableWriter`]; `by_crate`: by the way out.
fn by_table_writer(table: &Table, format: TableFormat, by_crate: bool) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let file = File::create(&path).unwrap();
    let mut writer = TableWriter::on(file, path.clone(), "t.parquet", table.schema.clone(), format, by_crate).unwrap();
    writer.write(table).unwrap();
    writer.finish().unwrap();
    fs::read(path).unwrap()
}

/// Cells of a column as bytes, NULL as `None`: tells 0.0 from -0.0.
fn cells(values: &Values) -> Vec<Option<Vec<u8>>> {
    (0..values.len()).map(|row| plain(values, row)).collect()
}

/// Our bounds of every chunk are valid, and as tight as the crate's; of long texts both hold the beginning.
fn expect_bounds(table: &Table, ours: &ParquetMetaData, theirs: &ParquetMetaData) -> Result<(), TestCaseError> {
    prop_assert_eq!(ours.num_row_groups(), theirs.num_row_groups());
    let mut from = 0;
    for (our_group, their_group) in ours.row_groups().iter().zip(theirs.row_groups()) {
        prop_assert_eq!(our_group.num_rows(), their_group.num_rows());
        let rows = from..from + our_group.num_rows() as usize;
        from = rows.end;
        for (i, values) in table.columns.iter().enumerate() {
            let name = &table.schema.columns[i].name;
            let (our, their) = (our_group.column(i).statistics().unwrap(), their_group.column(i).statistics().unwrap());
            prop_assert_eq!(our.null_count_opt(), their.null_count_opt(), "{}", name);
            let known: Vec<Vec<u8>> = rows.clone().filter_map(|row| plain(values, row)).collect();
            let (Some(least), Some(most)) = (known.iter().min(), known.iter().max()) else {
                prop_assert_eq!((bounds(our), bounds(their)), (None, None), "{}", name);
                continue;
            };
            let ((our_low, our_high), (low, high)) = (bounds(our).unwrap(), bounds(their).unwrap());
            prop_assert!(our_low <= *least && our_high >= *most, "{}: {:?}", name, our);
            prop_assert!(least.len() > BOUND || our_low >= low, "{}: {:?} {:?}", name, our, their);
            prop_assert!(most.len() > BOUND || our_high <= high, "{}: {:?} {:?}", name, our, their);
        }
    }
    Ok(())
}

/// What a file says of itself beside its cells.
fn expect_metadata(table: &Table, bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
    let options = ReadOptionsBuilder::new().with_reader_properties(properties).with_page_index().build();
    let reader = SerializedFileReader::new_with_options(bytes::Bytes::from(bytes), options).unwrap();
    let file = reader.metadata().file_metadata();
    let said = |key: &str| file.key_value_metadata().unwrap().iter().find(|p| p.key == key).unwrap().value.clone();
    for column in &table.schema.columns {
        prop_assert_eq!(said(&format!("comment.{}", column.name)), Some(column.doc.clone()));
    }
    let mut from = 0;
    for (i, group) in reader.metadata().row_groups().iter().enumerate() {
        let sorting = group.sorting_columns().map_or(0, Vec::len);
        prop_assert_eq!(sorting, table.schema.key);
        let index = reader.metadata().page_index_for_row_group(i);
        for column in 0..table.schema.columns.len() {
            let has_page_bounds = index.column_index(column).is_some();
            prop_assert_eq!(has_page_bounds, column < table.schema.key, "column {}", column);
        }
        let group_reader = reader.get_row_group(i).unwrap();
        let bloom = group_reader.get_column_bloom_filter(0).expect("a bloom filter on ids");
        let rows = from..from + group.num_rows() as usize;
        from = rows.end;
        let found = |row: usize| match &table.columns[0] {
            Values::Text(v) => v.get(row).is_none_or(|id| bloom.check(id.as_bytes())),
            Values::Int(v) => v[row].is_none_or(|id| bloom.check(&id)),
            other => panic!("{other:?}"),
        };
        prop_assert!(rows.clone().all(found), "an id is missing in the bloom filter");
    }
    Ok(())
}

fn expect_equal(table: &Table, format: TableFormat) -> Result<(), TestCaseError> {
    let (ours, way_out) = (by_table_writer(table, format, false), by_table_writer(table, format, true));
    let (theirs, their_metadata) = read_back(by_arrow_writer(table, format));
    for bytes in [ours, way_out] {
        let (batch, metadata) = read_back(bytes.clone());
        prop_assert_eq!(batch.num_rows(), table.rows());
        for (i, (spec, values)) in table.schema.columns.iter().zip(&table.columns).enumerate() {
            let kind = format.resolve(spec.kind);
            prop_assert_eq!(batch.column(i).data_type(), theirs.column(i).data_type(), "{}", &spec.name);
            let (here, there) = (read(batch.column(i), kind), read(theirs.column(i), kind));
            prop_assert!(cells(&here) == cells(&there), "{} differs from what ArrowWriter wrote", &spec.name);
            prop_assert!(cells(&here) == cells(values), "{} differs from the table", &spec.name);
        }
        expect_bounds(table, &metadata, &their_metadata)?;
        expect_metadata(table, bytes)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::properties::cases(48))]

    #[test]
    fn both_writers_write_the_same_cells_and_bounds(
        rows in prop_oneof![
            Just(0), Just(1), 2..300u64, Just(PAGE as u64 - 1), Just(PAGE as u64), Just(PAGE as u64 + 1),
            Just(2 * PAGE as u64 + 9),
        ],
        key in 0..3usize,
        patterns in prop::collection::vec((prop::sample::select(&PATTERNS[..]), 0..1000u64, any::<bool>()), KINDS.len()),
        integer_ids in any::<bool>(),
        digits in prop::sample::select(vec![0u8, 2, 6]),
    ) {
        expect_equal(&any_table(rows, key, &patterns, integer_ids), TableFormat { digits, integer_ids })?;
    }
}

#[test]
fn both_writers_agree_on_several_row_groups() {
    let patterns = [0, 1, 2, 3, 4, 5].map(|i| (PATTERNS[(i + 2) % 6], i as u64, i == 2));
    let table = any_table((ROW_GROUP + PAGE + 3) as u64, 2, &patterns, true);
    expect_equal(&table, TableFormat { digits: 2, integer_ids: true }).unwrap();
}

/// Both refuse what no reader should meet.
#[test]
fn both_encoders_refuse_the_same_values() {
    let refused = |kind: Type, values: Values, by_crate: bool| {
        let schema = TableSchema { name: "t".into(), doc: String::new(), key: 0, columns: vec![column("c", kind, "")] };
        let table = Table { schema: Arc::new(schema), columns: vec![values] };
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("t")).unwrap();
        let mut writer = TableWriter::on(file, "t".into(), "t", table.schema.clone(), FORMAT, by_crate).unwrap();
        writer.write(&table).and_then(|()| writer.finish()).map(drop).map_err(|e| (e.kind, e.what)).unwrap_err()
    };
    for (kind, values) in [
        (Type::Double, Values::Double(vec![Some(1.0), Some(f64::NAN)])),
        (Type::Double, Values::Double(vec![Some(f64::INFINITY), None])),
        (Type::Double, Values::Double(vec![Some(f64::NEG_INFINITY)])),
        (Type::Money, Values::Money(vec![Some(MAX_MINOR as i64 + 1)])),
        (Type::Money, Values::Money(vec![Some(i64::MIN)])),
        (Type::Int, Values::Money(vec![Some(1)])),
        (Type::Text, Values::Int(vec![Some(1)])),
        (Type::Date, Values::Text(TextColumn::from_iter([Some("2024-01-01")]))),
    ] {
        assert_eq!(refused(kind, values.clone(), false), refused(kind, values, true));
    }
}
