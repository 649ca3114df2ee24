//! Who bought how often, how recently and since when: what models of buying are fitted to (DEFINITIONS §6).

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::counts::Counts;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::purchases::{Transactions, Until};
use crate::timeline::segments::{ALL, CellId, SegmentIndex};
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

/// Customers alike in x, t_x and T.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct History {
    pub frequency: u32,
    pub recency: u32,
    pub age: u32,
}

/// What they weigh: how many they are, and what they spent after their first transactions (each at least 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    pub customers: u64,
    pub spend: i128,
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Weight) {
        self.customers += other.customers;
        self.spend += other.spend;
    }
}

/// Repeat buyers alike in how often and for how much they bought again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spend {
    pub frequency: u32,
    pub total: i64,
}

/// The buyers of a cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// All of them, also where the counts are of a sample.
    pub customers: i64,
    pub histories: Counts<History, Weight>,
    /// Of repeat buyers alone.
    pub spends: Counts<Spend, u64>,
}

pub type BuyersTally = BTreeMap<CellId, Group>;

pub struct Buyers {
    axes: SegmentCells,
    transactions: Transactions,
    until: Day,
}

/// Registers the count of those who bought before a day, by a stage's segments.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    transactions: Transactions,
    until: Until,
) -> Ref<BuyersTally> {
    let spec = FoldSpec {
        kind: "buyers",
        params: format!("{transactions:?}, until {until:?}, segments {segments:?}"),
        lens,
        needs: Needs { orders: transactions == Transactions::ByOrder, ..Needs::default() },
        after: vec![index.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<Buyers> {
        Ok(Buyers { axes: SegmentCells::new(known, index, &segments)?, transactions, until: until.day(&known.shape) })
    })
}

/// Cells that the counts of everybody may have; those of all segments' values together have as many once more.
///
/// CDNOW's 23,570 customers have some 11,000. Above it a fit is of a sample, whose standard errors are then below a
/// hundredth of the estimates.
pub const MOST_CELLS: usize = 1 << 18;
/// Cells that even a value among thousands may have.
const FEWEST_CELLS: usize = 1 << 10;
/// What a cell of either count takes, in cells of 16 bytes.
const HISTORY_CELLS: u64 = (size_of::<(History, u8, Weight)>() as u64).div_ceil(16);
const SPEND_CELLS: u64 = (size_of::<(Spend, u8, u64)>() as u64).div_ceil(16);

impl Buyers {
    fn limit(&self, cell: CellId) -> usize {
        let values = self.axes.cells_of_run() as usize;
        if cell == ALL { MOST_CELLS } else { (MOST_CELLS / values).max(FEWEST_CELLS) }
    }

    fn group(&self, cell: CellId) -> Group {
        let limit = self.limit(cell);
        Group { customers: 0, histories: Counts::new(limit), spends: Counts::new(limit) }
    }
}

impl Fold for Buyers {
    type Tally = BuyersTally;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, _: &Shape) -> u64 {
        let bound = |limit| {
            let (histories, spends) = (Counts::<History, Weight>::bound(limit), Counts::<Spend, u64>::bound(limit));
            histories * HISTORY_CELLS + spends * SPEND_CELLS + 1
        };
        // Of all values of the run, since they share the limit.
        bound(self.limit(ALL)) + (self.axes.cells_of_run() - 1) * bound(self.limit(ALL + 1))
    }

    fn cells_of_one(&self, _: &Shape) -> u64 {
        self.axes.of_one() * (HISTORY_CELLS + SPEND_CELLS + 1)
    }

    fn start(&self) -> BuyersTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut BuyersTally, view: &View<'_>) {
        let until = self.until;
        let Some(bought) = self.transactions.before(view, until) else { return };
        let hash = view.hash();
        let history = History { frequency: bought.frequency, recency: bought.recency, age: bought.age };
        let weight = Weight { customers: 1, spend: bought.spend.max(0).into() };
        self.axes.fixed_before(view, until, |cell| {
            let group = tally.entry(cell).or_insert_with(|| self.group(cell));
            group.customers += 1;
            group.histories.add(hash, history, weight);
            if bought.frequency > 0 {
                group.spends.add(hash, Spend { frequency: bought.frequency, total: bought.spend }, 1);
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
