//! The statistics of a column in one row group, as far as they can be relied on.
//!
//! Many programs write statistics, and some wrote them wrong: minima of texts in the order of signed bytes, NaN among the
//! bounds, decimals cut short. A statistic that the rules of the format leave in doubt counts as unknown.
//! Source: parquet.thrift (Statistics, ColumnOrder) of the Apache Parquet project.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::lt_eq;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType};
use jiff::tz::{Offset, TimeZone};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::{ColumnOrder, SortOrder};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;

use super::expression::Fact;
use super::guard::guarded;

/// The facts of a column in one row group. Each is an array of one row; NULL means that it is not known.
#[derive(Debug)]
pub struct Facts {
    /// Bounds of the values, in the type that the column is read as.
    least: ArrayRef,
    greatest: ArrayRef,
    valued: Option<bool>,
    null: Option<bool>,
}

impl Facts {
    /// The facts of a column with the same value in every row. `value`: an array of one row.
    pub fn constant(value: &ArrayRef) -> Facts {
        let null = value.is_null(0);
        Facts { least: value.clone(), greatest: value.clone(), valued: Some(!null), null: Some(null) }
    }

    /// The facts of a column without statistics, all unknown.
    pub fn unknown(kind: &DataType) -> Facts {
        let null = new_null_array(kind, 1);
        Facts { least: null.clone(), greatest: null, valued: None, null: None }
    }

    /// The facts of a column of a file. `root`: its index among the top-level columns. `kind`: the type that it is read as.
    /// `zone`: the time zone in which its instants become wall-clock times.
    pub fn of_group(metadata: &ParquetMetaData, group: usize, root: usize, kind: &DataType, zone: &TimeZone) -> Facts {
        let unknown = || Facts::unknown(kind);
        // A broken footer can make the crate panic.
        let facts = guarded(|| {
            let schema = metadata.file_metadata().schema_descr();
            let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root)?;
            let chunk = metadata.row_group(group).column(leaf);
            let rows = u64::try_from(chunk.num_values()).ok()?;
            let statistics =
                chunk.statistics().filter(|_| chunk.num_values() == metadata.row_group(group).num_rows())?;
            let nulls = statistics.null_count_opt().filter(|nulls| *nulls <= rows);
            let facts = Facts { valued: nulls.map(|n| n < rows), null: nulls.map(|n| n > 0), ..unknown() };
            Some(match bounds(metadata, group, leaf, statistics, kind) {
                Some((least, greatest)) => facts.bounded(least, greatest, zone),
                None => facts,
            })
        });
        facts.ok().flatten().unwrap_or_else(unknown)
    }

    fn bounded(self, least: ArrayRef, greatest: ArrayRef, zone: &TimeZone) -> Facts {
        match least.data_type() {
            // Wall clocks go back, so that the least instant need not have the least wall-clock time: but offsets differ
            // by no more than this.
            DataType::Timestamp(_, Some(_)) if zone.to_fixed_offset().is_err() => {
                let most = i64::from(Offset::MAX.seconds()) - i64::from(Offset::MIN.seconds());
                match (moved(&least, -most), moved(&greatest, most)) {
                    (Some(least), Some(greatest)) => Facts { least, greatest, ..self },
                    _ => self,
                }
            }
            _ => Facts { least, greatest, ..self },
        }
    }

    pub fn get(&self, fact: Fact) -> ArrayRef {
        match fact {
            Fact::Least => self.least.clone(),
            Fact::Greatest => self.greatest.clone(),
            Fact::Valued => Arc::new(BooleanArray::from(vec![self.valued])),
            Fact::Null => Arc::new(BooleanArray::from(vec![self.null])),
        }
    }
}

