//! Order statistics of counted values, and the distribution of a cell's values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bins::{Bins, ValueGroup};
use super::{CoarseTally, FineTally};
use crate::timeline::segments::CellId;

/// The ranks at which scores are cut: ⌈s·n/scores⌉ for s = 1 … scores − 1. Above the value of rank s the score
/// 1 + ⌊scores·(number of strictly lower values)/n⌋ exceeds s. Empty for n = 0.
pub fn cut_ranks(n: u64, scores: u64) -> Vec<u64> {
    let rank = |s: u64| (u128::from(s) * u128::from(n)).div_ceil(u128::from(scores)) as u64;
    if n == 0 { vec![] } else { (1..scores).map(rank).collect() }
}

/// The values at the ranks of [`cut_ranks`], given how often each value occurs.
pub fn order_statistics<V: Copy + Ord>(counts: &BTreeMap<V, u64>, scores: u64) -> Vec<V> {
    let ranks = cut_ranks(counts.values().sum(), scores);
    let mut below = 0;
    let mut ranks = ranks.into_iter().peekable();
    let mut found = vec![];
    for (value, count) in counts {
        below += count;
        while ranks.next_if(|rank| *rank <= below).is_some() {
            found.push(*value);
        }
    }
    found
}

/// The values of a cell's customers, in groups that ascend: the bins, and in the bins of the requested ranks their parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    groups: Vec<ValueGroup>,
}

/// Joins the two rounds: a bin that was refined is replaced by its parts.
pub(super) fn distributions(coarse: &CoarseTally, fine: &FineTally) -> BTreeMap<CellId, Distribution> {
    let of_cell = |(cell, bins): (&CellId, &Bins)| {
        let mut groups = vec![];
        for (bin, group) in bins.each() {
            let before = groups.len();
            groups.extend(fine.range((*cell, bin, 0)..=(*cell, bin, u32::MAX)).map(|(_, group)| *group));
            if groups.len() == before {
                groups.push(*group);
            }
        }
        (*cell, Distribution { groups })
    };
    coarse.iter().map(of_cell).collect()
}

impl Distribution {
    /// The number of customers.
    pub fn customers(&self) -> u64 {
        self.groups.iter().map(|h| h.customers).sum()
    }

    /// The sum of all values.
    pub fn sum(&self) -> i128 {
        self.groups.iter().map(|h| h.sum).sum()
    }

    /// The sum of the `k` lowest values. Of a group that only partly belongs to them each customer counts with its mean.
    pub fn lowest(&self, k: u64) -> i128 {
        let (mut left, mut sum) = (k, 0);
        for group in &self.groups {
            if left == 0 {
                break;
            }
            let taken = left.min(group.customers);
            sum += group.sum * i128::from(taken) / i128::from(group.customers);
            left -= taken;
        }
        sum
    }

    /// The `k`-th lowest value, counted from 1: the mean of its group, rounded down. `None` for 0 and beyond the last.
    pub fn at(&self, k: u64) -> Option<i64> {
        let mut below = 0;
        let group = self.groups.iter().find(|group| {
            below += group.customers;
            k <= below
        })?;
        i64::try_from(group.sum.div_euclid(group.customers.into())).ok().filter(|_| k > 0)
    }

    /// The values above which the score rises, see [`cut_ranks`].
    pub fn cuts(&self, scores: u64) -> Vec<i64> {
        cut_ranks(self.customers(), scores).into_iter().filter_map(|rank| self.at(rank)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::bins::{MONEY, bin, part};
    use super::super::straddled;
    use super::*;
    use crate::timeline::segments::ALL;

    #[test]
    fn ranks_of_the_definitions_example() {
        // Orders 1×6, 2×2, 3, 9 of ten customers.
        let counts = [(1, 6), (2, 2), (3, 1), (9, 1)].into();
        assert_eq!(order_statistics(&counts, 5), [1, 1, 1, 2]);
        assert_eq!(cut_ranks(3, 5), [1, 2, 2, 3]);
        assert!(cut_ranks(0, 5).is_empty());
    }

    #[test]
    fn a_distribution_is_cut_where_it_was_told_apart() {
        // Neighbouring values share bins; only the bins of the requested ranks are refined.
        let values: Vec<i64> = (0..100).map(|i| 100_000 + 7 * i).collect();
        let mut coarse = CoarseTally::new();
        for value in &values {
            let group = ValueGroup { customers: 1, sum: i128::from(*value) };
            *coarse.entry(ALL).or_default().at(bin(*value, MONEY)) += group;
        }
        let bins = straddled(&coarse, MONEY, |n| cut_ranks(n, 5));
        let mut fine = FineTally::new();
        for value in values.iter().filter(|v| bins.contains(&(ALL, bin(**v, MONEY)))) {
            let bin = bin(*value, MONEY);
            let key = (ALL, bin, part(ALL, (bin, MONEY), *value));
            *fine.entry(key).or_default() += ValueGroup { customers: 1, sum: i128::from(*value) };
        }
        let found = distributions(&coarse, &fine).remove(&ALL).unwrap();
        assert_eq!(found.cuts(5), [19, 39, 59, 79].map(|i| values[i]));
        for k in [20, 40, 60, 80, 100] {
            assert_eq!(found.lowest(k), values[..k as usize].iter().map(|v| i128::from(*v)).sum::<i128>(), "{k}");
        }
        assert!(found.groups.len() < 100, "{}", found.groups.len());
    }
}
