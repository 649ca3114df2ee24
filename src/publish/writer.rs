//! One table, or one part of it, into one Parquet file whose bytes depend on its rows alone.
//!
//! Rows are regrouped into chunks of a fixed size before they reach the Parquet writer, so that page and row-group
//! boundaries do not depend on how the rows were handed over. Encodings are the plain old ones, which every reader of
//! the last ten years knows. (Page checksums would be written if the `parquet` crate could; it only verifies them. The
//! manifest has the SHA-256 of every file.)

use std::cmp::Ordering;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, make_comparator};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use super::columns::{self, Format};
use super::{SCHEMA_VERSION, crash, failure};
use crate::error::{Error, Result};
use crate::table::{Table, TableSchema, Type};

/// Rows handed to the Parquet writer at a time.
const CHUNK: usize = 1 << 14;
/// Rows of a row group: what a reader can skip by statistics, and what a writer holds in memory.
const ROW_GROUP: usize = 8 * CHUNK;
const ZSTD_LEVEL: i32 = 3;
/// Share of absent customers that the bloom filter lets through.
const BLOOM_ERROR: f64 = 0.01;
/// NULL sorts last, as in the tables' sort everywhere.
const ORDER: SortOptions = SortOptions { descending: false, nulls_first: false };

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
    schema: Arc<TableSchema>,
    format: Format,
    arrow: SchemaRef,
    /// As in [`WrittenFile::path`], and where it lies.
    name: String,
    path: PathBuf,
    parquet: ArrowWriter<HashingFile>,
    /// Rows that do not yet fill a chunk.
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    rows: u64,
    /// The last row's key, of the chunk before.
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
        let parquet = ArrowWriter::try_new_with_options(file, arrow.clone(), options)
            .map_err(|e| failure::parquet(format_args!("write {}", path.display()), e))?;
        let (pending, name) = (Vec::new(), name.to_owned());
        Ok(TableWriter { schema, format, arrow, name, path, parquet, pending, pending_rows: 0, rows: 0, last: None })
    }

    /// Appends rows, which continue the order of those before.
    ///
    /// # Errors
    /// Input: money beyond DECIMAL(18). Output: the file cannot be written. Internal: rows out of order or twice.
    pub fn write(&mut self, table: &Table) -> Result<()> {
        let mut from = 0;
        while from < table.rows() {
            let until = table.rows().min(from + CHUNK - self.pending_rows);
            let batch = columns::batch(table, from..until, self.format, &self.arrow)?;
            self.append(batch)?;
            from = until;
        }
        Ok(())
    }

    /// Writes a whole table, in whatever order its rows are, sorted by its key with NULL last.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn write_sorted(&mut self, table: &Table) -> Result<()> {
        let batch = columns::batch(table, 0..table.rows(), self.format, &self.arrow)?;
        let key = |i: usize| SortColumn { values: batch.column(i).clone(), options: Some(ORDER) };
        let keys: Vec<SortColumn> = (0..self.schema.key).map(key).collect();
        let sorted = if keys.is_empty() || batch.num_rows() < 2 {
            batch
        } else {
            lexsort_to_indices(&keys, None)
                .and_then(|order| take_record_batch(&batch, &order))
                .map_err(|e| Error::internal(format!("cannot sort table {}", self.schema.name)).because(e))?
        };
        let mut from = 0;
        while from < sorted.num_rows() {
            let length = (sorted.num_rows() - from).min(CHUNK - self.pending_rows);
            self.append(sorted.slice(from, length))?;
            from += length;
        }
        Ok(())
    }

    fn append(&mut self, batch: RecordBatch) -> Result<()> {
        self.pending_rows += batch.num_rows();
        self.pending.push(batch);
        if self.pending_rows == CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.pending_rows == 0 {
            return Ok(());
        }
        let chunk = concat_batches(&self.arrow, &self.pending)
            .map_err(|e| Error::internal(format!("cannot join rows of table {}", self.schema.name)).because(e))?;
        self.pending.clear();
        self.pending_rows = 0;
        self.expect_order(&chunk)?;
        self.rows += chunk.num_rows() as u64;
        self.parquet.write(&chunk).map_err(|e| failure::parquet(format_args!("write {}", self.path.display()), e))?;
        crash::point("within-table");
        Ok(())
    }

    /// Readers trust the sorting columns that the file names, so a row out of place would make them err in silence.
    fn expect_order(&mut self, chunk: &RecordBatch) -> Result<()> {
        let key = &chunk.columns()[..self.schema.key];
        if key.is_empty() {
            return Ok(());
        }
        let before = |left: &[ArrayRef], i: usize, right: &[ArrayRef], j: usize| -> Result<bool> {
            let unordered = |e| Error::internal(format!("cannot order table {}", self.schema.name)).because(e);
            for (l, r) in left.iter().zip(right) {
                match make_comparator(l, r, ORDER).map_err(unordered)?(i, j) {
                    Ordering::Equal => {}
                    order => return Ok(order == Ordering::Less),
                }
            }
            Ok(false)
        };
        let mut ordered = self.last.as_ref().map_or(Ok(true), |last| before(last, 0, key, 0))?;
        // One comparator a column for all rows of the chunk.
        let compare: Result<Vec<_>, _> = key.iter().map(|c| make_comparator(c, c, ORDER)).collect();
        let compare =
            compare.map_err(|e| Error::internal(format!("cannot order table {}", self.schema.name)).because(e))?;
        ordered &= (1..chunk.num_rows())
            .all(|i| compare.iter().map(|c| c(i - 1, i)).find(|o| o.is_ne()).is_some_and(Ordering::is_lt));
        if !ordered {
            let names: Vec<&str> = self.schema.columns[..self.schema.key].iter().map(|c| c.name.as_str()).collect();
            return Err(Error::internal(format!(
                "rows of table {} are out of order or twice by their key ({})",
                self.schema.name,
                names.join(", ")
            )));
        }
        self.last = Some(key.iter().map(|c| c.slice(chunk.num_rows() - 1, 1)).collect());
        Ok(())
    }

    /// Completes the file and syncs it to the disk.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn finish(mut self) -> Result<WrittenFile> {
        self.flush()?;
        let doing = || format!("write {}", self.path.display());
        self.parquet.finish().map_err(|e| failure::parquet(doing(), e))?;
        let file = self.parquet.inner();
        file.file.sync_all().map_err(|e| failure::output(doing(), e))?;
        let sha256 = hexadecimal(&file.hash.clone().finalize());
        Ok(WrittenFile { path: self.name, rows: self.rows, bytes: file.bytes, sha256 })
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
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_key_value_metadata(Some(metadata(schema)))
        .set_sorting_columns((!key.is_empty()).then(|| (0..key.len()).map(sorting).collect()));
    for column in schema.columns.iter().filter(|c| c.kind == Type::CustomerId) {
        let path = ColumnPath::from(column.name.as_str());
        builder = builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), BLOOM_ERROR);
        if key.len() == 1 && key[0].name == column.name {
            // Every id once: a dictionary would hold them all and then be given up.
            builder = builder.set_column_dictionary_enabled(path, false);
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
