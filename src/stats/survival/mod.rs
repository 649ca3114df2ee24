//! How long customers stay, without a model of it (DEFINITIONS §7).
//!
//! Time is whole units since a spell began. Somebody seen from `entry` on who ends at `end`, by an event or by
//! censoring, is at risk at t where entry < t ≤ end: whoever ends at t was at risk at t, so that events precede
//! censorings at ties, and whoever enters at t is at risk from the next unit on.

pub mod compare;
pub mod kaplan_meier;
#[cfg(test)]
mod laws;

/// One spell, or several alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// 0 for those seen from their start on.
    pub entry: u32,
    pub end: u32,
    /// Else censored: still running when last seen.
    pub event: bool,
    pub customers: u64,
}

/// What happens in a group at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    pub time: u32,
    pub entered: u64,
    pub events: u64,
    pub censored: u64,
}

/// A group's spells as exact counts by time: only times at which something happens, ascending.
///
/// At no time do more end than are at risk. Spells that end no later than they enter are never at risk (a length of 0,
/// say): they are left out of every estimate and told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    moments: Vec<Moment>,
    never_events: u64,
    never_censored: u64,
}

/// Who is at risk at a time at which something happens, and what happens to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskSet {
    pub time: u32,
    pub at_risk: u64,
    pub events: u64,
    pub censored: u64,
    /// At risk from the next time on.
    pub entered: u64,
}

impl Life {
    /// From single spells in any order; `None` beyond 2⁶⁴ customers.
    pub fn from_spells(spells: impl IntoIterator<Item = Spell>) -> Option<Life> {
        let (mut moments, mut never_events, mut never_censored) = (vec![], 0u64, 0u64);
        for Spell { entry, end, event, customers } in spells {
            if end <= entry {
                let never = if event { &mut never_events } else { &mut never_censored };
                *never = never.checked_add(customers)?;
                continue;
            }
            let (events, censored) = if event { (customers, 0) } else { (0, customers) };
            moments.push(Moment { time: entry, entered: customers, ..Moment::default() });
            moments.push(Moment { time: end, events, censored, ..Moment::default() });
        }
        let life = Life::from_moments(moments)?;
        life.customers().checked_add(never_events)?.checked_add(never_censored)?;
        Some(Life { never_events, never_censored, ..life })
    }

    /// From counts by time, in any order; equal times add up. What ends at 0 must have entered at 0 and is never at
    /// risk. Spells of later times that end as they enter cannot be told from others here: leave them out, or use
    /// [`Life::from_spells`].
    ///
    /// `None` where more end than can be at risk, or beyond 2⁶⁴ customers.
    pub fn from_moments(moments: impl IntoIterator<Item = Moment>) -> Option<Life> {
        let mut sorted: Vec<Moment> = moments.into_iter().collect();
        sorted.sort_by_key(|m| m.time);
        let mut life = Life::default();
        for group in sorted.chunk_by(|a, b| a.time == b.time) {
            let mut sum = Moment { time: group[0].time, ..Moment::default() };
            for m in group {
                sum.entered = sum.entered.checked_add(m.entered)?;
                sum.events = sum.events.checked_add(m.events)?;
                sum.censored = sum.censored.checked_add(m.censored)?;
            }
            if sum.time == 0 {
                (life.never_events, life.never_censored) = (sum.events, sum.censored);
                sum.entered = sum.entered.checked_sub(sum.events.checked_add(sum.censored)?)?;
                (sum.events, sum.censored) = (0, 0);
            }
            if sum.entered.max(sum.events).max(sum.censored) > 0 {
                life.moments.push(sum);
            }
        }
        let (mut at_risk, mut all) = (0u64, life.never_events.checked_add(life.never_censored)?);
        for m in &life.moments {
            at_risk = at_risk.checked_sub(m.events.checked_add(m.censored)?)?.checked_add(m.entered)?;
            all = all.checked_add(m.entered)?;
        }
        Some(life)
    }

    /// What happens to those at risk, ascending by time.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// All spells, those never at risk included.
    pub fn customers(&self) -> u64 {
        self.moments.iter().map(|m| m.entered).sum::<u64>() + self.never_at_risk()
    }

    /// Events among those at risk.
    pub fn events(&self) -> u64 {
        self.moments.iter().map(|m| m.events).sum()
    }

