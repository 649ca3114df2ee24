//! Folds whose tally is series by cell and period: what they count is their only difference.

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

/// What is counted, as `WIDTH` series.
pub trait Counted: Send + Sync + 'static {
    const KIND: &'static str;
    const WIDTH: usize;

    /// Adds a customer to the series of the cells on the stage's axes.
    fn observe(axes: &SegmentCells, tally: &mut PeriodSeries, view: &View<'_>);
}

pub struct Series<C> {
    axes: SegmentCells,
    /// The first period of the window, and the end of all.
    window: usize,
    periods: usize,
    counted: PhantomData<fn() -> C>,
}

/// Registers a count under a lens by a stage's segments.
pub fn plan<C: Counted>(
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
    plan.fold(spec, move |known: &StepOutputs| -> Result<Series<C>> {
        let axes = SegmentCells::new(known, index, &segments)?;
        let frame = known.shape.frame(lens.period);
        Ok(Series { axes, window: frame.window, periods: frame.len(), counted: PhantomData })
    })
}

impl<C: Counted> Fold for Series<C> {
    type Tally = PeriodSeries;

    fn cells(&self, _: &Shape) -> u64 {
        PeriodSeries::bound(C::WIDTH, self.periods - self.window, self.axes.cells())
    }

    fn is_tabled(&self) -> bool {
        true
    }

    fn start(&self) -> PeriodSeries {
        PeriodSeries::new(C::WIDTH, self.window, self.periods)
    }

    fn observe(&self, tally: &mut PeriodSeries, view: &View<'_>) {
        C::observe(&self.axes, tally, view);
    }

    fn merge(&self, into: &mut PeriodSeries, from: PeriodSeries) {
        into.merge(from);
    }

    fn size(&self, tally: &PeriodSeries) -> u64 {
        tally.size()
    }
}
