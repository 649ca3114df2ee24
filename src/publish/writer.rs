//! One table, or one part of it, into one Parquet file whose bytes depend on its rows alone.
//!
//! Rows come as blocks that were encoded elsewhere, or as pieces of any size; those are regrouped into chunks of a fixed
//! size, so that page and row-group boundaries do not depend on how the rows were handed over. Encodings are the plain old ones, which every reader of
//! the last ten years knows. (Page checksums would be written if the `parquet` crate could; it only verifies them. The
//! manifest has the SHA-256 of every file.)

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use super::block::{Block, Encoded, Layout, ORDER, ROW_GROUP, RowGroup, expect_before};
use super::columns::{self, Format};
use super::{SCHEMA_VERSION, crash, failure};
use crate::error::{Error, Result};
use crate::table::{Table, TableSchema, Type};

/// Rows handed to the Parquet writer at a time.
const CHUNK: usize = 1 << 14;
const ZSTD_LEVEL: i32 = 1;
/// Share of absent customers that the bloom filter lets through.
const BLOOM_ERROR: f64 = 0.01;

/// A file as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Relative to the run's folder.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

/// Writes one file. Rows come in the order of the table's key, in as many pieces as the caller likes.
pub struct TableWriter {
    layout: Arc<Layout>,
    /// As in [`WrittenFile::path`], and where it lies.
    name: String,
    path: PathBuf,
    parquet: SerializedFileWriter<HashingFile>,
    /// Where rows go that come by [`TableWriter::write`].
    block: Block,
    /// Rows that do not yet fill a chunk.
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    rows: u64,
    /// The last row's key, of the block before.
    last: Option<Vec<ArrayRef>>,
}

impl TableWriter {
    /// Creates `folder/name`, readable by its owner alone where the table has customer ids, unless `mode` says
    /// otherwise.
    ///
    /// # Errors
    /// Output: the file cannot be created.
    pub fn create(
        folder: &Path,
        name: &str,
        schema: Arc<TableSchema>,
        format: Format,
        mode: Option<u32>,
    ) -> Result<Self> {
        let path = folder.join(name);
        let private = is_private(&schema);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(if private { 0o600 } else { 0o666 });
        let mut file = options.open(&path);
        if let (true, Some(mode), Ok(f)) = (private, mode, &file) {
            // Said in so many words, so the process' umask has no part in it.
            if let Err(e) = f.set_permissions(Permissions::from_mode(mode)) {
                file = Err(e);
            }
        }
        let file = file.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::internal(format!("table {} is written twice", schema.name)),
            _ => failure::output(format_args!("create {}", path.display()), e),
        })?;
        Self::on(file, path, name, schema, format)
    }

    fn on(file: File, path: PathBuf, name: &str, schema: Arc<TableSchema>, format: Format) -> Result<Self> {
        let arrow = format.arrow_schema(&schema);
        let file = HashingFile { file, hash: Sha256::new(), bytes: 0 };
        // The Arrow schema in the metadata would only repeat the Parquet one, with our in-memory choice of text type.
        let options = ArrowWriterOptions::new()
            .with_properties(properties(&schema)?)
            .with_skip_arrow_metadata(true)
            .with_schema_root("schema".into());
        let (parquet, groups) = ArrowWriter::try_new_with_options(file, arrow.clone(), options)
            .and_then(ArrowWriter::into_serialized_writer)
            .map_err(|e| failure::parquet(format_args!("write {}", path.display()), e))?;
        let layout = Arc::new(Layout { schema, format, arrow, groups });
        let (block, pending, name) = (Block::new(layout.clone()), Vec::new(), name.to_owned());
        Ok(TableWriter { layout, name, path, parquet, block, pending, pending_rows: 0, rows: 0, last: None })
    }

    /// What makes blocks of this file, wherever it is sent.
    pub fn blocks(&self) -> Blocks {
        Blocks(self.layout.clone())
    }

    /// Appends a block, which continues the order of the rows before.
    ///
    /// # Errors
    /// Output: the file cannot be written. Internal: rows out of order or twice.
    pub fn append(&mut self, block: Block) -> Result<()> {
        let Encoded { groups, rows, ends } = block.finish()?;
        if let Some((first, last)) = ends {
            if let Some(before) = &self.last {
                expect_before(&self.layout.schema, before, &first)?;
            }
            self.last = Some(last);
        }
        self.rows += rows;
        self.put(groups)
    }

    fn put(&mut self, groups: Vec<RowGroup>) -> Result<()> {
        for group in groups {
            let appended = self.parquet.next_row_group().and_then(|mut into| {
                group.columns.into_iter().try_for_each(|column| column.append_to_row_group(&mut into))?;
                into.close()
            });
            appended.map_err(|e| failure::parquet(format_args!("write {}", self.path.display()), e))?;
            crash::point("within-table");
        }
        Ok(())
    }

    /// Appends rows, which continue the order of those before. The file does not depend on how they are cut up.
    ///
    /// # Errors
    /// Input: money beyond DECIMAL(18). Output: the file cannot be written. Internal: rows out of order or twice.
    pub fn write(&mut self, table: &Table) -> Result<()> {
        let batch = columns::batch(table, 0..table.rows(), self.layout.format, &self.layout.arrow)?;
        self.take(&batch)
    }

    /// Writes a whole table, in whatever order its rows are, sorted by its key with NULL last.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn write_sorted(&mut self, table: &Table) -> Result<()> {
        let schema = &self.layout.schema;
        let batch = columns::batch(table, 0..table.rows(), self.layout.format, &self.layout.arrow)?;
        let key = |i: usize| SortColumn { values: batch.column(i).clone(), options: Some(ORDER) };
        let keys: Vec<SortColumn> = (0..schema.key).map(key).collect();
        let sorted = if keys.is_empty() || batch.num_rows() < 2 {
            batch
        } else {
            lexsort_to_indices(&keys, None)
                .and_then(|order| take_record_batch(&batch, &order))
                .map_err(|e| Error::internal(format!("cannot sort table {}", schema.name)).because(e))?
        };
        self.take(&sorted)
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let length = (batch.num_rows() - from).min(CHUNK - self.pending_rows);
            self.pending.push(batch.slice(from, length));
            self.pending_rows += length;
            from += length;
            if self.pending_rows == CHUNK {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.pending_rows == 0 {
            return Ok(());
        }
        let Layout { schema, arrow, .. } = &*self.layout;
        let chunk = concat_batches(arrow, &self.pending)
            .map_err(|e| Error::internal(format!("cannot join rows of table {}", schema.name)).because(e))?;
        self.pending.clear();
        self.pending_rows = 0;
        self.block.encode(&chunk)?;
        let done = self.block.take_done();
        self.put(done)
    }

    /// Completes the file. It is synced with its folder.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn finish(mut self) -> Result<WrittenFile> {
        self.flush()?;
        let written = std::mem::replace(&mut self.block, Block::new(self.layout.clone()));
        self.append(written)?;
        let doing = || format!("write {}", self.path.display());
        self.parquet.finish().map_err(|e| failure::parquet(doing(), e))?;
        let file = self.parquet.inner();
        let sha256 = hexadecimal(&file.hash.clone().finalize());
        Ok(WrittenFile { path: self.name, rows: self.rows, bytes: file.bytes, sha256 })
    }
}

