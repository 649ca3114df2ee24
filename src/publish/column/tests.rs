//! What pages hold, and what is said of them, by the `parquet` crate's own reader.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use proptest::prelude::*;

use super::*;
use crate::publish::{TableFormat, TableWriter};
use crate::table::{Cell, Table, TableSchema, column};

const FORMAT: TableFormat = TableFormat { digits: 2, integer_ids: false };

fn schema() -> Arc<TableSchema> {
    let columns = vec![
        column("id", Type::CustomerId, "first of the key, sorted"),
        column("at", Type::Date, "second of the key"),
        column("state", Type::Text, "few words"),
        column("note", Type::Text, "many, some of them long"),
        column("count", Type::Int, "small and large"),
        column("money", Type::Money, "of either sign"),
        column("share", Type::Double, "of either sign and zero"),
        column("mean", Type::Double, "hardly ever the same").distinct(),
        column("flag", Type::Bool, "or none"),
    ];
    Arc::new(TableSchema { name: "t".into(), doc: String::new(), key: 2, columns })
}

/// A row by numbers that decide what it has.
fn table(rows: &[(u8, u16, i64)]) -> Table {
    let mut keys: Vec<(u8, u16, i64)> = rows.to_vec();
    keys.sort_unstable_by_key(|(id, day, _)| (*id, *day));
    keys.dedup_by_key(|(id, day, _)| (*id, *day));
    let mut table = Table::empty(schema(), false);
    for (id, day, n) in keys {
        let known = |every: i64| (n % every != 0).then_some(n);
        // Long texts with characters of several bytes, and of the greatest there is, at the place where bounds are cut.
        let long = || format!("{}{}{n}", "x".repeat(50 + n.unsigned_abs() as usize % 20), "é🦀\u{10ffff}".repeat(3));
        table.push([
            format!("{:03}{}", id, "ü".repeat(usize::from(id) % 40)).into(),
            Day(i32::from(day) - 300).into(),
            known(5).map(|n| ["new", "retained", "churned"][n.unsigned_abs() as usize % 3]).into(),
            known(2).map_or(Cell::Null, |n| if n % 3 == 0 { long() } else { format!("{n}") }.into()),
            known(7).into(),
            known(3).map_or(Cell::Null, |n| Cell::Money(n.clamp(-MAX_MINOR as i64, MAX_MINOR as i64) >> (n & 31))),
            known(4).map(|n| (n % 9) as f64 / 4.0 * if n % 2 == 0 { -1.0 } else { 1.0 }).into(),
            known(6).map(|n| n as f64 / 7.0).into(),
            known(8).map(|n| n % 3 == 0).into(),
        ]);
    }
    table
}

