//! Where values lie among those of all customers: order statistics and sums of the lowest, from tallies that merge.
//!
//! Two rounds: first everybody's value goes to a bin of three significant digits; then the values of those bins that a cut
//! falls into are told apart, if there are any. So quantiles are exact for values of up to [`EXACT`], in minor units a third
//! of a million and more, and beyond it, or for values of segments, off by less than a customer's own 2⁻²⁰th part.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{NodeId, Ref, StepOutputs};
use crate::error::Result;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::segments::{ALL, CellId, SegmentIndex};
use crate::timeline::shape::{Basis, Shape};
use crate::timeline::view::View;

/// What customers are ranked by.
pub trait Measure: Send + Sync + 'static {
    const KIND: &'static str;
    const NEEDS: Needs;
    /// Bits of a value that a bin tells apart: of what is mostly below 2 to that power, no bin has to be told apart.
    const COARSE: u32 = MONEY;

    /// Whether it looks at spells or movements.
    fn spells(basis: Basis) -> bool;

    /// `None` for who is not ranked.
    fn of(view: &View<'_>) -> Option<i64>;
}

/// ⌈s·n/scores⌉ for s = 1 … scores − 1: the values beyond which 1 + ⌊scores·(strictly lower)/n⌋ rises.
pub fn cut_ranks(n: u64, scores: u64) -> Vec<u64> {
    let rank = |s: u64| (u128::from(s) * u128::from(n)).div_ceil(u128::from(scores)) as u64;
    if n == 0 { vec![] } else { (1..scores).map(rank).collect() }
}

/// The order statistics at [`cut_ranks`] of values that are counted one by one.
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

/// Bits of money that a bin tells apart, and of days and counts.
const MONEY: u32 = 9;
pub const COUNTS: u32 = 11;
/// Bits of a bin that are told apart where a cut falls into it: of everybody's values, and of a segment value's.
const FINE: u32 = 16;
const FINE_OF_VALUES: u32 = 12;
/// Everybody's values of at most this size are told apart exactly.
pub const EXACT: i64 = 1 << (MONEY + FINE);

/// Bins of either sign.
fn bins(coarse: u32) -> u64 {
    2 * ((1 << coarse) + (u64::from(64 - coarse) << (coarse - 1)))
}

/// The bin of a value: its first bits and how many follow. Bins ascend with values.
fn bin(value: i64, coarse: u32) -> i32 {
    let size = value.unsigned_abs();
    let shift = (64 - size.leading_zeros()).saturating_sub(coarse);
    let number = (u64::from(shift) << (coarse - 1)) + (size >> shift);
    if value < 0 { -(number as i32) } else { number as i32 }
}

/// The least value of a bin, and how many bits its values differ in.
fn lowest(bin: i32, coarse: u32) -> (i64, u32) {
    let number = u64::from(bin.unsigned_abs());
    let half = 1u64 << (coarse - 1);
    let shift = (number / half).saturating_sub(1) as u32;
    let top = number - u64::from(shift) * half;
    if bin < 0 {
        // Below zero the greatest size is the least value.
        let size = ((u128::from(top) + 1) << shift) - 1;
        (i64::try_from(-(size as i128)).unwrap_or(i64::MIN), shift)
    } else {
        ((top << shift) as i64, shift)
    }
}

/// Customers and what their values come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heap {
    pub customers: u64,
    pub sum: i128,
}

impl AddAssign for Heap {
    fn add_assign(&mut self, other: Heap) {
        self.customers += other.customers;
        self.sum += other.sum;
    }
}

/// A heap and its key, in cells of 16 bytes.
const HEAP_CELLS: u64 = 4;

/// Heaps from the lowest bin that has any to the highest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bins {
    first: i32,
    heaps: Vec<Heap>,
}

impl Bins {
    #[inline]
    fn at(&mut self, bin: i32) -> &mut Heap {
        let place = i64::from(bin) - i64::from(self.first);
        if place < 0 || place >= self.heaps.len() as i64 {
            self.widen(bin);
        }
        &mut self.heaps[(bin - self.first) as usize]
    }