/// Makes blocks of one file, from any thread.
#[derive(Clone)]
pub struct Blocks(Arc<Layout>);

impl Blocks {
    pub fn block(&self) -> Block {
        Block::new(self.0.clone())
    }
}

/// Tables with customer ids are private, and so are rows that could not be used: they hold the exports' own values.
pub(super) fn is_private(schema: &TableSchema) -> bool {
    is_per_customer(schema) || schema.name == super::quarantine::NAME
}

/// Tables with customer ids can be searched by customer.
pub(super) fn is_per_customer(schema: &TableSchema) -> bool {
    schema.columns.iter().any(|c| c.kind == Type::CustomerId)
}

/// Restricts a folder of parts as its files are: whoever may read them may enter.
pub(super) fn restrict_folder(folder: &Path, mode: Option<u32>) -> io::Result<()> {
    let files = mode.unwrap_or(0o600);
    fs::set_permissions(folder, Permissions::from_mode(files | (files & 0o444) >> 2))
}

fn properties(schema: &TableSchema) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(|e| Error::internal("bad compression level").because(e))?;
    let sorting = |i: usize| SortingColumn { column_idx: i as i32, descending: false, nulls_first: false };
    let key = &schema.columns[..schema.key];
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("tenure version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(metadata(schema)))
        .set_sorting_columns((!key.is_empty()).then(|| (0..key.len()).map(sorting).collect()));
    for column in key {
        // Where a row lies is asked of the key: its pages can be told apart, of other columns the row groups.
        let path = ColumnPath::from(column.name.as_str());
        builder = builder.set_column_statistics_enabled(path, EnabledStatistics::Page);
    }
    for column in &schema.columns {
        let path = ColumnPath::from(column.name.as_str());
        let alone = key.len() == 1 && key[0].name == column.name;
        if column.distinct || (alone && column.kind == Type::CustomerId) {
            // A dictionary would hold them all and then be given up.
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
        }
        if column.kind == Type::CustomerId {
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_ERROR)
                .set_column_bloom_filter_max_ndv(path, ROW_GROUP as u64);
        }
    }
    Ok(builder.build())
}

/// What the file says about itself: `tenure.table`, `tenure.doc`, `tenure.key`, `tenure.schema_version`, and
/// `comment.COLUMN` for every column.
fn metadata(schema: &TableSchema) -> Vec<KeyValue> {
    let entry = |key: String, value: &str| KeyValue::new(key, value.to_owned());
    let key: Vec<&str> = schema.columns[..schema.key].iter().map(|c| c.name.as_str()).collect();
    let mut list = vec![
        entry("tenure.table".into(), &schema.name),
        entry("tenure.doc".into(), &schema.doc),
        entry("tenure.key".into(), &key.join(",")),
        entry("tenure.schema_version".into(), &SCHEMA_VERSION.to_string()),
    ];
    list.extend(schema.columns.iter().map(|c| entry(format!("comment.{}", c.name), &c.doc)));
    list
}

/// Hashes and counts what goes into the file.
struct HashingFile {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
