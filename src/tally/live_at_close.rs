//! Live customers and their money at closings, each customer in one cell for good: what goes with curves of spells, which
//! take a customer's first value too.

use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::tally::series::Counted;
use crate::timeline::view::View;

/// The series of the tally, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stand {
    Customers,
    /// Minor units, as table `revenue_churn` closes.
    Money,
}

pub struct LiveAtClose;

impl Counted for LiveAtClose {
    const KIND: &'static str = "standing";
    const WIDTH: usize = Stand::Money as usize + 1;

    fn observe(axes: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>) {
        for run in view.runs().iter().filter(|r| r.state.in_closing()) {
            axes.fixed(view, |cell| {
                let mut line = tally.line(cell);
                line.add(Stand::Customers as usize, run.from, run.to, 1);
                line.add(Stand::Money as usize, run.from, run.to, run.closing.into());
            });
        }
    }
}
