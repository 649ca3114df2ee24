//! The last walk: writes the tables that have rows of single customers, in the order of customer ids.
//!
//! A part of a table holds the customers of a range of buckets. It is written block by block; a block has a fixed
//! number of customers. Workers make blocks in parallel, each from the records of its customers alone, and append them
//! in order: no table is ever whole in memory, and the files do not depend on the number of threads.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use super::per_customer::PerCustomer;
use super::step_outputs::StepOutputs;
use super::workers;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::table::Table;
use crate::timeline::history::HistoryReader;
use crate::timeline::identity::{BUCKET_BITS, BUCKETS, prefix};
use crate::timeline::lens::Lens;
use crate::timeline::lens_evaluator::LensEvaluator;
use crate::timeline::record::Record;
use crate::timeline::store::Store;

/// Customers of a block: their rows are encoded together.
const BLOCK: usize = 1 << 15;
/// Customers whose rows are in memory as cells at the same time.
const PIECE: usize = 1 << 9;
/// The most bytes that a block of one table takes while it is made: those of a ledger of about ten rows a customer.
const A_BLOCK: u64 = 20 << 20;
/// The most customers of a part, about.
const CUSTOMERS_A_PART: u64 = 1_000_000;

/// The k of the 2^k parts that per-customer tables come in, by the top k bits of the customer hash. It follows from the
/// number of customers alone.
pub fn part_bits(customers: u64) -> u32 {
    let parts = customers.div_ceil(CUSTOMERS_A_PART).max(1).next_power_of_two();
    parts.trailing_zeros().min(BUCKET_BITS)
}

/// Takes the rows of per-customer tables. `table` is an index into [`Score::tables`], `part` counts from 0.
pub trait PartSink: Sync {
    /// The rows of a block, encoded by the thread that made them.
    type Block: Send;

    /// Begins a block.
    fn block(&self, table: usize, part: usize) -> Result<Self::Block>;
    /// Adds rows to a block. How rows fall into pieces depends on the data alone.
    fn write(&self, block: &mut Self::Block, piece: &Table) -> Result<()>;
    /// Finishes a block (encodes and compresses it). Called on the producing thread.
    fn complete(&self, block: &mut Self::Block) -> Result<()>;
    /// Appends a finished block to its part. The blocks of a part come in order, one at a time.
    fn append(&self, table: usize, part: usize, block: Self::Block) -> Result<()>;
    /// Ends a part: it has no further blocks.
    fn close(&self, table: usize, part: usize) -> Result<()>;
}

/// The last walk of a run.
pub struct Score<'a> {
    /// The tables to write.
    pub tables: &'a [Box<dyn PerCustomer>],
    pub lenses: Arc<[Lens]>,
    pub outputs: &'a StepOutputs,
    pub store: &'a Store,
    /// The number of customers, which decides the number of parts.
    pub customers: u64,
    pub observer: &'a dyn Progress,
}

