//! Things counted by what they have in common: all of them while the kinds are few, else those of a fixed sample.
//!
//! A fit sees counts, never customers, and costs what there are cells. So that a tally stays small whatever the data,
//! each thing carries the level of its customer: how often the customer's hash can be halved. Level 0 is everybody,
//! level 1 every second customer, level 2 every fourth. When cells become too many, the lowest level is forgotten. Which
//! level is kept in the end follows from the whole alone: a part never has more cells than the whole, so that no part
//! forgets what the whole would keep.

use std::ops::AddAssign;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Customers of a hash are in the samples of this level and of all below.
pub fn level_of(hash: u64) -> u8 {
    hash.trailing_zeros() as u8
}

/// Counts by kind `K`, each with a weight `W`.
#[derive(Clone, Debug)]
pub struct Counts<K, W> {
    /// The most cells (kinds by level) that are kept.
    limit: usize,
    /// The lowest level kept.
    level: u8,
    cells: Vec<(K, u8, W)>,
    /// So many of the cells are sorted and unique.
    settled: usize,
}

/// New cells that are put aside, at least, before they are sorted in.
const ASIDE: usize = 256;

impl<K: Ord + Copy, W: AddAssign + Copy> Counts<K, W> {
    pub fn new(limit: usize) -> Counts<K, W> {
        Counts { limit, level: 0, cells: vec![], settled: 0 }
    }

    /// Counts something of a customer with this hash.
    pub fn add(&mut self, hash: u64, kind: K, weight: W) {
        let level = level_of(hash);
        if level >= self.level {
            self.cells.push((kind, level, weight));
            if self.cells.len() - self.settled > ASIDE.max(self.settled / 2) {
                self.settle();
            }
        }
    }

    pub fn merge(&mut self, mut from: Counts<K, W>) {
        self.level = self.level.max(from.level);
        self.cells.append(&mut from.cells);
        self.settle();
    }

    /// Sorts, adds up equal kinds, and forgets levels until the rest is few enough.
    fn settle(&mut self) {
        let lowest = self.level;
        self.cells.retain(|cell| cell.1 >= lowest);
        // Stable, for that finds the sorted part and only merges.
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
        self.settled = self.cells.len();
    }

    /// One of how many customers is counted: 1, 2, 4 …
    pub fn one_of(&self) -> u64 {
        1 << self.settled().level.min(63)
    }

    /// The kinds in order, with what they weigh.
    pub fn kinds(&self) -> Vec<(K, W)> {
        let mut kinds: Vec<(K, W)> = vec![];
        for (kind, _, weight) in self.settled().cells {
            match kinds.last_mut() {
                Some(last) if last.0 == kind => last.1 += weight,
                _ => kinds.push((kind, weight)),
            }
        }
        kinds
    }

    fn settled(&self) -> Counts<K, W> {
        let mut settled = self.clone();
        settled.settle();
        settled
    }

    /// How many cells are held.
    pub fn size(&self) -> u64 {
        self.cells.len() as u64
    }

    /// The most cells that a limit lets be held, those put aside included.
    pub fn bound(limit: usize) -> u64 {
        (limit + ASIDE.max(limit / 2) + 1) as u64
    }
}

#[derive(Serialize, Deserialize)]
struct Written<K, W> {
    limit: u64,
    level: u8,
    cells: Vec<(K, u8, W)>,
}

impl<K: Ord + Copy + Serialize, W: AddAssign + Copy + Serialize> Serialize for Counts<K, W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settled = self.settled();
        Written { limit: settled.limit as u64, level: settled.level, cells: settled.cells }.serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de>, W: Deserialize<'de>> Deserialize<'de> for Counts<K, W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { limit, level, cells } = Written::deserialize(deserializer)?;
        Ok(Counts { limit: limit as usize, level, settled: cells.len(), cells })
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

    fn counted(limit: usize, customers: impl Iterator<Item = u64>) -> Counts<u64, u64> {
        let mut counts = Counts::new(limit);
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
        let sampled = whole.one_of();
        assert!(sampled > 1 && whole.settled().cells.len() <= 1000);
        let kept: u64 = whole.kinds().iter().map(|(_, n)| n).sum();
        let expected = (0..all).filter(|i| 1 << level_of(hash(*i)) >= sampled).count() as u64;
        assert_eq!(kept, expected, "everybody of the sample, and nobody else");
        let bytes = |counts: &Counts<u64, u64>| postcard::to_stdvec(counts).unwrap();
        for parts in [2, 7] {
            let mut merged = Counts::new(1000);
            (0..parts).rev().for_each(|p| merged.merge(counted(1000, (0..all).filter(|i| i % parts == p))));
            assert_eq!(bytes(&merged), bytes(&whole));
        }
    }

    #[test]
    fn what_is_put_aside_is_within_the_bound() {
        for limit in [1, 10, 300, 5000] {
            let mut counts = Counts::<u64, u64>::new(limit);
            for i in 0..20_000 {
                counts.add(hash(i), i, 1);
                assert!(counts.size() <= Counts::<u64, u64>::bound(limit));
            }
        }
    }
}
