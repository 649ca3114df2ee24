//! Churn rates by policy: churned customers and what they are a share of (DEFINITIONS §5).

use std::collections::BTreeSet;

use super::rows::Windowed;

use crate::calendar::Period;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::stats::churn_rate::{PeriodCounts, Trailing, totals, trailing, window};
use crate::stats::proportion::wilson;
use crate::tally::customer_movements::{CustomerMovements, MovementColumn};
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;
use crate::tally::thirty_days::{DAYS, ThirtyDays, ThirtyDaysColumn};
use crate::timeline::lens::Lens;
use crate::timeline::policy::{LtvRate, Policy, RateOf};
use crate::timeline::segments::{ALL, CellId, SegmentIndex};

/// Handles on what the rates are made of.
#[derive(Clone, Copy)]
pub(super) struct MovementCounts {
    pub heads: Ref<PeriodSeries>,
    /// Where the policy's rate is of the last thirty days.
    lately: Option<Ref<PeriodSeries>>,
}

pub(super) fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    policy: Policy,
) -> MovementCounts {
    let of_thirty_days = policy.rate_of == RateOf::LastThirtyDays;
    MovementCounts {
        heads: series::plan::<CustomerMovements>(plan, index, lens, segments),
        lately: of_thirty_days.then(|| series::plan::<ThirtyDays>(plan, index, lens, segments)),
    }
}

impl MovementCounts {
    /// Cells of whom anything was counted, everybody first.
    pub(super) fn cells(self, known: &StepOutputs) -> Result<BTreeSet<CellId>> {
        let heads = known.get(self.heads)?;
        let lately = self.lately.map(|lately| known.get(lately)).transpose()?;
        Ok(heads.cells().chain(lately.iter().flat_map(|lately| lately.cells())).chain([ALL]).collect())
    }
}

/// The period that a rate is for: thirty days count as a month, whatever the period of the table.
pub(super) fn period_of(policy: Policy, period: Period) -> Period {
    match policy.rate_of {
        RateOf::Opening => period,
        RateOf::LastThirtyDays => Period::Month,
    }
}

/// So many periods of one kind as periods of another: a year has 12 months, 52 weeks, 365 days.
pub(super) fn in_periods(n: f64, of: Period, period: Period) -> f64 {
    if of == period { n } else { n * f64::from(period.per_year()) / f64::from(of.per_year()) }
}

/// Churned of those who could churn, in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChurnShare {
    pub of: PeriodCounts,
    /// The churned are among those they are divided by: else there is no share, and no interval of one.
    pub is_share: bool,
}

impl ChurnShare {
    /// By cell, the complete periods; under thirty-day rates only those whose thirty days lie in the window.
    pub(super) fn by_period(
        known: &StepOutputs,
        counts: MovementCounts,
        windowed: &Windowed<'_>,
        cell: CellId,
    ) -> Result<Vec<Option<ChurnShare>>> {
        let heads = known.get(counts.heads)?.sums(cell);
        let lately = counts.lately.map(|lately| Ok(known.get(lately)?.sums(cell))).transpose()?;
        let share = |period: usize| {
            if !windowed.complete(period) {
                return None;
            }
            if let Some(lately) = &lately {
                let of = |series: ThirtyDaysColumn| lately[period][series as usize] as i64;
                let opening = of(ThirtyDaysColumn::Active) + of(ThirtyDaysColumn::New);
                let seen = windowed.frame.grid.end(period).plus(-DAYS) >= windowed.shape.observed_from;
                return seen.then(|| ChurnShare {
                    of: PeriodCounts { churned: of(ThirtyDaysColumn::Churned), opening },
                    is_share: of(ThirtyDaysColumn::Beyond) == 0,
                });
            }
            let of = |head: MovementColumn| heads[period][head as usize] as i64;
            let passing = windowed.rule.passing_counts() && of(MovementColumn::Intra) > 0;
            Some(ChurnShare {
                of: PeriodCounts { churned: of(MovementColumn::Churned), opening: of(MovementColumn::Opening) },
                is_share: !passing,
            })
        };
        Ok((0..windowed.frame.len()).map(share).collect())
    }

    /// The 95 % interval of the rate.
    pub(super) fn interval(self) -> Option<(f64, f64)> {
        wilson(self.of.churned as f64, self.of.opening as f64).filter(|_| self.is_share)
    }
}

/// The churn rate that a lifetime value divides by, and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ForLife {
    /// `None`: nobody was live at an opening.
    pub rate: Option<f64>,
    pub interval: Option<(f64, f64)>,
}

impl ForLife {
    /// From the complete periods up to this one; `None` if they are too few.
    pub(super) fn of(shares: &[ChurnShare], length: usize, policy: Policy) -> Option<ForLife> {
        let (shares, method) = match policy.ltv_rate {
            LtvRate::Trailing => (shares, Trailing::Ratio),
            LtvRate::PreviousMean => (&shares[..shares.len().saturating_sub(1)], Trailing::Mean),
        };
        let observed: Vec<PeriodCounts> = shares.iter().map(|share| share.of).collect();
        let over = window(&observed, length)?;
        let are_shares = shares[shares.len() - over.len()..].iter().all(|share| share.is_share);
        let sum = totals(over);
        // A mean of rates is no share of customers.
        let interval = wilson(sum.churned as f64, sum.opening as f64);
        let interval = interval.filter(|_| are_shares && method == Trailing::Ratio);
        Some(ForLife { rate: trailing(over, method), interval })
    }
}
