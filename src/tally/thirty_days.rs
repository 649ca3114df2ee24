//! The thirty days before each period's end, taken as a period of their own: who was live at their beginning, who joined
//! in them, and who of both left (a policy's churn rate, DEFINITIONS §5).

use crate::calendar::Day;
use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::tally::series::Counted;
use crate::timeline::segments::CellId;
use crate::timeline::view::View;

pub const DAYS: i32 = 30;

/// The series of the tally, in this order; by the period that the thirty days end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Lately {
    /// Live just before the thirty days.
    Active,
    New,
    Churned,
    /// Of the churned those who are neither active nor new: back and gone within the thirty days, where that counts.
    Beyond,
}

pub struct ThirtyDays;

/// Periods `[from, to)`.
type Periods = (usize, usize);

fn both(a: Periods, b: Periods) -> Periods {
    (a.0.max(b.0), a.1.min(b.1))
}

impl Counted for ThirtyDays {
    const KIND: &'static str = "thirty_days";
    const WIDTH: usize = Lately::Beyond as usize + 1;

    fn observe(axes: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>) {
        let (spells, passing_counts) = (view.spells(), view.rule().passing_counts());
        // The first period that ends on that day or later: the boundary that closes it is the next one's opening.
        let ending = |day: Day| view.frame().boundary_at_or_after(day).saturating_sub(1);
        // Live at a boundary when live on the day before it.
        let closings = |which: usize| (ending(spells[which].start.plus(1)), ending(spells[which].end.plus(1)));
        let openings =
            |which: usize| (ending(spells[which].start.plus(1 + DAYS)), ending(spells[which].end.plus(1 + DAYS)));
        let mut count = |series: Lately, periods: Periods, amount: i128, at_opening: bool| {
            // A value of `day` is seen by a boundary after it.
            let seen = |day: Day| ending(day.plus(if at_opening { 1 + DAYS } else { 1 }));
            axes.stretches(view, periods, &seen, |(from, to): Periods, cell: CellId| {
                tally.line(cell).add(series as usize, from, to, amount);
            });
        };
        for which in 0..spells.len() {
            let active = openings(which);
            count(Lately::Active, active, 1, true);
            count(Lately::Churned, active, 1, true);
            for later in which..spells.len() {
                if closings(later).0 >= active.1 {
                    break;
                }
                count(Lately::Churned, both(active, closings(later)), -1, true);
            }
            // The first spell to begin in the thirty days, of a customer who was not live before them.
            let before = if which == 0 { 0 } else { ending(spells[which - 1].end.plus(1 + DAYS)) };
            let joined = (before.max(closings(which).0), active.0);
            let is_new = view.begins_anew(which);
            if is_new && passing_counts {
                count(Lately::New, joined, 1, false);
            }
            if passing_counts {
                count(Lately::Churned, joined, 1, false);
                if !is_new {
                    count(Lately::Beyond, joined, 1, false);
                }
            }
            for later in which..spells.len() {
                if closings(later).0 >= joined.1 {
                    break;
                }
                let stayed = both(joined, closings(later));
                if passing_counts {
                    count(Lately::Churned, stayed, -1, false);
                    if !is_new {
                        count(Lately::Beyond, stayed, -1, false);
                    }
                } else if is_new {
                    count(Lately::New, stayed, 1, false);
                }
            }
        }
    }
}