/// Values that none in the chunk is less or greater than, in the order in which expressions compare. They need not occur:
/// those of long texts are cut short, downwards and upwards.
fn bounds(
    metadata: &ParquetMetaData,
    group: usize,
    leaf: usize,
    statistics: &Statistics,
    kind: &DataType,
) -> Option<(ArrayRef, ArrayRef)> {
    let file = metadata.file_metadata();
    // Without an order the fields of old are meant, which were compared as signed bytes.
    let order = match file.column_orders()?.get(leaf)? {
        ColumnOrder::TYPE_DEFINED_ORDER(order) => *order,
        ColumnOrder::IEEE_754_TOTAL_ORDER => SortOrder::TOTAL_ORDER,
        _ => return None,
    };
    let length = file.schema_descr().column(leaf).type_length();
    if statistics.is_min_max_deprecated() || !is_order_of(kind, order) || !is_whole(statistics, kind, length) {
        return None;
    }
    let field = Field::new("", kind.clone(), true);
    let converter = StatisticsConverter::from_column_index(leaf, &field, file.schema_descr()).ok()?;
    let least = converter.row_group_mins([metadata.row_group(group)]).ok()?;
    let greatest = converter.row_group_maxes([metadata.row_group(group)]).ok()?;
    // Bounds in another order than the column says cross each other, unless they are right in this one too.
    let straight = lt_eq(&least, &greatest).ok()?;
    if !(straight.is_valid(0) && straight.value(0)) {
        return None;
    }
    match kind {
        DataType::Float32 | DataType::Float64 => {
            let nans = match statistics {
                Statistics::Float(s) => s.nan_count_opt(),
                Statistics::Double(s) => s.nan_count_opt(),
                _ => None,
            };
            with_nan(least, greatest, nans != Some(0))
        }
        _ => Some((least, greatest)),
    }
}

/// Whether bounds in this order are bounds of the values as they are read.
fn is_order_of(kind: &DataType, order: SortOrder) -> bool {
    use DataType::*;
    match kind {
        Boolean | UInt8 | UInt16 | UInt32 | UInt64 | Utf8 | LargeUtf8 | Utf8View => order == SortOrder::UNSIGNED,
        Int8 | Int16 | Int32 | Int64 | Date32 | Date64 | Timestamp(..) => order == SortOrder::SIGNED,
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => order == SortOrder::SIGNED,
        Float32 | Float64 => matches!(order, SortOrder::SIGNED | SortOrder::TOTAL_ORDER),
        _ => false,
    }
}

/// Whether the bounds have all their bytes, without which those of a decimal are another number.
fn is_whole(statistics: &Statistics, kind: &DataType, length: i32) -> bool {
    match statistics {
        _ if !kind.is_decimal() => true,
        Statistics::FixedLenByteArray(s) => {
            let whole = |bytes: Option<&[u8]>| bytes.is_some_and(|b| i32::try_from(b.len()) == Ok(length));
            whole(s.min_bytes_opt()) && whole(s.max_bytes_opt())
        }
        Statistics::ByteArray(s) => s.min_is_exact() && s.max_is_exact(),
        _ => true,
    }
}

/// NaN is greater than every number where expressions compare, and is left out of the bounds; where it is one, they say
/// nothing of the numbers.
fn with_nan(least: ArrayRef, greatest: ArrayRef, may_be_nan: bool) -> Option<(ArrayRef, ArrayRef)> {
    let is_nan = |array: &ArrayRef| match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().value(0).is_nan(),
        _ => array.as_primitive::<Float64Type>().value(0).is_nan(),
    };
    if is_nan(&least) || is_nan(&greatest) {
        return None;
    }
    let greatest: ArrayRef = match (may_be_nan, greatest.data_type()) {
        (false, _) => greatest,
        (true, DataType::Float32) => Arc::new(Float32Array::from(vec![f32::NAN])),
        (true, _) => Arc::new(Float64Array::from(vec![f64::NAN])),
    };
    Some((least, greatest))
}

