//! Where the rows of buckets live between the scan and the walks: in memory while they fit the limit, in a temporary
//! file beyond it.
//!
//! Rows arrive in a [`BucketBuffer`] a bucket. A pot that grows too large, or whose turn it is when memory is short, is settled:
//! its rows become a run of records sorted by customer. Sealing brings the runs of a bucket together as one.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use super::bucket_buffer::BucketBuffer;
use super::identity::BUCKETS;
use super::merge::{RunLocation, merge};
use super::record::CustomerRows;
use super::rows::check_money;
use super::spill::Spill;
use crate::calendar::Day;
use crate::error::{Error, Result};

/// A pot larger than this is settled even when there is memory left: settling takes four times as much for a moment.
const LARGE: usize = 12 << 20;

pub struct Store {
    /// Bytes that rows may take in memory.
    limit: usize,
    buckets: Vec<Mutex<Bucket>>,
    sealed: Vec<OnceLock<FinalizedBucket>>,
    /// What each bucket takes in memory, and all together.
    sizes: Vec<AtomicUsize>,
    used: AtomicUsize,
    spill: Spill,
    /// Rows that have arrived, and that will in all.
    arrived: AtomicU64,
    expected: AtomicU64,
}

#[derive(Default)]
struct Bucket {
    pot: BucketBuffer,
    runs: Vec<RunLocation>,
}

/// A bucket after its last row: a record for each customer, in the order of the ids.
pub struct FinalizedBucket {
    records: RunLocation,
    customers: u64,
    /// The earliest `signed_up_at`.
    first_sign_up: Day,
}

fn poisoned<T>(_: T) -> Error {
    Error::internal("a thread failed while it held a bucket of rows")
}

/// What a pot holds, as records.
fn run_of(pot: BucketBuffer) -> Result<RunLocation> {
    let mut run = vec![];
    pot.flush_to_run(&mut |id, rows| {
        rows.write(id, &mut run);
        Ok(())
    })?;
    run.shrink_to_fit();
    Ok(RunLocation::Memory(run))
}

impl Store {
    /// `limit`: bytes that rows may take in memory, `None`: as many as there are. `temporary`: the folder for what goes
    /// beyond.
    pub fn new(limit: Option<usize>, temporary: &Path) -> Store {
        let limit = limit.unwrap_or(usize::MAX);
        Store {
            limit,
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
            sealed: (0..BUCKETS).map(|_| OnceLock::new()).collect(),
            sizes: (0..BUCKETS).map(|_| AtomicUsize::new(0)).collect(),
            used: AtomicUsize::new(0),
            spill: Spill::new(temporary),
            arrived: AtomicU64::new(0),
            expected: AtomicU64::new(0),
        }
    }

    /// Everything in memory.
    pub fn unlimited() -> Store {
        Store::new(None, &std::env::temp_dir())
    }

    /// Bytes that rows may take in memory.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// So many rows will arrive in all: a full disk is answered with what is needed.
    pub fn expect(&self, rows: u64) {
        self.expected.store(rows, Ordering::Relaxed);
    }

    /// Bytes written to temporary files.
    pub fn spilled(&self) -> u64 {
        self.spill.written()
    }

    /// Lets `put` add rows to a bucket.
    ///
    /// # Errors
    /// Output: a temporary file cannot be written.
    pub fn fill(&self, bucket: usize, rows: usize, put: impl FnOnce(&mut BucketBuffer)) -> Result<()> {
        let mut kept = self.buckets[bucket].lock().map_err(poisoned)?;
        put(&mut kept.pot);
        let is_large = kept.pot.bytes() > self.large();
        self.resize(bucket, &kept);
        drop(kept);
        self.arrived.fetch_add(rows as u64, Ordering::Relaxed);
        if is_large { self.flush_to_run(bucket) } else { Ok(()) }
    }

    /// Bytes from which a pot is settled: every thread may be settling one.
    fn large(&self) -> usize {
        LARGE.min(self.limit / 8 / rayon::current_num_threads().max(1))
    }

