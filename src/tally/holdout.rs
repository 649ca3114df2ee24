//! Holdout counts for backtests: what the customers who were known at a cut bought after it. Predictions made at the cut are
//! compared with these.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::calendar::{Day, Period};
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::purchases::{TransactionUnit, Until};
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

/// The series by period, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum HoldoutColumn {
    /// Transactions in the period.
    Transactions,
    /// Net revenue of the period, in minor units.
    Revenue,
}

/// The series by x, the repeat transactions at the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum FrequencyColumn {
    /// Customers with x.
    Customers,
    /// Their transactions after the cut.
    Transactions,
}

/// Customers with x of at least this much share one row.
pub const MOST_FREQUENT: usize = 50;

/// What customers who first bought before the cut did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldoutTally {
    /// By period, as [`HoldoutColumn`]. Of the period that contains the cut only the part after it counts.
    pub periods: PeriodSeries,
    /// By x, as [`FrequencyColumn`].
    pub by_frequency: PeriodSeries,
}

struct HoldoutFold {
    segment_cells: SegmentCells,
    transactions: TransactionUnit,
    until: Day,
    period: Period,
    /// The first period of the window, and the number of all periods.
    window: usize,
    periods: usize,
}

/// Registers the count of what customers who had bought before the day `until` did, by a stage's segments.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    transactions: TransactionUnit,
    until: Until,
) -> Ref<HoldoutTally> {
    let spec = FoldSpec {
        kind: "holdout",
        params: format!("{transactions:?}, until {until:?}, segments {segments:?}"),
        lens,
        needs: Needs { orders: transactions == TransactionUnit::ByOrder, ..Needs::default() },
        after: vec![index.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<HoldoutFold> {
        let segment_cells = SegmentCells::new(known, index, &segments)?;
        let frame = known.shape.frame(lens.period);
        let (window, periods) = (frame.window, frame.len());
        Ok(HoldoutFold {
            segment_cells,
            transactions,
            until: until.day(&known.shape),
            period: lens.period,
            window,
            periods,
        })
    })
}

impl Fold for HoldoutFold {
    type Tally = HoldoutTally;

    fn spells(&self) -> bool {
        false
    }

    fn cells(&self, _: &Shape) -> u64 {
        let cells = self.segment_cells.cells();
        PeriodSeries::bound(2, self.periods - self.window, cells) + PeriodSeries::bound(2, MOST_FREQUENT + 1, cells)
    }

    fn start(&self) -> HoldoutTally {
        HoldoutTally {
            periods: PeriodSeries::new(2, self.window, self.periods),
            by_frequency: PeriodSeries::new(2, 0, MOST_FREQUENT + 1),
        }
    }

    fn observe(&self, tally: &mut HoldoutTally, view: &View<'_>) {
        let until = self.until;
        let Some(bought) = self.transactions.before(view, until) else { return };
        let x = (bought.frequency as usize).min(MOST_FREQUENT);
        let grid = &view.shape().frame(self.period).grid;
        let mut done: SmallVec<[(usize, i64, i64); 32]> = SmallVec::new();
        let mut later = 0;
        for day in view.days() {
            let (period, transactions) = (grid.at(day.day), self.transactions.on(view, day));
            // The part of a period before the cut is not compared with anything.
            if day.day >= until || grid.end(period) <= until {
                done.push((period, transactions, day.net));
            }
            if day.day >= until {
                later += transactions;
            }
        }
        self.segment_cells.fixed_before(view, until, |cell| {
            let mut series = tally.periods.series(cell);
            for (period, transactions, net) in &done {
                series.add(HoldoutColumn::Transactions as usize, *period, period + 1, (*transactions).into());
                series.add(HoldoutColumn::Revenue as usize, *period, period + 1, (*net).into());
            }
            let mut series = tally.by_frequency.series(cell);
            series.add(FrequencyColumn::Customers as usize, x, x + 1, 1);
            series.add(FrequencyColumn::Transactions as usize, x, x + 1, later.into());
        });
    }

    fn merge(&self, into: &mut HoldoutTally, from: HoldoutTally) {
        into.periods.merge(from.periods);
        into.by_frequency.merge(from.by_frequency);
    }

    fn size(&self, tally: &HoldoutTally) -> u64 {
        tally.periods.size() + tally.by_frequency.size()
    }
}
