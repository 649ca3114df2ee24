//! Writes a table, or one part of it, as one Parquet file whose bytes depend on its rows alone.
//!
//! Rows arrive as row groups that another thread has encoded, or as pieces of any size. Only encodings of Parquet 1.0 are
//! used, which every reader of the last ten years knows. Every page carries a checksum, and the manifest has the SHA-256
//! of every file.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use super::column::ColumnLayout;
use super::dictionary::Repeats;
use super::format::TableFormat;
use super::row_group::{EncodedRows, RowGroup, RowGroupWriter, TableLayout, expect_before};
use super::{SCHEMA_VERSION, arrow_writer, crash, failure, files};
use crate::error::{Error, Result};
use crate::table::{ColumnSpec, Table, TableSchema, Type, Values};
use crate::tables::quarantine;

/// A file of a table, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Relative to the run's folder.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

/// Writes one file. Rows are appended in the order of the table's key, in as many pieces as the caller likes.
pub struct TableWriter {
    layout: Arc<TableLayout>,
    /// As in [`WrittenFile::path`]; `path` is the whole path.
    name: String,
    path: PathBuf,
    parquet: SerializedFileWriter<HashingFile>,
    /// Encodes rows that arrive by [`TableWriter::write`].
    open: RowGroupWriter,
    rows: u64,
    /// The key of the last row that was appended by [`TableWriter::append`].
    last: Option<Vec<Values>>,
}

impl TableWriter {
    /// Creates `folder/name`: readable by its owner alone where the table holds rows of customers or rejected rows,
    /// unless `mode` says otherwise; other tables are readable by everybody, as far as the umask allows.
    ///
    /// # Errors
    /// Output: the file cannot be created.
    pub fn create(
        folder: &Path,
        name: &str,
        schema: Arc<TableSchema>,
        format: TableFormat,
        mode: Option<u32>,
    ) -> Result<Self> {
        let path = folder.join(name);
        let private = is_private(&schema);
        let mut file = files::create(&path, if private { files::PRIVATE } else { files::PUBLIC });
        if let (true, Some(mode), Ok(f)) = (private, mode, &file) {
            // The user chose this mode, so the process' umask does not restrict it.
            if let Err(e) = f.set_permissions(Permissions::from_mode(mode)) {
                file = Err(e);
            }
        }
        let file = file.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::internal(format!("table {} is written twice", schema.name)),
            _ => failure::output(format_args!("create {}", path.display()), e),
        })?;
        Self::on(file, path, name, schema, format, arrow_writer::ALWAYS)
    }

    /// `by_crate`: columns are encoded by the `parquet` crate's own writer.
    pub(super) fn on(
        file: File,
        path: PathBuf,
        name: &str,
        schema: Arc<TableSchema>,
        format: TableFormat,
        by_crate: bool,
    ) -> Result<Self> {
        let by_crate = arrow_writer::AVAILABLE && by_crate;
        let mut properties = properties(&schema);
        if by_crate {
            properties = arrow_writer::properties(properties, &schema)?;
        }
        let file = HashingFile { file, hash: Sha256::new(), bytes: 0 };
        let parquet = format
            .parquet_schema(&schema)
            .and_then(|node| SerializedFileWriter::new(file, node, Arc::new(properties.build())))
            .map_err(|e| failure::parquet(format_args!("write {}", path.display()), e))?;
        let columns = layouts(&schema, format, &parquet);
        let by_crate = by_crate.then(|| arrow_writer::Factory::new(&parquet, Arc::new(arrow_writer::schema(&columns))));
        let layout = Arc::new(TableLayout { schema, columns, by_crate });
        let (open, name) = (RowGroupWriter::new(layout.clone()), name.to_owned());
        Ok(TableWriter { layout, name, path, parquet, open, rows: 0, last: None })
    }

    /// Makes encoders of rows of this file; may be sent to other threads.
    pub fn row_group_writers(&self) -> RowGroupWriters {
        RowGroupWriters(self.layout.clone())
    }

    /// Appends the row groups of `encoded`, whose rows follow those before in the order of the key. Rows that it has not
    /// encoded yet are encoded here.
    ///
    /// # Errors
    /// Output: the file cannot be written. Internal: rows out of order or twice. As [`RowGroupWriter::complete`].
    pub fn append(&mut self, encoded: RowGroupWriter) -> Result<()> {
        let EncodedRows { groups, rows, ends } = encoded.finish()?;
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
                group.into_iter().try_for_each(|chunk| chunk.append_to(&mut into))?;
                into.close()
            });
            appended.map_err(|e| failure::parquet(format_args!("write {}", self.path.display()), e))?;
            crash::point("within-table");
        }
        Ok(())
    }

    /// Appends rows, which follow those before in the order of the key. The file does not depend on how rows are cut into
    /// pieces.
    ///
    /// # Errors
    /// Input: money beyond DECIMAL(18). Output: the file cannot be written. Internal: rows out of order or twice.
    pub fn write(&mut self, table: &Table) -> Result<()> {
        self.open.write(table)?;
        let done = self.open.take_done();
        self.put(done)
    }

    /// Writes a whole table, sorted by its key with NULL last; `table` may be in any order.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn write_sorted(&mut self, table: &Table) -> Result<()> {
        self.write(&table.sorted())
    }

    /// Completes the file. It is synced with its folder.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn finish(mut self) -> Result<WrittenFile> {
        let written = std::mem::replace(&mut self.open, RowGroupWriter::new(self.layout.clone()));
        self.append(written)?;
        let doing = || format!("write {}", self.path.display());
        self.parquet.finish().map_err(|e| failure::parquet(doing(), e))?;
        let file = self.parquet.inner();
        let sha256 = hexadecimal(&file.hash.clone().finalize());
        Ok(WrittenFile { path: self.name, rows: self.rows, bytes: file.bytes, sha256 })
    }
}

