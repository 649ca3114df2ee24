//! Ranks of customers' values: order statistics, and sums of the lowest values, from tallies that merge.
//!
//! Two rounds. In the first every value is counted in a bin of its leading bits, about three significant digits. In the
//! second the bins that a requested rank falls into are refined, if there are any. So order statistics of everybody's values
//! are exact up to [`EXACT`] minor units (a third of a million major units and more). Above it, and for segment values, they
//! are the mean of customers whose values differ by less than 2⁻²⁰ of their size.

mod bins;
mod distribution;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use self::bins::{Bins, FINE, FINE_OF_VALUES, GROUP_CELLS, MONEY, ValueGroup, bin, bins, lowest, part};
use self::distribution::distributions;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{NodeId, Ref, StepOutputs};
use crate::error::Result;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::{Basis, Shape};
use crate::timeline::view::View;

pub use self::bins::{COUNTS, EXACT};
pub use self::distribution::{Distribution, cut_ranks, order_statistics};

/// The value that customers are ranked by.
pub trait RankedMeasure: Send + Sync + 'static {
    /// Its name; equal rankings of one measure are folded once.
    const KIND: &'static str;
    /// What it reads beside days, amounts and spells.
    const NEEDS: Needs;
    /// The leading bits of a value that decide its bin. Values below 2 to this power have a bin of their own.
    const COARSE: u32 = MONEY;

    /// True if it looks at spells or movements.
    fn spells(basis: Basis) -> bool;

    /// The value of a customer; `None` if they are not ranked.
    fn of(view: &View<'_>) -> Option<i64>;
}

/// The first round: groups by cell and bin.
pub type CoarseTally = BTreeMap<CellId, Bins>;
/// The second round: groups by cell, bin and part of the bin.
pub type FineTally = BTreeMap<(CellId, i32, u32), ValueGroup>;

/// The ranks (from 1, ascending) that are requested of n values, given a parameter such as the number of scores.
pub type Ranks = fn(u64, u32) -> Vec<u64>;

struct CoarseFold<M> {
    segment_cells: SegmentCells,
    spells: bool,
    measure: PhantomData<fn() -> M>,
}

struct FineFold<M> {
    segment_cells: SegmentCells,
    spells: bool,
    /// The bins to refine, ascending.
    bins: Vec<(CellId, i32)>,
    most_bins: u64,
    measure: PhantomData<fn() -> M>,
}

/// A ranking of customers by a stage's segments, with the ranks `ranks(n, parameter)` refined.
pub struct Ranking<'a> {
    /// The index of segments and the stage's segments; `None` for everybody alone, before there is an index.
    pub by: Option<(Ref<SegmentIndex>, &'a [usize])>,
    /// The lens that customers are looked at through.
    pub lens: Lens,
    /// Which ranks are refined.
    pub ranks: Ranks,
    /// The second argument of `ranks`.
    pub parameter: u32,
    /// The greatest number of ranks that `ranks` gives.
    pub most: u64,
}

/// Registers a ranking, which takes two rounds. The result is a distribution for each cell with a customer in it.
pub fn plan<M: RankedMeasure>(plan: &mut Plan, ranking: &Ranking<'_>) -> Ref<BTreeMap<CellId, Distribution>> {
    let Ranking { lens, ranks, parameter, most, .. } = *ranking;
    let spec = |kind, params, after| FoldSpec { kind, params, lens, needs: M::NEEDS, after, reach: 0 };
    let index = ranking.by.map(|(index, _)| index);
    let segments = ranking.by.map(|(_, segments)| segments.to_vec()).unwrap_or_default();
    let after: Vec<NodeId> = index.iter().map(Ref::id).collect();
    let what = format!("{}, segments {segments:?}", M::KIND);
    let segment_cells = move |known: &StepOutputs| {
        index.map_or_else(|| Ok(SegmentCells::everybody()), |i| SegmentCells::new(known, i, &segments))
    };
    let of_fine = segment_cells.clone();
    let coarse = plan.fold(spec("ranking", what.clone(), after), move |known: &StepOutputs| -> Result<CoarseFold<M>> {
        Ok(CoarseFold {
            segment_cells: segment_cells(known)?,
            spells: M::spells(known.shape.basis),
            measure: PhantomData,
        })
    });
    let refined = format!("{what}, refined at {parameter}");
    let fine =
        plan.fold(spec("ranks", refined, vec![coarse.id()]), move |known: &StepOutputs| -> Result<FineFold<M>> {
            let bins = straddled(&*known.get(coarse)?, M::COARSE, |n| ranks(n, parameter));
            let (segment_cells, spells) = (of_fine(known)?, M::spells(known.shape.basis));
            // Each rank, and the next one.
            Ok(FineFold { segment_cells, spells, bins, most_bins: 2 * most, measure: PhantomData })
        });
    plan.derive(&[fine.id()], move |known| Ok(distributions(&*known.get(coarse)?, &*known.get(fine)?)))
}

