//! Histories of buyers (how often, how lately and since when they bought) and their spend: what models of buying are fitted
//! to (DEFINITIONS §6).

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::sampled_counts::SampledCounts;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::purchases::{TransactionUnit, Until};
use crate::timeline::segments::{ALL, CellId, SegmentIndex};
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

/// A history: x, t_x and T, see [`crate::stats::buyers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HistoryKey {
    /// x: repeat transactions.
    pub frequency: u32,
    /// t_x: days from the first to the last transaction.
    pub recency: u32,
    /// T: days from the first transaction to the end of observation.
    pub age: u32,
}

/// The customers with a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryWeight {
    /// How many they are.
    pub customers: u64,
    /// What they spent after their first transactions, in minor units; a negative spend of a customer counts as 0.
    pub spend: i128,
}

impl AddAssign for HistoryWeight {
    fn add_assign(&mut self, other: HistoryWeight) {
        self.customers += other.customers;
        self.spend += other.spend;
    }
}

/// A spend of repeat buyers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpendKey {
    /// x: repeat transactions.
    pub frequency: u32,
    /// What they came to together, in minor units.
    pub total: i64,
}

/// The buyers of a cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BuyerCounts {
    /// How many there are, also if the counts are of a sample.
    pub customers: i64,
    /// By history.
    pub histories: SampledCounts<HistoryKey, HistoryWeight>,
    /// By spend, repeat buyers only.
    pub spends: SampledCounts<SpendKey, u64>,
}

/// The buyers by cell.
pub type BuyersTally = BTreeMap<CellId, BuyerCounts>;

pub struct BuyersFold {
    segment_cells: SegmentCells,
    transactions: TransactionUnit,
    until: Day,
}

/// Registers the count of customers who bought before the day `until`, by a stage's segments.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    transactions: TransactionUnit,
    until: Until,
) -> Ref<BuyersTally> {
    let spec = FoldSpec {
        kind: "buyers",
        params: format!("{transactions:?}, until {until:?}, segments {segments:?}"),
        lens,
        needs: Needs { orders: transactions == TransactionUnit::ByOrder, ..Needs::default() },
        after: vec![index.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<BuyersFold> {
        Ok(BuyersFold {
            segment_cells: SegmentCells::new(known, index, &segments)?,
            transactions,
            until: until.day(&known.shape),
        })
    })
}

/// The limit on cells of the counts of everybody. The counts of all segment values together may have as many again.
///
/// CDNOW's 23,570 customers have about 11,000 cells. Above the limit a model is fitted to a sample, which is then so large
/// that standard errors are below a hundredth of the estimates.
pub const MOST_CELLS: usize = 1 << 18;
/// The limit for a segment value, however many values there are.
const FEWEST_CELLS: usize = 1 << 10;
/// What an entry of either count takes, in cells of 16 bytes.
const HISTORY_CELLS: u64 = (size_of::<(HistoryKey, u8, HistoryWeight)>() as u64).div_ceil(16);
const SPEND_CELLS: u64 = (size_of::<(SpendKey, u8, u64)>() as u64).div_ceil(16);

impl BuyersFold {
    fn limit(&self, cell: CellId) -> usize {
        let values = self.segment_cells.cells_of_run() as usize;
        if cell == ALL { MOST_CELLS } else { (MOST_CELLS / values).max(FEWEST_CELLS) }
    }

    fn group(&self, cell: CellId) -> BuyerCounts {
        let limit = self.limit(cell);
        BuyerCounts { customers: 0, histories: SampledCounts::new(limit), spends: SampledCounts::new(limit) }
    }
}

impl Fold for BuyersFold {
    type Tally = BuyersTally;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, _: &Shape) -> u64 {
        let bound = |limit| {
            let (histories, spends) = (
                SampledCounts::<HistoryKey, HistoryWeight>::bound(limit),
                SampledCounts::<SpendKey, u64>::bound(limit),
            );
            histories * HISTORY_CELLS + spends * SPEND_CELLS + 1
        };
        // All segment values of the run, because they share the limit.
        bound(self.limit(ALL)) + (self.segment_cells.cells_of_run() - 1) * bound(self.limit(ALL + 1))
    }

    fn cells_of_one(&self, _: &Shape) -> u64 {
        self.segment_cells.of_one() * (HISTORY_CELLS + SPEND_CELLS + 1)
    }

    fn start(&self) -> BuyersTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut BuyersTally, view: &View<'_>) {
        let until = self.until;
        let Some(bought) = self.transactions.before(view, until) else { return };
        let hash = view.hash();
        let history = HistoryKey { frequency: bought.frequency, recency: bought.recency, age: bought.age };
        let weight = HistoryWeight { customers: 1, spend: bought.spend.max(0).into() };
        self.segment_cells.fixed_before(view, until, |cell| {
            let group = tally.entry(cell).or_insert_with(|| self.group(cell));
            group.customers += 1;
            group.histories.add(hash, history, weight);
            if bought.frequency > 0 {
                group.spends.add(hash, SpendKey { frequency: bought.frequency, total: bought.spend }, 1);
            }
        });
    }

    fn merge(&self, into: &mut BuyersTally, from: BuyersTally) {
        for (cell, group) in from {
            let to = into.entry(cell).or_insert_with(|| self.group(cell));
            to.customers += group.customers;
            to.histories.merge(group.histories);
            to.spends.merge(group.spends);
        }
    }

    fn size(&self, tally: &BuyersTally) -> u64 {
        tally.values().map(|g| g.histories.size() * HISTORY_CELLS + g.spends.size() * SPEND_CELLS + 1).sum()
    }
}
