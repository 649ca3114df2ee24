//! The cells that a customer is counted in: the cell of everybody, and one cell for each segment of a stage.

use std::sync::Arc;

use crate::calendar::Day;
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::timeline::movements::MovementRun;
use crate::timeline::segments::{ALL, CellId, SegmentAt, SegmentDictionary, SegmentIndex, ValueCounts};
use crate::timeline::shape::Frame;
use crate::timeline::view::View;

/// A part of a run (of periods of one state) over which a customer's cells do not change. The cells at opening and closing
/// differ only in a piece of a single period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPiece {
    /// The first period.
    pub from: usize,
    /// The period after the last one.
    pub to: usize,
    /// The cell at the opening of each period.
    pub open: CellId,
    /// The cell at the closing.
    pub close: CellId,
}

/// Finds the cells of a customer by a stage's segments.
pub struct SegmentCells {
    index: Arc<SegmentIndex>,
    segments: Vec<(usize, SegmentAt)>,
}

impl SegmentCells {
    /// The cells of a stage, whose segments are given by their numbers in the run's dictionary.
    ///
    /// # Errors
    /// Internal: the index is not known yet.
    pub fn new(known: &StepOutputs, index: Ref<SegmentIndex>, segments: &[usize]) -> Result<SegmentCells> {
        let dictionary = &known.shape.dictionary;
        let segments = segments.iter().map(|s| (*s, dictionary.segments[*s].at)).collect();
        Ok(SegmentCells { index: known.get(index)?, segments })
    }

    /// The cell of everybody alone, for folds that run before there is an index.
    pub fn everybody() -> SegmentCells {
        let index = SegmentIndex::learn(&SegmentDictionary::default(), &ValueCounts::default());
        SegmentCells { index: Arc::new(index), segments: vec![] }
    }

    /// The number of cells of the run, those of other stages' segments included.
    pub fn cells_of_run(&self) -> u64 {
        self.index.cells.len() as u64
    }

    /// The number of cells of the stage: that of everybody, and those of each of its segments.
    pub fn cells(&self) -> u64 {
        1 + self.segments.iter().map(|(segment, _)| self.index.width(*segment) as u64).sum::<u64>()
    }

    /// The number of cells of a customer who stays in one cell of each segment.
    pub fn of_one(&self) -> u64 {
        1 + self.segments.len() as u64
    }

    /// Visits the cells of a customer who is assigned to one cell of each segment for good. For `opening` segments the value
    /// at the customer's first row counts.
    pub fn fixed(&self, view: &View<'_>, visit: impl FnMut(CellId)) {
        self.fixed_before(view, view.shape().as_of, visit);
    }

    /// The same as it was known before a day: `latest` segments take the value of then.
    pub fn fixed_before(&self, view: &View<'_>, day: Day, mut visit: impl FnMut(CellId)) {
        visit(ALL);
        for (segment, at) in &self.segments {
            let steps = view.segment(*segment);
            let rank = if *at == SegmentAt::Latest { steps.on(day.plus(-1)) } else { steps.first() };
            // A value that no customer has at as_of has no cell of its own, and is not visited.
            Some(self.index.cell(*segment, rank)).filter(|cell| *cell != ALL).into_iter().for_each(&mut visit);
        }
    }

    /// Visits the pieces of a run, for everybody and for each segment.
    pub fn pieces(&self, view: &View<'_>, run: &MovementRun, mut visit: impl FnMut(RunPiece)) {
        visit(RunPiece { from: run.from, to: run.to, open: ALL, close: ALL });
        for (segment, at) in &self.segments {
            let steps = view.segment(*segment);
            let whole = |cell| RunPiece { from: run.from, to: run.to, open: cell, close: cell };
            match at {
                SegmentAt::First => visit(whole(self.index.cell(*segment, steps.first()))),
                SegmentAt::Latest => visit(whole(self.index.cell(*segment, steps.latest()))),
                SegmentAt::Opening => self.moving(view, run, *segment, &mut visit),
            }
        }
    }

    /// Visits the cells of an event in a period: those of the customer at its opening or, if they are not live then, at its
    /// closing.
    pub fn within(&self, view: &View<'_>, period: usize, mut visit: impl FnMut(CellId)) {
        visit(ALL);
        let runs = view.runs();
        let run = runs.get(runs.partition_point(|r| r.to <= period)).filter(|r| r.from <= period);
        let boundary = if run.is_some_and(|r| r.state.in_opening()) { period } else { period + 1 };
        let day = view.frame().boundary(boundary).plus(-1);
        for (segment, at) in &self.segments {
            let steps = view.segment(*segment);
            let rank = match at {
                SegmentAt::First => steps.first(),
                SegmentAt::Latest => steps.latest(),
                SegmentAt::Opening => steps.on(day),
            };
            visit(self.index.cell(*segment, rank));
        }
    }

    /// Visits ranges of periods with their cells, for counts whose dates are not those of the periods' boundaries. `seen`
    /// gives the first period that sees a change made on a day.
    pub fn stretches(
        &self,
        view: &View<'_>,
        (from, to): (usize, usize),
        seen: &dyn Fn(Day) -> usize,
        mut visit: impl FnMut((usize, usize), CellId),
    ) {
        if from >= to {
            return;
        }
        visit((from, to), ALL);
        for (segment, at) in &self.segments {
            let steps = view.segment(*segment);
            let mut whole = |rank| visit((from, to), self.index.cell(*segment, rank));
            match at {
                SegmentAt::First => whole(steps.first()),
                SegmentAt::Latest => whole(steps.latest()),
                SegmentAt::Opening => {
                    let mut from = from;
                    let mut rank = steps.on(Day(i32::MIN));
                    for (day, next) in steps.each() {
                        let at = if day.0 == i32::MIN { 0 } else { seen(day) };
                        if at > from {
                            let until = at.min(to);
                            visit((from, until), self.index.cell(*segment, rank));
                            from = until;
                        }
                        if from == to {
                            break;
                        }
                        rank = next;
                    }
                    if from < to {
                        visit((from, to), self.index.cell(*segment, rank));
                    }
                }
            }
        }
    }

    fn moving(&self, view: &View<'_>, run: &MovementRun, segment: usize, visit: &mut impl FnMut(RunPiece)) {
        let (frame, steps) = (view.frame(), view.segment(segment));
        let cell_at = |b: usize| self.index.cell(segment, steps.on(frame.boundary(b).plus(-1)));
        let mut changes = steps.changes().map(|day| first_seen(frame, day)).skip_while(|b| *b <= run.from).peekable();
        let mut from = run.from;
        while from < run.to {
            while changes.next_if(|b| *b <= from).is_some() {}
            // A change that boundary b sees is seen by the closing of period b − 1.
            let to = match changes.peek() {
                Some(b) if *b == from + 1 => from + 1,
                Some(b) => run.to.min(b - 1),
                None => run.to,
            };
            let close = cell_at(from + 1);
            // Customers who were not live at the opening count in their cell at the closing.
            let open = if run.state.in_opening() { cell_at(from) } else { close };
            visit(RunPiece { from, to, open, close });
            from = to;
        }
    }
}

/// The first boundary that sees a change made on `day`. All boundaries see values known from the beginning.
fn first_seen(frame: &Frame, day: Day) -> usize {
    if day.0 == i32::MIN { 0 } else { frame.seen_from(day) }
}
