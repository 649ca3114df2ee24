//! Buyers by recency, frequency and money (DEFINITIONS §8).

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::ranking::{self, COUNTS, Measure, Ranking, cut_ranks};
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::scores::{Bought, Rfm, Scores};
use crate::timeline::segments::{ALL, CellId, SegmentIndex};
use crate::timeline::shape::{Basis, Shape};
use crate::timeline::view::View;

/// Scores from 1 to 5.
pub const QUINTILES: u32 = 5;

const ORDERS: Needs = Needs { orders: true, usage: false, surveys: false, reasons: false, channels: false };

fn bought(view: &View<'_>) -> Option<Bought> {
    Bought::of(view.days(), view.shape().as_of)
}

struct Recency;
struct Frequency;
struct Monetary;

impl Measure for Recency {
    const KIND: &'static str = "recency";
    const NEEDS: Needs = Needs { orders: false, ..ORDERS };
    const COARSE: u32 = COUNTS;

    fn spells(_: Basis) -> bool {
        false
    }

    fn of(view: &View<'_>) -> Option<i64> {
        bought(view).map(|b| -b.days_since_last)
    }
}

impl Measure for Frequency {
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

impl Measure for Monetary {
    const KIND: &'static str = "revenue of buyers";
    const NEEDS: Needs = Needs { orders: false, ..ORDERS };

    fn spells(_: Basis) -> bool {
        false
    }

    fn of(view: &View<'_>) -> Option<i64> {
        bought(view).map(|b| b.revenue)
    }
}

/// Where the scores of all buyers are cut.
#[derive(Clone, Copy)]
pub struct Cuts {
    recency: Ref<Vec<i64>>,
    frequency: Ref<Vec<i64>>,
    pub scores: Ref<Scores>,
    /// How many scores there are.
    most: u32,
}

/// Registers what the scores of all buyers are cut at.
pub fn cuts(plan: &mut Plan, lens: Lens, scores: u32) -> Cuts {
    let (recency, frequency) = (cut::<Recency>(plan, lens, scores), cut::<Frequency>(plan, lens, scores));
    let monetary = cut::<Monetary>(plan, lens, scores);
    let all = plan.derive(&[recency.id(), frequency.id(), monetary.id()], move |known| {
        let cuts = |of: Ref<Vec<i64>>| known.get(of).map(|cuts| cuts.to_vec());
        Ok(Scores { recency: cuts(recency)?, frequency: cuts(frequency)?, monetary: cuts(monetary)? })
    });
    Cuts { recency, frequency, scores: all, most: scores }
}

fn cut<M: Measure>(plan: &mut Plan, lens: Lens, scores: u32) -> Ref<Vec<i64>> {
    let ranks = |n, scores| cut_ranks(n, u64::from(scores));
    let ranking = Ranking { by: None, lens, ranks, parameter: scores, most: scores.into() };
    let ranked = ranking::plan::<M>(plan, &ranking);
    plan.derive(&[ranked.id()], move |known| {
        Ok(known.get(ranked)?.get(&ALL).map(|d| d.cuts(scores.into())).unwrap_or_default())
    })
}

/// Buyers of a kind, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    pub customers: u64,
    /// With at least two orders.
    pub repeaters: u64,
    pub days_since_last: i128,
    pub orders: i128,
    pub revenue: i128,
}

impl AddAssign for Kind {
    fn add_assign(&mut self, other: Kind) {
        self.customers += other.customers;
        self.repeaters += other.repeaters;
        self.days_since_last += other.days_since_last;
        self.orders += other.orders;
        self.revenue += other.revenue;
    }
}

/// By cell, R and F.
pub type RfmTally = BTreeMap<(CellId, u8, u8), Kind>;

pub struct Kinds {
    axes: SegmentCells,
    /// Of recency and frequency.
    scores: Scores,
    /// How many scores there are.
    most: u64,
}

/// A kind and its key, in cells of 16 bytes.
const KIND_CELLS: u64 = 6;

/// Registers the count of buyers by R and F, by a stage's segments.
pub fn plan(plan: &mut Plan, index: Ref<SegmentIndex>, lens: Lens, segments: &[usize], cuts: Cuts) -> Ref<RfmTally> {
    let spec = FoldSpec {
        kind: "rfm",
        params: format!("{} scores, segments {segments:?}", cuts.most),
        lens,
        needs: ORDERS,
        // Not after the cuts of money, which are the last to be known.
        after: vec![index.id(), cuts.recency.id(), cuts.frequency.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<Kinds> {
        let (recency, frequency) = (known.get(cuts.recency)?.to_vec(), known.get(cuts.frequency)?.to_vec());
        let scores = Scores { recency, frequency, monetary: vec![] };
        Ok(Kinds { axes: SegmentCells::new(known, index, &segments)?, scores, most: cuts.most.into() })
    })
}

impl Fold for Kinds {
    type Tally = RfmTally;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, _: &Shape) -> u64 {
        self.axes.cells() * self.most * self.most * KIND_CELLS
    }

    fn start(&self) -> RfmTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut RfmTally, view: &View<'_>) {
        let Some(bought) = bought(view) else { return };
        let Rfm { r, f, .. } = self.scores.of(&bought);
        let kind = Kind {
            customers: 1,
            repeaters: (bought.orders >= 2).into(),
            days_since_last: bought.days_since_last.into(),
            orders: bought.orders.into(),
            revenue: bought.revenue.into(),
        };
        self.axes.fixed(view, |cell| *tally.entry((cell, r as u8, f as u8)).or_default() += kind);
    }

    fn merge(&self, into: &mut RfmTally, from: RfmTally) {
        from.into_iter().for_each(|(key, kind)| *into.entry(key).or_default() += kind);
    }

    fn size(&self, tally: &RfmTally) -> u64 {
        tally.len() as u64 * KIND_CELLS
    }
}