    /// Bytes that rows take in memory.
    pub fn resident(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Moves sealed buckets to the temporary file, the largest first, until rows take at most so many bytes.
    ///
    /// # Errors
    /// Output: it cannot be written.
    pub fn spill_until_below(&mut self, bytes: usize) -> Result<()> {
        let mut buckets: Vec<usize> = (0..BUCKETS).collect();
        buckets.sort_by_key(|bucket| std::cmp::Reverse(self.sizes[*bucket].load(Ordering::Relaxed)));
        for bucket in buckets {
            if self.resident() <= bytes {
                break;
            }
            let Some(mut sealed) = self.sealed[bucket].take() else { continue };
            sealed.records = self.spill(sealed.records)?;
            self.set_size(bucket, 0);
            self.sealed[bucket] = OnceLock::from(sealed);
        }
        Ok(())
    }

    /// Frees memory if there is too little: the largest buckets go to the temporary file.
    ///
    /// # Errors
    /// Output: it cannot be written.
    pub fn spill_over_limit(&self) -> Result<()> {
        if self.used.load(Ordering::Relaxed) <= self.limit {
            return Ok(());
        }
        // A good deal at once, so that the runs of a bucket are long and few.
        while self.used.load(Ordering::Relaxed) > self.limit / 2 {
            let sizes = self.sizes.iter().map(|size| size.load(Ordering::Relaxed));
            let Some((bucket, size)) = sizes.enumerate().max_by_key(|(_, size)| *size) else { break };
            if size == 0 {
                break;
            }
            self.flush_to_run(bucket)?;
            let runs = std::mem::take(&mut self.buckets[bucket].lock().map_err(poisoned)?.runs);
            let runs = runs.into_iter().map(|run| self.spill(run)).collect::<Result<Vec<_>>>()?;
            let mut kept = self.buckets[bucket].lock().map_err(poisoned)?;
            kept.runs.extend(runs);
            self.resize(bucket, &kept);
        }
        Ok(())
    }

    /// The pot of a bucket becomes a run. Others may fill it again meanwhile.
    fn flush_to_run(&self, bucket: usize) -> Result<()> {
        let pot = std::mem::take(&mut self.buckets[bucket].lock().map_err(poisoned)?.pot);
        if pot.is_empty() {
            return Ok(());
        }
        let run = run_of(pot)?;
        let mut kept = self.buckets[bucket].lock().map_err(poisoned)?;
        kept.runs.push(run);
        self.resize(bucket, &kept);
        Ok(())
    }

    fn spill(&self, run: RunLocation) -> Result<RunLocation> {
        let RunLocation::Memory(bytes) = run else { return Ok(run) };
        let (arrived, expected) = (self.arrived.load(Ordering::Relaxed), self.expected.load(Ordering::Relaxed));
        let share = (expected > 0).then(|| arrived as f64 / expected as f64);
        self.spill.write(&bytes, share).map(RunLocation::File)
    }

    fn resize(&self, bucket: usize, kept: &Bucket) {
        let size = kept.pot.bytes() + kept.runs.iter().map(RunLocation::resident).sum::<usize>();
        self.set_size(bucket, size);
    }

    fn set_size(&self, bucket: usize, size: usize) {
        let before = self.sizes[bucket].swap(size, Ordering::Relaxed);
        // Wraps where it shrinks, and comes out right.
        self.used.fetch_add(size.wrapping_sub(before), Ordering::Relaxed);
    }

    /// After the last row of a bucket: brings everything of a customer together.
    ///
    /// # Errors
    /// Input: a customer's money is beyond what a table can hold. Output: temporary files cannot be used.
    pub fn finalize(&self, bucket: usize) -> Result<()> {
        let Bucket { pot, mut runs } = std::mem::take(&mut *self.buckets[bucket].lock().map_err(poisoned)?);
        let (mut records, mut customers, mut first_sign_up) = (Vec::with_capacity(pot.record_bytes()), 0, Day::NEVER);
        let mut show = |id: &[u8], rows: &mut CustomerRows| {
            rows.date_orders();
            check_money(&rows.days)?;
            rows.write(id, &mut records);
            customers += 1;
            first_sign_up = rows.member.as_ref().map_or(first_sign_up, |m| first_sign_up.min(m.signed_up));
            Ok(())
        };
        if runs.is_empty() {
            pot.flush_to_run(&mut show)?;
        } else {
            runs.push(run_of(pot)?);
            merge(runs, &self.spill, &mut show)?;
        }
        records.shrink_to_fit();
        self.set_size(bucket, records.capacity());
        let mut records = RunLocation::Memory(records);
        // The room that logs leave is too cut up for records, which come in large pieces: some of it stays unused.
        if self.used.load(Ordering::Relaxed) > self.limit / 4 * 3 {
            records = self.spill(records)?;
            self.set_size(bucket, 0);
        }
        self.sealed[bucket]
            .set(FinalizedBucket { records, customers, first_sign_up })
            .map_err(|_| Error::internal("a bucket was sealed twice"))
    }

    fn sealed(&self, bucket: usize) -> Result<&FinalizedBucket> {
        self.sealed[bucket].get().ok_or_else(|| Error::internal("a bucket was read before it was sealed"))
    }

    /// Customers of all sealed buckets.
    pub fn customers(&self) -> u64 {
        self.sealed.iter().filter_map(OnceLock::get).map(|sealed| sealed.customers).sum()
    }

    /// The earliest `signed_up_at` of any customer; [`Day::NEVER`] if none is known.
    pub fn first_sign_up(&self) -> Day {
        self.sealed.iter().filter_map(OnceLock::get).map(|sealed| sealed.first_sign_up).min().unwrap_or(Day::NEVER)
    }

    /// The records of a sealed bucket, one behind the other.
    ///
    /// # Errors
    /// Output: a temporary file cannot be read.
    pub fn read(&self, bucket: usize) -> Result<Cow<'_, [u8]>> {
        let records = &self.sealed(bucket)?.records;
        records.part(0..records.len(), &self.spill)
    }

    /// A part of what [`read`](Store::read) gives.
    ///
    /// # Errors
    /// As there.
    pub fn part(&self, bucket: usize, part: Range<usize>) -> Result<Cow<'_, [u8]>> {
        self.sealed(bucket)?.records.part(part, &self.spill)
    }
}
