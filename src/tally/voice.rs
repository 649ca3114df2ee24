//! Scores that customers gave in surveys, and what these customers did afterwards (DEFINITIONS §9).

use std::marker::PhantomData;

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::movements::MovementRun;
use crate::timeline::rows::AnswerKind;
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::{Maturity, Shape};
use crate::timeline::view::View;

/// The kinds of surveys that ask for a score.
pub const SCORED: [AnswerKind; 3] = [AnswerKind::Nps, AnswerKind::Csat, AnswerKind::Ces];

/// A group of customers by their score, named as for NPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum AnswerGroup {
    Promoters,
    Passives,
    Detractors,
}

impl AnswerGroup {
    pub const ALL: [AnswerGroup; 3] = [AnswerGroup::Promoters, AnswerGroup::Passives, AnswerGroup::Detractors];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        ["promoters", "passives", "detractors"][self as usize]
    }
}

/// The scales of the surveys, which decide where groups begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerScales {
    /// The lowest and the highest score of nps, csat and ces, in whole points.
    pub ends: [(i32, i32); 3],
    /// True if a high score of ces means little effort, false if it means much.
    pub ces_high_is_ease: bool,
}

impl AnswerScales {
    /// The group of a score in hundredths of a point.
    fn group(&self, kind: AnswerKind, score: i32) -> AnswerGroup {
        let (score, of_kind) = (i64::from(score), |kind: usize| self.ends.get(kind).copied().unwrap_or_default());
        let (lowest, highest) = of_kind(kind as usize);
        let (lowest, highest) = (100 * i64::from(lowest), 100 * i64::from(highest));
        let (good, bad) = match kind {
            AnswerKind::Nps => (score >= highest - 100, score <= highest - 400),
            AnswerKind::Csat | AnswerKind::Exit => (score >= highest - 100, score <= lowest + 100),
            AnswerKind::Ces => {
                let (above, below) = (2 * score > lowest + highest, 2 * score < lowest + highest);
                if self.ces_high_is_ease { (above, below) } else { (below, above) }
            }
        };
        match (good, bad) {
            (true, _) => AnswerGroup::Promoters,
            (_, true) => AnswerGroup::Detractors,
            _ => AnswerGroup::Passives,
        }
    }
}

/// A customer's last answer to a kind of survey in a period; the last invitation if there was no answer.
pub struct LastAnswer {
    day: Day,
    period: usize,
    /// The score in hundredths of a point, and its group; `None` if not answered.
    scored: Option<(i32, AnswerGroup)>,
}

/// Counts something of the last answers, as `WIDTH` series for each kind of survey.
pub trait AnswerMeasure: Send + Sync + 'static {
    /// The name of the fold, as `explain` shows it.
    const KIND: &'static str;
    /// The number of series for each kind of survey.
    const WIDTH: usize;

    /// Adds a customer's last answer: `add` takes the number of a series and an amount.
    fn count(view: &View<'_>, answer: &LastAnswer, add: &mut dyn FnMut(usize, i128));
}

/// The series of [`Answers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum AnswerColumn {
    /// Customers who answered.
    Answers,
    /// Of these, the promoters.
    Promoters,
    /// Of these, the detractors.
    Detractors,
    /// Σ of the scores in hundredths of a point.
    Sum,
    /// Σ of the squares of these.
    Squares,
    /// Customers who were asked and did not answer in the period.
    Unanswered,
}

/// Counts answers and sums their scores.
pub struct Answers;

impl AnswerMeasure for Answers {
    const KIND: &'static str = "answers";
    const WIDTH: usize = AnswerColumn::Unanswered as usize + 1;

    fn count(_: &View<'_>, answer: &LastAnswer, add: &mut dyn FnMut(usize, i128)) {
        let Some((score, group)) = answer.scored else { return add(AnswerColumn::Unanswered as usize, 1) };
        let score = i128::from(score);
        add(AnswerColumn::Answers as usize, 1);
        add(AnswerColumn::Sum as usize, score);
        add(AnswerColumn::Squares as usize, score * score);
        match group {
            AnswerGroup::Promoters => add(AnswerColumn::Promoters as usize, 1),
            AnswerGroup::Detractors => add(AnswerColumn::Detractors as usize, 1),
            AnswerGroup::Passives => {}
        }
    }
}

/// The series of [`Afterwards`], for each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum AfterColumn {
    /// Customers who answered while live.
    Customers,
    /// Of these, those who are not live at the end of the next period.
    Churned,
    /// What the customers paid before, in minor units.
    Before,
    /// What they pay at the end of the next period, in minor units.
    Later,
}

impl AfterColumn {
    /// The number of series.
    pub const WIDTH: usize = AfterColumn::Later as usize + 1;
}

/// Counts what customers did after an answer, until the end of the next complete period.
pub struct Afterwards;

impl AnswerMeasure for Afterwards {
    const KIND: &'static str = "afterwards";
    const WIDTH: usize = AnswerGroup::ALL.len() * AfterColumn::WIDTH;

