//! The parts of per-customer tables on their way to files.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::engine::score::{PartSink, part_bits};
use crate::error::{Error, Result};
use crate::publish::{Format, Publication, TableWriter, WrittenFile};
use crate::stage::PerCustomer;
use crate::table::Table;

pub struct Parts<'a> {
    publication: &'a Publication,
    tables: &'a [Box<dyn PerCustomer>],
    format: Format,
    /// Several parts a table.
    split: bool,
    open: Mutex<BTreeMap<(usize, usize), TableWriter>>,
    written: Mutex<BTreeMap<(usize, usize), WrittenFile>>,
}

fn poisoned<T>(_: T) -> Error {
    Error::internal("a thread failed while it wrote a per-customer table")
}

impl<'a> Parts<'a> {
    pub fn new(
        publication: &'a Publication,
        tables: &'a [Box<dyn PerCustomer>],
        format: Format,
        customers: u64,
    ) -> Parts<'a> {
        let split = part_bits(customers) > 0;
        Parts { publication, tables, format, split, open: Mutex::default(), written: Mutex::default() }
    }

    fn writer(&self, table: usize, part: usize) -> Result<TableWriter> {
        if let Some(writer) = self.open.lock().map_err(poisoned)?.remove(&(table, part)) {
            return Ok(writer);
        }
        let schema = self.tables[table].schema();
        if self.split {
            self.publication.part(schema, self.format, part)
        } else {
            self.publication.writer(schema, self.format)
        }
    }

    /// The files of each table, in order.
    pub fn finish(self) -> Result<Vec<Vec<WrittenFile>>> {
        let mut files: Vec<Vec<WrittenFile>> = self.tables.iter().map(|_| vec![]).collect();
        for ((table, _), file) in self.written.into_inner().map_err(poisoned)? {
            files[table].push(file);
        }
        Ok(files)
    }
}

impl PartSink for Parts<'_> {
    fn write(&self, table: usize, part: usize, piece: &Table) -> Result<()> {
        let mut writer = self.writer(table, part)?;
        writer.write(piece)?;
        self.open.lock().map_err(poisoned)?.insert((table, part), writer);
        Ok(())
    }

    fn close(&self, table: usize, part: usize) -> Result<()> {
        let file = self.writer(table, part)?.finish()?;
        self.written.lock().map_err(poisoned)?.insert((table, part), file);
        Ok(())
    }
}
