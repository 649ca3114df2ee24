//! Runs of records, each sorted by id, brought together customer by customer.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::identity::prefix;
use super::record::{CustomerRows, LENGTH, Record, length};
use super::rows::{OrderRow, date_order};
use super::spill::Spill;
use crate::error::Result;

/// Where bytes lie.
#[derive(Debug)]
pub enum RunLocation {
    Memory(Vec<u8>),
    File(Range<u64>),
}

impl RunLocation {
    pub fn len(&self) -> usize {
        match self {
            RunLocation::Memory(bytes) => bytes.len(),
            RunLocation::File(range) => (range.end - range.start) as usize,
        }
    }

    /// What it takes in memory.
    pub fn resident(&self) -> usize {
        match self {
            RunLocation::Memory(bytes) => bytes.capacity(),
            RunLocation::File(_) => 0,
        }
    }

    /// A part of the bytes.
    ///
    /// # Errors
    /// Output: the temporary file cannot be read.
    pub fn part(&self, part: Range<usize>, spill: &Spill) -> Result<Cow<'_, [u8]>> {
        match self {
            RunLocation::Memory(bytes) => Ok(Cow::Borrowed(&bytes[part])),
            RunLocation::File(range) => {
                let mut bytes = vec![0; part.len()];
                spill.read(range.start + part.start as u64, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// Bytes read ahead of a run in a file, if there are few runs; all of them together read at most as much ahead as
/// [`AHEAD_OF_ALL`].
const AHEAD: usize = 1 << 18;
const AHEAD_OF_ALL: usize = 1 << 24;
const AHEAD_AT_LEAST: usize = 1 << 12;

/// The records of a run, one after the other.
struct Run<'a> {
    spill: &'a Spill,
    /// What of the file is not yet in `bytes`.
    file: Range<u64>,
    ahead: usize,
    bytes: Vec<u8>,
    /// Where the next record begins.
    at: usize,
    prefix: u64,
}

impl<'a> Run<'a> {
    fn new(kept: RunLocation, spill: &'a Spill, ahead: usize) -> Result<Run<'a>> {
        let (bytes, file) = match kept {
            RunLocation::Memory(bytes) => (bytes, 0..0),
            RunLocation::File(file) => (vec![], file),
        };
        let mut run = Run { spill, file, ahead, bytes, at: 0, prefix: 0 };
        run.ready()?;
        Ok(run)
    }

    fn head(&self) -> Option<Record<'_>> {
        (self.at < self.bytes.len()).then(|| Record::first(&self.bytes[self.at..]).0)
    }

    fn advance(&mut self) -> Result<()> {
        self.at += length(&self.bytes[self.at..]).unwrap_or(0);
        self.ready()
    }

    /// Makes sure that the next record is in memory as a whole.
    fn ready(&mut self) -> Result<()> {
        loop {
            let here = self.bytes.len() - self.at;
            let wanted = length(&self.bytes[self.at..]).unwrap_or(LENGTH);
            let left = (self.file.end - self.file.start) as usize;
            if here >= wanted.max(LENGTH) || left == 0 {
                break;
            }
            self.bytes.drain(..self.at);
            self.at = 0;
            let more = (wanted - here).max(self.ahead).min(left);
            self.bytes.resize(here + more, 0);
            self.spill.read(self.file.start, &mut self.bytes[here..])?;
            self.file.start += more as u64;
        }
        self.prefix = self.head().map_or(u64::MAX, |record| prefix(record.id));
        Ok(())
    }
}

/// Shows the rows of each customer of all runs, combined and with dated orders, in the order of the ids.
///
/// # Errors
/// When a run cannot be read; the first that `show` gives.
pub fn merge(
    runs: Vec<RunLocation>,
    spill: &Spill,
    show: &mut dyn FnMut(&[u8], &mut CustomerRows) -> Result<()>,
) -> Result<()> {
    let ahead = AHEAD.min(AHEAD_OF_ALL / runs.len().max(1)).max(AHEAD_AT_LEAST);
    let mut runs = runs.into_iter().map(|run| Run::new(run, spill, ahead)).collect::<Result<Vec<_>>>()?;
    let (mut id, mut rows, mut ordered) = (vec![], CustomerRows::default(), vec![]);
    while least(&runs, &mut id) {
        rows.clear();
        ordered.clear();
        let mut goes_on = false;
        for (number, run) in runs.iter_mut().enumerate() {
            let Some(record) = run.head().filter(|record| record.id == id) else { continue };
            record.read(&mut rows);
            let orders = std::mem::take(&mut rows.orders);
            run.advance()?;
            goes_on |= run.head().is_some_and(|record| record.id == id);
            ordered.push(Orders { run: number, rows: orders, at: 0 });
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

/// The least id that any run has next.
fn least(runs: &[Run<'_>], into: &mut Vec<u8>) -> bool {
    let heads = runs.iter().filter_map(|run| Some((run.prefix, run.head()?.id)));
    let Some((_, id)) = heads.min() else { return false };
    into.clear();
    into.extend_from_slice(id);
    true
}

/// Orders of a customer from one run, the next few thousand.
struct Orders {
    run: usize,
    rows: Vec<OrderRow>,
    at: usize,
}

impl Orders {
    fn next(&mut self, runs: &mut [Run<'_>], id: &[u8]) -> Result<Option<OrderRow>> {
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

/// Dates more orders than need be in memory at once.
fn date_many(rows: &mut CustomerRows, ordered: &mut [Orders], runs: &mut [Run<'_>], id: &[u8]) -> Result<()> {
    let mut next = BinaryHeap::new();
    for (i, orders) in ordered.iter_mut().enumerate() {
        next.extend(orders.next(runs, id)?.map(|order| Reverse((order, i))));
    }
    let mut dated = 0;
    while let Some(Reverse((order, i))) = next.pop() {
        // The least day of an order comes first; no order is 0.
        if order.order != dated {
            date_order(&mut rows.days, order.day);
            dated = order.order;
        }
        next.extend(ordered[i].next(runs, id)?.map(|order| Reverse((order, i))));
    }
    Ok(())
}
