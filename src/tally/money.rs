//! Money by what customers did in each period: the movements of MRR or of revenue (DEFINITIONS §5).

use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::tally::series::Counted;
use crate::timeline::movements::State;
use crate::timeline::view::View;

/// The series of the tally, in this order; minor units, signed as they move the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Flow {
    Opening,
    New,
    Expansion,
    Contraction,
    Churned,
    Reactivation,
    MovedIn,
    MovedOut,
    Closing,
    Unallocated,
    /// Part of the closing whose cancellation is already known.
    Scheduled,
    /// Σ min(m0, m1) over the customers of the opening: what GRR keeps.
    Kept,
    /// Σ m1 over the customers of the opening: what NRR keeps.
    Held,
    /// Of new, reactivation and churned: what came and went within the period.
    Passing,
    /// What exchange rates moved, of the closing.
    CurrencyEffect,
}

/// Minor units by movement, and at the boundaries.
pub struct Money;

impl Counted for Money {
    const KIND: &'static str = "money";
    const WIDTH: usize = Flow::CurrencyEffect as usize + 1;

    fn observe(axes: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>) {
        for run in view.runs() {
            // Movements are what remains where rates stand still.
            let (m0, m1, closing) = (i128::from(run.opening), i128::from(run.valued), i128::from(run.closing));
            axes.pieces(view, run, |piece| {
                let range = (piece.from, piece.to);
                let mut open = tally.line(piece.open);
                let mut add = |flow: Flow, amount: i128| open.add(flow as usize, range.0, range.1, amount);
                if run.state.in_opening() {
                    add(Flow::Opening, m0);
                }
                match run.state {
                    State::New => add(Flow::New, m1),
                    State::Returned => add(Flow::Reactivation, m1),
                    State::Churned => add(Flow::Churned, -m0),
                    State::Retained => {
                        add(Flow::Expansion, (m1 - m0).max(0));
                        add(Flow::Contraction, (m1 - m0).min(0));
                        add(Flow::Kept, m0.min(m1));
                        add(Flow::Held, m1);
                    }
                    State::IntraNew | State::IntraReturned => {
                        let came = if run.state == State::IntraNew { Flow::New } else { Flow::Reactivation };
                        let passing = i128::from(run.passing);
                        add(came, passing);
                        add(Flow::Churned, -passing);
                        add(Flow::Passing, passing);
                    }
                    State::Intra | State::Undecided | State::Idle => {}
                }
                add(Flow::CurrencyEffect, closing - m1);
                add(Flow::Unallocated, run.unallocated.into());
                if piece.open != piece.close && run.state == State::Retained {
                    add(Flow::MovedOut, -closing);
                    tally.line(piece.close).add(Flow::MovedIn as usize, range.0, range.1, closing);
                }
                let mut close = tally.line(piece.close);
                let mut add = |flow: Flow, amount: i128| close.add(flow as usize, range.0, range.1, amount);
                if run.state.in_closing() {
                    add(Flow::Closing, closing);
                    add(Flow::Scheduled, run.scheduled.into());
                }
            });
        }
    }
}
