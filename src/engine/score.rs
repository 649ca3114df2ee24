//! The last walk: what each customer's rows say, in the order of customer ids, block by block.
//!
//! A block is a fixed number of customers. Blocks are made in parallel, each from the records of its customers alone,
//! and appended in order, so that no table ever stands whole in memory and the files do not depend on who made what.

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
use crate::timeline::history::Histories;
use crate::timeline::identity::{BUCKET_BITS, BUCKETS, prefix};
use crate::timeline::lens::Lens;
use crate::timeline::record::Record;
use crate::timeline::store::Store;
use crate::timeline::view::LensEvaluator;

/// Customers whose rows are encoded together.
const BLOCK: usize = 1 << 15;
/// Customers whose rows are in memory as cells at a time.
const PIECE: usize = 1 << 9;
/// What a block of one table takes at most while it is made, in bytes: of a ledger that has some ten rows a customer.
const A_BLOCK: u64 = 20 << 20;
/// Customers up to which per-customer tables are one file.
const CUSTOMERS_A_PART: u64 = 1_000_000;

/// k: per-customer tables come in 2^k parts by the top k bits of the customer hash, from the number of customers alone.
pub fn part_bits(customers: u64) -> u32 {
    let parts = customers.div_ceil(CUSTOMERS_A_PART).max(1).next_power_of_two();
    parts.trailing_zeros().min(BUCKET_BITS)
}

/// Takes the rows of tables; `table` is a number in the list of tables.
pub trait PartSink: Sync {
    /// Rows of a block on their way into a part. Encoded by whoever made them.
    type Block: Send;

    fn block(&self, table: usize, part: usize) -> Result<Self::Block>;
    /// Adds a piece to a block: which rows pieces have depends on the data alone.
    fn write(&self, block: &mut Self::Block, piece: &Table) -> Result<()>;
    /// A block has no further rows: what is left to do for it, by whoever made it.
    fn complete(&self, block: &mut Self::Block) -> Result<()>;
    /// Blocks of a part come in order, one at a time.
    fn append(&self, table: usize, part: usize, block: Self::Block) -> Result<()>;
    /// The part has no further blocks.
    fn close(&self, table: usize, part: usize) -> Result<()>;
}

/// What a walk for rows needs.
pub struct Score<'a> {
    pub tables: &'a [Box<dyn PerCustomer>],
    pub lenses: Arc<[Lens]>,
    pub known: &'a StepOutputs,
    pub store: &'a Store,
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
        let bits = part_bits(self.customers);
        let buckets = BUCKETS >> bits;
        (0..1usize << bits).try_for_each(|part| self.part(part, part * buckets..(part + 1) * buckets, sink))
    }

    fn part<S: PartSink>(&self, part: usize, buckets: Range<usize>, sink: &S) -> Result<()> {
        let places = Places::of(buckets, self.store)?;
        let blocks = places.sorted.chunks(BLOCK);
        // Where there is nobody a part has its columns all the same.
        let none: &[Place] = &[];
        let blocks = blocks.chain(places.sorted.is_empty().then_some(none));
        let blocks: Vec<&[Place]> = blocks.collect();
        let waiting = Mutex::new(Waiting { next: 0, made: BTreeMap::new() });
        // Blocks are handed out one after the other: what is made too early has to wait in memory.
        let making = Making { score: self, part, blocks: &blocks, places: &places, sink, waiting };
        let a_block = (self.tables.len() as u64).saturating_mul(A_BLOCK);
        workers::run(&making, blocks.len(), a_block)?;
        (0..self.tables.len()).into_par_iter().try_for_each(|table| sink.close(table, part))
    }

    /// A block of every table.
    fn block<S: PartSink>(&self, part: usize, customers: &[Place], places: &Places, sink: &S) -> Result<Vec<S::Block>> {
        let records = places.records(customers, self.store)?;
        let integer_ids = self.known.shape.integer_ids;
        let through: Vec<usize> = self.tables.iter().flat_map(|t| t.lenses()).collect();
        let mut evaluator = LensEvaluator::new(self.known.shape.clone(), self.lenses.clone(), &through);
        let mut histories = Histories::default();
        let mut blocks = (0..self.tables.len()).map(|t| sink.block(t, part)).collect::<Result<Vec<_>>>()?;
        let mut rows: Vec<Table> = self.tables.iter().map(|t| Table::empty(t.schema(), integer_ids)).collect();
        for piece in customers.chunks(PIECE) {
            self.observer.stopped()?;
            let mut walked = 0;
            for place in piece {
                histories.show(
                    records[place.bucket as usize].record(place.at),
                    integer_ids,
                    |history| -> Result<()> {
                        let Some(person) = evaluator.look(history)? else { return Ok(()) };
                        walked += 1;
                        self.tables.iter().zip(&mut rows).for_each(|(table, rows)| table.rows(&person, rows));
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
            Some(missing) => Err(self.known.shape.rates.error(missing)),
            None => Ok(blocks),
        }
    }
}

/// The blocks of a part in the making, for several workers.
struct Making<'a, S: PartSink> {
    score: &'a Score<'a>,
    part: usize,
    blocks: &'a [&'a [Place]],
    places: &'a Places,
    sink: &'a S,
    waiting: Mutex<Waiting<S::Block>>,
}