    /// Spells that ended no later than they entered; [`Life::never_events`] of them by an event.
    pub fn never_at_risk(&self) -> u64 {
        self.never_events + self.never_censored
    }

    /// Events no later than their entry: no estimate knows of them.
    pub fn never_events(&self) -> u64 {
        self.never_events
    }

    /// Ascending, only times at which something happens (somebody entering, too); at_risk is who is at risk at it.
    pub fn risk_sets(&self) -> impl Iterator<Item = RiskSet> {
        self.moments.iter().scan(0u64, |running, &Moment { time, entered, events, censored }| {
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
    pub fn life(spells: &[(u32, u32, bool)]) -> Life {
        let spell = |&(entry, end, event)| Spell { entry, end, event, customers: 1 };
        Life::from_spells(spells.iter().map(spell)).unwrap()
    }

    /// Remission of acute myelogenous leukaemia in weeks, with and without maintenance chemotherapy (Miller 1997,
    /// Survival Analysis; the data set `aml` of R's package survival).
    pub fn aml() -> [Life; 2] {
        let seen = |all: &[(u32, bool)]| life(&all.iter().map(|&(t, event)| (0, t, event)).collect::<Vec<_>>());
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
    pub fn leukaemia() -> [Life; 2] {
        let arm = |relapsed: &[u32], running: &[u32]| {
            let of = |event| move |&t: &u32| (0, t, event);
            life(&relapsed.iter().map(of(true)).chain(running.iter().map(of(false))).collect::<Vec<_>>())
        };
        [
            arm(&[6, 6, 6, 7, 10, 13, 16, 22, 23], &[6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]),
            arm(&[1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], &[]),
        ]
    }

    #[test]
    fn entries_count_from_the_next_time_on_and_ends_count_at_theirs() {
        let sets: Vec<_> = life(&[(0, 3, true), (2, 3, false), (3, 5, true), (1, 2, true)]).risk_sets().collect();
        let sets: Vec<_> =
            sets.iter().map(|s| [u64::from(s.time), s.at_risk, s.events, s.censored, s.entered]).collect();
        let expected = [[0, 0, 0, 0, 1], [1, 1, 0, 0, 1], [2, 2, 1, 0, 1], [3, 2, 1, 1, 1], [5, 1, 1, 0, 0]];
        assert_eq!(sets, expected);
    }

    #[test]
    fn spells_that_are_over_when_they_enter_are_told_apart() {
        let life = life(&[(0, 0, true), (0, 0, false), (4, 4, true), (4, 2, false), (0, 4, true)]);
        assert_eq!((life.customers(), life.never_at_risk(), life.never_events(), life.events()), (5, 4, 2, 1));
        let moments = [
            Moment { time: 0, entered: 3, events: 1, censored: 1 },
            Moment { time: 4, events: 1, ..Moment::default() },
        ];
        let counted = Life::from_moments(moments).unwrap();
        assert_eq!((counted.customers(), counted.never_at_risk(), counted.never_events()), (3, 2, 1));
        assert_eq!(counted.risk_sets().last(), life.risk_sets().last());
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let forwards = [(0, 3, true), (1, 3, false), (0, 9, true), (2, 4, false)];
        let mut backwards = forwards;
        backwards.reverse();
        assert_eq!(life(&forwards), life(&backwards));
    }

    #[test]
    fn impossible_counts_are_refused() {
        let at = |time, entered, events, censored| Moment { time, entered, events, censored };
        assert_eq!(Life::from_moments([at(0, 1, 1, 1)]), None, "more end at 0 than enter");
        assert_eq!(Life::from_moments([at(0, 2, 0, 0), at(3, 0, 2, 1)]), None, "more end than are at risk");
        assert_eq!(Life::from_moments([at(0, 2, 0, 0), at(3, 1, 2, 1)]), None, "who enters at 3 is not at risk at 3");
        assert_eq!(Life::from_moments([at(0, u64::MAX, 0, 0), at(1, 1, 0, 0)]), None);
        assert_eq!(Life::from_moments([at(2, 0, u64::MAX, u64::MAX)]), None);
        let spell = Spell { entry: 0, end: 0, event: true, customers: u64::MAX };
        assert_eq!(Life::from_spells([spell, Spell { customers: 1, ..spell }]), None);
        assert_eq!(Life::from_spells([spell, Spell { end: 1, customers: 1, ..spell }]), None, "all customers together");
        assert_eq!(Life::from_moments([]), Some(Life::default()));
    }
}
