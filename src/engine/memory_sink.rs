//! Rows of customers that stay in memory instead of being written to files.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::score::PartSink;
use crate::error::{Error, Result};
use crate::table::Table;

/// Collects the parts of per-customer tables, each as one table.
#[derive(Default)]
pub struct MemorySink(Mutex<BTreeMap<(usize, usize), Table>>);

fn poisoned<T>(_: T) -> Error {
    Error::internal("a thread failed while it made rows of customers")
}

impl MemorySink {
    /// The parts that have rows, by the number of the table and of the part.
    ///
    /// # Errors
    /// Internal: a thread failed while it held the rows.
    pub fn into_parts(self) -> Result<BTreeMap<(usize, usize), Table>> {
        self.0.into_inner().map_err(poisoned)
    }
}

impl PartSink for MemorySink {
    type Block = Option<Table>;

    fn block(&self, _: usize, _: usize) -> Result<Option<Table>> {
        Ok(None)
    }

    fn write(&self, block: &mut Option<Table>, piece: &Table) -> Result<()> {
        add(block, piece.clone());
        Ok(())
    }

    fn complete(&self, _: &mut Option<Table>) -> Result<()> {
        Ok(())
    }

    fn append(&self, table: usize, part: usize, block: Option<Table>) -> Result<()> {
        let Some(block) = block else { return Ok(()) };
        let mut parts = self.0.lock().map_err(poisoned)?;
        let mut whole = parts.remove(&(table, part));
        add(&mut whole, block);
        parts.extend(whole.map(|whole| ((table, part), whole)));
        Ok(())
    }

    fn close(&self, _: usize, _: usize) -> Result<()> {
        Ok(())
    }
}

fn add(whole: &mut Option<Table>, rows: Table) {
    match whole {
        Some(whole) => whole.append(rows),
        None => *whole = Some(rows),
    }
}
