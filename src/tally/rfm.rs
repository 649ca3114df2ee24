//! Buyers by recency, frequency and money (DEFINITIONS §8).

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::engine::known::{Known, Ref};
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::error::Result;
use crate::tally::axes::Axes;
use crate::tally::ranking::{self, Distribution, Measure, Ranking, cut_ranks};
use crate::timeline::lens::Lens;
use crate::timeline::scores::{Bought, Rfm, Scores};
use crate::timeline::segments::{ALL, CellId, SegmentIndex};
use crate::timeline::shape::Shape;
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
    const SPELLS: bool = false;
    fn of(view: &View<'_>) -> Option<i64> {
        bought(view).map(|b| -b.days_since_last)
    }
}

impl Measure for Frequency {
    const KIND: &'static str = "orders";
    const NEEDS: Needs = ORDERS;
    const SPELLS: bool = false;
    fn of(view: &View<'_>) -> Option<i64> {
        bought(view).map(|b| b.orders)
    }
}

impl Measure for Monetary {
    const KIND: &'static str = "revenue of buyers";
    const NEEDS: Needs = Needs { orders: false, ..ORDERS };
    const SPELLS: bool = false;
    fn of(view: &View<'_>) -> Option<i64> {
        bought(view).map(|b| b.revenue)
    }
}

/// Registers what the scores of all buyers are cut at.
pub fn scores(plan: &mut Plan, lens: Lens, scores: u32) -> Ref<Scores> {
    let ranks = |n, scores| cut_ranks(n, u64::from(scores));
    let ranking = Ranking { by: None, lens, ranks, parameter: scores, most: scores.into() };
    let recency = ranking::plan::<Recency>(plan, &ranking);
    let frequency = ranking::plan::<Frequency>(plan, &ranking);
    let monetary = ranking::plan::<Monetary>(plan, &ranking);
    plan.derive(&[recency.id(), frequency.id(), monetary.id()], move |known| {
        let cuts = |of: Ref<BTreeMap<CellId, Distribution>>| -> Result<Vec<i64>> {
            Ok(known.get(of)?.get(&ALL).map(|d| d.cuts(scores.into())).unwrap_or_default())
        };
        Ok(Scores { recency: cuts(recency)?, frequency: cuts(frequency)?, monetary: cuts(monetary)? })
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
    axes: Axes,
    scores: Scores,
    /// How many scores there are.
    most: u64,
}

/// A kind and its key, in cells of 16 bytes.
const KIND_CELLS: u64 = 6;

/// Registers the count of buyers by R and F, by a stage's segments.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    (scores, most): (Ref<Scores>, u32),
) -> Ref<RfmTally> {
    let spec = FoldSpec {
        kind: "rfm",
        params: format!("{most} scores, segments {segments:?}"),
        lens,
        needs: ORDERS,
        after: vec![index.id(), scores.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &Known| -> Result<Kinds> {
        let scores = Scores::clone(&*known.get(scores)?);
        Ok(Kinds { axes: Axes::new(known, index, &segments)?, scores, most: most.into() })
    })
}

impl Fold for Kinds {
    type Tally = RfmTally;
    const SPELLS: bool = false;

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

    fn held(&self, tally: &RfmTally) -> u64 {
        tally.len() as u64 * KIND_CELLS
    }
}
