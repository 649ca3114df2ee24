//! Keeps the rows of all buckets between the scan and the walks: in memory while they fit the limit, in a temporary
//! file beyond it.
//!
//! Rows arrive in one `BucketBuffer` a bucket. A buffer that grows too large, or is the largest when memory is short,
//! is flushed: its rows become a *run*, a list of records sorted by customer. After the last row a bucket is finalized:
//! its runs are merged into one.

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

/// A buffer of more bytes is flushed even when there is memory left: flushing takes four times as much for a moment.
const LARGE: usize = 12 << 20;

/// The rows of all customers, by bucket.
pub struct Store {
    /// Bytes that rows may take in memory.
    limit: usize,
    buckets: Vec<Mutex<Bucket>>,
    finalized: Vec<OnceLock<FinalizedBucket>>,
    /// The bytes that each bucket takes in memory, and their sum.
    sizes: Vec<AtomicUsize>,
    used: AtomicUsize,
    spill: Spill,
    /// The number of rows that have arrived, and that will in all (0: unknown).
    arrived: AtomicU64,
    expected: AtomicU64,
}

/// A bucket while rows arrive.
#[derive(Default)]
struct Bucket {
    buffer: BucketBuffer,
    runs: Vec<RunLocation>,
}

/// A bucket after its last row.
pub struct FinalizedBucket {
    /// A record for each customer, in the order of the ids.
    records: RunLocation,
    customers: u64,
    /// The earliest `signed_up_at`.
    first_sign_up: Day,
}

fn poisoned<T>(_: T) -> Error {
    Error::internal("a thread failed while it held a bucket of rows")
}

/// The rows of a buffer as a run.
fn run_of(buffer: BucketBuffer) -> Result<RunLocation> {
    let mut run = vec![];
    buffer.flush_to_run(&mut |id, rows| {
        rows.write(id, &mut run);
        Ok(())
    })?;
    run.shrink_to_fit();
    Ok(RunLocation::Memory(run))
}

impl Store {
    /// `limit`: bytes that rows may take in memory; `None`: no limit. `temporary`: the folder of the temporary file.
    pub fn new(limit: Option<usize>, temporary: &Path) -> Store {
        let limit = limit.unwrap_or(usize::MAX);
        Store {
            limit,
            buckets: (0..BUCKETS).map(|_| Mutex::default()).collect(),
            finalized: (0..BUCKETS).map(|_| OnceLock::new()).collect(),
            sizes: (0..BUCKETS).map(|_| AtomicUsize::new(0)).collect(),
            used: AtomicUsize::new(0),
            spill: Spill::new(temporary),
            arrived: AtomicU64::new(0),
            expected: AtomicU64::new(0),
        }
    }

    /// A store that keeps everything in memory.
    pub fn unlimited() -> Store {
        Store::new(None, &std::env::temp_dir())
    }

    /// Bytes that rows may take in memory.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Announces the number of rows that will arrive in all, for the error of a full disk: it says how much room is
    /// needed.
    pub fn expect(&self, rows: u64) {
        self.expected.store(rows, Ordering::Relaxed);
    }

    /// Bytes written to the temporary file.
    pub fn spilled(&self) -> u64 {
        self.spill.written()
    }

    /// Calls `put` to add `rows` rows to a bucket.
    ///
    /// # Errors
    /// Internal: a thread failed while it held the bucket.
    pub fn fill(&self, bucket: usize, rows: usize, put: impl FnOnce(&mut BucketBuffer)) -> Result<()> {
        let mut kept = self.buckets[bucket].lock().map_err(poisoned)?;
        put(&mut kept.buffer);
        let is_large = kept.buffer.bytes() > self.large();
        self.resize(bucket, &kept);
        drop(kept);
        self.arrived.fetch_add(rows as u64, Ordering::Relaxed);
        if is_large { self.flush_to_run(bucket) } else { Ok(()) }
    }

    /// Bytes from which a buffer is flushed: every thread may be flushing one at the same time.
    fn large(&self) -> usize {
        LARGE.min(self.limit / 8 / rayon::current_num_threads().max(1))
    }

