//! Movements of customers in each period: how many are live at its opening and closing, and how many came, stayed and left.

use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::tally::series::PeriodCounter;
use crate::timeline::customer_state::CustomerState;
use crate::timeline::view::View;

/// The series of the tally, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum MovementColumn {
    /// Live at the opening.
    Opening,
    /// Live at the closing for the first time.
    New,
    /// Live at the opening and at the closing.
    Retained,
    /// Live at the closing, not at the opening, and live before that.
    Returned,
    /// Live at the opening, not at the closing.
    Churned,
    /// Live at the closing.
    Closing,
    /// Live within the period, at neither boundary. Where the policy counts that as joining and leaving, they are also in
    /// new or returned, and in churned.
    Intra,
    /// Retained customers who have this segment value at the closing, and had another one at the opening.
    MovedIn,
    /// Retained customers who had this segment value at the opening, and have another one at the closing.
    MovedOut,
    /// Paid terms that ended in the period.
    RenewalDue,
    /// Of these, those that were renewed.
    Renewed,
}

/// Counts customers by what they did in each period, and the terms that came due in it.
pub struct CustomerMovements;

impl PeriodCounter for CustomerMovements {
    const KIND: &'static str = "movements";
    const WIDTH: usize = MovementColumn::Renewed as usize + 1;

    fn observe(segment_cells: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>) {
        for run in view.runs() {
            if run.state == CustomerState::Idle {
                continue;
            }
            segment_cells.pieces(view, run, |piece| {
                let range = (piece.from, piece.to);
                let mut open = tally.series(piece.open);
                let mut count = |head: MovementColumn| open.add(head as usize, range.0, range.1, 1);
                if run.state.in_opening() {
                    count(MovementColumn::Opening);
                }
                match run.state {
                    CustomerState::Retained => count(MovementColumn::Retained),
                    CustomerState::Churned => count(MovementColumn::Churned),
                    CustomerState::Intra => count(MovementColumn::Intra),
                    CustomerState::IntraNew => [MovementColumn::New, MovementColumn::Churned, MovementColumn::Intra]
                        .into_iter()
                        .for_each(&mut count),
                    CustomerState::IntraReturned => {
                        [MovementColumn::Returned, MovementColumn::Churned, MovementColumn::Intra]
                            .into_iter()
                            .for_each(&mut count);
                    }
                    CustomerState::New => count(MovementColumn::New),
                    CustomerState::Returned => count(MovementColumn::Returned),
                    CustomerState::Undecided | CustomerState::Idle => {}
                }
                if piece.open != piece.close && run.state == CustomerState::Retained {
                    count(MovementColumn::MovedOut);
                    tally.series(piece.close).add(MovementColumn::MovedIn as usize, range.0, range.1, 1);
                }
                if run.state.in_closing() {
                    tally.series(piece.close).add(MovementColumn::Closing as usize, range.0, range.1, 1);
                }
            });
        }
        for due in view.renewals_due() {
            let period = view.frame().grid.at(due.day);
            segment_cells.within(view, period, |cell| {
                let mut series = tally.series(cell);
                series.add(MovementColumn::RenewalDue as usize, period, period + 1, 1);
                series.add(MovementColumn::Renewed as usize, period, period + 1, due.renewed.into());
            });
        }
    }
}
