//! Customers by what they did in each period: who is live at its opening and closing, who came, stayed and left.

use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::tally::series::Counted;
use crate::timeline::movements::State;
use crate::timeline::view::View;

/// The series of the tally, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Head {
    Opening,
    New,
    Retained,
    Returned,
    Churned,
    Closing,
    /// Live within a period, at neither boundary; where that counts as joining and leaving, also in new or returned and in
    /// churned.
    Intra,
    /// Retained customers whose segment value at the closing is this, and at the opening was another; and the reverse.
    MovedIn,
    MovedOut,
    /// Paid terms that ended, and those of them that were renewed.
    RenewalDue,
    Renewed,
}

/// Customers by state, at the boundaries, and the terms that came due.
pub struct CustomerMovements;

impl Counted for CustomerMovements {
    const KIND: &'static str = "headcount";
    const WIDTH: usize = Head::Renewed as usize + 1;

    fn observe(axes: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>) {
        for run in view.runs() {
            if run.state == State::Idle {
                continue;
            }
            axes.pieces(view, run, |piece| {
                let range = (piece.from, piece.to);
                let mut open = tally.line(piece.open);
                let mut count = |head: Head| open.add(head as usize, range.0, range.1, 1);
                if run.state.in_opening() {
                    count(Head::Opening);
                }
                match run.state {
                    State::Retained => count(Head::Retained),
                    State::Churned => count(Head::Churned),
                    State::Intra => count(Head::Intra),
                    State::IntraNew => [Head::New, Head::Churned, Head::Intra].into_iter().for_each(&mut count),
                    State::IntraReturned => {
                        [Head::Returned, Head::Churned, Head::Intra].into_iter().for_each(&mut count);
                    }
                    State::New => count(Head::New),
                    State::Returned => count(Head::Returned),
                    State::Undecided | State::Idle => {}
                }
                if piece.open != piece.close && run.state == State::Retained {
                    count(Head::MovedOut);
                    tally.line(piece.close).add(Head::MovedIn as usize, range.0, range.1, 1);
                }
                if run.state.in_closing() {
                    tally.line(piece.close).add(Head::Closing as usize, range.0, range.1, 1);
                }
            });
        }
        for due in view.dues() {
            let period = view.frame().grid.at(due.day);
            axes.within(view, period, |cell| {
                let mut line = tally.line(cell);
                line.add(Head::RenewalDue as usize, period, period + 1, 1);
                line.add(Head::Renewed as usize, period, period + 1, due.renewed.into());
            });
        }
    }
}
