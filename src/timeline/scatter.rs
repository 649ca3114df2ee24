//! Canonical rows → buckets.
//!
//! Each worker fills a set of small buffers of its own, one a bucket, and hands a buffer to the store when it is full.
//! A text id is logged the first time that a worker meets it, by a small cache that compares bytes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::identity::{BUCKETS, Identity};
use super::rows::{DayRow, IdRow, MemberRow, OrderRow, Rows, SharedKey, TermRow, ValueRow};
use super::store::BucketStore;
use crate::error::{Error, Result};
use crate::source::canonical::{Batch, Customers, Ids, Sink, Subscriptions, Transactions, ValueCode};

/// Rows a buffer holds before it goes to the store.
const BUFFER: usize = 2048;
/// Slots of a worker's id cache: a power of two.
const CACHE: usize = 1 << 16;

pub struct Scatter<'a> {
    identity: Identity,
    store: &'a dyn BucketStore,
    workers: Vec<Mutex<Worker>>,
    next: AtomicU64,
}

#[derive(Default)]
struct Worker {
    buffers: Vec<Rows>,
    cache: Vec<Option<(u64, Box<str>)>>,
}

impl<'a> Scatter<'a> {
    /// `threads`: how many workers may call at once without waiting for each other.
    pub fn new(identity: Identity, store: &'a dyn BucketStore, threads: usize) -> Self {
        let workers = (0..threads.max(1)).map(|_| Mutex::default()).collect();
        Scatter { identity, store, workers, next: AtomicU64::new(0) }
    }

    /// Hands over what the buffers still hold and seals every bucket.
    pub fn finish(self) -> Result<std::result::Result<(), SharedKey>> {
        use rayon::prelude::*;
        for worker in self.workers {
            let worker = worker.into_inner().map_err(|_| Error::internal("a thread failed while it scattered rows"))?;
            for (bucket, rows) in worker.buffers.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
                self.store.append(bucket, rows)?;
            }
        }
        (0..BUCKETS).into_par_iter().map(|bucket| self.store.seal(bucket)).try_reduce(|| Ok(()), |a, b| Ok(a.and(b)))
    }
}

impl Worker {
    /// The buffers of the customers of a batch: calls `put(buffer, row, key)` for each row.
    fn fill(
        &mut self,
        identity: Identity,
        store: &dyn BucketStore,
        ids: &Ids,
        mut put: impl FnMut(&mut Rows, usize, u64),
    ) -> Result<()> {
        if self.buffers.is_empty() {
            self.buffers.resize_with(BUCKETS, Rows::default);
        }
        for row in 0..ids.len() {
            let (bucket, key) = match ids {
                Ids::Integer(ids) => identity.integer(ids[row]),
                Ids::Text(ids) => {
                    let id = ids.get(row);
                    let (bucket, key) = identity.text(id);
                    self.log(bucket, key, id);
                    (bucket, key)
                }
            };
            let buffer = &mut self.buffers[bucket];
            put(buffer, row, key);
            if buffer.days.len() >= BUFFER || (row % 64 == 0 && buffer.len() >= 2 * BUFFER) {
                store.append(bucket, std::mem::take(buffer))?;
            }
        }
        Ok(())
    }

    fn log(&mut self, bucket: usize, key: u64, id: &str) {
        if self.cache.is_empty() {
            self.cache.resize(CACHE, None);
        }
        let slot = &mut self.cache[(key as usize ^ bucket) % CACHE];
        if slot.as_ref().is_none_or(|(k, known)| *k != key || **known != *id) {
            let id: Box<str> = id.into();
            self.buffers[bucket].ids.push(IdRow { key, id: id.clone() });
            *slot = Some((key, id));
        }
    }
}

type SegmentColumns = [(usize, Vec<ValueCode>)];

fn put_values(
    rows: &mut Rows,
    key: u64,
    row: usize,
    day: crate::calendar::Day,
    instant: i64,
    columns: &SegmentColumns,
) {
    for (segment, codes) in columns {
        rows.values.push(ValueRow { key, segment: *segment as u16, day, instant, code: codes[row] });
    }
}

impl Sink for Scatter<'_> {
    fn accept(&self, batch: Batch) -> Result<()> {
        let turn = rayon::current_thread_index().unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed) as usize);
        let mut worker = self.workers[turn % self.workers.len()]
            .lock()
            .map_err(|_| Error::internal("a thread failed while it scattered rows"))?;
        match batch {
            Batch::Transactions(Transactions { ids, days, instants, amounts, active, orders, segments }) => {
                worker.fill(self.identity, self.store, &ids, |rows, i, key| {
                    let (day, is_active) = (days[i], active[i]);
                    // A row without an order id is an order by itself; 0 stands for NULL.
                    let order = orders.as_ref().map_or(0, |orders| orders[i]);
                    let counted = u32::from(is_active && order == 0);
                    rows.days.push(DayRow { key, day, active: is_active.into(), orders: counted, net: amounts[i] });
                    if is_active && order != 0 {
                        rows.orders.push(OrderRow { key, order, day });
                    }
                    put_values(rows, key, i, day, instants[i], &segments);
                })
            }
            Batch::Subscriptions(Subscriptions { ids, terms, instants, segments }) => {
                worker.fill(self.identity, self.store, &ids, |rows, i, key| {
                    rows.terms.push(TermRow { key, term: terms[i] });
                    put_values(rows, key, i, terms[i].started, instants[i], &segments);
                })
            }
            Batch::Customers(Customers { ids, signed_up, segments, canonical }) => {
                worker.fill(self.identity, self.store, &ids, |rows, i, key| {
                    let values = segments.iter().map(|(s, codes)| (*s as u16, codes[i])).collect();
                    let canonical = canonical[i].clone();
                    let signed_up = signed_up[i];
                    rows.members.push(MemberRow { key, canonical, signed_up, values, copies: 1, conflicts: 0 });
                })
            }
        }
    }
}