    /// Bytes that rows take in memory.
    pub fn resident(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Moves finalized buckets to the temporary file, the largest first, until rows take at most `bytes` in memory.
    ///
    /// # Errors
    /// Output: the file cannot be written.
    pub fn spill_until_below(&mut self, bytes: usize) -> Result<()> {
        let mut buckets: Vec<usize> = (0..BUCKETS).collect();
        buckets.sort_by_key(|bucket| std::cmp::Reverse(self.sizes[*bucket].load(Ordering::Relaxed)));
        for bucket in buckets {
            if self.resident() <= bytes {
                break;
            }
            let Some(mut finalized) = self.finalized[bucket].take() else { continue };
            finalized.records = self.spill(finalized.records)?;
            self.set_size(bucket, 0);
            self.finalized[bucket] = OnceLock::from(finalized);
        }
        Ok(())
    }

    /// If rows take more memory than the limit, flushes the largest buckets and moves their runs to the temporary file.
    ///
    /// # Errors
    /// Output: the file cannot be written.
    pub fn spill_over_limit(&self) -> Result<()> {
        if self.used.load(Ordering::Relaxed) <= self.limit {
            return Ok(());
        }
        // Half of the memory at once, so that the runs of a bucket are long and few.
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

    /// Turns the buffer of a bucket into a run. Other threads may fill the bucket meanwhile.
    fn flush_to_run(&self, bucket: usize) -> Result<()> {
        let buffer = std::mem::take(&mut self.buckets[bucket].lock().map_err(poisoned)?.buffer);
        if buffer.is_empty() {
            return Ok(());
        }
        let run = run_of(buffer)?;
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
        let size = kept.buffer.bytes() + kept.runs.iter().map(RunLocation::resident).sum::<usize>();
        self.set_size(bucket, size);
    }

    fn set_size(&self, bucket: usize, size: usize) {
        let before = self.sizes[bucket].swap(size, Ordering::Relaxed);
        // The difference wraps where the size shrinks, and so does the sum: it comes out right.
        self.used.fetch_add(size.wrapping_sub(before), Ordering::Relaxed);
    }

    /// After the last row of a bucket: merges its rows into one record for each customer.
    ///
    /// # Errors
    /// Input: a customer's money is beyond what a table can hold. Output: the temporary file cannot be written or read,
    /// or is damaged.
    pub fn finalize(&self, bucket: usize) -> Result<()> {
        let Bucket { buffer, mut runs } = std::mem::take(&mut *self.buckets[bucket].lock().map_err(poisoned)?);
        let (mut records, mut customers, mut first_sign_up) =
            (Vec::with_capacity(buffer.record_bytes()), 0, Day::NEVER);
        let mut show = |id: &[u8], rows: &mut CustomerRows| {
            rows.date_orders();
            check_money(&rows.days)?;
            rows.write(id, &mut records);
            customers += 1;
            first_sign_up = rows.member.as_ref().map_or(first_sign_up, |m| first_sign_up.min(m.signed_up));
            Ok(())
        };
        if runs.is_empty() {
            buffer.flush_to_run(&mut show)?;
        } else {
            runs.push(run_of(buffer)?);
            merge(runs, &self.spill, &mut show)?;
        }
        records.shrink_to_fit();
        self.set_size(bucket, records.capacity());
        let mut records = RunLocation::Memory(records);
        // Three quarters of the limit: the memory that logs free is too fragmented for records, which are large pieces.
        if self.used.load(Ordering::Relaxed) > self.limit / 4 * 3 {
            records = self.spill(records)?;
            self.set_size(bucket, 0);
        }
        self.finalized[bucket]
            .set(FinalizedBucket { records, customers, first_sign_up })
            .map_err(|_| Error::internal("a bucket was finalized twice"))
    }

    fn finalized(&self, bucket: usize) -> Result<&FinalizedBucket> {
        self.finalized[bucket].get().ok_or_else(|| Error::internal("a bucket was read before it was finalized"))
    }

    /// The number of customers of all finalized buckets.
    pub fn customers(&self) -> u64 {
        self.finalized.iter().filter_map(OnceLock::get).map(|finalized| finalized.customers).sum()
    }

    /// The earliest `signed_up_at` of any customer; [`Day::NEVER`] if none is known.
    pub fn first_sign_up(&self) -> Day {
        self.finalized
            .iter()
            .filter_map(OnceLock::get)
            .map(|finalized| finalized.first_sign_up)
            .min()
            .unwrap_or(Day::NEVER)
    }

    /// The records of a finalized bucket, one after the other.
    ///
    /// # Errors
    /// Output: the temporary file cannot be read, or is damaged.
    pub fn read(&self, bucket: usize) -> Result<Cow<'_, [u8]>> {
        let records = &self.finalized(bucket)?.records;
        records.part(0..records.len(), &self.spill)
    }

    /// A range of the bytes that [`read`](Store::read) returns.
    ///
    /// # Errors
    /// As [`read`](Store::read).
    pub fn part(&self, bucket: usize, part: Range<usize>) -> Result<Cow<'_, [u8]>> {
        self.finalized(bucket)?.records.part(part, &self.spill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Batch, Ids, Sink, TransactionBatch};
    use crate::timeline::identity::CustomerHasher;
    use crate::timeline::record::Record;
    use crate::timeline::scatter::Scatter;

    /// A store that spills everything, and the scatter that fills it. Three batches: the bucket of a customer with
    /// orders in each has a run of each.
    fn spilling(folder: &Path, orders: usize) -> Store {
        let store = Store::new(Some(1), folder);
        let scatter = Scatter::new(CustomerHasher::default(), &store);
        for batch in 0..3 {
            let n = 20 + orders;
            let order = |i: usize| if i < 20 { 0 } else { (i as u128) << 64 | 1 };
            let rows = TransactionBatch {
                ids: Ids::Integer((0..n).map(|i| i.min(20) as i64).collect()),
                days: (0..n).map(|i| Day(19_000 + batch * 31 + (i % 7) as i32)).collect(),
                instants: vec![0; n],
                amounts: (0..n).map(|i| 100 * i as i64 + i64::from(batch)).collect(),
                active: vec![true; n],
                orders: Some((0..n).map(order).collect()),
                segments: vec![],
            };
            scatter.accept(Batch::Transactions(rows)).unwrap();
        }
        store
    }

    fn finalize_all(store: &Store) -> Result<()> {
        (0..BUCKETS).try_for_each(|bucket| store.finalize(bucket))
    }

    /// The records of all buckets, read whole; and each record read alone.
    fn all(store: &Store) -> Result<Vec<Vec<u8>>> {
        let mut records = vec![];
        for bucket in 0..BUCKETS {
            let bytes = store.read(bucket)?;
            let mut at = 0;
            while at < bytes.len() {
                let (_, rest) = Record::first(&bytes[at..]);
                let next = bytes.len() - rest.len();
                records.push(store.part(bucket, at..next)?.into_owned());
                at = next;
            }
            records.push(bytes.into_owned());
        }
        Ok(records)
    }

    #[test]
    fn a_damaged_byte_of_finalized_buckets_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = spilling(folder.path(), 0);
        let runs = store.spilled();
        finalize_all(&store).unwrap();
        let expected = all(&store).unwrap();
        assert_eq!((store.customers(), store.resident()), (20, 0));
        for at in 0..store.spilled() {
            store.spill.damage(at);
            match all(&store) {
                // Runs are not read again once they are merged.
                Ok(read) => assert!(at < runs && read == expected, "byte {at}"),
                Err(error) => {
                    assert!(at >= runs && error.what.contains("changed on disk"), "byte {at}: {}", error.what);
                }
            }
            store.spill.damage(at);
        }
        assert_eq!(all(&store).unwrap(), expected);
    }

    /// The customer with many orders has several records in each run, of several blocks, which are merged as a stream.
    #[test]
    fn a_damaged_byte_of_a_run_is_an_error_before_it_is_merged() {
        let folder = tempfile::tempdir().unwrap();
        let orders = 10_000;
        let size = spilling(folder.path(), orders).spilled();
        assert!(size > 100_000, "{size}");
        for at in (0..size).step_by(size as usize / 24).chain([size - 1]) {
            let store = spilling(folder.path(), orders);
            store.spill.damage(at);
            let error = finalize_all(&store).unwrap_err();
            assert!(error.what.contains("changed on disk"), "byte {at}: {}", error.what);
        }
    }
}