    #[cold]
    fn widen(&mut self, bin: i32) {
        if self.heaps.is_empty() {
            self.first = bin;
        }
        let before = self.first - self.first.min(bin);
        self.heaps.splice(0..0, (0..before).map(|_| Heap::default()));
        self.first -= before;
        let needed = (bin - self.first) as usize + 1;
        self.heaps.resize(self.heaps.len().max(needed), Heap::default());
    }

    /// Bins with somebody in them, ascending.
    fn each(&self) -> impl Iterator<Item = (i32, &Heap)> {
        (self.first..).zip(&self.heaps).filter(|(_, heap)| heap.customers > 0)
    }
}

/// By cell.
pub type CoarseTally = BTreeMap<CellId, Bins>;
/// By cell, bin and part of the bin.
pub type FineTally = BTreeMap<(CellId, i32, u32), Heap>;

/// Which ranks (from 1, ascending) of n values have to be told from their neighbours.
pub type Ranks = fn(u64, u32) -> Vec<u64>;

pub struct Coarse<M> {
    axes: SegmentCells,
    spells: bool,
    measure: PhantomData<fn() -> M>,
}

pub struct Fine<M> {
    axes: SegmentCells,
    spells: bool,
    /// Bins that are told apart further.
    bins: Vec<(CellId, i32)>,
    most_bins: u64,
    measure: PhantomData<fn() -> M>,
}

/// A ranking of customers by a stage's segments, with `ranks(n, parameter)` told apart.
pub struct Ranking<'a> {
    /// `None`: everybody alone, before there is an index.
    pub by: Option<(Ref<SegmentIndex>, &'a [usize])>,
    pub lens: Lens,
    pub ranks: Ranks,
    pub parameter: u32,
    /// How many ranks there are at most.
    pub most: u64,
}

/// Registers a ranking in two rounds.
pub fn plan<M: Measure>(plan: &mut Plan, ranking: &Ranking<'_>) -> Ref<BTreeMap<CellId, Distribution>> {
    let Ranking { lens, ranks, parameter, most, .. } = *ranking;
    let spec = |kind, params, after| FoldSpec { kind, params, lens, needs: M::NEEDS, after, reach: 0 };
    let index = ranking.by.map(|(index, _)| index);
    let segments = ranking.by.map(|(_, segments)| segments.to_vec()).unwrap_or_default();
    let after: Vec<NodeId> = index.iter().map(Ref::id).collect();
    let what = format!("{}, segments {segments:?}", M::KIND);
    let axes = move |known: &StepOutputs| {
        index.map_or_else(|| Ok(SegmentCells::everybody()), |i| SegmentCells::new(known, i, &segments))
    };
    let of_fine = axes.clone();
    let coarse = plan.fold(spec("ranking", what.clone(), after), move |known: &StepOutputs| -> Result<Coarse<M>> {
        Ok(Coarse { axes: axes(known)?, spells: M::spells(known.shape.basis), measure: PhantomData })
    });
    let refined = format!("{what}, told apart at {parameter}");
    let fine = plan.fold(spec("ranks", refined, vec![coarse.id()]), move |known: &StepOutputs| -> Result<Fine<M>> {
        let bins = straddled(&*known.get(coarse)?, M::COARSE, |n| ranks(n, parameter));
        let (axes, spells) = (of_fine(known)?, M::spells(known.shape.basis));
        // Each rank and its neighbour.
        Ok(Fine { axes, spells, bins, most_bins: 2 * most, measure: PhantomData })
    });
    plan.derive(&[fine.id()], move |known| Ok(distributions(&*known.get(coarse)?, &*known.get(fine)?)))
}

