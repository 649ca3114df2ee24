//! Which cells a customer's figures go to: everybody's, and one for each segment of a stage.

use std::sync::Arc;

use crate::calendar::Day;
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::timeline::movements::Run;
use crate::timeline::segments::{ALL, At, CellId, Dictionary, SegmentIndex, ValueCounts};
use crate::timeline::shape::Frame;
use crate::timeline::view::View;

/// Part of a run in which a customer is in one cell at the opening of each period and in one at the closing; they differ
/// only in pieces of a single period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub from: usize,
    pub to: usize,
    pub open: CellId,
    pub close: CellId,
}

pub struct SegmentCells {
    index: Arc<SegmentIndex>,
    segments: Vec<(usize, At)>,
}

impl SegmentCells {
    /// `segments`: numbers of the stage's segments in the run's dictionary.
    pub fn new(known: &StepOutputs, index: Ref<SegmentIndex>, segments: &[usize]) -> Result<SegmentCells> {
        let dictionary = &known.shape.dictionary;
        let segments = segments.iter().map(|s| (*s, dictionary.segments[*s].at)).collect();
        Ok(SegmentCells { index: known.get(index)?, segments })
    }

    /// Of everybody alone, before there is an index.
    pub fn everybody() -> SegmentCells {
        let index = SegmentIndex::learn(&Dictionary::default(), &ValueCounts::default());
        SegmentCells { index: Arc::new(index), segments: vec![] }
    }

    /// How many cells the run has, those of other stages' segments included.
    pub fn cells_of_run(&self) -> u64 {
        self.index.cells.len() as u64
    }

    /// How many cells there are: everybody's, and those of each segment.
    pub fn cells(&self) -> u64 {
        1 + self.segments.iter().map(|(segment, _)| self.index.width(*segment) as u64).sum::<u64>()
    }

    /// The cells of one customer who stays in one of each segment.
    pub fn of_one(&self) -> u64 {
        1 + self.segments.len() as u64
    }

    /// The cells of a customer who stays in one per segment for good: for `opening` segments the value at the first
    /// row counts.
    pub fn fixed(&self, view: &View<'_>, visit: impl FnMut(CellId)) {
        self.fixed_before(view, view.shape().as_of, visit);
    }

    /// The same as it was known before a day: `latest` segments take the value of then,
    /// if anybody has it still.
    pub fn fixed_before(&self, view: &View<'_>, day: Day, mut visit: impl FnMut(CellId)) {
        visit(ALL);
        for (segment, at) in &self.segments {
            let steps = view.segment(*segment);
            let rank = if *at == At::Latest { steps.on(day.plus(-1)) } else { steps.first() };
            // A value that nobody has any more at as_of has no cell of its own.
            Some(self.index.cell(*segment, rank)).filter(|cell| *cell != ALL).into_iter().for_each(&mut visit);
        }
    }

    /// The pieces of a run, for everybody and for each segment.
    pub fn pieces(&self, view: &View<'_>, run: &Run, mut visit: impl FnMut(Piece)) {
        visit(Piece { from: run.from, to: run.to, open: ALL, close: ALL });
        for (segment, at) in &self.segments {
            let steps = view.segment(*segment);
            let whole = |cell| Piece { from: run.from, to: run.to, open: cell, close: cell };
            match at {
                At::First => visit(whole(self.index.cell(*segment, steps.first()))),
                At::Latest => visit(whole(self.index.cell(*segment, steps.latest()))),
                At::Opening => self.moving(view, run, *segment, &mut visit),
            }
        }
    }

    /// The cell of an event in a period, for everybody and for each segment: where the customer is at its opening, or,
    /// if not live there, at its closing.
    pub fn within(&self, view: &View<'_>, period: usize, mut visit: impl FnMut(CellId)) {
        visit(ALL);
        let runs = view.runs();
        let run = runs.get(runs.partition_point(|r| r.to <= period)).filter(|r| r.from <= period);
        let boundary = if run.is_some_and(|r| r.state.in_opening()) { period } else { period + 1 };
        let day = view.frame().boundary(boundary).plus(-1);
        for (segment, at) in &self.segments {
            let steps = view.segment(*segment);
            let rank = match at {
                At::First => steps.first(),
                At::Latest => steps.latest(),
                At::Opening => steps.on(day),
            };
            visit(self.index.cell(*segment, rank));
        }
    }

    /// The cells of periods that are counted by days of their own: `seen` gives the first period that sees what changes on a
    /// day.
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
                At::First => whole(steps.first()),
                At::Latest => whole(steps.latest()),
                At::Opening => {
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

    fn moving(&self, view: &View<'_>, run: &Run, segment: usize, visit: &mut impl FnMut(Piece)) {
        let (frame, steps) = (view.frame(), view.segment(segment));
        let cell_at = |b: usize| self.index.cell(segment, steps.on(frame.boundary(b).plus(-1)));
        let mut changes = steps.changes().map(|day| first_seen(frame, day)).skip_while(|b| *b <= run.from).peekable();
        let mut from = run.from;
        while from < run.to {
            while changes.next_if(|b| *b <= from).is_some() {}
            // A change seen at boundary b is seen by the closing of period b − 1.
            let to = match changes.peek() {
                Some(b) if *b == from + 1 => from + 1,
                Some(b) => run.to.min(b - 1),
                None => run.to,
            };
            let close = cell_at(from + 1);
            // Who was not live at the opening counts where the closing finds him.
            let open = if run.state.in_opening() { cell_at(from) } else { close };
            visit(Piece { from, to, open, close });
            from = to;
        }
    }
}

/// The first boundary that sees a change made on `day`; values known from the beginning are seen by all.
fn first_seen(frame: &Frame, day: Day) -> usize {
    if day.0 == i32::MIN { 0 } else { frame.seen_from(day) }
}