/// Makes encoders ([`RowGroupWriter`]) of rows of one file, on any thread.
#[derive(Clone)]
pub struct RowGroupWriters(Arc<TableLayout>);

impl RowGroupWriters {
    pub fn begin(&self) -> RowGroupWriter {
        RowGroupWriter::new(self.0.clone())
    }
}

/// True for tables that only their owner may read: those with customer ids, and `quarantine`, which holds values of the
/// exports.
pub(super) fn is_private(schema: &TableSchema) -> bool {
    is_per_customer(schema) || schema.name == quarantine::NAME
}

/// True for tables with customer ids.
pub(super) fn is_per_customer(schema: &TableSchema) -> bool {
    schema.columns.iter().any(|c| c.kind == Type::CustomerId)
}

/// Sets the mode of a folder of parts: whoever may read its files may enter it.
pub(super) fn restrict_folder(folder: &Path, mode: Option<u32>) -> io::Result<()> {
    let files = mode.unwrap_or(files::PRIVATE);
    fs::set_permissions(folder, Permissions::from_mode(files | (files & 0o444) >> 2))
}

/// The layouts of all columns.
fn layouts(
    schema: &TableSchema,
    format: TableFormat,
    parquet: &SerializedFileWriter<HashingFile>,
) -> Vec<ColumnLayout> {
    let layout = |(i, column): (usize, &ColumnSpec)| ColumnLayout {
        table: schema.name.clone(),
        name: column.name.clone(),
        kind: format.resolve(column.kind),
        digits: format.digits,
        descr: parquet.schema_descr().column(i),
        is_key: i < schema.key,
        is_id: column.kind == Type::CustomerId,
        is_sorted: i < schema.key.min(1),
        repeats: repeats(schema, i),
    };
    schema.columns.iter().enumerate().map(layout).collect()
}

/// Where equal values of column `i` are looked for.
pub(super) fn repeats(schema: &TableSchema, i: usize) -> Repeats {
    let column = &schema.columns[i];
    match i {
        0 if schema.key == 1 && column.kind == Type::CustomerId => Repeats::Hardly,
        0 if schema.key > 1 => Repeats::InARow,
        _ if column.distinct => Repeats::Hardly,
        _ => Repeats::Anywhere,
    }
}

fn properties(schema: &TableSchema) -> WriterPropertiesBuilder {
    let sorting = |i: usize| SortingColumn { column_idx: i as i32, descending: false, nulls_first: false };
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("tenure version ", env!("CARGO_PKG_VERSION")).into())
        .set_key_value_metadata(Some(metadata(schema)))
        .set_sorting_columns((schema.key > 0).then(|| (0..schema.key).map(sorting).collect()))
}

/// The key-value metadata of the file: `tenure.table`, `tenure.doc`, `tenure.key`, `tenure.schema_version`, and
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
