//! The way out: columns encoded by the `parquet` crate's own writer instead of ours.
//!
//! The cargo feature `arrow-writer` turns it on for every table. A reader sees the same cells, comments, sorting columns and
//! statistics, and bloom filters on customer ids; pages carry no checksums, since that writer writes none. Tests use it
//! without the feature and hold our encoder against it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, LargeStringArray,
    new_empty_array,
};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::column::{BLOOM_ERROR, ColumnLayout};
use super::dictionary::Repeats;
use super::row_group::ROW_GROUP;
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::money::{MAX_MINOR, PRECISION};
use crate::table::{TableSchema, Type, Values};

/// Whether this build may use the crate's writer. Where it is `false`, the compiler leaves its code out.
pub(super) const AVAILABLE: bool = cfg!(any(test, feature = "arrow-writer"));

/// Whether every table is written by the crate's writer.
pub(super) const ALWAYS: bool = cfg!(feature = "arrow-writer");

/// Makes the crate's writers for a file.
pub(super) type Factory = ArrowRowGroupWriterFactory;

/// A column of the row group under way, as Arrow arrays.
#[derive(Default)]
pub(super) struct ColumnBuffer(Vec<ArrayRef>);

impl ColumnBuffer {
    /// Appends rows.
    ///
    /// # Errors
    /// Input: money beyond DECIMAL(18). Internal: values that are not what the schema says, or a DOUBLE that is no
    /// number.
    pub(super) fn take(&mut self, values: &Values, rows: Range<usize>, layout: &ColumnLayout) -> Result<()> {
        expect_representable(values, layout)?;
        self.0.push(array(values, rows, layout.digits));
        Ok(())
    }

    /// All rows as the chunk of column `index`.
    ///
    /// # Errors
    /// Internal: the crate's writer refuses them.
    pub(super) fn close(self, layout: &ColumnLayout, factory: &Factory, index: usize) -> Result<ArrowColumnChunk> {
        let encode = || {
            let kind = data_type(layout.kind, layout.digits);
            let pieces: Vec<&dyn Array> = self.0.iter().map(AsRef::as_ref).collect();
            let rows = if pieces.is_empty() { new_empty_array(&kind) } else { concat(&pieces)? };
            // Every row group has the same number of columns; a number of the row group matters to encryption alone.
            let mut writer = factory.create_column_writers(0)?.swap_remove(index);
            for leaf in compute_leaves(&Field::new(&layout.name, kind, true), &rows)? {
                writer.write(&leaf)?;
            }
            writer.close()
        };
        encode().map_err(|e: ParquetError| layout.defect("cannot be encoded".into()).because(e))
    }
}

/// The columns of a file in Arrow's types, for [`Factory::new`].
pub(super) fn schema(columns: &[ColumnLayout]) -> Schema {
    let field = |c: &ColumnLayout| Field::new(&c.name, data_type(c.kind, c.digits), true);
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

fn data_type(kind: Type, digits: u8) -> DataType {
    match kind {
        Type::Text | Type::CustomerId => DataType::LargeUtf8,
        Type::Int => DataType::Int64,
        Type::Double => DataType::Float64,
        Type::Date => DataType::Date32,
        Type::Bool => DataType::Boolean,
        Type::Money => DataType::Decimal128(PRECISION, digits.cast_signed()),
    }
}

/// The same conditions as our encoder's.
fn expect_representable(values: &Values, layout: &ColumnLayout) -> Result<()> {
    match (layout.kind, values) {
        (Type::Money, Values::Money(v)) if v.iter().flatten().any(|m| m.unsigned_abs() > MAX_MINOR as u64) => {
            Err(layout.beyond_decimal())
        }
        (Type::Double, Values::Double(v)) if v.iter().flatten().any(|x| !x.is_finite()) => Err(layout.not_finite()),
        (Type::Text | Type::CustomerId, Values::Text(_))
        | (Type::Int, Values::Int(_))
        | (Type::Double, Values::Double(_))
        | (Type::Date, Values::Date(_))
        | (Type::Bool, Values::Bool(_))
        | (Type::Money, Values::Money(_)) => Ok(()),
        _ => Err(layout.mismatch(values)),
    }
}

/// Some rows of a column.
pub(super) fn array(values: &Values, rows: Range<usize>, digits: u8) -> ArrayRef {
    match values {
        Values::Text(v) => Arc::new(rows.map(|row| v.get(row)).collect::<LargeStringArray>()),
        Values::Int(v) => Arc::new(Int64Array::from_iter(v[rows].iter().copied())),
        Values::Double(v) => Arc::new(Float64Array::from_iter(v[rows].iter().copied())),
        Values::Date(v) => {
            let known = |day: &Option<Day>| day.filter(|day| *day != Day::NEVER).map(|day| day.0);
            Arc::new(Date32Array::from_iter(v[rows].iter().map(known)))
        }
        Values::Bool(v) => Arc::new(BooleanArray::from_iter(v[rows].iter().copied())),
        Values::Money(v) => {
            let units = Decimal128Array::from_iter(v[rows].iter().map(|m| m.map(i128::from)));
            Arc::new(units.with_data_type(data_type(Type::Money, digits)))
        }
    }
}

/// What the crate's writer has to know to write files like ours.
///
/// # Errors
/// Internal: the crate has no such compression.
pub(super) fn properties(builder: WriterPropertiesBuilder, schema: &TableSchema) -> Result<WriterPropertiesBuilder> {
    let level = ZstdLevel::try_new(super::chunk::LEVEL);
    let level = level.map_err(|e| Error::internal("the compression of tables is not available").because(e))?;
    let mut builder = builder
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP));
    for (i, column) in schema.columns.iter().enumerate() {
        let path = || ColumnPath::from(column.name.as_str());
        if i < schema.key {
            builder = builder.set_column_statistics_enabled(path(), EnabledStatistics::Page);
        }
        if super::writer::repeats(schema, i) == Repeats::Hardly {
            builder = builder.set_column_dictionary_enabled(path(), false);
        }
        if column.kind == Type::CustomerId {
            builder = builder
                .set_column_bloom_filter_enabled(path(), true)
                .set_column_bloom_filter_fpp(path(), BLOOM_ERROR)
                .set_column_bloom_filter_max_ndv(path(), ROW_GROUP as u64);
        }
    }
    Ok(builder)
}
