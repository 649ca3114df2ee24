//! Rows of a table as finished row groups, encoded apart from the file that they go to.
//!
//! So several blocks of a file can be made at once and appended one after the other. A block's bytes depend on its rows
//! and on the pieces in which they came, nothing else: whoever wants the same bytes again cuts pieces by the data alone.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};

use super::columns::{self, Format};
use crate::error::{Error, Result};
use crate::table::{Table, TableSchema};

/// Rows of a row group at most: what a reader can skip by statistics, and what a writer holds encoded.
pub(super) const ROW_GROUP: usize = 1 << 18;
/// NULL sorts last, as in the tables' sort everywhere.
pub(super) const ORDER: SortOptions = SortOptions { descending: false, nulls_first: false };

/// What all blocks of a file share.
pub(super) struct Layout {
    pub schema: Arc<TableSchema>,
    pub format: Format,
    pub arrow: SchemaRef,
    pub groups: ArrowRowGroupWriterFactory,
}

/// A row group on its way into a file.
pub(super) struct RowGroup {
    pub columns: Vec<ArrowColumnChunk>,
}

/// Rows in the order of the table's key.
pub struct Block {
    layout: Arc<Layout>,
    open: Vec<ArrowColumnWriter>,
    open_rows: usize,
    done: Vec<RowGroup>,
    rows: u64,
    /// Keys of the first and the last row.
    ends: Option<(Vec<ArrayRef>, Vec<ArrayRef>)>,
}

/// What a file takes of a block.
pub(super) struct Encoded {
    pub groups: Vec<RowGroup>,
    pub rows: u64,
    pub ends: Option<(Vec<ArrayRef>, Vec<ArrayRef>)>,
}

impl Block {
    pub(super) fn new(layout: Arc<Layout>) -> Block {
        Block { layout, open: vec![], open_rows: 0, done: vec![], rows: 0, ends: None }
    }

    /// Appends rows, which continue the order of those before.
    ///
    /// # Errors
    /// Input: money beyond DECIMAL(18). Internal: rows out of order or twice.
    pub fn write(&mut self, piece: &Table) -> Result<()> {
        let batch = columns::batch(piece, 0..piece.rows(), self.layout.format, &self.layout.arrow)?;
        self.encode(&batch)
    }

    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.expect_order(batch)?;
        if self.open.is_empty() {
            self.open = self.layout.groups.create_column_writers(0).map_err(|e| self.unencodable(e))?;
        }
        for (field, (column, writer)) in
            self.layout.arrow.fields().iter().zip(batch.columns().iter().zip(&mut self.open))
        {
            // No column is nested, so each is one leaf.
            let written =
                compute_leaves(field, column).and_then(|leaves| leaves.iter().try_for_each(|l| writer.write(l)));
            written.map_err(|e| unencodable(&self.layout.schema, e))?;
        }
        self.open_rows += batch.num_rows();
        self.rows += batch.num_rows() as u64;
        if self.open_rows >= ROW_GROUP { self.close_group() } else { Ok(()) }
    }

    fn close_group(&mut self) -> Result<()> {
        let writers = std::mem::take(&mut self.open);
        self.open_rows = 0;
        if !writers.is_empty() {
            let columns = writers.into_iter().map(ArrowColumnWriter::close).collect::<Result<_, _>>();
            self.done.push(RowGroup { columns: columns.map_err(|e| self.unencodable(e))? });
        }
        Ok(())
    }

    pub(super) fn take_done(&mut self) -> Vec<RowGroup> {
        std::mem::take(&mut self.done)
    }

    pub(super) fn finish(mut self) -> Result<Encoded> {
        self.close_group()?;
        Ok(Encoded { groups: self.done, rows: self.rows, ends: self.ends })
    }

    fn unencodable(&self, cause: parquet::errors::ParquetError) -> Error {
        unencodable(&self.layout.schema, cause)
    }

    /// Readers trust the sorting columns that the file names, so a row out of place would make them err in silence.
    fn expect_order(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = &self.layout.schema;
        let key = &batch.columns()[..schema.key];
        if key.is_empty() {
            return Ok(());
        }
        let row = |i: usize| key.iter().map(|c| c.slice(i, 1)).collect::<Vec<_>>();
        let first = row(0);
        if let Some((_, last)) = &self.ends {
            expect_before(schema, last, &first)?;
        }
        // One comparator a column for all rows.
        let compare: Result<Vec<_>, _> = key.iter().map(|c| make_comparator(c, c, ORDER)).collect();
        let compare = compare.map_err(|e| unordered(schema, e))?;
        let ordered = (1..batch.num_rows())
            .all(|i| compare.iter().map(|c| c(i - 1, i)).find(|o| o.is_ne()).is_some_and(Ordering::is_lt));
        if !ordered {
            return Err(out_of_order(schema));
        }
        let last = row(batch.num_rows() - 1);
        self.ends = Some((self.ends.take().map_or(first, |(first, _)| first), last));
        Ok(())
    }
}

/// The keys of one row come before those of another.
pub(super) fn expect_before(schema: &TableSchema, left: &[ArrayRef], right: &[ArrayRef]) -> Result<()> {
    for (l, r) in left.iter().zip(right) {
        match make_comparator(l, r, ORDER).map_err(|e| unordered(schema, e))?(0, 0) {
            Ordering::Equal => {}
            Ordering::Less => return Ok(()),
            Ordering::Greater => break,
        }
    }
    Err(out_of_order(schema))
}

fn out_of_order(schema: &TableSchema) -> Error {
    let names: Vec<&str> = schema.columns[..schema.key].iter().map(|c| c.name.as_str()).collect();
    let (table, key) = (&schema.name, names.join(", "));
    Error::internal(format!("rows of table {table} are out of order or twice by their key ({key})"))
}

fn unordered(schema: &TableSchema, cause: arrow::error::ArrowError) -> Error {
    Error::internal(format!("cannot order table {}", schema.name)).because(cause)
}

fn unencodable(schema: &TableSchema, cause: parquet::errors::ParquetError) -> Error {
    Error::internal(format!("cannot encode table {}", schema.name)).because(cause)
}
