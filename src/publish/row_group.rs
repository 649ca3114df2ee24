//! Rows of a table as encoded row groups, made apart from the file that they go to.
//!
//! Several threads can thus encode rows of one file at once; the groups are appended one after the other. The bytes of a row
//! group depend on its rows alone, not on the pieces in which they came.

use std::ops::Range;
use std::sync::Arc;

use super::arrow_writer::{self, ColumnBuffer};
use super::chunk::{EncodedChunk, PageCompressor};
use super::column::{ColumnEncoder, ColumnLayout};
use crate::error::{Error, Result};
use crate::table::{Table, TableSchema, Values};

/// Rows of a row group, at most: what a reader can skip by statistics, and what a writer holds encoded.
pub(super) const ROW_GROUP: usize = 1 << 18;

/// What all row groups of a file share.
pub(super) struct TableLayout {
    pub schema: Arc<TableSchema>,
    pub columns: Vec<ColumnLayout>,
    /// Set where the `parquet` crate's own writer encodes the columns.
    pub by_crate: Option<arrow_writer::Factory>,
}

/// An encoded row group: its columns in order.
pub(super) type RowGroup = Vec<EncodedChunk>;

/// A column of the row group under way.
enum OpenColumn {
    Ours(ColumnEncoder),
    Crate(ColumnBuffer),
}

/// Encodes rows of one file, which come in the order of the table's key. Every [`ROW_GROUP`] rows become a row group.
pub struct RowGroupWriter {
    layout: Arc<TableLayout>,
    open: Vec<OpenColumn>,
    open_rows: usize,
    done: Vec<RowGroup>,
    rows: u64,
    /// Keys of the first and the last row.
    ends: Option<(Vec<Values>, Vec<Values>)>,
}

/// The outcome of a [`RowGroupWriter`], to be appended to a file.
pub(super) struct EncodedRows {
    pub groups: Vec<RowGroup>,
    pub rows: u64,
    /// Keys of the first and the last row; `None` without rows.
    pub ends: Option<(Vec<Values>, Vec<Values>)>,
}

impl OpenColumn {
    fn new(layout: &TableLayout, column: &ColumnLayout) -> OpenColumn {
        if arrow_writer::AVAILABLE && layout.by_crate.is_some() {
            return OpenColumn::Crate(ColumnBuffer::default());
        }
        OpenColumn::Ours(ColumnEncoder::new(column))
    }

    fn take(&mut self, values: &Values, rows: Range<usize>, column: &ColumnLayout) -> Result<()> {
        match self {
            OpenColumn::Ours(encoder) => encoder.take(values, rows, column),
            OpenColumn::Crate(buffer) => buffer.take(values, rows, column),
        }
    }

    fn close(self, layout: &TableLayout, index: usize, compressor: &mut PageCompressor) -> Result<EncodedChunk> {
        let column = &layout.columns[index];
        match (self, &layout.by_crate) {
            (OpenColumn::Ours(encoder), _) => encoder.close(column, compressor),
            (OpenColumn::Crate(buffer), Some(factory)) => buffer.close(column, factory, index).map(EncodedChunk::Crate),
            (OpenColumn::Crate(_), None) => Err(column.defect("has no writer".into())),
        }
    }
}

impl RowGroupWriter {
    pub(super) fn new(layout: Arc<TableLayout>) -> RowGroupWriter {
        RowGroupWriter { layout, open: vec![], open_rows: 0, done: vec![], rows: 0, ends: None }
    }

    /// Appends rows, which continue the order of those before.
    ///
    /// # Errors
    /// Internal: rows out of order or twice, or values that are not what the schema says. As
    /// [`complete`](RowGroupWriter::complete), where a row group is full.
    pub fn write(&mut self, piece: &Table) -> Result<()> {
        let layout = self.layout.clone();
        let (schema, rows) = (&layout.schema, piece.rows());
        if piece.columns.len() != schema.columns.len() || piece.columns.iter().any(|c| c.len() != rows) {
            return Err(Error::internal(format!("table {} has columns missing or of unequal length", schema.name)));
        }
        if rows == 0 {
            return Ok(());
        }
        self.expect_order(piece)?;
        let mut from = 0;
        while from < rows {
            let to = rows.min(from + ROW_GROUP - self.open_rows);
            if self.open.is_empty() {
                self.open = layout.columns.iter().map(|column| OpenColumn::new(&layout, column)).collect();
            }
            for ((column, values), layout) in self.open.iter_mut().zip(&piece.columns).zip(&layout.columns) {
                column.take(values, from..to, layout)?;
            }
            self.open_rows += to - from;
            from = to;
            if self.open_rows == ROW_GROUP {
                self.complete()?;
            }
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// Encodes the rows that are not encoded yet, as a row group of their own. Called on the thread that made the rows.
    /// Rows that come later begin another row group.
    ///
    /// # Errors
    /// Input: money beyond DECIMAL(18). Internal: a DOUBLE that is no number.
    pub fn complete(&mut self) -> Result<()> {
        let columns = std::mem::take(&mut self.open);
        self.open_rows = 0;
        if columns.is_empty() {
            return Ok(());
        }
        let mut compressor = PageCompressor::new()?;
        let close = |(i, column): (usize, OpenColumn)| column.close(&self.layout, i, &mut compressor);
        self.done.push(columns.into_iter().enumerate().map(close).collect::<Result<_>>()?);
        Ok(())
    }

    pub(super) fn take_done(&mut self) -> Vec<RowGroup> {
        std::mem::take(&mut self.done)
    }

    pub(super) fn finish(mut self) -> Result<EncodedRows> {
        self.complete()?;
        Ok(EncodedRows { groups: self.done, rows: self.rows, ends: self.ends })
    }

    /// Readers trust the sorting columns that the file names: a row out of place would give them wrong results without an
    /// error.
    fn expect_order(&mut self, piece: &Table) -> Result<()> {
        let schema = &self.layout.schema;
        let key = &piece.columns[..schema.key];
        if key.is_empty() {
            return Ok(());
        }
        let first = row(key, 0);
        if let Some((_, last)) = &self.ends {
            expect_before(schema, last, &first)?;
        }
        if !(1..piece.rows()).all(|i| Values::compare_rows(key, i - 1, key, i).is_lt()) {
            return Err(out_of_order(schema));
        }
        let last = row(key, piece.rows() - 1);
        self.ends = Some((self.ends.take().map_or(first, |(first, _)| first), last));
        Ok(())
    }
}

fn row(columns: &[Values], row: usize) -> Vec<Values> {
    columns.iter().map(|c| c.pick(&[row])).collect()
}

/// Expects that the key of one row comes before the key of another.
pub(super) fn expect_before(schema: &TableSchema, left: &[Values], right: &[Values]) -> Result<()> {
    if Values::compare_rows(left, 0, right, 0).is_lt() { Ok(()) } else { Err(out_of_order(schema)) }
}

fn out_of_order(schema: &TableSchema) -> Error {
    let names: Vec<&str> = schema.columns[..schema.key].iter().map(|c| c.name.as_str()).collect();
    let (table, key) = (&schema.name, names.join(", "));
    Error::internal(format!("rows of table {table} are out of order or twice by their key ({key})"))
}