impl<S: PartSink> workers::Work for Making<'_, S> {
    type State = ();

    fn start(&self) {}

    fn piece(&self, (): &mut (), number: usize) -> Result<()> {
        let made = self.score.block(self.part, self.blocks[number], self.places, self.sink)?;
        let mut waiting =
            self.waiting.lock().map_err(|_| Error::internal("a thread failed while it wrote customers"))?;
        waiting.made.insert(number, made);
        while let Some(blocks) = waiting.first() {
            blocks.into_iter().enumerate().try_for_each(|(table, block)| self.sink.append(table, self.part, block))?;
        }
        Ok(())
    }

    fn merge(&self, (): &mut (), (): ()) {}

    fn too_large(&self, (): &()) -> Error {
        Error::pipeline("the run needs more memory than --memory-limit allows, to write the tables of customers")
            .help("raise --memory-limit, or write fewer tables of customers (`ledger = true` of a stage is one)")
    }

    fn few(&self, workers: usize, threads: usize) {
        self.score.observer.few_workers(workers, threads);
    }
}

/// Blocks that were made before their turn.
struct Waiting<B> {
    next: usize,
    made: BTreeMap<usize, Vec<B>>,
}

impl<B> Waiting<B> {
    fn first(&mut self) -> Option<Vec<B>> {
        let first = self.made.remove(&self.next)?;
        self.next += 1;
        Some(first)
    }
}

/// Where a customer's record lies.
struct Place {
    /// The first eight bytes of the id, how many there are, and where the others are among those of its bucket.
    prefix: u64,
    short: u8,
    rest: Range<usize>,
    /// Counted from the part's first.
    bucket: u32,
    length: u32,
    at: usize,
}

/// The customers of a part.
struct Places {
    first_bucket: usize,
    /// In the order of ids.
    sorted: Vec<Place>,
    /// For each bucket, what ids have beyond their first eight bytes.
    rests: Vec<Vec<u8>>,
}

impl Places {
    fn of(buckets: Range<usize>, store: &Store) -> Result<Places> {
        let first_bucket = buckets.start;
        let listed: Vec<(Vec<Place>, Vec<u8>)> =
            buckets.into_par_iter().map(|bucket| list(bucket, first_bucket, store)).collect::<Result<_>>()?;
        let mut sorted = Vec::with_capacity(listed.iter().map(|(places, _)| places.len()).sum());
        let mut rests = Vec::with_capacity(listed.len());
        for (mut places, rest) in listed {
            sorted.append(&mut places);
            rests.push(rest);
        }
        // Each bucket is sorted already, which a merge sort makes use of.
        let rest = |place: &Place| &rests[place.bucket as usize][place.rest.clone()];
        sorted.par_sort_by(|a, b| (a.prefix, a.short).cmp(&(b.prefix, b.short)).then_with(|| rest(a).cmp(rest(b))));
        Ok(Places { first_bucket, sorted, rests })
    }

    /// The records of some customers that follow each other: in each bucket they lie one behind the other.
    fn records<'s>(&self, customers: &[Place], store: &'s Store) -> Result<Vec<Records<'s>>> {
        let mut ranges: Vec<Option<Range<usize>>> = vec![None; self.rests.len()];
        for place in customers {
            let end = place.at + place.length as usize;
            let range = ranges[place.bucket as usize].get_or_insert(place.at..end);
            range.end = end;
        }
        let read = |(bucket, range): (usize, Option<Range<usize>>)| {
            let range = range.unwrap_or_default();
            Ok(Records { start: range.start, bytes: store.part(self.first_bucket + bucket, range)? })
        };
        ranges.into_iter().enumerate().map(read).collect()
    }
}

/// Part of a bucket's records.
struct Records<'s> {
    start: usize,
    bytes: Cow<'s, [u8]>,
}

impl Records<'_> {
    fn record(&self, at: usize) -> Record<'_> {
        Record::first(&self.bytes[at - self.start..]).0
    }
}

/// The customers of a bucket in the order of their ids, and what the ids have beyond their first eight bytes.
fn list(bucket: usize, first_bucket: usize, store: &Store) -> Result<(Vec<Place>, Vec<u8>)> {
    let (mut places, mut rests) = (vec![], vec![]);
    let records = store.read(bucket)?;
    let mut at = 0;
    while at < records.len() {
        let (Record { id, .. }, rest) = Record::first(&records[at..]);
        let next = records.len() - rest.len();
        let start = rests.len();
        rests.extend_from_slice(&id[id.len().min(8)..]);
        places.push(Place {
            prefix: prefix(id),
            short: id.len().min(8) as u8,
            rest: start..rests.len(),
            bucket: (bucket - first_bucket) as u32,
            length: (next - at) as u32,
            at,
        });
        at = next;
    }
    Ok((places, rests))
}