/// The bins that hold the ranks asked for, and those next to them.
fn straddled(tally: &CoarseTally, coarse: u32, ranks: impl Fn(u64) -> Vec<u64>) -> Vec<(CellId, i32)> {
    let mut straddling = vec![];
    for (cell, bins) in tally {
        let n = bins.each().map(|(_, heap)| heap.customers).sum();
        let mut wanted: Vec<u64> = ranks(n).into_iter().flat_map(|rank| [rank, rank + 1]).collect();
        wanted.retain(|rank| (1..=n).contains(rank));
        wanted.sort_unstable();
        let (mut wanted, mut below) = (wanted.into_iter().peekable(), 0);
        for (bin, heap) in bins.each() {
            below += heap.customers;
            let mut straddles = false;
            while wanted.next_if(|rank| *rank <= below).is_some() {
                straddles = true;
            }
            if straddles && lowest(bin, coarse).1 > 0 {
                straddling.push((*cell, bin));
            }
        }
    }
    straddling
}

impl<M: Measure> Fold for Coarse<M> {
    type Tally = CoarseTally;

    fn spells(&self) -> bool {
        self.spells
    }

    fn cells(&self, _: &Shape) -> u64 {
        bins(M::COARSE) * self.axes.cells() * HEAP_CELLS
    }

    fn start(&self) -> CoarseTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut CoarseTally, view: &View<'_>) {
        let Some(value) = M::of(view) else { return };
        let heap = Heap { customers: 1, sum: value.into() };
        let bin = bin(value, M::COARSE);
        self.axes.fixed(view, |cell| *tally.entry(cell).or_default().at(bin) += heap);
    }

    fn merge(&self, into: &mut CoarseTally, from: CoarseTally) {
        for (cell, bins) in from {
            let into = into.entry(cell).or_default();
            bins.each().for_each(|(bin, heap)| *into.at(bin) += *heap);
        }
    }

    fn size(&self, tally: &CoarseTally) -> u64 {
        tally.values().map(|bins| bins.heaps.len() as u64).sum::<u64>() * HEAP_CELLS
    }
}

/// The part of its bin that a value is in.
fn part(cell: CellId, (bin, coarse): (i32, u32), value: i64) -> u32 {
    let (low, bits) = lowest(bin, coarse);
    let kept = if cell == ALL { FINE } else { FINE_OF_VALUES };
    ((i128::from(value) - i128::from(low)) >> bits.saturating_sub(kept)) as u32
}

impl<M: Measure> Fold for Fine<M> {
    type Tally = FineTally;

    fn spells(&self) -> bool {
        self.spells
    }

    fn cells(&self, _: &Shape) -> u64 {
        ((1 << FINE) + (self.axes.cells() - 1) * (1 << FINE_OF_VALUES)) * self.most_bins * HEAP_CELLS
    }

    fn cells_of_one(&self, _: &Shape) -> u64 {
        self.axes.of_one() * HEAP_CELLS
    }

    fn start(&self) -> FineTally {
        BTreeMap::new()
    }

    fn is_noop(&self) -> bool {
        self.bins.is_empty()
    }

    fn observe(&self, tally: &mut FineTally, view: &View<'_>) {
        let Some(value) = M::of(view) else { return };
        let (bin, heap) = (bin(value, M::COARSE), Heap { customers: 1, sum: value.into() });
        self.axes.fixed(view, |cell| {
            if self.bins.binary_search(&(cell, bin)).is_ok() {
                *tally.entry((cell, bin, part(cell, (bin, M::COARSE), value))).or_default() += heap;
            }
        });
    }

    fn merge(&self, into: &mut FineTally, from: FineTally) {
        from.into_iter().for_each(|(key, heap)| *into.entry(key).or_default() += heap);
    }

    fn size(&self, tally: &FineTally) -> u64 {
        tally.len() as u64 * HEAP_CELLS
    }
}

/// The values of a cell's customers, ascending in heaps of like size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    heaps: Vec<Heap>,
}

fn distributions(coarse: &CoarseTally, fine: &FineTally) -> BTreeMap<CellId, Distribution> {
    let of_cell = |(cell, bins): (&CellId, &Bins)| {
        let mut heaps = vec![];
        for (bin, heap) in bins.each() {
            let before = heaps.len();
            heaps.extend(fine.range((*cell, bin, 0)..=(*cell, bin, u32::MAX)).map(|(_, heap)| *heap));
            if heaps.len() == before {
                heaps.push(*heap);
            }
        }
        (*cell, Distribution { heaps })
    };
    coarse.iter().map(of_cell).collect()
}

