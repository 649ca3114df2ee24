//! What customers answered when asked, and what they did afterwards (DEFINITIONS §9).

use std::marker::PhantomData;

use crate::calendar::Day;
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::Result;
use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::Lens;
use crate::timeline::movements::Run;
use crate::timeline::rows::AnswerKind;
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::{Maturity, Shape};
use crate::timeline::view::View;

/// The kinds of surveys that ask for a score.
pub const SCORED: [AnswerKind; 3] = [AnswerKind::Nps, AnswerKind::Csat, AnswerKind::Ces];

/// Who answered what: the words are those of NPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Group {
    Promoters,
    Passives,
    Detractors,
}

impl Group {
    pub const ALL: [Group; 3] = [Group::Promoters, Group::Passives, Group::Detractors];

    pub fn name(self) -> &'static str {
        ["promoters", "passives", "detractors"][self as usize]
    }
}

/// Where the groups of each kind begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scales {
    /// The lowest and the highest score of nps, csat and ces, in whole points.
    pub ends: [(i32, i32); 3],
    /// A high score of ces is an easy time, not a hard one.
    pub ces_high_is_ease: bool,
}

impl Scales {
    /// The group of a score in hundredths of a point.
    fn group(&self, kind: AnswerKind, score: i32) -> Group {
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
            (true, _) => Group::Promoters,
            (_, true) => Group::Detractors,
            _ => Group::Passives,
        }
    }
}

/// A customer's last word of a kind in a period: the last answer, or, without one, an invitation.
pub struct Said {
    day: Day,
    period: usize,
    /// `None`: not answered.
    scored: Option<(i32, Group)>,
}

/// What is counted of a customer's last words, as `WIDTH` series a kind of survey.
pub trait Heard: Send + Sync + 'static {
    const KIND: &'static str;
    const WIDTH: usize;

    fn count(view: &View<'_>, said: &Said, add: &mut dyn FnMut(usize, i128));
}

/// The series of [`Answers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Voice {
    Answers,
    Promoters,
    Detractors,
    /// Σ of the scores in hundredths, and of their squares.
    Sum,
    Squares,
    /// Customers who were asked and did not answer in the period.
    Unanswered,
}

/// What was answered.
pub struct Answers;

impl Heard for Answers {
    const KIND: &'static str = "answers";
    const WIDTH: usize = Voice::Unanswered as usize + 1;

    fn count(_: &View<'_>, said: &Said, add: &mut dyn FnMut(usize, i128)) {
        let Some((score, group)) = said.scored else { return add(Voice::Unanswered as usize, 1) };
        let score = i128::from(score);
        add(Voice::Answers as usize, 1);
        add(Voice::Sum as usize, score);
        add(Voice::Squares as usize, score * score);
        match group {
            Group::Promoters => add(Voice::Promoters as usize, 1),
            Group::Detractors => add(Voice::Detractors as usize, 1),
            Group::Passives => {}
        }
    }
}

/// The series of [`Afterwards`], for each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum After {
    /// Who answered while live.
    Customers,
    /// Those of them who are not live at the end of the next period.
    Churned,
    /// What they paid before, and at the end of the next period, in minor units.
    Before,
    Later,
}

impl After {
    pub const WIDTH: usize = After::Later as usize + 1;
}

/// What who answered did until the end of the next complete period.
pub struct Afterwards;

impl Heard for Afterwards {
    const KIND: &'static str = "afterwards";
    const WIDTH: usize = Group::ALL.len() * After::WIDTH;

    fn count(view: &View<'_>, said: &Said, add: &mut dyn FnMut(usize, i128)) {
        let Some((_, group)) = said.scored else { return };
        let spells = view.spells();
        let begun = spells.partition_point(|s| s.start <= said.day);
        if begun.checked_sub(1).is_none_or(|last| said.day >= spells[last].end) {
            return;
        }
        let mut add = |after: After, amount: i128| add(group as usize * After::WIDTH + after as usize, amount);
        add(After::Customers, 1);
        if view.frame().maturity(said.period + 1) != Maturity::Complete {
            return;
        }
        let next = run(view, said.period + 1).filter(|r| r.state.in_closing());
        add(After::Churned, next.is_none().into());
        let now = run(view, said.period);
        // What exchange rates moved in the meantime is nobody's answer.
        let moved = now.filter(|r| r.state.in_opening()).map_or(0, Run::currency_effect);
        add(After::Later, next.map_or(0, |r| i128::from(r.valued) - i128::from(moved)));
        let before = now.map_or(0, |r| match (r.state.in_opening(), r.state.in_closing()) {
            (true, _) => r.opening,
            (false, true) => r.closing,
            (false, false) => 0,
        });
        add(After::Before, before.into());
    }
}