/// An instant so many seconds later, where there is one.
fn moved(instant: &ArrayRef, seconds: i64) -> Option<ArrayRef> {
    let DataType::Timestamp(_, zone) = instant.data_type() else { return None };
    let micros = cast(instant, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone())).ok()?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    if micros.is_null(0) {
        return None;
    }
    let later = micros.value(0).checked_add(seconds.checked_mul(1_000_000)?)?;
    Some(Arc::new(TimestampMicrosecondArray::from(vec![later]).with_timezone_opt(zone.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::columns::faults::shown;
    use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
    use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, RowGroupMetaData};
    use parquet::file::statistics::ValueStatistics;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    const SIGNED: Option<ColumnOrder> = Some(ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED));
    const UNSIGNED: Option<ColumnOrder> = Some(ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::UNSIGNED));

    /// A row group of four rows and one column.
    fn footer(column: &str, order: Option<ColumnOrder>, statistics: Statistics, values: i64) -> ParquetMetaData {
        let schema = parse_message_type(&format!("message m {{ optional {column}; }}")).unwrap();
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
        let chunk = ColumnChunkMetaData::builder(schema.column(0)).set_num_values(values).set_statistics(statistics);
        let group = RowGroupMetaData::builder(schema.clone()).set_num_rows(4);
        let group = group.add_column_metadata(chunk.build().unwrap()).build().unwrap();
        ParquetMetaData::new(FileMetaData::new(1, 4, None, None, schema, order.map(|o| vec![o])), vec![group])
    }

    /// Least, greatest, valued, null; `-` is unknown.
    fn known(footer: &ParquetMetaData, kind: &DataType, zone: &TimeZone) -> String {
        let facts = Facts::of_group(footer, 0, 0, kind, zone);
        let facts = [Fact::Least, Fact::Greatest, Fact::Valued, Fact::Null].map(|fact| facts.get(fact));
        facts.map(|fact| shown(&fact, 0).unwrap_or_else(|| "-".into())).join(" ")
    }

    fn of(column: &str, order: Option<ColumnOrder>, kind: DataType, statistics: Statistics) -> String {
        known(&footer(column, order, statistics, 4), &kind, &TimeZone::UTC)
    }

    #[test]
    fn bounds_are_known_only_in_an_order_that_the_footer_names() {
        let ints = |min, max, nulls| Statistics::int32(min, max, None, nulls, false);
        let int = |order, statistics| of("int32 x", order, DataType::Int32, statistics);
        let plain = || ints(Some(1), Some(9), Some(1));
        assert_eq!(int(SIGNED, plain()), "1 9 true true");
        for order in [
            None,
            Some(ColumnOrder::UNDEFINED),
            Some(ColumnOrder::UNKNOWN),
            Some(ColumnOrder::IEEE_754_TOTAL_ORDER),
            UNSIGNED,
        ] {
            assert_eq!(int(order, plain()), "- - true true", "{order:?}");
        }
        assert_eq!(int(SIGNED, Statistics::int32(Some(1), Some(9), None, Some(1), true)), "- - true true");
        assert_eq!(int(SIGNED, ints(Some(1), None, Some(0))), "- - true false");
        assert_eq!(int(SIGNED, ints(Some(9), Some(1), Some(0))), "- - true false");
        assert_eq!(int(SIGNED, ints(None, None, Some(4))), "- - false true");
        assert_eq!(int(SIGNED, ints(Some(1), Some(9), None)), "1 9 - -");
        assert_eq!(int(SIGNED, ints(Some(1), Some(9), Some(5))), "1 9 - -");
        assert_eq!(known(&footer("int32 x", SIGNED, plain(), 3), &DataType::Int32, &TimeZone::UTC), "- - - -");
        // Values beyond the type that is read come out as others.
        assert_eq!(of("int32 x (INT_8)", SIGNED, DataType::Int8, ints(Some(1), Some(300), None)), "- - - -");
        let unsigned = ints(Some(1), Some(-1), Some(0));
        assert_eq!(of("int32 x (UINT_32)", UNSIGNED, DataType::UInt32, unsigned), "1 4294967295 true false");
        let old = Some(ColumnOrder::INT96_TIMESTAMP_ORDER);
        let old_times =
            || Statistics::int96(Some(Int96::from(vec![0; 3])), Some(Int96::from(vec![1; 3])), None, None, false);
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(of("int96 x", old, micros.clone(), old_times()), "- - - -");
        assert_eq!(of("int96 x", SIGNED, micros, old_times()), "- - - -");
    }

    #[test]
    fn a_float_may_be_nan_unless_it_is_said_that_none_is() {
        let doubles = |min, max, nans| {
            Statistics::Double(ValueStatistics::new(Some(min), Some(max), None, Some(0), false).with_nan_count(nans))
        };
        let double = |order, statistics| of("double x", order, DataType::Float64, statistics);
        let total = Some(ColumnOrder::IEEE_754_TOTAL_ORDER);
        assert_eq!(double(total, doubles(1.0, 9.0, Some(0))), "1.0 9.0 true false");
        for (order, nans) in [(total, Some(1)), (total, None), (SIGNED, None)] {
            assert_eq!(double(order, doubles(1.0, 9.0, nans)), "1.0 NaN true false");
        }
        assert_eq!(double(total, doubles(f64::NAN, f64::NAN, Some(4))), "- - true false");
        assert_eq!(double(SIGNED, doubles(1.0, f64::NAN, None)), "- - true false");
        let single = Statistics::float(Some(-0.5), Some(0.5), None, None, false);
        assert_eq!(of("float x", SIGNED, DataType::Float32, single), "-0.5 NaN - -");
    }

    #[test]
    fn bytes_that_were_cut_short_bound_texts_and_no_decimals() {
        let texts = |min: &[u8], max: &[u8]| {
            Statistics::byte_array(Some(ByteArray::from(min)), Some(ByteArray::from(max)), None, None, false)
        };
        let text = |statistics| of("binary x (UTF8)", UNSIGNED, DataType::Utf8View, statistics);
        assert_eq!(text(texts(b"ab", b"ac")), "ab ac - -");
        assert_eq!(text(texts(b"ab", &[0xC3])), "- - - -");
        assert_eq!(of("binary x (UTF8)", SIGNED, DataType::Utf8View, texts(b"ab", b"ac")), "- - - -");

        let kind = || DataType::Decimal128(20, 2);
        let fixed = |bytes: &[u8]| Some(FixedLenByteArray::from(bytes.to_vec()));
        let bounded =
            |min: &[u8], max: &[u8]| Statistics::fixed_len_byte_array(fixed(min), fixed(max), None, None, false);
        let decimal = |statistics| of("fixed_len_byte_array(9) x (DECIMAL(20, 2))", SIGNED, kind(), statistics);
        let (low, high) = ([255; 9], [0, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(decimal(bounded(&low, &high)), "-0.01 2.56 - -");
        assert_eq!(decimal(bounded(&low, &high[..8])), "- - - -");
        assert_eq!(decimal(bounded(&[255; 17], &high)), "- - - -");
        // In the order of unsigned bytes, as some wrote them, bounds of both signs cross.
        assert_eq!(decimal(bounded(&high, &low)), "- - - -");
        let exact = |exact| {
            let value = |bytes: &[u8]| Some(ByteArray::from(bytes));
            let bounds = ValueStatistics::new(value(&[255]), value(&[1, 0]), None, None, false);
            Statistics::ByteArray(bounds.with_min_is_exact(exact).with_max_is_exact(exact))
        };
        assert_eq!(of("binary x (DECIMAL(20, 2))", SIGNED, kind(), exact(true)), "-0.01 2.56 - -");
        assert_eq!(of("binary x (DECIMAL(20, 2))", SIGNED, kind(), exact(false)), "- - - -");
    }

    #[test]
    fn instants_are_widened_where_clocks_change() {
        let kind = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let in_zone = |min, max, zone: &str| {
            let statistics = Statistics::int64(Some(min), Some(max), None, None, false);
            let footer = footer("int64 x (TIMESTAMP_MILLIS)", SIGNED, statistics, 4);
            known(&footer, &kind, &TimeZone::get(zone).unwrap())
        };
        assert_eq!(in_zone(0, 1, "UTC"), "1970-01-01T00:00:00Z 1970-01-01T00:00:00.001Z - -");
        assert_eq!(in_zone(0, 1, "Europe/London"), "1969-12-29T20:00:02Z 1970-01-03T03:59:58.001Z - -");
        assert_eq!(in_zone(i64::MIN, 1, "Europe/London"), "- - - -");
    }

    #[test]
    fn a_column_that_is_not_there_tells_nothing() {
        let footer = footer("int32 x", SIGNED, Statistics::int32(Some(1), Some(9), None, Some(0), false), 4);
        let at = |group, root| Facts::of_group(&footer, group, root, &DataType::Int32, &TimeZone::UTC);
        for facts in [at(0, 1), at(1, 0)] {
            assert!(facts.get(Fact::Least).is_null(0) && facts.get(Fact::Valued).is_null(0));
        }
    }
}
