//! Live customers and their money at the closing of each period, with each customer in one cell for good. It belongs to the
//! survival curves of spells, which assign a customer to one cell in the same way.

use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::tally::series::PeriodCounter;
use crate::timeline::view::View;

/// The series of the tally, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum CloseColumn {
    /// Customers who are live at the closing.
    Customers,
    /// What they pay, in minor units: the closing of table `revenue_churn`.
    Money,
}

/// Counts live customers and their money at closings.
pub struct LiveAtClose;

impl PeriodCounter for LiveAtClose {
    const KIND: &'static str = "live at close";
    const WIDTH: usize = CloseColumn::Money as usize + 1;

    fn observe(segment_cells: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>) {
        for run in view.runs().iter().filter(|r| r.state.in_closing()) {
            segment_cells.fixed(view, |cell| {
                let mut series = tally.series(cell);
                series.add(CloseColumn::Customers as usize, run.from, run.to, 1);
                series.add(CloseColumn::Money as usize, run.from, run.to, run.closing.into());
            });
        }
    }
}
