//! The parts of per-customer tables on their way to files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::engine::per_customer::PerCustomer;
use crate::engine::score::{PartSink, part_bits};
use crate::error::{Error, Result};
use crate::publish::{Publication, RowGroupWriter, RowGroupWriters, TableFormat, TableWriter, WrittenFile};
use crate::table::Table;

pub(super) struct Parts<'a> {
    publication: &'a Publication,
    tables: &'a [Box<dyn PerCustomer>],
    format: TableFormat,
    /// Several parts a table.
    split: bool,
    open: Mutex<BTreeMap<(usize, usize), OpenPart>>,
    written: Mutex<BTreeMap<(usize, usize), WrittenFile>>,
}

/// A file, and what makes encoders of its rows while other rows are appended.
#[derive(Clone)]
struct OpenPart {
    writer: Arc<Mutex<Option<TableWriter>>>,
    row_groups: RowGroupWriters,
}

fn poisoned<T>(_: T) -> Error {
    Error::internal("a thread failed while it wrote a per-customer table")
}

impl<'a> Parts<'a> {
    pub(super) fn new(
        publication: &'a Publication,
        tables: &'a [Box<dyn PerCustomer>],
        format: TableFormat,
        customers: u64,
    ) -> Parts<'a> {
        let split = part_bits(customers) > 0;
        Parts { publication, tables, format, split, open: Mutex::default(), written: Mutex::default() }
    }

    fn open(&self, table: usize, part: usize) -> Result<OpenPart> {
        let mut open = self.open.lock().map_err(poisoned)?;
        if let Some(known) = open.get(&(table, part)) {
            return Ok(known.clone());
        }
        let schema = self.tables[table].schema();
        let writer = if self.split {
            self.publication.part(schema, self.format, part)?
        } else {
            self.publication.writer(schema, self.format)?
        };
        let row_groups = writer.row_group_writers();
        let new = OpenPart { writer: Arc::new(Mutex::new(Some(writer))), row_groups };
        Ok(open.entry((table, part)).or_insert(new).clone())
    }

    /// The files of each table, in order.
    pub(super) fn finish(self) -> Result<Vec<Vec<WrittenFile>>> {
        let mut files: Vec<Vec<WrittenFile>> = self.tables.iter().map(|_| vec![]).collect();
        for ((table, _), file) in self.written.into_inner().map_err(poisoned)? {
            files[table].push(file);
        }
        Ok(files)
    }
}

const CLOSED: &str = "a part of a per-customer table was written after its end";

impl PartSink for Parts<'_> {
    type Block = RowGroupWriter;

    fn block(&self, table: usize, part: usize) -> Result<RowGroupWriter> {
        Ok(self.open(table, part)?.row_groups.begin())
    }

    fn write(&self, block: &mut RowGroupWriter, piece: &Table) -> Result<()> {
        block.write(piece)
    }

    fn complete(&self, block: &mut RowGroupWriter) -> Result<()> {
        block.complete()
    }

    fn append(&self, table: usize, part: usize, block: RowGroupWriter) -> Result<()> {
        let open = self.open(table, part)?;
        let mut writer = open.writer.lock().map_err(poisoned)?;
        writer.as_mut().ok_or_else(|| Error::internal(CLOSED))?.append(block)
    }

    fn close(&self, table: usize, part: usize) -> Result<()> {
        let writer = self.open(table, part)?.writer.lock().map_err(poisoned)?.take();
        let file = writer.ok_or_else(|| Error::internal(CLOSED))?.finish()?;
        self.written.lock().map_err(poisoned)?.insert((table, part), file);
        Ok(())
    }
}
