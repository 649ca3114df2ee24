//! RFM: buyers by recency, frequency and monetary value (DEFINITIONS §8).

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::ranking::{self, COUNTS, RankedMeasure, Ranking, cut_ranks};
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::scores::{Rfm, RfmMeasures, Scores};
use crate::timeline::segments::{ALL, CellId, SegmentIndex};
use crate::timeline::shape::{Basis, Shape};
use crate::timeline::view::View;

/// The usual number of scores, from 1 to 5.
pub const QUINTILES: u32 = 5;

const ORDERS: Needs = Needs { orders: true, ..Needs::NONE };

fn bought(view: &View<'_>) -> Option<RfmMeasures> {
    RfmMeasures::of(view.days(), view.shape().as_of)
}

struct Recency;
struct Frequency;
struct Monetary;

impl RankedMeasure for Recency {
    const KIND: &'static str = "recency";
    const NEEDS: Needs = Needs::NONE;
    const COARSE: u32 = COUNTS;

    fn spells(_: Basis) -> bool {
        false
    }

    fn of(view: &View<'_>) -> Option<i64> {
        bought(view).map(|b| -b.days_since_last)
    }
}

impl RankedMeasure for Frequency {
    const KIND: &'static str = "orders";
    const NEEDS: Needs = ORDERS;
    const COARSE: u32 = COUNTS;

    fn spells(_: Basis) -> bool {
        false
    }

    fn of(view: &View<'_>) -> Option<i64> {
        bought(view).map(|b| b.orders)
    }
}

impl RankedMeasure for Monetary {
    const KIND: &'static str = "revenue of buyers";
    const NEEDS: Needs = Needs::NONE;

    fn spells(_: Basis) -> bool {
        false
    }

    fn of(view: &View<'_>) -> Option<i64> {
        bought(view).map(|b| b.revenue)
    }
}

/// References to the values at which scores are cut, over all buyers.
#[derive(Clone, Copy)]
pub struct RfmCuts {
    recency: Ref<Vec<i64>>,
    frequency: Ref<Vec<i64>>,
    /// The cuts of all three scores.
    pub scores: Ref<Scores>,
    /// The number of scores.
    most: u32,
}

/// Registers the estimation of the cuts over all buyers.
pub fn cuts(plan: &mut Plan, lens: Lens, scores: u32) -> RfmCuts {
    let (recency, frequency) = (cut::<Recency>(plan, lens, scores), cut::<Frequency>(plan, lens, scores));
    let monetary = cut::<Monetary>(plan, lens, scores);
    let all = plan.derive(&[recency.id(), frequency.id(), monetary.id()], move |known| {
        let cuts = |of: Ref<Vec<i64>>| known.get(of).map(|cuts| cuts.to_vec());
        Ok(Scores { recency: cuts(recency)?, frequency: cuts(frequency)?, monetary: cuts(monetary)? })
    });
    RfmCuts { recency, frequency, scores: all, most: scores }
}

fn cut<M: RankedMeasure>(plan: &mut Plan, lens: Lens, scores: u32) -> Ref<Vec<i64>> {
    let ranks = |n, scores| cut_ranks(n, u64::from(scores));
    let ranking = Ranking { by: None, lens, ranks, parameter: scores, most: scores.into() };
    let ranked = ranking::plan::<M>(plan, &ranking);
    plan.derive(&[ranked.id()], move |known| {
        Ok(known.get(ranked)?.get(&ALL).map(|d| d.cuts(scores.into())).unwrap_or_default())
    })
}

/// The buyers of a pair of scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RfmCounts {
    /// Buyers.
    pub customers: u64,
    /// Of these, those with at least two orders.
    pub repeaters: u64,
    /// Σ of their days since the last purchase.
    pub days_since_last: i128,
    /// Σ of their orders.
    pub orders: i128,
    /// Σ of their net revenue, in minor units.
    pub revenue: i128,
}

impl AddAssign for RfmCounts {
    fn add_assign(&mut self, other: RfmCounts) {
        self.customers += other.customers;
        self.repeaters += other.repeaters;
        self.days_since_last += other.days_since_last;
        self.orders += other.orders;
        self.revenue += other.revenue;
    }
}

/// Buyers by cell, R and F.
pub type RfmTally = BTreeMap<(CellId, u8, u8), RfmCounts>;

pub struct RfmFold {
    segment_cells: SegmentCells,
    /// The cuts of recency and frequency.
    scores: Scores,
    /// The number of scores.
    most: u64,
}

/// What an entry and its key take, in cells of 16 bytes.
const KIND_CELLS: u64 = 6;

/// Registers the count of buyers by R and F, by a stage's segments.
pub fn plan(plan: &mut Plan, index: Ref<SegmentIndex>, lens: Lens, segments: &[usize], cuts: RfmCuts) -> Ref<RfmTally> {
    let spec = FoldSpec {
        kind: "rfm",
        params: format!("{} scores, segments {segments:?}", cuts.most),
        lens,
        needs: ORDERS,
        // It does not wait for the cuts of money, which are known last.
        after: vec![index.id(), cuts.recency.id(), cuts.frequency.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<RfmFold> {
        let (recency, frequency) = (known.get(cuts.recency)?.to_vec(), known.get(cuts.frequency)?.to_vec());
        let scores = Scores { recency, frequency, monetary: vec![] };
        Ok(RfmFold { segment_cells: SegmentCells::new(known, index, &segments)?, scores, most: cuts.most.into() })
    })
}

impl Fold for RfmFold {
    type Tally = RfmTally;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, _: &Shape) -> u64 {
        self.segment_cells.cells() * self.most * self.most * KIND_CELLS
    }

    fn start(&self) -> RfmTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut RfmTally, view: &View<'_>) {
        let Some(bought) = bought(view) else { return };
        let Rfm { r, f, .. } = self.scores.of(&bought);
        let kind = RfmCounts {
            customers: 1,
            repeaters: (bought.orders >= 2).into(),
            days_since_last: bought.days_since_last.into(),
            orders: bought.orders.into(),
            revenue: bought.revenue.into(),
        };
        self.segment_cells.fixed(view, |cell| *tally.entry((cell, r as u8, f as u8)).or_default() += kind);
    }

    fn merge(&self, into: &mut RfmTally, from: RfmTally) {
        from.into_iter().for_each(|(key, kind)| *into.entry(key).or_default() += kind);
    }

    fn size(&self, tally: &RfmTally) -> u64 {
        tally.len() as u64 * KIND_CELLS
    }
}
