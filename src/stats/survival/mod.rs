//! Survival analysis without a model: how long customers stay (DEFINITIONS §7).
//!
//! - [`kaplan_meier`]: the curve of those still there, with intervals, quantiles and restricted means;
//! - [`compare`]: log-rank and related tests of whether groups leave at the same pace.
//!
//! Time is whole units since a spell began. A spell that is observed from `entry` on and ends at `end`, by an event or by
//! censoring, is at risk at time t where entry < t ≤ end. So a spell that ends at t is at risk at t (events precede
//! censorings at ties), and one that enters at t is at risk from the next unit on.

pub mod compare;
pub mod kaplan_meier;
#[cfg(test)]
mod laws;

/// A spell as it was observed, or several equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedSpell {
    /// When observation began; 0 if the spell was observed from its start.
    pub entry: u32,
    /// When it ended or was last observed.
    pub end: u32,
    /// True if it ended at `end`; false if it was still running then (censored).
    pub event: bool,
    /// How many customers have such a spell.
    pub customers: u64,
}

/// How many spells of a group enter, end and are censored at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// The time, in units since the spells began.
    pub time: u32,
    /// Spells that enter observation: at risk from the next time on.
    pub entered: u64,
    /// Spells that end.
    pub events: u64,
    /// Spells that are last observed, still running.
    pub censored: u64,
}

/// The spells of a group as exact counts by time. Only times at which something happens are listed, ascending.
///
/// At no time do more spells end than are at risk. Spells that end no later than they enter (such as those of length 0) are
/// never at risk: they are left out of every estimate and counted separately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTable {
    counts: Vec<EventCounts>,
    never_events: u64,
    never_censored: u64,
}

/// The number at risk at a time at which something happens, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskSet {
    /// The time.
    pub time: u32,
    /// Spells at risk at it: entry < time ≤ end.
    pub at_risk: u64,
    /// Of these, those that end at it.
    pub events: u64,
    /// Of these, those last observed at it.
    pub censored: u64,
    /// Spells at risk from the next time on.
    pub entered: u64,
}

impl EventTable {
    /// Counts single spells, in any order. `None` beyond 2⁶⁴ customers.
    pub fn from_spells(spells: impl IntoIterator<Item = ObservedSpell>) -> Option<EventTable> {
        let (mut counts, mut never_events, mut never_censored) = (vec![], 0u64, 0u64);
        for ObservedSpell { entry, end, event, customers } in spells {
            if end <= entry {
                let never = if event { &mut never_events } else { &mut never_censored };
                *never = never.checked_add(customers)?;
                continue;
            }
            let (events, censored) = if event { (customers, 0) } else { (0, customers) };
            counts.push(EventCounts { time: entry, entered: customers, ..EventCounts::default() });
            counts.push(EventCounts { time: end, events, censored, ..EventCounts::default() });
        }
        let event_table = EventTable::from_counts(counts)?;
        event_table.customers().checked_add(never_events)?.checked_add(never_censored)?;
        Some(EventTable { never_events, never_censored, ..event_table })
    }

    /// Takes counts by time, in any order; equal times add up. Spells that end at 0 must have entered at 0, and are never
    /// at risk. A later spell that ends when it enters cannot be recognised here: leave such spells out, or use
    /// [`EventTable::from_spells`].
    ///
    /// `None` if more end than are at risk, or beyond 2⁶⁴ customers.
    pub fn from_counts(counts: impl IntoIterator<Item = EventCounts>) -> Option<EventTable> {
        let mut sorted: Vec<EventCounts> = counts.into_iter().collect();
        sorted.sort_by_key(|m| m.time);
        let mut event_table = EventTable::default();
        for group in sorted.chunk_by(|a, b| a.time == b.time) {
            let mut sum = EventCounts { time: group[0].time, ..EventCounts::default() };
            for m in group {
                sum.entered = sum.entered.checked_add(m.entered)?;
                sum.events = sum.events.checked_add(m.events)?;
                sum.censored = sum.censored.checked_add(m.censored)?;
            }
            if sum.time == 0 {
                (event_table.never_events, event_table.never_censored) = (sum.events, sum.censored);
                sum.entered = sum.entered.checked_sub(sum.events.checked_add(sum.censored)?)?;
                (sum.events, sum.censored) = (0, 0);
            }
            if sum.entered.max(sum.events).max(sum.censored) > 0 {
                event_table.counts.push(sum);
            }
        }
        let (mut at_risk, mut all) = (0u64, event_table.never_events.checked_add(event_table.never_censored)?);
        for m in &event_table.counts {
            at_risk = at_risk.checked_sub(m.events.checked_add(m.censored)?)?.checked_add(m.entered)?;
            all = all.checked_add(m.entered)?;
        }
        Some(event_table)
    }

    /// The counts of spells that are at risk at some time, ascending by time.
    pub fn counts(&self) -> &[EventCounts] {
        &self.counts
    }

    /// The number of all spells, those never at risk included.
    pub fn customers(&self) -> u64 {
        self.counts.iter().map(|m| m.entered).sum::<u64>() + self.never_at_risk()
    }

    /// The number of events among spells at risk.
    pub fn events(&self) -> u64 {
        self.counts.iter().map(|m| m.events).sum()
    }

    /// The number of spells that ended no later than they entered; [`EventTable::never_events`] of them by an event.
    pub fn never_at_risk(&self) -> u64 {
        self.never_events + self.never_censored
    }

