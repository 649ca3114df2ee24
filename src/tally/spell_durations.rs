//! Durations of spells, from which survival curves are estimated (DEFINITIONS §7).

use crate::calendar::{Day, Period};
use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::{Ref, StepOutputs};
use crate::error::{Error, Result};
use crate::stats::survival::{self, EventCounts};
use crate::tally::period_series::PeriodSeries;
use crate::tally::segment_cells::SegmentCells;
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::{Frame, Shape};
use crate::timeline::spells::Spell;
use crate::timeline::view::View;

/// The series by duration in units, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum SpellColumn {
    /// Spells that ended.
    Events,
    /// Spells that were still live when last observed.
    Censored,
    /// Spells that were first observed at this age; 0 for those observed from their start.
    Entered,
}

const WIDTH: usize = SpellColumn::Entered as usize + 1;

/// Which spells of a customer count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichSpells {
    /// The first one.
    First,
    /// All of them.
    All,
}

pub struct SpellDurationsFold {
    segment_cells: SegmentCells,
    unit: Period,
    spells: WhichSpells,
    lengths: usize,
}

/// Registers the count of durations under a lens, in units of a period, by a stage's segments.
pub fn plan(
    plan: &mut Plan,
    index: Ref<SegmentIndex>,
    lens: Lens,
    segments: &[usize],
    unit: Period,
    spells: WhichSpells,
) -> Ref<PeriodSeries> {
    let spec = FoldSpec {
        kind: "spell durations",
        params: format!("{spells:?} spells by {}, segments {segments:?}", unit.name()),
        lens,
        needs: Needs::default(),
        after: vec![index.id()],
        reach: 0,
    };
    let segments = segments.to_vec();
    plan.fold(spec, move |known: &StepOutputs| -> Result<SpellDurationsFold> {
        let segment_cells = SegmentCells::new(known, index, &segments)?;
        let lengths = known.shape.frame(unit).len() + 2;
        Ok(SpellDurationsFold { segment_cells, unit, spells, lengths })
    })
}

/// A spell as it was observed, in units. It is at risk at t where entry < t ≤ length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ObservedDuration {
    entry: usize,
    length: usize,
    ended: bool,
}

impl SpellDurationsFold {
    /// The observed part of a spell; `None` if it was over before the window began, or starts after as_of.
    fn observed(&self, view: &View<'_>, spell: &Spell) -> Option<ObservedDuration> {
        let shape = view.shape();
        if spell.end <= shape.observed_from || spell.start >= shape.as_of {
            return None;
        }
        if *view.rule() == LiveRule::Period {
            return Some(by_period(view.frame(), shape.observed_from, spell));
        }
        let whole = |to: Day| whole_units(self.unit, spell.start, to);
        // An end, or an entry, within a unit counts at the end of the unit.
        let begun = |to: Day| {
            let whole = whole(to);
            whole + usize::from(to > self.unit.shift(spell.start, whole as i32))
        };
        // A unit counts only if all of it was observed, its end included. Otherwise it would show the spells that ended in it,
        // and not those that went on. An end on as_of is not known yet.
        let (entry, seen) = (begun(shape.observed_from), whole(shape.as_of.plus(-1)));
        let length = if spell.end == Day::NEVER { usize::MAX } else { begun(spell.end) };
        Some(ObservedDuration { entry, length: length.min(seen), ended: length <= seen })
    }
}

/// A spell of whole periods. Its end counts once the following period is over.
fn by_period(frame: &Frame, observed_from: Day, spell: &Spell) -> ObservedDuration {
    let first = frame.grid.at(spell.start);
    let over = if frame.last_is_partial() { frame.len() - 1 } else { frame.len() };
    // Only periods that lie wholly in the window count.
    let window = (frame.window..frame.len()).find(|p| frame.grid.start(*p) >= observed_from).unwrap_or(frame.len());
    let entry = window.saturating_sub(first);
    // The first period without activity.
    let silent = if spell.end == Day::NEVER { frame.len() } else { frame.grid.at(spell.end) };
    if spell.end != Day::NEVER && silent < over {
        ObservedDuration { entry, length: silent - first, ended: true }
    } else {
        // It is not known yet whether the last whole period was the last one with activity.
        ObservedDuration { entry, length: over.saturating_sub(first + 1), ended: false }
    }
}

