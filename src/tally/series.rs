//! Folds whose tally is series by cell and period: what they count is their only difference.

use std::marker::PhantomData;

use crate::engine::known::{Known, Ref};
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::error::Result;
use crate::tally::axes::Axes;
use crate::tally::lines::Lines;
use crate::timeline::lens::Lens;
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::Shape;
use crate::timeline::view::View;

/// What is counted, as `WIDTH` series.
pub trait Counted: Send + Sync + 'static {
    const KIND: &'static str;
    const WIDTH: usize;

    /// Adds a customer to the series of the cells on the stage's axes.
    fn observe(axes: &Axes, tally: &mut Lines, view: &View<'_>);
}

pub struct Series<C> {
    axes: Axes,
    /// The first period of the window, and the end of all.
    window: usize,
    periods: usize,
    counted: PhantomData<fn() -> C>,
}

/// Registers a count under a lens by a stage's segments.
pub fn plan<C: Counted>(plan: &mut Plan, index: Ref<SegmentIndex>, lens: Lens, segments: &[usize]) -> Ref<Lines> {
    let spec = FoldSpec {
        kind: C::KIND,
        params: format!("{segments:?}"),
        lens,
        needs: Needs::default(),
        after: vec![index.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &Known| -> Result<Series<C>> {
        let axes = Axes::new(known, index, &segments)?;
        let frame = known.shape.frame(lens.period);
        Ok(Series { axes, window: frame.window, periods: frame.len(), counted: PhantomData })
    })
}

impl<C: Counted> Fold for Series<C> {
    type Tally = Lines;

    fn cells(&self, _: &Shape) -> u64 {
        Lines::bound(C::WIDTH, self.periods - self.window, self.axes.cells())
    }

    fn is_tabled(&self) -> bool {
        true
    }

    fn start(&self) -> Lines {
        Lines::new(C::WIDTH, self.window, self.periods)
    }

    fn observe(&self, tally: &mut Lines, view: &View<'_>) {
        C::observe(&self.axes, tally, view);
    }

    fn merge(&self, into: &mut Lines, from: Lines) {
        into.merge(from);
    }

    fn held(&self, tally: &Lines) -> u64 {
        tally.held()
    }
}
