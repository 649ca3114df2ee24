//! The thirty days before each period's end, treated as a period: how many customers were live at their beginning, how many
//! joined in them, and how many of both left. A policy's churn rate is defined so (DEFINITIONS §5).

use crate::calendar::Day;
use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::tally::series::PeriodCounter;
use crate::timeline::segments::CellId;
use crate::timeline::view::View;

/// The length of the stretch before a period's end, in days.
pub const DAYS: i32 = 30;

/// The series of the tally, in this order; by the period that the thirty days end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ThirtyDaysColumn {
    /// Customers live just before the thirty days.
    Active,
    /// Customers who joined for the first time within them.
    New,
    /// Customers who left within them.
    Churned,
    /// Of the churned, those who are neither active nor new: they returned and left within the thirty days, where the policy
    /// counts that.
    Beyond,
}

/// Counts customers over the thirty days before each period's end.
pub struct ThirtyDays;

/// Periods `[from, to)`.
type Periods = (usize, usize);

/// The intersection of two ranges of periods.
fn both(a: Periods, b: Periods) -> Periods {
    (a.0.max(b.0), a.1.min(b.1))
}

impl PeriodCounter for ThirtyDays {
    const KIND: &'static str = "thirty days";
    const WIDTH: usize = ThirtyDaysColumn::Beyond as usize + 1;

    fn observe(segment_cells: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>) {
        let (spells, passing_counts) = (view.spells(), view.rule().passing_counts());
        // The first period whose end is on that day or later.
        let ending = |day: Day| view.frame().boundary_at_or_after(day).saturating_sub(1);
        // A customer is live at a boundary if they are live on the day before it.
        let closings = |which: usize| (ending(spells[which].start.plus(1)), ending(spells[which].end.plus(1)));
        let openings =
            |which: usize| (ending(spells[which].start.plus(1 + DAYS)), ending(spells[which].end.plus(1 + DAYS)));
        let mut count = |series: ThirtyDaysColumn, periods: Periods, amount: i128, at_opening: bool| {
            // A boundary sees segment values of the days before it.
            let seen = |day: Day| ending(day.plus(if at_opening { 1 + DAYS } else { 1 }));
            segment_cells.stretches(view, periods, &seen, |(from, to): Periods, cell: CellId| {
                tally.series(cell).add(series as usize, from, to, amount);
            });
        };
        for which in 0..spells.len() {
            let active = openings(which);
            count(ThirtyDaysColumn::Active, active, 1, true);
            count(ThirtyDaysColumn::Churned, active, 1, true);
            for later in which..spells.len() {
                if closings(later).0 >= active.1 {
                    break;
                }
                count(ThirtyDaysColumn::Churned, both(active, closings(later)), -1, true);
            }
            // The first spell that begins in the thirty days, of a customer who was not live just before them.
            let before = if which == 0 { 0 } else { ending(spells[which - 1].end.plus(1 + DAYS)) };
            let joined = (before.max(closings(which).0), active.0);
            let is_new = view.begins_anew(which);
            if is_new && passing_counts {
                count(ThirtyDaysColumn::New, joined, 1, false);
            }
            if passing_counts {
                count(ThirtyDaysColumn::Churned, joined, 1, false);
                if !is_new {
                    count(ThirtyDaysColumn::Beyond, joined, 1, false);
                }
            }
            for later in which..spells.len() {
                if closings(later).0 >= joined.1 {
                    break;
                }
                let stayed = both(joined, closings(later));
                if passing_counts {
                    count(ThirtyDaysColumn::Churned, stayed, -1, false);
                    if !is_new {
                        count(ThirtyDaysColumn::Beyond, stayed, -1, false);
                    }
                } else if is_new {
                    count(ThirtyDaysColumn::New, stayed, 1, false);
                }
            }
        }
    }
}
