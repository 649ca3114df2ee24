//! Merges runs of records, each sorted by customer id, and combines the records of each customer.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::identity::prefix;
use super::record::{CustomerRows, LENGTH, Record, length};
use super::rows::{OrderRow, date_order};
use super::spill::{BLOCK, Spill, SpilledPiece};
use crate::error::Result;

/// The bytes of a run, in memory or in the temporary file.
#[derive(Debug)]
pub(super) enum RunLocation {
    Memory(Vec<u8>),
    File(SpilledPiece),
}

impl RunLocation {
    /// In bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            RunLocation::Memory(bytes) => bytes.len(),
            RunLocation::File(piece) => piece.len(),
        }
    }

    /// The bytes that it takes in memory. The checksums of a spilled run, 1/2048 of it, are not counted: flushing could
    /// not free them.
    pub(super) fn resident(&self) -> usize {
        match self {
            RunLocation::Memory(bytes) => bytes.capacity(),
            RunLocation::File(_) => 0,
        }
    }

    /// A range of the bytes. Of a spilled run the whole blocks around it are read and verified.
    ///
    /// # Errors
    /// Output: the temporary file cannot be read, or is damaged.
    pub(super) fn part(&self, part: Range<usize>, spill: &Spill) -> Result<Cow<'_, [u8]>> {
        match self {
            RunLocation::Memory(bytes) => Ok(Cow::Borrowed(&bytes[part])),
            RunLocation::File(_) if part.is_empty() => Ok(Cow::Borrowed(&[])),
            RunLocation::File(piece) => {
                let start = part.start / BLOCK * BLOCK;
                let end = part.end.next_multiple_of(BLOCK).min(piece.len());
                let mut bytes = vec![0; end - start];
                spill.read(piece, start, &mut bytes)?;
                bytes.truncate(part.end - start);
                bytes.drain(..part.start - start);
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// Bytes that are read ahead of a spilled run if there are few of them, of all runs together, and of each run at least.
const AHEAD: usize = 1 << 18;
const AHEAD_OF_ALL: usize = 1 << 24;
const AHEAD_AT_LEAST: usize = BLOCK;

/// Reads the records of a run, one after the other.
struct RunReader<'a> {
    spill: &'a Spill,
    /// `None` if the whole run is in memory.
    piece: Option<SpilledPiece>,
    /// How much of the piece was read: a multiple of [`BLOCK`], or all of it.
    taken: usize,
    ahead: usize,
    /// What was read and not yet used up.
    bytes: Vec<u8>,
    /// Where the next record begins in `bytes`.
    at: usize,
    /// Of the next record's id; the greatest number at the end of the run.
    prefix: u64,
}

impl<'a> RunReader<'a> {
    fn new(kept: RunLocation, spill: &'a Spill, ahead: usize) -> Result<RunReader<'a>> {
        let (bytes, piece) = match kept {
            RunLocation::Memory(bytes) => (bytes, None),
            RunLocation::File(piece) => (vec![], Some(piece)),
        };
        let mut run = RunReader { spill, piece, taken: 0, ahead, bytes, at: 0, prefix: 0 };
        run.fetch()?;
        Ok(run)
    }

    /// The next record.
    fn head(&self) -> Option<Record<'_>> {
        (self.at < self.bytes.len()).then(|| Record::first(&self.bytes[self.at..]).0)
    }

    fn advance(&mut self) -> Result<()> {
        self.at += length(&self.bytes[self.at..]).unwrap_or(0);
        self.fetch()
    }

    /// Reads on until the next record is in memory as a whole.
    fn fetch(&mut self) -> Result<()> {
        loop {
            let here = self.bytes.len() - self.at;
            let wanted = length(&self.bytes[self.at..]).unwrap_or(LENGTH);
            let Some(piece) = self.piece.as_ref().filter(|piece| self.taken < piece.len()) else { break };
            if here >= wanted.max(LENGTH) {
                break;
            }
            self.bytes.drain(..self.at);
            self.at = 0;
            let more = (wanted - here).max(self.ahead).next_multiple_of(BLOCK).min(piece.len() - self.taken);
            self.bytes.resize(here + more, 0);
            self.spill.read(piece, self.taken, &mut self.bytes[here..])?;
            self.taken += more;
        }
        self.prefix = self.head().map_or(u64::MAX, |record| prefix(record.id));
        Ok(())
    }
}

/// Calls `show` with the rows of each customer of all runs, combined and with orders counted on their days, in the
/// order of the ids.
///
/// # Errors
/// Output: a run cannot be read, or is damaged. Else the first error of `show`.
pub(super) fn merge(
    runs: Vec<RunLocation>,
    spill: &Spill,
    show: &mut dyn FnMut(&[u8], &mut CustomerRows) -> Result<()>,
) -> Result<()> {
    let ahead = AHEAD.min(AHEAD_OF_ALL / runs.len().max(1)).max(AHEAD_AT_LEAST);
    let mut runs = runs.into_iter().map(|run| RunReader::new(run, spill, ahead)).collect::<Result<Vec<_>>>()?;
    let (mut id, mut rows, mut ordered) = (vec![], CustomerRows::default(), vec![]);
    while next_id(&runs, &mut id) {
        rows.clear();
        ordered.clear();
        let mut goes_on = false;
        for (number, run) in runs.iter_mut().enumerate() {
            let Some(record) = run.head().filter(|record| record.id == id) else { continue };
            record.read(&mut rows);
            let orders = std::mem::take(&mut rows.orders);
            run.advance()?;
            goes_on |= run.head().is_some_and(|record| record.id == id);
            ordered.push(OrderStream { run: number, rows: orders, at: 0 });
        }
        if goes_on {
            rows.combine();
            date_many(&mut rows, &mut ordered, &mut runs, &id)?;
        } else {
            ordered.iter_mut().for_each(|orders| rows.orders.append(&mut orders.rows));
            rows.combine();
            rows.date_orders();
        }
        show(&id, &mut rows)?;
    }
    Ok(())
}

/// Puts the smallest id that any run has next into `into`; false at the end of all runs.
fn next_id(runs: &[RunReader<'_>], into: &mut Vec<u8>) -> bool {
    let heads = runs.iter().filter_map(|run| Some((run.prefix, run.head()?.id)));
    let Some((_, id)) = heads.min() else { return false };
    into.clear();
    into.extend_from_slice(id);
    true
}

/// The orders of a customer in one run, of which a few thousand are in memory at a time.
struct OrderStream {
    /// The number of the run.
    run: usize,
    rows: Vec<OrderRow>,
    /// The next of `rows`.
    at: usize,
}

impl OrderStream {
    fn next(&mut self, runs: &mut [RunReader<'_>], id: &[u8]) -> Result<Option<OrderRow>> {
        if self.at == self.rows.len() {
            let run = &mut runs[self.run];
            let Some(record) = run.head().filter(|record| record.id == id) else { return Ok(None) };
            let mut more = CustomerRows { orders: std::mem::take(&mut self.rows), ..CustomerRows::default() };
            more.orders.clear();
            record.read(&mut more);
            run.advance()?;
            (self.rows, self.at) = (more.orders, 0);
        }
        self.at += 1;
        Ok(self.rows.get(self.at - 1).copied())
    }
}

/// Counts each order on its first day, by a merge of the runs' orders: a customer may have more orders than fit into
/// memory.
fn date_many(
    rows: &mut CustomerRows,
    ordered: &mut [OrderStream],
    runs: &mut [RunReader<'_>],
    id: &[u8],
) -> Result<()> {
    let mut next = BinaryHeap::new();
    for (i, orders) in ordered.iter_mut().enumerate() {
        next.extend(orders.next(runs, id)?.map(|order| Reverse((order, i))));
    }
    let mut dated = 0;
    while let Some(Reverse((order, i))) = next.pop() {
        // Equal orders follow each other with their first day in front. No order is 0.
        if order.order != dated {
            date_order(&mut rows.days, order.day);
            dated = order.order;
        }
        next.extend(ordered[i].next(runs, id)?.map(|order| Reverse((order, i))));
    }
    Ok(())
}