/// The bins of the requested ranks and of the ranks after them, where a bin holds more than one value.
fn straddled(tally: &CoarseTally, coarse: u32, ranks: impl Fn(u64) -> Vec<u64>) -> Vec<(CellId, i32)> {
    let mut straddling = vec![];
    for (cell, bins) in tally {
        let n = bins.each().map(|(_, group)| group.customers).sum();
        let mut wanted: Vec<u64> = ranks(n).into_iter().flat_map(|rank| [rank, rank + 1]).collect();
        wanted.retain(|rank| (1..=n).contains(rank));
        wanted.sort_unstable();
        let (mut wanted, mut below) = (wanted.into_iter().peekable(), 0);
        for (bin, group) in bins.each() {
            below += group.customers;
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

impl<M: RankedMeasure> Fold for CoarseFold<M> {
    type Tally = CoarseTally;

    fn spells(&self) -> bool {
        self.spells
    }

    fn cells(&self, _: &Shape) -> u64 {
        bins(M::COARSE) * self.segment_cells.cells() * GROUP_CELLS
    }

    fn start(&self) -> CoarseTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut CoarseTally, view: &View<'_>) {
        let Some(value) = M::of(view) else { return };
        let group = ValueGroup { customers: 1, sum: value.into() };
        let bin = bin(value, M::COARSE);
        self.segment_cells.fixed(view, |cell| *tally.entry(cell).or_default().at(bin) += group);
    }

    fn merge(&self, into: &mut CoarseTally, from: CoarseTally) {
        for (cell, bins) in from {
            let into = into.entry(cell).or_default();
            bins.each().for_each(|(bin, group)| *into.at(bin) += *group);
        }
    }

    fn size(&self, tally: &CoarseTally) -> u64 {
        tally.values().map(Bins::len).sum::<u64>() * GROUP_CELLS
    }
}

impl<M: RankedMeasure> Fold for FineFold<M> {
    type Tally = FineTally;

    fn spells(&self) -> bool {
        self.spells
    }

    fn cells(&self, _: &Shape) -> u64 {
        ((1 << FINE) + (self.segment_cells.cells() - 1) * (1 << FINE_OF_VALUES)) * self.most_bins * GROUP_CELLS
    }

    fn cells_of_one(&self, _: &Shape) -> u64 {
        self.segment_cells.of_one() * GROUP_CELLS
    }

    fn start(&self) -> FineTally {
        BTreeMap::new()
    }

    /// True if every requested rank falls into a bin of a single value: then there is nothing to refine.
    fn is_noop(&self) -> bool {
        self.bins.is_empty()
    }

    fn observe(&self, tally: &mut FineTally, view: &View<'_>) {
        let Some(value) = M::of(view) else { return };
        let (bin, group) = (bin(value, M::COARSE), ValueGroup { customers: 1, sum: value.into() });
        self.segment_cells.fixed(view, |cell| {
            if self.bins.binary_search(&(cell, bin)).is_ok() {
                *tally.entry((cell, bin, part(cell, (bin, M::COARSE), value))).or_default() += group;
            }
        });
    }

    fn merge(&self, into: &mut FineTally, from: FineTally) {
        from.into_iter().for_each(|(key, group)| *into.entry(key).or_default() += group);
    }

    fn size(&self, tally: &FineTally) -> u64 {
        tally.len() as u64 * GROUP_CELLS
    }
}
