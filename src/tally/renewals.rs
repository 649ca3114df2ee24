//! Renewals by billing interval and number: how many subscriptions were due at their first, second, third … renewal, and how
//! many were lost at it (DEFINITIONS §6).

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::purchases::Until;
use crate::timeline::renewal_events::{BillingInterval, renewal_events};
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

/// The counts of the n-th renewals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalCounts {
    /// Subscriptions due at it.
    pub due: u64,
    /// Of these, those that did not renew.
    pub lost: u64,
    /// Of the due, those due at or after the calibration cut.
    pub later_due: u64,
    /// Of these, those that did not renew.
    pub later_lost: u64,
}

impl AddAssign for RenewalCounts {
    fn add_assign(&mut self, other: RenewalCounts) {
        self.due += other.due;
        self.lost += other.lost;
        self.later_due += other.later_due;
        self.later_lost += other.later_lost;
    }
}

/// The renewals of one billing interval.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalRenewals {
    /// The counts of the n-th renewals, at index n − 1.
    pub numbers: Vec<RenewalCounts>,
    /// Subscription rows that are live at as_of.
    pub live: u64,
    /// What they pay in an interval, in minor units.
    pub amount: i128,
}

/// Renewals by cell and billing interval.
pub type RenewalsTally = BTreeMap<(CellId, BillingInterval), IntervalRenewals>;

pub struct RenewalsFold {
    segment_cells: SegmentCells,
    /// The days of the whole history.
    days: i32,
    cut: Day,
}

/// Registers the count by a stage's segments. Renewals at or after `cut` are also counted separately.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    cut: Until,
) -> Ref<RenewalsTally> {
    let spec = FoldSpec {
        kind: "renewals",
        params: format!("cut {cut:?}, segments {segments:?}"),
        lens,
        needs: Needs::default(),
        after: vec![index.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<RenewalsFold> {
        let days = known.shape.as_of.0 - known.shape.first_day.0;
        Ok(RenewalsFold {
            segment_cells: SegmentCells::new(known, index, &segments)?,
            days,
            cut: cut.day(&known.shape),
        })
    })
}

impl Fold for RenewalsFold {
    type Tally = RenewalsTally;

    fn cells(&self, _: &Shape) -> u64 {
        // Each interval that fits into the history, as often as it fits.
        let by_months = (1..=self.days / 28).map(|months| BillingInterval { months, days: 0 });
        let intervals = (1..=self.days).map(|days| BillingInterval { months: 0, days }).chain(by_months);
        let cells: usize = intervals.map(|i| 2 * i.fits(self.days) + 3).sum();
        self.segment_cells.cells() * cells as u64
    }

    fn start(&self) -> RenewalsTally {
        BTreeMap::new()
    }

    fn observe(&self, tally: &mut RenewalsTally, view: &View<'_>) {
        let LiveRule::Subscriptions(rule) = view.rule() else { return };
        let window = view.shape().observed_from..view.shape().as_of;
        for event in renewal_events(view.subscriptions(), view.renewals_due(), rule.gap_days) {
            let most = event.interval.fits(self.days);
            // Before the window, customers who left may be missing from the export. After it, the outcome is not known yet.
            if !window.contains(&event.day) || most == 0 {
                continue;
            }
            let place = event.number.min(most) - 1;
            let (later, lost) = (u64::from(event.day >= self.cut), u64::from(!event.renewed));
            let number = RenewalCounts { due: 1, lost, later_due: later, later_lost: later * lost };
            self.segment_cells.fixed(view, |cell| {
                let numbers = &mut tally.entry((cell, event.interval)).or_default().numbers;
                if numbers.len() <= place {
                    numbers.resize(place + 1, RenewalCounts::default());
                }
                numbers[place] += number;
            });
        }
        for range in view.ranges().iter().filter(|r| r.end == Day::NEVER) {
            let term = &view.subscriptions()[range.row as usize];
            let interval = BillingInterval::of(term);
            if interval.fits(self.days) > 0 {
                self.segment_cells.fixed(view, |cell| {
                    let of = tally.entry((cell, interval)).or_default();
                    of.live += 1;
                    of.amount += i128::from(view.price(range));
                });
            }
        }
    }

    fn merge(&self, into: &mut RenewalsTally, from: RenewalsTally) {
        for (key, from) in from {
            let to = into.entry(key).or_default();
            if to.numbers.len() < from.numbers.len() {
                to.numbers.resize(from.numbers.len(), RenewalCounts::default());
            }
            for (to, from) in to.numbers.iter_mut().zip(from.numbers) {
                *to += from;
            }
            to.live += from.live;
            to.amount += from.amount;
        }
    }

    fn size(&self, tally: &RenewalsTally) -> u64 {
        tally.values().map(|of| 2 * of.numbers.len() as u64 + 3).sum()
    }
}
