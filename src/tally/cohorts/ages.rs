//! Ages of a customer: numbered periods, or stretches of days, since the start of their cohort.

use smallvec::SmallVec;

use super::CohortMode;
use crate::calendar::Day;
use crate::timeline::lens::LiveRule;
use crate::timeline::shape::Frame;
use crate::timeline::view::View;

/// The ages of one customer, from the start of the cohort up to as_of.
pub(super) struct Ages<'a> {
    pub(super) frame: &'a Frame,
    pub(super) as_of: Day,
    /// The first day of age 0.
    pub(super) start: Day,
    /// The number of the cohort's period.
    pub(super) cohort: usize,
    /// Days of an age; `None` if ages are periods.
    pub(super) unit: Option<i32>,
    /// How many ages have begun before as_of.
    pub(super) count: usize,
}

impl Ages<'_> {
    /// The boundary whose exchange rates count at the closing of an age: the opening of the period that begins then, or
    /// that has begun last.
    pub(super) fn boundary(&self, age: usize) -> usize {
        let Some(unit) = self.unit else { return (self.cohort + age + 1).min(self.frame.len()) };
        let closing = i64::from(self.start.0) + (age as i64 + 1) * i64::from(unit);
        match i32::try_from(closing).map(Day) {
            Ok(day) if day < self.as_of => self.frame.grid.at(day),
            _ => self.frame.len(),
        }
    }

    /// The age that contains `day`; `count` for a day at or after as_of.
    ///
    /// It also says which closings see a change made on that day: the closing of an age sees what began in the age, and no
    /// longer sees what ended in it.
    pub(super) fn of(&self, day: Day) -> usize {
        if day >= self.as_of {
            return self.count;
        }
        let day = day.max(self.start);
        match self.unit {
            Some(unit) => ((day.0 - self.start.0) / unit) as usize,
            None => self.frame.grid.at(day) - self.cohort,
        }
    }

    /// The ages at which the customer counts, as ranges `[from, to)` that are merged and ascend.
    pub(super) fn present(&self, view: &View<'_>, mode: CohortMode) -> SmallVec<[(usize, usize); 16]> {
        let mut ranges: SmallVec<[(usize, usize); 16]> = SmallVec::new();
        let mut join = |from: usize, to: usize| match ranges.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ if from < to => ranges.push((from, to)),
            _ => {}
        };
        if *view.rule() == LiveRule::Period {
            view.days().iter().filter(|d| d.active > 0 && d.day >= self.start).for_each(|d| {
                let age = self.of(d.day);
                join(age, age + 1);
            });
        } else {
            for spell in view.spells().iter().filter(|s| s.end > self.start) {
                let from = self.of(spell.start);
                match mode {
                    CohortMode::Live => join(from, self.of(spell.end)),
                    CohortMode::Active | CohortMode::Unbounded => {
                        join(from, (self.of(spell.end.plus(-1)) + 1).min(self.count));
                    }
                }
            }
        }
        if mode == CohortMode::Unbounded {
            let last = ranges.last().map(|r| r.1);
            return last.map(|to| (0, to)).into_iter().collect();
        }
        ranges
    }
}