    fn count(view: &View<'_>, answer: &LastAnswer, add: &mut dyn FnMut(usize, i128)) {
        let Some((_, group)) = answer.scored else { return };
        let spells = view.spells();
        let begun = spells.partition_point(|s| s.start <= answer.day);
        if begun.checked_sub(1).is_none_or(|last| answer.day >= spells[last].end) {
            return;
        }
        let mut add =
            |after: AfterColumn, amount: i128| add(group as usize * AfterColumn::WIDTH + after as usize, amount);
        add(AfterColumn::Customers, 1);
        if view.frame().maturity(answer.period + 1) != Maturity::Complete {
            return;
        }
        let next = run(view, answer.period + 1).filter(|r| r.state.in_closing());
        add(AfterColumn::Churned, next.is_none().into());
        let now = run(view, answer.period);
        // Changes of exchange rates in the meantime are not a reaction of the customer.
        let moved = now.filter(|r| r.state.in_opening()).map_or(0, MovementRun::currency_effect);
        add(AfterColumn::Later, next.map_or(0, |r| i128::from(r.valued) - i128::from(moved)));
        let before = now.map_or(0, |r| match (r.state.in_opening(), r.state.in_closing()) {
            (true, _) => r.opening,
            (false, true) => r.closing,
            (false, false) => 0,
        });
        add(AfterColumn::Before, before.into());
    }
}

/// The run that contains a period; `None` if there is none.
fn run<'a>(view: &View<'a>, period: usize) -> Option<&'a MovementRun> {
    let runs = view.runs();
    runs.get(runs.partition_point(|r| r.to <= period)).filter(|r| r.from <= period)
}

struct AnswersFold<H> {
    segment_cells: SegmentCells,
    scales: AnswerScales,
    window: usize,
    periods: usize,
    measure: PhantomData<fn() -> H>,
}

/// Registers a count of answers under a lens, by a stage's segments.
///
/// The tally has `H::WIDTH` series for each of [`SCORED`], in their order.
pub fn plan<H: AnswerMeasure>(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    scales: AnswerScales,
) -> Ref<PeriodSeries> {
    let needs = Needs { surveys: true, ..Needs::default() };
    let params = format!("{segments:?} {scales:?}");
    let spec = FoldSpec { kind: H::KIND, params, lens, needs, after: vec![index.id()], reach: 0 };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<AnswersFold<H>> {
        let segment_cells = SegmentCells::new(known, index, &segments)?;
        let frame = known.shape.frame(lens.period);
        Ok(AnswersFold { segment_cells, scales, window: frame.window, periods: frame.len(), measure: PhantomData })
    })
}

impl<H: AnswerMeasure> AnswersFold<H> {
    /// The last answers to a kind of survey, by period.
    fn last_answers(&self, view: &View<'_>, kind: AnswerKind) -> Vec<LastAnswer> {
        let frame = view.frame();
        let mut all: Vec<LastAnswer> = vec![];
        for row in view.answers().iter().filter(|a| a.kind == kind && a.day >= frame.boundary(self.window)) {
            let period = frame.grid.at(row.day);
            let scored = row.score.map(|score| (score, self.scales.group(kind, score)));
            match all.last_mut().filter(|last| last.period == period) {
                // Rows are in order of time. An invitation does not replace an answer of the same period.
                Some(last) if scored.is_some() || last.scored.is_none() => {
                    *last = LastAnswer { day: row.day, period, scored }
                }
                Some(_) => {}
                None => all.push(LastAnswer { day: row.day, period, scored }),
            }
        }
        all
    }
}

impl<H: AnswerMeasure> Fold for AnswersFold<H> {
    type Tally = PeriodSeries;

    fn cells(&self, _: &Shape) -> u64 {
        PeriodSeries::bound(SCORED.len() * H::WIDTH, self.periods - self.window, self.segment_cells.cells())
    }

    fn start(&self) -> PeriodSeries {
        PeriodSeries::new(SCORED.len() * H::WIDTH, self.window, self.periods)
    }

    fn observe(&self, tally: &mut PeriodSeries, view: &View<'_>) {
        if view.answers().is_empty() {
            return;
        }
        for kind in SCORED {
            for answer in self.last_answers(view, kind) {
                let (period, mut counted) = (answer.period, vec![]);
                H::count(view, &answer, &mut |field, amount| counted.push((field, amount)));
                if counted.is_empty() {
                    continue;
                }
                self.segment_cells.within(view, period, |cell| {
                    let mut series = tally.series(cell);
                    for (field, amount) in &counted {
                        series.add(kind as usize * H::WIDTH + field, period, period + 1, *amount);
                    }
                });
            }
        }
    }

    fn merge(&self, into: &mut PeriodSeries, from: PeriodSeries) {
        into.merge(from);
    }

    fn size(&self, tally: &PeriodSeries) -> u64 {
        tally.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(scales: AnswerScales, kind: AnswerKind, points: std::ops::RangeInclusive<i32>) -> String {
        points.map(|p| scales.group(kind, 100 * p).name().as_bytes()[1] as char).collect()
    }

    /// By the second letter: pRomoters, pAssives, dEtractors.
    #[test]
    fn groups_of_every_point() {
        let scales = AnswerScales { ends: [(0, 10), (1, 5), (1, 7)], ces_high_is_ease: true };
        assert_eq!(groups(scales, AnswerKind::Nps, 0..=10), "eeeeeeeaarr");
        assert_eq!(groups(scales, AnswerKind::Csat, 1..=5), "eearr");
        assert_eq!(groups(scales, AnswerKind::Ces, 1..=7), "eeearrr");
        let hard = AnswerScales { ces_high_is_ease: false, ..scales };
        assert_eq!(groups(hard, AnswerKind::Ces, 1..=7), "rrraeee");
        assert_eq!(hard.group(AnswerKind::Nps, 899), AnswerGroup::Passives, "a part of a point is not rounded");
    }
}
