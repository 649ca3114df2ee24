//! Rows of a table as finished row groups, encoded apart from the file that they go to.
//!
//! So several blocks of a file can be made at once and appended one after the other. A block's bytes depend on its rows
//! alone, not on the pieces in which they came.

use std::sync::Arc;

use super::chunk::{EncodedChunk, PageCompressor};
use super::column::{ColumnEncoder, ColumnLayout};
use crate::error::{Error, Result};
use crate::table::{Table, TableSchema, Values};

/// Rows of a row group at most: what a reader can skip by statistics, and what a writer holds encoded.
pub(super) const ROW_GROUP: usize = 1 << 18;

/// What all blocks of a file share.
pub(super) struct TableLayout {
    pub schema: Arc<TableSchema>,
    pub columns: Vec<ColumnLayout>,
}

/// A row group on its way into a file.
pub(super) type RowGroup = Vec<EncodedChunk>;

/// Rows in the order of the table's key.
pub struct RowGroupWriter {
    layout: Arc<TableLayout>,
    open: Vec<ColumnEncoder>,
    open_rows: usize,
    done: Vec<RowGroup>,
    rows: u64,
    /// Keys of the first and the last row.
    ends: Option<(Vec<Values>, Vec<Values>)>,
}

/// What a file takes of a block.
pub(super) struct EncodedRows {
    pub groups: Vec<RowGroup>,
    pub rows: u64,
    pub ends: Option<(Vec<Values>, Vec<Values>)>,
}

impl RowGroupWriter {
    pub(super) fn new(layout: Arc<TableLayout>) -> RowGroupWriter {
        RowGroupWriter { layout, open: vec![], open_rows: 0, done: vec![], rows: 0, ends: None }
    }

    /// Appends rows, which continue the order of those before.
    ///
    /// # Errors
    /// Internal: rows out of order or twice, or values that are not what the schema says. As
    /// [`complete`](Block::complete), where a row group is full.
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
                self.open = layout.columns.iter().map(ColumnEncoder::new).collect();
            }
            for ((column, values), design) in self.open.iter_mut().zip(&piece.columns).zip(&layout.columns) {
                column.take(values, from..to, design)?;
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

    /// Encodes what is left. Rows that come after all begin a row group.
    ///
    /// # Errors
    /// Input: money beyond DECIMAL(18). Internal: a DOUBLE that is no number.
    pub fn complete(&mut self) -> Result<()> {
        let columns = std::mem::take(&mut self.open);
        self.open_rows = 0;
        if columns.is_empty() {
            return Ok(());
        }
        let mut zstd = PageCompressor::new()?;
        let close = |(column, design): (ColumnEncoder, &ColumnLayout)| column.close(design, &mut zstd);
        self.done.push(columns.into_iter().zip(&self.layout.columns).map(close).collect::<Result<_>>()?);
        Ok(())
    }

    pub(super) fn take_done(&mut self) -> Vec<RowGroup> {
        std::mem::take(&mut self.done)
    }

    pub(super) fn finish(mut self) -> Result<EncodedRows> {
        self.complete()?;
        Ok(EncodedRows { groups: self.done, rows: self.rows, ends: self.ends })
    }

    /// Readers trust the sorting columns that the file names, so a row out of place would make them err in silence.
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

/// The keys of one row come before those of another.
pub(super) fn expect_before(schema: &TableSchema, left: &[Values], right: &[Values]) -> Result<()> {
    if Values::compare_rows(left, 0, right, 0).is_lt() { Ok(()) } else { Err(out_of_order(schema)) }
}

fn out_of_order(schema: &TableSchema) -> Error {
    let names: Vec<&str> = schema.columns[..schema.key].iter().map(|c| c.name.as_str()).collect();
    let (table, key) = (&schema.name, names.join(", "));
    Error::internal(format!("rows of table {table} are out of order or twice by their key ({key})"))
}