    /// The number of events no later than the spell's entry. They are in no estimate.
    pub fn never_events(&self) -> u64 {
        self.never_events
    }

    /// The risk sets at the times at which something happens (entries included), ascending.
    pub fn risk_sets(&self) -> impl Iterator<Item = RiskSet> {
        self.counts.iter().scan(0u64, |running, &EventCounts { time, entered, events, censored }| {
            let at_risk = *running;
            *running = at_risk - events - censored + entered;
            Some(RiskSet { time, at_risk, events, censored, entered })
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `(entry, end, event)` of one spell.
    pub(crate) fn event_table(spells: &[(u32, u32, bool)]) -> EventTable {
        let spell = |&(entry, end, event)| ObservedSpell { entry, end, event, customers: 1 };
        EventTable::from_spells(spells.iter().map(spell)).unwrap()
    }

    /// Remission of acute myelogenous leukaemia in weeks, with and without maintenance chemotherapy (Miller 1997,
    /// Survival Analysis; the data set `aml` of R's package survival).
    pub(crate) fn aml() -> [EventTable; 2] {
        let seen = |all: &[(u32, bool)]| event_table(&all.iter().map(|&(t, event)| (0, t, event)).collect::<Vec<_>>());
        let (e, c) = (true, false);
        [
            seen(&[(9, e), (13, e), (13, c), (18, e), (23, e), (28, c), (31, e), (34, e), (45, c), (48, e), (161, c)]),
            seen(&[
                (5, e),
                (5, e),
                (8, e),
                (8, e),
                (12, e),
                (16, c),
                (23, e),
                (27, e),
                (30, e),
                (33, e),
                (43, e),
                (45, e),
            ]),
        ]
    }

    /// Remission of acute leukaemia in weeks under 6-mercaptopurine and under a placebo (Freireich et al. 1963, Blood
    /// 21:699, in Anderson's selection): times of relapse, then times still in remission.
    pub(crate) fn leukaemia() -> [EventTable; 2] {
        let arm = |relapsed: &[u32], running: &[u32]| {
            let of = |event| move |&t: &u32| (0, t, event);
            event_table(&relapsed.iter().map(of(true)).chain(running.iter().map(of(false))).collect::<Vec<_>>())
        };
        [
            arm(&[6, 6, 6, 7, 10, 13, 16, 22, 23], &[6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]),
            arm(&[1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], &[]),
        ]
    }

    #[test]
    fn entries_count_from_the_next_time_on_and_ends_count_at_theirs() {
        let sets: Vec<_> =
            event_table(&[(0, 3, true), (2, 3, false), (3, 5, true), (1, 2, true)]).risk_sets().collect();
        let sets: Vec<_> =
            sets.iter().map(|s| [u64::from(s.time), s.at_risk, s.events, s.censored, s.entered]).collect();
        let expected = [[0, 0, 0, 0, 1], [1, 1, 0, 0, 1], [2, 2, 1, 0, 1], [3, 2, 1, 1, 1], [5, 1, 1, 0, 0]];
        assert_eq!(sets, expected);
    }

    #[test]
    fn spells_that_are_over_when_they_enter_are_told_apart() {
        let event_table = event_table(&[(0, 0, true), (0, 0, false), (4, 4, true), (4, 2, false), (0, 4, true)]);
        assert_eq!(
            (event_table.customers(), event_table.never_at_risk(), event_table.never_events(), event_table.events()),
            (5, 4, 2, 1)
        );
        let counts = [
            EventCounts { time: 0, entered: 3, events: 1, censored: 1 },
            EventCounts { time: 4, events: 1, ..EventCounts::default() },
        ];
        let counted = EventTable::from_counts(counts).unwrap();
        assert_eq!((counted.customers(), counted.never_at_risk(), counted.never_events()), (3, 2, 1));
        assert_eq!(counted.risk_sets().last(), event_table.risk_sets().last());
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let forwards = [(0, 3, true), (1, 3, false), (0, 9, true), (2, 4, false)];
        let mut backwards = forwards;
        backwards.reverse();
        assert_eq!(event_table(&forwards), event_table(&backwards));
    }

    #[test]
    fn impossible_counts_are_refused() {
        let at = |time, entered, events, censored| EventCounts { time, entered, events, censored };
        assert_eq!(EventTable::from_counts([at(0, 1, 1, 1)]), None, "more end at 0 than enter");
        assert_eq!(EventTable::from_counts([at(0, 2, 0, 0), at(3, 0, 2, 1)]), None, "more end than are at risk");
        assert_eq!(
            EventTable::from_counts([at(0, 2, 0, 0), at(3, 1, 2, 1)]),
            None,
            "who enters at 3 is not at risk at 3"
        );
        assert_eq!(EventTable::from_counts([at(0, u64::MAX, 0, 0), at(1, 1, 0, 0)]), None);
        assert_eq!(EventTable::from_counts([at(2, 0, u64::MAX, u64::MAX)]), None);
        let spell = ObservedSpell { entry: 0, end: 0, event: true, customers: u64::MAX };
        assert_eq!(EventTable::from_spells([spell, ObservedSpell { customers: 1, ..spell }]), None);
        assert_eq!(
            EventTable::from_spells([spell, ObservedSpell { end: 1, customers: 1, ..spell }]),
            None,
            "all customers together"
        );
        assert_eq!(EventTable::from_counts([]), Some(EventTable::default()));
    }
}
