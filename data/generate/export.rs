//! Writing Parquet as an exporting system would: zstd, statistics, no Arrow metadata, the same bytes every time.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;

/// A writer of one file; `level` is zstd's, 1 to 22.
pub(crate) fn writer(path: &Path, schema: SchemaRef, level: i32) -> Result<ArrowWriter<File>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_created_by("tenure, example generate".to_string())
        .set_max_row_group_row_count(Some(262_144))
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(File::create(path)?, schema, options)
}

/// Amounts of two minor digits; `None` is NULL.
pub(crate) fn money(cents: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
    let values: Decimal128Array = cents.map(|c| c.map(i128::from)).collect();
    Ok(Arc::new(values.with_precision_and_scale(9, 2)?))
}

/// Columns by name as one batch; those listed in `required` hold no NULL.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?)
}
