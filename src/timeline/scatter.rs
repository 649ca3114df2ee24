//! Scatters batches of canonical rows to the buckets of a [`Store`].
//!
//! The rows of a batch are sorted by bucket first, so that each bucket is locked once a batch.

use super::append_log::{CustomerNumber, Purchase};
use super::bucket_buffer::BucketBuffer;
use super::identity::{BUCKETS, CustomerHasher, bucket, bytes_of};
use super::rows::{AnswerRow, DayRow, MemberRow, UseRow, ValueRow};
use super::store::Store;
use crate::calendar::Day;
use crate::error::Result;
use crate::rows::{
    Batch, CustomerBatch, Ids, Sink, SubscriptionBatch, SurveyBatch, TransactionBatch, UsageBatch, ValueCode,
};

/// The sink of a scan that fills a store.
pub struct Scatter<'a> {
    hasher: CustomerHasher,
    store: &'a Store,
}

impl<'a> Scatter<'a> {
    /// `hasher`: hashes customer ids; all rows of a run need the same one.
    pub fn new(hasher: CustomerHasher, store: &'a Store) -> Self {
        Scatter { hasher, store }
    }

    /// Finalizes every bucket, after the last row.
    ///
    /// # Errors
    /// As [`Store::finalize`].
    pub fn finish(self) -> Result<()> {
        use rayon::prelude::*;
        (0..BUCKETS).into_par_iter().with_max_len(1).try_for_each(|bucket| self.store.finalize(bucket))
    }

    /// Calls `put(buffer, customer, row)` for each row of a batch, bucket by bucket.
    fn spread(&self, ids: &Ids, put: impl Fn(&mut BucketBuffer, CustomerNumber, usize)) -> Result<()> {
        let hashes: Vec<u64> = match ids {
            Ids::Integer(ids) => ids.iter().map(|id| self.hasher.integer(*id)).collect(),
            Ids::Text(ids) => (0..ids.len()).map(|row| self.hasher.text(ids.bytes(row))).collect(),
        };
        let mut starts = [0u32; BUCKETS + 1];
        hashes.iter().for_each(|hash| starts[bucket(*hash) + 1] += 1);
        (0..BUCKETS).for_each(|i| starts[i + 1] += starts[i]);
        let (mut next, mut order) = (starts, vec![0u32; hashes.len()]);
        for (row, hash) in hashes.iter().enumerate() {
            let next = &mut next[bucket(*hash)];
            order[*next as usize] = row as u32;
            *next += 1;
        }
        // Threads begin at different buckets, so that they do not wait for each other.
        let threads = rayon::current_num_threads().max(1);
        let first = rayon::current_thread_index().unwrap_or(0) * BUCKETS / threads;
        for bucket in (0..BUCKETS).map(|i| (i + first) % BUCKETS) {
            let rows = &order[starts[bucket] as usize..starts[bucket + 1] as usize];
            if rows.is_empty() {
                continue;
            }
            self.store.fill(bucket, rows.len(), |buffer| {
                buffer.prefetch(rows.iter().map(|row| hashes[*row as usize]));
                let mut number = [0; 8];
                for row in rows {
                    let row = *row as usize;
                    let customer = buffer.customer(hashes[row], bytes_of(ids, row, &mut number));
                    put(buffer, customer, row);
                }
            })?;
        }
        self.store.spill_over_limit()
    }
}

fn put_values(
    buffer: &mut BucketBuffer,
    customer: CustomerNumber,
    row: usize,
    (day, instant): (Day, i64),
    columns: &[(usize, Vec<ValueCode>)],
) {
    for (segment, codes) in columns {
        buffer.values.push(customer, ValueRow { segment: *segment as u16, day, instant, code: codes[row] });
    }
}

impl Sink for Scatter<'_> {
    fn accept(&self, batch: Batch) -> Result<()> {
        match batch {
            Batch::Transactions(TransactionBatch { ids, days, instants, amounts, active, orders, segments }) => {
                self.spread(&ids, |buffer, customer, i| {
                    let is_active = u32::from(active[i]);
                    // A row without an order id is an order by itself; 0 stands for NULL.
                    let order = orders.as_ref().map_or(0, |orders| orders[i]);
                    let orders = if order == 0 { is_active } else { 0 };
                    let order = if active[i] { order } else { 0 };
                    let totals = DayRow { day: days[i], active: is_active, orders, net: amounts[i] };
                    buffer.purchases.push(Purchase { customer, totals, order });
                    put_values(buffer, customer, i, (days[i], instants[i]), &segments);
                })
            }
            Batch::Subscriptions(SubscriptionBatch { ids, terms, instants, segments }) => {
                self.spread(&ids, |buffer, customer, i| {
                    buffer.subscriptions.push((customer, terms[i]));
                    put_values(buffer, customer, i, (terms[i].started, instants[i]), &segments);
                })
            }
            Batch::Customers(CustomerBatch { ids, signed_up, channels, referred, segments, canonical }) => {
                self.spread(&ids, |buffer, customer, i| {
                    let values = segments.iter().map(|(s, codes)| (*s as u16, codes[i])).collect();
                    let canonical = canonical[i].clone();
                    let signed_up = signed_up[i];
                    buffer.put_member(
                        customer,
                        MemberRow {
                            canonical,
                            signed_up,
                            channel: channels[i],
                            referred: referred[i],
                            values,
                            copies: 1,
                            conflicts: 0,
                        },
                    );
                })
            }
            Batch::Usage(UsageBatch { ids, days, instants, quantities, segments }) => {
                self.spread(&ids, |buffer, customer, i| {
                    buffer.usage.push(customer, UseRow { day: days[i], quantity: quantities[i] });
                    put_values(buffer, customer, i, (days[i], instants[i]), &segments);
                })
            }
            Batch::Surveys(SurveyBatch { ids, days, instants, kinds, scores, reasons, segments }) => {
                self.spread(&ids, |buffer, customer, i| {
                    let (day, instant) = (days[i], instants[i]);
                    let answer = AnswerRow { day, instant, kind: kinds[i], score: scores[i], reason: reasons[i] };
                    buffer.answers.push((customer, answer));
                    put_values(buffer, customer, i, (day, instant), &segments);
                })
            }
        }
    }
}
