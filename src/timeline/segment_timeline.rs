//! The values of a customer's segments, and the days on which they change.

use super::history::CustomerHistory;
use super::rows::DayRow;
use super::segments::{SegmentAt, SegmentOrigin};
use super::shape::{Basis, Shape};
use super::subscription_spans::paid_from;
use crate::calendar::Day;
use crate::rows::{NO_VALUE, Subscription};

/// The values of one segment that a customer has over time, as ranks of the
/// [`SegmentDictionary`](super::segments::SegmentDictionary).
#[derive(Clone, Debug, Default)]
pub struct SegmentTimeline {
    first: u32,
    /// The customer has the value from the end of the day on.
    steps: Vec<(Day, u32)>,
}

impl SegmentTimeline {
    /// A timeline that never changes.
    fn constant(rank: u32) -> SegmentTimeline {
        let steps = if rank == NO_VALUE { vec![] } else { vec![(Day(i32::MIN), rank)] };
        SegmentTimeline { first: rank, steps }
    }

    /// The pairs of values of two segments, each taken at the time that its own segment says. A pair is known from the
    /// beginning, since having no value is a value of a pair.
    fn crossed(
        (a, at_a): (&SegmentTimeline, SegmentAt),
        (b, at_b): (&SegmentTimeline, SegmentAt),
        pair: impl Fn(u32, u32) -> u32,
    ) -> SegmentTimeline {
        let on = |steps: &SegmentTimeline, at: SegmentAt, day: Day| match at {
            SegmentAt::Opening => steps.on(day),
            SegmentAt::First => steps.first(),
            SegmentAt::Latest => steps.latest(),
        };
        let first = |steps: &SegmentTimeline, at: SegmentAt| {
            if at == SegmentAt::Latest { steps.latest() } else { steps.first() }
        };
        let changes = |steps: &SegmentTimeline, at: SegmentAt| {
            if at == SegmentAt::Opening { steps.steps.clone() } else { vec![] }
        };
        let mut days: Vec<Day> = changes(a, at_a).into_iter().chain(changes(b, at_b)).map(|(day, _)| day).collect();
        days.push(Day(i32::MIN));
        days.sort_unstable();
        days.dedup();
        let mut steps: Vec<(Day, u32)> = days.into_iter().map(|d| (d, pair(on(a, at_a, d), on(b, at_b, d)))).collect();
        steps.dedup_by_key(|(_, rank)| *rank);
        SegmentTimeline { first: pair(first(a, at_a), first(b, at_b)), steps }
    }

    /// The value at the end of `day`; [`NO_VALUE`] before the first.
    pub fn on(&self, day: Day) -> u32 {
        match self.steps.partition_point(|(from, _)| *from <= day) {
            0 => NO_VALUE,
            n => self.steps[n - 1].1,
        }
    }

    /// The value of the earliest row.
    pub fn first(&self) -> u32 {
        if self.steps.is_empty() { NO_VALUE } else { self.first }
    }

    /// The value at as_of.
    pub fn latest(&self) -> u32 {
        self.steps.last().map_or(NO_VALUE, |s| s.1)
    }

    /// Every value that the customer ever had, with repetitions.
    pub fn all(&self) -> impl Iterator<Item = u32> {
        self.steps.iter().map(|s| s.1)
    }

    /// The days on which the value changes, with the new value.
    pub fn each(&self) -> impl Iterator<Item = (Day, u32)> {
        self.steps.iter().copied()
    }

    /// The days on which the value changes.
    pub fn changes(&self) -> impl Iterator<Item = Day> {
        self.steps.iter().map(|s| s.0)
    }
}

/// The first day of activity, or of paid time, before as_of.
fn first_day(shape: &Shape, subscriptions: &[Subscription], days: &[DayRow]) -> Option<Day> {
    match shape.basis {
        Basis::Transactions => days.iter().find(|d| d.active > 0).map(|d| d.day),
        Basis::Subscriptions => {
            subscriptions.iter().filter(|t| t.amount > 0).map(paid_from).filter(|day| *day < shape.as_of).min()
        }
    }
}

/// Replaces the timelines (one for each segment of the dictionary) by those of a customer. `days`: those before as_of.
pub(super) fn read(timelines: &mut [SegmentTimeline], shape: &Shape, history: &CustomerHistory<'_>, days: &[DayRow]) {
    let (dictionary, as_of) = (&shape.dictionary, shape.as_of);
    timelines.iter_mut().for_each(|s| s.steps.clear());
    for (segment, code) in history.member.into_iter().flat_map(|m| &m.values) {
        let rank = dictionary.segments[usize::from(*segment)].rank(*code);
        if rank != NO_VALUE {
            timelines[usize::from(*segment)] = SegmentTimeline { first: rank, steps: vec![(Day(i32::MIN), rank)] };
        }
    }
    // Of the rows of a day the latest instant counts, and at equal instants the greatest value. For the first value it
    // is the earliest instant and the least value.
    for group in history.values.chunk_by(|a, b| (a.segment, a.day) == (b.segment, b.day)) {
        let (head, tail) = (group[0], group[group.len() - 1]);
        if head.day >= as_of {
            continue;
        }
        let (steps, column) =
            (&mut timelines[usize::from(head.segment)], &dictionary.segments[usize::from(head.segment)]);
        let ranks = |instant: i64| group.iter().filter(move |r| r.instant == instant).map(|r| column.rank(r.code));
        if steps.steps.is_empty() {
            steps.first = ranks(head.instant).min().unwrap_or(NO_VALUE);
        }
        // NO_VALUE is the greatest code: a row without a value does not outrank one with.
        let known = |instant| ranks(instant).filter(|r| *r != NO_VALUE).max();
        let rank = known(tail.instant).unwrap_or(NO_VALUE);
        if steps.steps.last().is_none_or(|(_, last)| *last != rank) {
            steps.steps.push((head.day, rank));
        }
    }
    for (i, column) in dictionary.segments.iter().enumerate() {
        match column.origin {
            SegmentOrigin::Column => {}
            SegmentOrigin::Builtin(builtin) => {
                let rank = builtin.rank(shape, days, first_day(shape, history.subscriptions, days));
                timelines[i] = SegmentTimeline::constant(rank);
            }
            SegmentOrigin::Crossed(a, b) => {
                let of = |segment: usize| (&timelines[segment], dictionary.segments[segment].at);
                timelines[i] = SegmentTimeline::crossed(of(a), of(b), |x, y| dictionary.pair((a, b), (x, y)));
            }
        }
    }
}
