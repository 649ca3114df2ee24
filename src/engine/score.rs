//! The last walk: what each customer's row says, sorted by customer and handed over piece by piece.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::known::Known;
use super::local::{Observer, visit};
use crate::error::Result;
use crate::stage::PerCustomer;
use crate::table::{Cell, Table, TableBuilder};
use crate::timeline::identity::{BUCKET_BITS, BUCKETS};
use crate::timeline::lens::Lens;
use crate::timeline::store::BucketStore;
use crate::timeline::view::Eyes;

/// Rows of a piece: what is in memory twice while a part is written.
const PIECE: usize = 1 << 16;
/// Customers up to which per-customer tables are one file.
const CUSTOMERS_A_PART: u64 = 1_000_000;

/// k: per-customer tables come in 2^k parts by the top k bits of the customer hash, from the number of customers alone.
pub fn part_bits(customers: u64) -> u32 {
    let parts = customers.div_ceil(CUSTOMERS_A_PART).max(1).next_power_of_two();
    parts.trailing_zeros().min(BUCKET_BITS)
}

/// Takes the pieces of a table's part, in order.
pub trait PartSink: Sync {
    /// `table`: number in the list of tables.
    fn write(&self, table: usize, part: usize, piece: &Table) -> Result<()>;
    /// The part has no further pieces.
    fn close(&self, table: usize, part: usize) -> Result<()>;
}

/// The rows of a bucket, with the place of each customer's.
struct Chunk {
    tables: Vec<Table>,
    customers: Vec<(SortId, Vec<Range<usize>>)>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum SortId {
    Integer(i64),
    Text(Arc<str>),
}

/// Writes every table for every customer.
pub fn score(
    tables: &[Box<dyn PerCustomer>],
    lenses: &Arc<[Lens]>,
    known: &Known,
    store: &dyn BucketStore,
    customers: u64,
    observer: &dyn Observer,
    sink: &dyn PartSink,
) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let bits = part_bits(customers);
    let buckets = BUCKETS >> bits;
    (0..1usize << bits).into_par_iter().try_for_each(|part| {
        let chunks: Vec<Chunk> = (part * buckets..(part + 1) * buckets)
            .into_par_iter()
            .map(|bucket| chunk(bucket, tables, lenses, known, store, observer))
            .collect::<Result<_>>()?;
        let mut order: Vec<(&SortId, usize, usize)> = vec![];
        for (c, chunk) in chunks.iter().enumerate() {
            order.extend(chunk.customers.iter().enumerate().map(|(i, (id, _))| (id, c, i)));
        }
        order.par_sort_unstable();
        (0..tables.len()).into_par_iter().try_for_each(|t| {
            let rows =
                |(_, c, i): &(&SortId, usize, usize)| (&chunks[*c].tables[t], chunks[*c].customers[*i].1[t].clone());
            let Some(like) = chunks.first().map(|c| &c.tables[t]) else { return Ok(()) };
            let mut rest = order.as_slice();
            while !rest.is_empty() {
                let mut count = 0;
                let n = rest
                    .iter()
                    .take_while(|o| {
                        let go = count < PIECE;
                        count += rows(o).1.len();
                        go
                    })
                    .count();
                let (now, later) = rest.split_at(n);
                sink.write(t, part, &Table::gather(like, now.iter().map(rows)))?;
                rest = later;
            }
            sink.close(t, part)
        })
    })
}

fn chunk(
    bucket: usize,
    tables: &[Box<dyn PerCustomer>],
    lenses: &Arc<[Lens]>,
    known: &Known,
    store: &dyn BucketStore,
    observer: &dyn Observer,
) -> Result<Chunk> {
    observer.stopped()?;
    let mut eyes = Eyes::new(known.shape.clone(), lenses.clone());
    let integer_ids = known.shape.integer_ids;
    let mut builders: Vec<_> = tables.iter().map(|t| TableBuilder::new(t.schema(), integer_ids)).collect();
    let mut customers = vec![];
    visit(bucket, &known.shape, store, &mut eyes, observer, &mut |person| {
        let mut ranges = Vec::with_capacity(tables.len());
        for (table, builder) in tables.iter().zip(&mut builders) {
            let start = builder.rows();
            table.rows(person, &mut |row: Vec<Cell>| builder.push_all(row));
            ranges.push(start..builder.rows());
        }
        let id = match person.id() {
            crate::timeline::history::CustomerId::Integer(id) => SortId::Integer(id),
            crate::timeline::history::CustomerId::Text(id) => SortId::Text(id.into()),
        };
        customers.push((id, ranges));
        Ok(())
    })?;
    Ok(Chunk { tables: builders.into_iter().map(TableBuilder::finish).collect(), customers })
}
