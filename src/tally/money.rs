//! Movements of MRR or revenue in each period, by what customers did (DEFINITIONS §5).

use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::tally::series::PeriodCounter;
use crate::timeline::customer_state::CustomerState;
use crate::timeline::view::View;

/// The series of the tally, in this order: minor units, with the sign in which they change the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum MoneyColumn {
    /// Σ m0, the balance at the opening.
    Opening,
    /// Of customers who are live for the first time.
    New,
    /// Of retained customers who pay more.
    Expansion,
    /// Of retained customers who pay less; negative.
    Contraction,
    /// Of customers who left; negative.
    Churned,
    /// Of customers who returned.
    Reactivation,
    /// Of retained customers who came from another segment value.
    MovedIn,
    /// Of retained customers who went to another segment value; negative.
    MovedOut,
    /// The balance at the closing.
    Closing,
    /// Net revenue of the period outside the closing balance: of customers who are not live, and below zero.
    Unallocated,
    /// The part of the closing whose cancellation is already known.
    Scheduled,
    /// Σ min(m0, m1) over the customers of the opening: the numerator of GRR.
    Kept,
    /// Σ m1 over the customers of the opening: the numerator of NRR.
    Held,
    /// The part of new, reactivation and churned that came and went within the period.
    Passing,
    /// The part of the closing that changes of exchange rates made.
    CurrencyEffect,
}

/// Sums money by movement, and at the boundaries.
pub struct MoneyMovements;

impl PeriodCounter for MoneyMovements {
    const KIND: &'static str = "money";
    const WIDTH: usize = MoneyColumn::CurrencyEffect as usize + 1;

    fn observe(segment_cells: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>) {
        for run in view.runs() {
            // Movements are measured at constant exchange rates; the rest is the currency effect.
            let (m0, m1, closing) = (i128::from(run.opening), i128::from(run.valued), i128::from(run.closing));
            segment_cells.pieces(view, run, |piece| {
                let range = (piece.from, piece.to);
                let mut open = tally.series(piece.open);
                let mut add = |flow: MoneyColumn, amount: i128| open.add(flow as usize, range.0, range.1, amount);
                if run.state.in_opening() {
                    add(MoneyColumn::Opening, m0);
                }
                match run.state {
                    CustomerState::New => add(MoneyColumn::New, m1),
                    CustomerState::Returned => add(MoneyColumn::Reactivation, m1),
                    CustomerState::Churned => add(MoneyColumn::Churned, -m0),
                    CustomerState::Retained => {
                        add(MoneyColumn::Expansion, (m1 - m0).max(0));
                        add(MoneyColumn::Contraction, (m1 - m0).min(0));
                        add(MoneyColumn::Kept, m0.min(m1));
                        add(MoneyColumn::Held, m1);
                    }
                    CustomerState::IntraNew | CustomerState::IntraReturned => {
                        let came = if run.state == CustomerState::IntraNew {
                            MoneyColumn::New
                        } else {
                            MoneyColumn::Reactivation
                        };
                        let passing = i128::from(run.passing);
                        add(came, passing);
                        add(MoneyColumn::Churned, -passing);
                        add(MoneyColumn::Passing, passing);
                    }
                    CustomerState::Intra | CustomerState::Undecided | CustomerState::Idle => {}
                }
                add(MoneyColumn::CurrencyEffect, closing - m1);
                add(MoneyColumn::Unallocated, run.unallocated.into());
                if piece.open != piece.close && run.state == CustomerState::Retained {
                    add(MoneyColumn::MovedOut, -closing);
                    tally.series(piece.close).add(MoneyColumn::MovedIn as usize, range.0, range.1, closing);
                }
                let mut close = tally.series(piece.close);
                let mut add = |flow: MoneyColumn, amount: i128| close.add(flow as usize, range.0, range.1, amount);
                if run.state.in_closing() {
                    add(MoneyColumn::Closing, closing);
                    add(MoneyColumn::Scheduled, run.scheduled.into());
                }
            });
        }
    }
}