fn written(dir: &Path, table: &Table) -> (RecordBatch, ParquetMetaData) {
    let mut writer = TableWriter::create(dir, "t.parquet", table.schema.clone(), FORMAT, None).unwrap();
    writer.write(table).unwrap();
    writer.finish().unwrap();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let file = File::open(dir.join("t.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let (metadata, arrow) = (reader.metadata().as_ref().clone(), reader.schema().clone());
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    (concat_batches(&arrow, &batches).unwrap(), metadata)
}

/// A column as it was read.
fn read(column: &dyn Array, kind: Type) -> Values {
    fn all<T>(column: &dyn Array, get: impl Fn(usize) -> T) -> impl Iterator<Item = Option<T>> {
        (0..column.len()).map(move |i| column.is_valid(i).then(|| get(i)))
    }
    match kind {
        Type::Text | Type::CustomerId => Values::Text(column.as_string::<i32>().iter().collect()),
        Type::Int => Values::Int(column.as_primitive::<Int64Type>().iter().collect()),
        Type::Double => Values::Double(column.as_primitive::<Float64Type>().iter().collect()),
        Type::Date => {
            let days = column.as_primitive::<Date32Type>();
            Values::Date(all(column, |i| Day(days.value(i))).collect())
        }
        Type::Bool => Values::Bool(column.as_boolean().iter().collect()),
        Type::Money => {
            let units = column.as_primitive::<Decimal128Type>();
            Values::Money(all(column, |i| units.value(i) as i64).collect())
        }
    }
}

/// The bytes of values, in the order in which bounds compare them.
fn plain(values: &Values, row: usize) -> Option<Vec<u8>> {
    // Flipping the sign makes bytes, most significant first, sort as the numbers do.
    let number = |n: i64| (n as u64 ^ 1 << 63).to_be_bytes().to_vec();
    match values {
        Values::Text(v) => v.get(row).map(|text| text.as_bytes().to_vec()),
        Values::Int(v) | Values::Money(v) => v[row].map(number),
        Values::Date(v) => v[row].map(|day| number(day.0.into())),
        Values::Double(v) => v[row].map(|x| {
            let bits = x.to_bits() as i64;
            number(bits ^ (((bits >> 63) as u64) >> 1) as i64)
        }),
        Values::Bool(v) => v[row].map(|flag| vec![u8::from(flag)]),
    }
}

fn bounds(statistics: &Statistics) -> Option<(Vec<u8>, Vec<u8>)> {
    let both = |values: Values| Some((plain(&values, 0)?, plain(&values, 1)?));
    match statistics {
        Statistics::ByteArray(s) => Some((s.min_opt()?.data().to_vec(), s.max_opt()?.data().to_vec())),
        Statistics::Int64(s) => both(Values::Int(vec![s.min_opt().copied(), s.max_opt().copied()])),
        Statistics::Int32(s) => both(Values::Date([s.min_opt(), s.max_opt()].map(|d| d.map(|d| Day(*d))).to_vec())),
        Statistics::Double(s) => both(Values::Double(vec![s.min_opt().copied(), s.max_opt().copied()])),
        Statistics::Boolean(s) => both(Values::Bool(vec![s.min_opt().copied(), s.max_opt().copied()])),
        other => panic!("{other:?}"),
    }
}

/// Of a page, as [`plain`] has values.
fn of_page(index: &ColumnIndexMetaData, kind: Type, page: usize) -> (Vec<u8>, Vec<u8>) {
    let int = |n: Option<i64>| plain(&Values::Int(vec![n]), 0).unwrap();
    let double = |x: Option<&f64>| plain(&Values::Double(vec![x.copied()]), 0).unwrap();
    let flag = |x: Option<&bool>| plain(&Values::Bool(vec![x.copied()]), 0).unwrap();
    match index {
        ColumnIndexMetaData::BYTE_ARRAY(i) => {
            (i.min_value(page).unwrap().to_vec(), i.max_value(page).unwrap().to_vec())
        }
        ColumnIndexMetaData::INT32(i) => {
            (int(i.min_value(page).map(|n| (*n).into())), int(i.max_value(page).map(|n| (*n).into())))
        }
        ColumnIndexMetaData::INT64(i) => (int(i.min_value(page).copied()), int(i.max_value(page).copied())),
        ColumnIndexMetaData::DOUBLE(i) => (double(i.min_value(page)), double(i.max_value(page))),
        ColumnIndexMetaData::BOOLEAN(i) => (flag(i.min_value(page)), flag(i.max_value(page))),
        other => panic!("{kind:?}: {other:?}"),
    }
}

fn holds(table: &Table) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let (batch, metadata) = written(dir.path(), table);
    let (group, index) = (metadata.row_group(0), metadata.page_index_for_row_group(0));
    for (i, (spec, values)) in table.schema.columns.iter().zip(&table.columns).enumerate() {
        let name = &spec.name;
        prop_assert_eq!(&read(batch.column(i), spec.kind), values, "{}", name);
        let statistics = group.column(i).statistics().unwrap();
        let mut known: Vec<Vec<u8>> = (0..table.rows()).filter_map(|row| plain(values, row)).collect();
        known.sort_unstable();
        prop_assert_eq!(statistics.null_count_opt(), Some((table.rows() - known.len()) as u64), "{}", name);
        let (Some(least), Some(most)) = (known.first(), known.last()) else {
            prop_assert_eq!(bounds(statistics), None);
            continue;
        };
        let (low, high) = bounds(statistics).unwrap();
        prop_assert!(low <= *least && high >= *most, "{}: {:?}", name, statistics);
        prop_assert!(low.len() <= 64 || low == *least, "{}", name);
        prop_assert_eq!(statistics.min_is_exact(), low == *least, "{}", name);
        prop_assert_eq!(statistics.max_is_exact(), high == *most, "{}", name);
        let pages = index.page_locations(i).unwrap();
        let ends = pages.iter().skip(1).map(|p| p.first_row_index as usize).chain([table.rows()]);
        let (mut starts, mut page) = (pages.iter().map(|p| p.first_row_index as usize), 0);
        let page_bounds = index.column_index(i);
        for end in ends {
            let rows = starts.next().unwrap()..end;
            let here: Vec<Vec<u8>> = rows.clone().filter_map(|row| plain(values, row)).collect();
            match page_bounds.filter(|_| i < table.schema.key) {
                Some(index) if here.is_empty() => {
                    prop_assert!(index.is_null_page(page), "{}", name);
                    prop_assert_eq!(index.null_count(page), Some(rows.len() as i64), "{}", name);
                }
                Some(index) => {
                    prop_assert_eq!(index.null_count(page), Some((rows.len() - here.len()) as i64), "{}", name);
                    let (low, high) = of_page(index, spec.kind, page);
                    let least = here.iter().min().is_some_and(|v| low <= *v);
                    let most = here.iter().max().is_some_and(|v| *v <= high);
                    prop_assert!(least && most && low.len() <= 64 && high.len() <= 68, "{}", name);
                    // Only texts are ever cut.
                    prop_assert!(spec.kind == Type::CustomerId || (here.contains(&low) && here.contains(&high)));
                }
                None => {}
            }
            page += 1;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::properties::cases(40))]

    #[test]
    fn what_is_written_is_read_and_within_its_bounds(
        rows in prop::collection::vec((any::<u8>(), 0..700u16, prop_oneof![-40..40i64, any::<i64>()]), 1..400),
    ) {
        holds(&table(&rows))?;
    }
}

#[test]
fn pages_of_a_large_row_group_are_read_and_within_their_bounds() {
    let row = |i: u32| ((i / 700) as u8, (i % 700) as u16, i64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
    let table = table(&(0..3 * PAGE as u32 + 77).map(row).collect::<Vec<_>>());
    assert_eq!(table.rows(), 3 * PAGE + 77);
    holds(&table).unwrap();
}

/// Where each page of a file begins and ends, its header included.
fn pages(metadata: &ParquetMetaData) -> Vec<Range<usize>> {
    let mut pages = vec![];
    for (group, index) in
        (0..metadata.num_row_groups()).map(|i| (metadata.row_group(i), metadata.page_index_for_row_group(i)))
    {
        for (i, chunk) in group.columns().iter().enumerate() {
            if let Some(at) = chunk.dictionary_page_offset() {
                pages.push(at as usize..chunk.data_page_offset() as usize);
            }
            for page in index.page_locations(i).unwrap() {
                pages.push(page.offset as usize..page.offset as usize + page.compressed_page_size as usize);
            }
        }
    }
    pages
}

/// A header has at most so many bytes.
const HEADER: usize = 48;

#[test]
fn a_flipped_bit_of_any_page_is_found_by_its_checksum() {
    let row = |i: u32| ((i / 700) as u8, (i % 700) as u16, i64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
    let table = table(&(0..PAGE as u32 + 77).map(row).collect::<Vec<_>>());
    let dir = tempfile::tempdir().unwrap();
    let (_, metadata) = written(dir.path(), &table);
    let good = std::fs::read(dir.path().join("t.parquet")).unwrap();
    let pages = pages(&metadata);
    // Two pages of rows a column, and dictionaries.
    assert!(pages.len() > 2 * table.schema.columns.len(), "{}", pages.len());
    let read = |bytes: Vec<u8>| {
        let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
        reader.try_for_each(|batch| batch.map(drop))
    };
    read(good.clone()).unwrap();
    for page in pages {
        let within = (page.start + HEADER..page.end).step_by(page.len().div_ceil(5)).chain([page.end - 1]);
        for at in within {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            let found = read(bad).expect_err("a page without a checksum").to_string();
            assert!(found.contains("CRC"), "byte {at} of the page at {page:?}: {found}");
        }
    }
}

/// NULLs at the end of a sorted column, pages and columns of nothing else, and zeros of either sign.
#[test]
fn pages_without_values_are_read_and_said_to_be_so() {
    let columns = vec![
        column("first", Type::Int, "NULL from the middle of a page on"),
        column("flag", Type::Bool, "part of the key"),
        column("zero", Type::Double, "part of the key"),
        column("n", Type::Int, "part of the key"),
        column("nothing", Type::Money, "always NULL"),
        column("word", Type::Text, "NULL in the second page"),
        column("none", Type::Text, "always NULL"),
    ];
    let schema = Arc::new(TableSchema { name: "t".into(), doc: String::new(), key: 4, columns });
    let rows = 0..3 * PAGE as i64 + 5;
    let (half, second) = (PAGE as i64 / 2, PAGE as i64..2 * PAGE as i64);
    let zero = |i: i64| if i < half { 0.0 * (i % 3 - 1) as f64 } else { 1.0 };
    let columns = vec![
        Values::Int(rows.clone().map(|i| (i < half).then_some(i / 3)).collect()),
        Values::Bool(rows.clone().map(|_| Some(true)).collect()),
        Values::Double(rows.clone().map(|i| Some(zero(i))).collect()),
        Values::Int(rows.clone().map(Some).collect()),
        Values::Money(rows.clone().map(|_| None).collect()),
        Values::Text(rows.clone().map(|i| (!second.contains(&i)).then_some(["a", "b"][i as usize % 2])).collect()),
        Values::Text(rows.map(|_| None::<&str>).collect()),
    ];
    holds(&Table { schema, columns }).unwrap();
}

/// Bounds of such texts need not ascend, and pages end before they are large.
#[test]
fn long_texts_of_a_key_have_bounds_and_pages_of_their_own() {
    let columns = vec![column("id", Type::CustomerId, "long"), column("n", Type::Int, "how many")];
    let schema = Arc::new(TableSchema { name: "t".into(), doc: String::new(), key: 1, columns });
    let ids = (0..300).map(|i| Some(format!("{}{}{i:04}", "x".repeat(62), ["zzz", "\u{1f980}"][i / 150].repeat(5000))));
    let columns = vec![Values::Text(ids.collect()), Values::Int((0..300).map(Some).collect())];
    let table = Table { schema, columns };
    holds(&table).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (_, metadata) = written(dir.path(), &table);
    let pages = metadata.page_index_for_row_group(0).page_locations(0).unwrap().len();
    assert!((4..10).contains(&pages), "{pages}");
}

#[test]
fn bounds_of_long_texts_hold_and_are_short() {
    let last = "\u{10ffff}";
    for text in
        ["a".repeat(64), "a".repeat(65), "é".repeat(40), last.repeat(40), format!("{}é{}", "a".repeat(63), last)]
    {
        let (low, low_is_it) = bound_of(text.as_bytes(), false);
        let (high, high_is_it) = bound_of(text.as_bytes(), true);
        assert!(low.as_slice() <= text.as_bytes() && high.as_slice() >= text.as_bytes(), "{text}");
        assert!(std::str::from_utf8(&low).is_ok() && std::str::from_utf8(&high).is_ok(), "{text}");
        assert_eq!((low_is_it, high_is_it), (low == text.as_bytes(), high == text.as_bytes()));
        assert!(low.len() <= BOUND && (high.len() <= BOUND || text.starts_with(last)));
    }
}

mod against_arrow_writer;