impl Score<'_> {
    /// Writes every table for every customer.
    ///
    /// # Errors
    /// When a store fails, the observer stops the run, or `sink` fails.
    pub fn write<S: PartSink>(&self, sink: &S) -> Result<()> {
        if self.tables.is_empty() {
            return Ok(());
        }
        (0..self.parts()).try_for_each(|part| self.write_part(part, sink))
    }

    /// The number of parts that each table comes in.
    pub fn parts(&self) -> usize {
        1 << part_bits(self.customers)
    }

    /// Writes one part of every table.
    ///
    /// # Errors
    /// Those of [`write`](Score::write).
    pub fn write_part<S: PartSink>(&self, part: usize, sink: &S) -> Result<()> {
        let buckets = BUCKETS / self.parts();
        let buckets: Range<usize> = part * buckets..(part + 1) * buckets;
        let index = RecordIndex::of(buckets, self.store)?;
        let blocks = index.sorted.chunks(BLOCK);
        // A part without customers has one empty block, so that its file has the table's columns.
        let none: &[RecordLocation] = &[];
        let blocks = blocks.chain(index.sorted.is_empty().then_some(none));
        let blocks: Vec<&[RecordLocation]> = blocks.collect();
        let pending = Mutex::new(PendingBlocks { next: 0, made: BTreeMap::new() });
        let work = PartWork { score: self, part, blocks: &blocks, index: &index, sink, pending };
        let a_block = (self.tables.len() as u64).saturating_mul(A_BLOCK);
        workers::run(&work, blocks.len(), a_block)?;
        (0..self.tables.len()).into_par_iter().try_for_each(|table| sink.close(table, part))
    }

    /// Makes a block of every table.
    fn block<S: PartSink>(
        &self,
        part: usize,
        customers: &[RecordLocation],
        index: &RecordIndex,
        sink: &S,
    ) -> Result<Vec<S::Block>> {
        let records = index.records(customers, self.store)?;
        let integer_ids = self.outputs.shape.integer_ids;
        let through: Vec<usize> = self.tables.iter().flat_map(|t| t.lenses()).collect();
        let mut evaluator = LensEvaluator::new(self.outputs.shape.clone(), self.lenses.clone(), &through);
        let mut histories = HistoryReader::default();
        let mut blocks = (0..self.tables.len()).map(|t| sink.block(t, part)).collect::<Result<Vec<_>>>()?;
        let mut rows: Vec<Table> = self.tables.iter().map(|t| Table::empty(t.schema(), integer_ids)).collect();
        for piece in customers.chunks(PIECE) {
            self.observer.stopped()?;
            let mut walked = 0;
            for location in piece {
                histories.show(
                    records[location.bucket as usize].record(location.at),
                    integer_ids,
                    |history| -> Result<()> {
                        let Some(customer) = evaluator.evaluate(history)? else { return Ok(()) };
                        walked += 1;
                        self.tables.iter().zip(&mut rows).for_each(|(table, rows)| table.rows(&customer, rows));
                        Ok(())
                    },
                )?;
            }
            for (rows, block) in rows.iter_mut().zip(&mut blocks) {
                sink.write(block, rows)?;
                rows.clear();
            }
            self.observer.advance(walked);
        }
        blocks.iter_mut().try_for_each(|block| sink.complete(block))?;
        match evaluator.missing() {
            Some(missing) => Err(self.outputs.shape.rates.error(missing)),
            None => Ok(blocks),
        }
    }
}

/// Writes one part; a piece of work is a block of every table. Workers take blocks in order and append them in order: a
/// block that is ready before its turn waits in memory.
struct PartWork<'a, S: PartSink> {
    score: &'a Score<'a>,
    part: usize,
    blocks: &'a [&'a [RecordLocation]],
    index: &'a RecordIndex,
    sink: &'a S,
    pending: Mutex<PendingBlocks<S::Block>>,
}

impl<S: PartSink> workers::ParallelWork for PartWork<'_, S> {
    type WorkerState = ();

    fn start(&self) {}

    fn piece(&self, (): &mut (), number: usize) -> Result<()> {
        let made = self.score.block(self.part, self.blocks[number], self.index, self.sink)?;
        let mut pending =
            self.pending.lock().map_err(|_| Error::internal("a thread failed while it wrote customers"))?;
        pending.made.insert(number, made);
        while let Some(blocks) = pending.pop_next() {
            blocks.into_iter().enumerate().try_for_each(|(table, block)| self.sink.append(table, self.part, block))?;
        }
        Ok(())
    }

    fn merge(&self, (): &mut (), (): ()) {}

    fn too_large(&self, (): &()) -> Error {
        Error::pipeline("the run needs more memory than --memory-limit allows, to write the tables of customers")
            .help("raise --memory-limit, or write fewer tables of customers (`ledger = true` of a stage is one)")
    }

    fn fewer_workers(&self, workers: usize, threads: usize) {
        self.score.observer.few_workers(workers, threads);
    }
}

/// Blocks that are ready but not yet appended.
struct PendingBlocks<B> {
    /// The block to be appended next.
    next: usize,
    /// By number; a block of each table.
    made: BTreeMap<usize, Vec<B>>,
}

