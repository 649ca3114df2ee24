//! Folds whose tally is a set of series by cell and period. They differ only in what they count, which is a
//! [`PeriodCounter`].

use std::marker::PhantomData;

use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

/// Counts something of a customer, as `WIDTH` series by period.
pub trait PeriodCounter: Send + Sync + 'static {
    /// The name of the fold, as `explain` shows it.
    const KIND: &'static str;
    /// The number of series.
    const WIDTH: usize;

    /// Adds a customer to the series of the cells that they belong to.
    fn observe(segment_cells: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>);
}

struct SeriesFold<C> {
    segment_cells: SegmentCells,
    /// The first period of the window, and the number of all periods.
    window: usize,
    periods: usize,
    counted: PhantomData<fn() -> C>,
}

/// Registers a count under a lens, by a stage's segments.
pub fn plan<C: PeriodCounter>(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
) -> Ref<PeriodSeries> {
    let spec = FoldSpec {
        kind: C::KIND,
        params: format!("{segments:?}"),
        lens,
        needs: Needs::default(),
        after: vec![index.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<SeriesFold<C>> {
        let segment_cells = SegmentCells::new(known, index, &segments)?;
        let frame = known.shape.frame(lens.period);
        Ok(SeriesFold { segment_cells, window: frame.window, periods: frame.len(), counted: PhantomData })
    })
}

impl<C: PeriodCounter> Fold for SeriesFold<C> {
    type Tally = PeriodSeries;

    fn cells(&self, _: &Shape) -> u64 {
        PeriodSeries::bound(C::WIDTH, self.periods - self.window, self.segment_cells.cells())
    }

    fn is_tabled(&self) -> bool {
        true
    }

    fn start(&self) -> PeriodSeries {
        PeriodSeries::new(C::WIDTH, self.window, self.periods)
    }

    fn observe(&self, tally: &mut PeriodSeries, view: &View<'_>) {
        C::observe(&self.segment_cells, tally, view);
    }

    fn merge(&self, into: &mut PeriodSeries, from: PeriodSeries) {
        into.merge(from);
    }

    fn size(&self, tally: &PeriodSeries) -> u64 {
        tally.size()
    }
}
