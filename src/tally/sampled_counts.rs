//! Counts by kind with a limit on memory: of all customers while there are few kinds, of a fixed sample of customers beyond
//! the limit.
//!
//! A model is fitted to counts, not to customers, so its cost depends on the number of kinds. To bound it, each count
//! carries the level of its customer: how many times the customer's hash can be halved. Level 0 are all customers, level 1
//! every second one, level 2 every fourth. When there are too many cells, the lowest level is dropped. The level kept in the
//! end depends on the whole data alone, not on how it was split: a part never has more cells than the whole, so no part
//! drops what the whole would keep.

use std::ops::AddAssign;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The highest level whose sample contains a customer with this hash. The customer is in those of all lower levels too.
pub fn level_of(hash: u64) -> u8 {
    hash.trailing_zeros() as u8
}

/// The total weight `W` of each kind `K`.
#[derive(Clone, Debug)]
pub struct SampledCounts<K, W> {
    /// The greatest number of cells (kinds by level) that are kept.
    limit: usize,
    /// The lowest level that is kept.
    level: u8,
    cells: Vec<(K, u8, W)>,
    /// So many cells at the front are sorted and unique.
    compacted: usize,
}

/// At least so many new cells are collected before they are sorted in.
const ASIDE: usize = 256;

impl<K: Ord + Copy, W: AddAssign + Copy> SampledCounts<K, W> {
    /// No counts, to be kept in at most `limit` cells.
    pub fn new(limit: usize) -> SampledCounts<K, W> {
        SampledCounts { limit, level: 0, cells: vec![], compacted: 0 }
    }

    /// Adds `weight` to a kind, for a customer with this hash.
    pub fn add(&mut self, hash: u64, kind: K, weight: W) {
        let level = level_of(hash);
        if level >= self.level {
            self.cells.push((kind, level, weight));
            if self.cells.len() - self.compacted > ASIDE.max(self.compacted / 2) {
                self.compact();
            }
        }
    }

    /// Adds the counts of other customers. Both must have the same limit.
    pub fn merge(&mut self, mut from: SampledCounts<K, W>) {
        self.level = self.level.max(from.level);
        self.cells.append(&mut from.cells);
        self.compact();
    }

    /// Sorts the cells, adds up equal ones, and drops levels until the number of cells is within the limit.
    fn compact(&mut self) {
        let lowest = self.level;
        self.cells.retain(|cell| cell.1 >= lowest);
        // A stable sort recognises the sorted front and only merges the rest into it.
        self.cells.sort_by_key(|(kind, level, _)| (*kind, *level));
        self.cells.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 += next.2;
            }
            same
        });
        while self.cells.len() > self.limit {
            self.level += 1;
            let lowest = self.level;
            self.cells.retain(|cell| cell.1 >= lowest);
        }
        self.compacted = self.cells.len();
    }

    /// The counts are of one in so many customers: 1, 2, 4 …
    pub fn sampling_factor(&self) -> u64 {
        1 << self.compacted().level.min(63)
    }

    /// The kinds in ascending order, each with its weight.
    pub fn kinds(&self) -> Vec<(K, W)> {
        let mut kinds: Vec<(K, W)> = vec![];
        for (kind, _, weight) in self.compacted().cells {
            match kinds.last_mut() {
                Some(last) if last.0 == kind => last.1 += weight,
                _ => kinds.push((kind, weight)),
            }
        }
        kinds
    }

    fn compacted(&self) -> SampledCounts<K, W> {
        let mut compacted = self.clone();
        compacted.compact();
        compacted
    }

    /// The number of cells in memory.
    pub fn size(&self) -> u64 {
        self.cells.len() as u64
    }

    /// The greatest number of cells in memory under a limit, those not yet sorted in included.
    pub fn bound(limit: usize) -> u64 {
        (limit + ASIDE.max(limit / 2) + 1) as u64
    }
}

#[derive(Serialize, Deserialize)]
struct SerializedCounts<K, W> {
    limit: u64,
    level: u8,
    cells: Vec<(K, u8, W)>,
}

impl<K: Ord + Copy + Serialize, W: AddAssign + Copy + Serialize> Serialize for SampledCounts<K, W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let compacted = self.compacted();
        SerializedCounts { limit: compacted.limit as u64, level: compacted.level, cells: compacted.cells }
            .serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de>, W: Deserialize<'de>> Deserialize<'de> for SampledCounts<K, W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SerializedCounts { limit, level, cells } = SerializedCounts::deserialize(deserializer)?;
        Ok(SampledCounts { limit: limit as usize, level, compacted: cells.len(), cells })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash of customer `i`, spread like real ones.
    fn hash(i: u64) -> u64 {
        let z = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
    }

    fn counted(limit: usize, customers: impl Iterator<Item = u64>) -> SampledCounts<u64, u64> {
        let mut counts = SampledCounts::new(limit);
        customers.for_each(|i| counts.add(hash(i), i % 700, 1));
        counts
    }

    #[test]
    fn few_kinds_are_counted_exactly() {
        let kinds = counted(10_000, 0..7000).kinds();
        assert_eq!(kinds, (0..700).map(|kind| (kind, 10)).collect::<Vec<_>>());
    }

    #[test]
    fn many_kinds_are_counted_of_a_sample_that_no_order_changes() {
        let all = 100_000;
        let whole = counted(1000, 0..all);
        let sampled = whole.sampling_factor();
        assert!(sampled > 1 && whole.compacted().cells.len() <= 1000);
        let kept: u64 = whole.kinds().iter().map(|(_, n)| n).sum();
        let expected = (0..all).filter(|i| 1 << level_of(hash(*i)) >= sampled).count() as u64;
        assert_eq!(kept, expected, "everybody of the sample, and nobody else");
        let bytes = |counts: &SampledCounts<u64, u64>| postcard::to_stdvec(counts).unwrap();
        for parts in [2, 7] {
            let mut merged = SampledCounts::new(1000);
            (0..parts).rev().for_each(|p| merged.merge(counted(1000, (0..all).filter(|i| i % parts == p))));
            assert_eq!(bytes(&merged), bytes(&whole));
        }
    }

    #[test]
    fn what_is_put_aside_is_within_the_bound() {
        for limit in [1, 10, 300, 5000] {
            let mut counts = SampledCounts::<u64, u64>::new(limit);
            for i in 0..20_000 {
                counts.add(hash(i), i, 1);
                assert!(counts.size() <= SampledCounts::<u64, u64>::bound(limit));
            }
        }
    }
}