/// How many whole units fit between two days; 0 if the second is not later.
fn whole_units(unit: Period, from: Day, to: Day) -> usize {
    let days = i64::from(to.0) - i64::from(from.0);
    if days <= 0 {
        return 0;
    }
    // Count up from a lower bound.
    let longest = [1, 7, 31, 92, 366][unit as usize];
    let mut n = (days / longest) as i32;
    while unit.shift(from, n + 1) <= to {
        n += 1;
    }
    n as usize
}

impl Fold for SpellDurationsFold {
    type Tally = PeriodSeries;

    fn cells(&self, _: &Shape) -> u64 {
        PeriodSeries::bound(WIDTH, self.lengths, self.segment_cells.cells())
    }

    fn start(&self) -> PeriodSeries {
        PeriodSeries::new(WIDTH, 0, self.lengths)
    }

    fn observe(&self, tally: &mut PeriodSeries, view: &View<'_>) {
        let spells = match self.spells {
            WhichSpells::First => &view.spells()[..view.spells().len().min(1)],
            WhichSpells::All => view.spells(),
        };
        for spell in spells {
            let Some(ObservedDuration { mut entry, mut length, ended }) = self.observed(view, spell) else { continue };
            if length <= entry {
                // Never at risk: counted with length 0.
                (entry, length) = (0, 0);
            }
            let end = if ended { SpellColumn::Events } else { SpellColumn::Censored };
            self.segment_cells.fixed(view, |cell| {
                let mut series = tally.series(cell);
                series.add(SpellColumn::Entered as usize, entry, entry + 1, 1);
                series.add(end as usize, length, length + 1, 1);
            });
        }
    }

    fn merge(&self, into: &mut PeriodSeries, from: PeriodSeries) {
        into.merge(from);
    }

    fn size(&self, tally: &PeriodSeries) -> u64 {
        tally.size()
    }
}

/// The spells of a cell, as the estimators take them.
///
/// # Errors
/// Internal: more spells end than begin, so the tally is not one of spells.
pub fn event_table_of(tally: &PeriodSeries, cell: CellId) -> Result<survival::EventTable> {
    let moment = |(time, sums): (u32, Vec<i128>)| {
        let count = |of: SpellColumn| u64::try_from(sums[of as usize]).unwrap_or(0);
        EventCounts {
            time,
            entered: count(SpellColumn::Entered),
            events: count(SpellColumn::Events),
            censored: count(SpellColumn::Censored),
        }
    };
    survival::EventTable::from_counts((0..).zip(tally.sums(cell)).map(moment))
        .ok_or_else(|| Error::internal("more spells end than begin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fit_on_the_calendar() {
        let day = |t| Day::parse(t).unwrap();
        let fit = |unit, from, to| whole_units(unit, day(from), day(to));
        assert_eq!(fit(Period::Month, "2024-01-31", "2024-02-28"), 0);
        assert_eq!(fit(Period::Month, "2024-01-31", "2024-02-29"), 1);
        assert_eq!(fit(Period::Month, "2024-01-31", "2034-01-30"), 119);
        assert_eq!(fit(Period::Week, "2024-01-01", "2024-01-21"), 2);
        assert_eq!(fit(Period::Quarter, "2024-01-01", "2025-01-01"), 4);
        assert_eq!(fit(Period::Year, "2020-02-29", "2024-02-28"), 3);
        assert_eq!(fit(Period::Day, "2024-01-02", "2024-01-01"), 0);
    }
}