impl Distribution {
    pub fn customers(&self) -> u64 {
        self.heaps.iter().map(|h| h.customers).sum()
    }

    pub fn sum(&self) -> i128 {
        self.heaps.iter().map(|h| h.sum).sum()
    }

    /// What the `k` lowest values come to; of a heap that is cut apart its mean for each.
    pub fn lowest(&self, k: u64) -> i128 {
        let (mut left, mut sum) = (k, 0);
        for heap in &self.heaps {
            if left == 0 {
                break;
            }
            let taken = left.min(heap.customers);
            sum += heap.sum * i128::from(taken) / i128::from(heap.customers);
            left -= taken;
        }
        sum
    }

    /// The `k`-th value, from 1, ascending.
    pub fn at(&self, k: u64) -> Option<i64> {
        let mut below = 0;
        let heap = self.heaps.iter().find(|heap| {
            below += heap.customers;
            k <= below
        })?;
        i64::try_from(heap.sum.div_euclid(heap.customers.into())).ok().filter(|_| k > 0)
    }

    /// The values beyond which scores rise.
    pub fn cuts(&self, scores: u64) -> Vec<i64> {
        cut_ranks(self.customers(), scores).into_iter().filter_map(|rank| self.at(rank)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_ascend_and_hold_their_values() {
        let mut values: Vec<i64> = (-3000..3000).chain([i64::MIN + 1, i64::MAX, 1 << 40, -(1 << 40)]).collect();
        values.extend((0..62).flat_map(|b| [(1i64 << b) - 1, 1 << b, -(1 << b), 1 - (1 << b)]));
        values.sort_unstable();
        for coarse in [MONEY, COUNTS] {
            for pair in values.windows(2) {
                assert!(bin(pair[0], coarse) <= bin(pair[1], coarse), "{pair:?}");
            }
            for value in &values {
                let bin = bin(*value, coarse);
                let (low, bits) = lowest(bin, coarse);
                let offset = i128::from(*value) - i128::from(low);
                assert!((0..1 << bits).contains(&offset), "{value}: from {low} in {bits} bits");
                assert!(u64::from(bin.unsigned_abs()) * 2 < bins(coarse));
                if value.abs() < EXACT {
                    assert!(bits <= FINE, "{value}");
                }
                assert_eq!(bits == 0, value.abs() < 1 << coarse, "{value}");
            }
        }
    }

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
        // 1000 … 1099 share bins; only those of the ranks asked for are told apart.
        let values: Vec<i64> = (0..100).map(|i| 100_000 + 7 * i).collect();
        let mut coarse = CoarseTally::new();
        for value in &values {
            let heap = Heap { customers: 1, sum: i128::from(*value) };
            *coarse.entry(ALL).or_default().at(bin(*value, MONEY)) += heap;
        }
        let bins = straddled(&coarse, MONEY, |n| cut_ranks(n, 5));
        let mut fine = FineTally::new();
        for value in values.iter().filter(|v| bins.contains(&(ALL, bin(**v, MONEY)))) {
            let bin = bin(*value, MONEY);
            let key = (ALL, bin, part(ALL, (bin, MONEY), *value));
            *fine.entry(key).or_default() += Heap { customers: 1, sum: i128::from(*value) };
        }
        let found = distributions(&coarse, &fine).remove(&ALL).unwrap();
        assert_eq!(found.cuts(5), [19, 39, 59, 79].map(|i| values[i]));
        for k in [20, 40, 60, 80, 100] {
            assert_eq!(found.lowest(k), values[..k as usize].iter().map(|v| i128::from(*v)).sum::<i128>(), "{k}");
        }
        assert!(found.heaps.len() < 100, "{}", found.heaps.len());
    }
}