/// What a customer does in a period.
fn run<'a>(view: &View<'a>, period: usize) -> Option<&'a Run> {
    let runs = view.runs();
    runs.get(runs.partition_point(|r| r.to <= period)).filter(|r| r.from <= period)
}

struct Surveyed<H> {
    axes: SegmentCells,
    scales: Scales,
    window: usize,
    periods: usize,
    heard: PhantomData<fn() -> H>,
}

/// Registers a count of answers under a lens, by a stage's segments.
pub fn plan<H: Heard>(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    scales: Scales,
) -> Ref<PeriodSeries> {
    let needs = Needs { surveys: true, ..Needs::default() };
    let params = format!("{segments:?} {scales:?}");
    let spec = FoldSpec { kind: H::KIND, params, lens, needs, after: vec![index.id()], reach: 0 };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<Surveyed<H>> {
        let axes = SegmentCells::new(known, index, &segments)?;
        let frame = known.shape.frame(lens.period);
        Ok(Surveyed { axes, scales, window: frame.window, periods: frame.len(), heard: PhantomData })
    })
}

impl<H: Heard> Surveyed<H> {
    /// The last words of a kind, period by period.
    fn said(&self, view: &View<'_>, kind: AnswerKind) -> Vec<Said> {
        let frame = view.frame();
        let mut all: Vec<Said> = vec![];
        for row in view.answers().iter().filter(|a| a.kind == kind && a.day >= frame.boundary(self.window)) {
            let period = frame.grid.at(row.day);
            let scored = row.score.map(|score| (score, self.scales.group(kind, score)));
            match all.last_mut().filter(|last| last.period == period) {
                // An answer stands against any invitation of the period; rows are in order of time.
                Some(last) if scored.is_some() || last.scored.is_none() => {
                    *last = Said { day: row.day, period, scored }
                }
                Some(_) => {}
                None => all.push(Said { day: row.day, period, scored }),
            }
        }
        all
    }
}

impl<H: Heard> Fold for Surveyed<H> {
    type Tally = PeriodSeries;

    fn cells(&self, _: &Shape) -> u64 {
        PeriodSeries::bound(SCORED.len() * H::WIDTH, self.periods - self.window, self.axes.cells())
    }

    fn start(&self) -> PeriodSeries {
        PeriodSeries::new(SCORED.len() * H::WIDTH, self.window, self.periods)
    }

    fn observe(&self, tally: &mut PeriodSeries, view: &View<'_>) {
        if view.answers().is_empty() {
            return;
        }
        for kind in SCORED {
            for said in self.said(view, kind) {
                let (period, mut counted) = (said.period, vec![]);
                H::count(view, &said, &mut |field, amount| counted.push((field, amount)));
                if counted.is_empty() {
                    continue;
                }
                self.axes.within(view, period, |cell| {
                    let mut line = tally.line(cell);
                    for (field, amount) in &counted {
                        line.add(kind as usize * H::WIDTH + field, period, period + 1, *amount);
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

    fn groups(scales: Scales, kind: AnswerKind, points: std::ops::RangeInclusive<i32>) -> String {
        points.map(|p| scales.group(kind, 100 * p).name().as_bytes()[1] as char).collect()
    }

    /// By the second letter: pRomoters, pAssives, dEtractors.
    #[test]
    fn groups_of_every_point() {
        let scales = Scales { ends: [(0, 10), (1, 5), (1, 7)], ces_high_is_ease: true };
        assert_eq!(groups(scales, AnswerKind::Nps, 0..=10), "eeeeeeeaarr");
        assert_eq!(groups(scales, AnswerKind::Csat, 1..=5), "eearr");
        assert_eq!(groups(scales, AnswerKind::Ces, 1..=7), "eeearrr");
        let hard = Scales { ces_high_is_ease: false, ..scales };
        assert_eq!(groups(hard, AnswerKind::Ces, 1..=7), "rrraeee");
        assert_eq!(hard.group(AnswerKind::Nps, 899), Group::Passives, "a part of a point is not rounded");
    }
}