impl<B> PendingBlocks<B> {
    fn pop_next(&mut self) -> Option<Vec<B>> {
        let first = self.made.remove(&self.next)?;
        self.next += 1;
        Some(first)
    }
}

/// Where a customer's record lies.
struct RecordLocation {
    /// The first eight bytes of the id, the number of these, and the position of the others in [`RecordIndex::rests`].
    prefix: u64,
    short: u8,
    rest: Range<usize>,
    /// Counted from the part's first.
    bucket: u32,
    /// Of the record, in bytes.
    length: u32,
    /// Where the record begins among those of its bucket.
    at: usize,
}

/// The records of all customers of a part.
struct RecordIndex {
    first_bucket: usize,
    /// In the order of ids.
    sorted: Vec<RecordLocation>,
    /// For each bucket, the bytes of ids beyond their first eight.
    rests: Vec<Vec<u8>>,
}

impl RecordIndex {
    fn of(buckets: Range<usize>, store: &Store) -> Result<RecordIndex> {
        let first_bucket = buckets.start;
        let listed: Vec<(Vec<RecordLocation>, Vec<u8>)> =
            buckets.into_par_iter().map(|bucket| list(bucket, first_bucket, store)).collect::<Result<_>>()?;
        let mut sorted = Vec::with_capacity(listed.iter().map(|(locations, _)| locations.len()).sum());
        let mut rests = Vec::with_capacity(listed.len());
        for (mut locations, rest) in listed {
            sorted.append(&mut locations);
            rests.push(rest);
        }
        // A stable (merge) sort: each bucket is sorted already, which it makes use of.
        let rest = |location: &RecordLocation| &rests[location.bucket as usize][location.rest.clone()];
        sorted.par_sort_by(|a, b| (a.prefix, a.short).cmp(&(b.prefix, b.short)).then_with(|| rest(a).cmp(rest(b))));
        Ok(RecordIndex { first_bucket, sorted, rests })
    }

    /// Reads the records of customers who follow each other in the index. In each bucket these are one contiguous
    /// range.
    fn records<'s>(&self, customers: &[RecordLocation], store: &'s Store) -> Result<Vec<Records<'s>>> {
        let mut ranges: Vec<Option<Range<usize>>> = vec![None; self.rests.len()];
        for location in customers {
            let end = location.at + location.length as usize;
            let range = ranges[location.bucket as usize].get_or_insert(location.at..end);
            range.end = end;
        }
        let read = |(bucket, range): (usize, Option<Range<usize>>)| {
            let range = range.unwrap_or_default();
            Ok(Records { start: range.start, bytes: store.part(self.first_bucket + bucket, range)? })
        };
        ranges.into_iter().enumerate().map(read).collect()
    }
}

/// A contiguous range of a bucket's records.
struct Records<'s> {
    /// Where the range begins among the bucket's bytes.
    start: usize,
    bytes: Cow<'s, [u8]>,
}

impl Records<'_> {
    fn record(&self, at: usize) -> Record<'_> {
        Record::first(&self.bytes[at - self.start..]).0
    }
}

/// The customers of a bucket in the order of their ids, and the bytes of the ids beyond the first eight.
fn list(bucket: usize, first_bucket: usize, store: &Store) -> Result<(Vec<RecordLocation>, Vec<u8>)> {
    let (mut locations, mut rests) = (vec![], vec![]);
    let records = store.read(bucket)?;
    let mut at = 0;
    while at < records.len() {
        let (Record { id, .. }, rest) = Record::first(&records[at..]);
        let next = records.len() - rest.len();
        let start = rests.len();
        rests.extend_from_slice(&id[id.len().min(8)..]);
        locations.push(RecordLocation {
            prefix: prefix(id),
            short: id.len().min(8) as u8,
            rest: start..rests.len(),
            bucket: (bucket - first_bucket) as u32,
            length: (next - at) as u32,
            at,
        });
        at = next;
    }
    Ok((locations, rests))
}
