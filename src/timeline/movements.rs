//! The movements of a customer from one period boundary to the next: the rows of the ledger.
//!
//! A [`MovementRun`] is a range of periods in which nothing changes. A subscription of several years therefore has a
//! few runs, however short the periods are. Every figure of churn and revenue churn is a sum over runs.

use super::boundary_states::{BoundaryState, MovementInputs, NO_PASSAGE, Passage, Scratch, states, states_by_period};
use super::customer_state::CustomerState;
use super::lens::LiveRule;
use super::spells::begins_anew;

/// Periods `[from, to)` in which a customer's state and money are the same. Money is in minor units per period of the
/// lens (transactions) or per month (subscriptions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovementRun {
    pub from: usize,
    pub to: usize,
    pub state: CustomerState,
    /// Money at the opening of each period of the run, and at its closing.
    pub opening: i64,
    pub closing: i64,
    /// `closing` at the exchange rates of the opening. `valued` − `opening` is movement, `closing` − `valued` is the
    /// effect of exchange rates.
    pub valued: i64,
    /// What `closing` leaves out: net revenue while not live, and negative net revenue.
    pub unallocated: i64,
    /// The part of `closing` whose cancellation is known at the boundary.
    pub scheduled: i64,
    /// The money of the last day of spells that came and went within the period, where the policy counts these.
    pub passing: i64,
}

impl MovementRun {
    /// The part of `closing` that comes from exchange rates that moved since the opening.
    pub fn currency_effect(&self) -> i64 {
        self.closing - self.valued
    }
}

/// Computes the runs of a customer, in order. Periods in which the customer is neither live nor has money have none.
pub fn movements(of: &MovementInputs<'_>, scratch: &mut Scratch, runs: &mut Vec<MovementRun>) {
    runs.clear();
    match of.rule {
        LiveRule::Period => states_by_period(of, scratch),
        LiveRule::Window(_) | LiveRule::Learned | LiveRule::Subscriptions(_) => states(of, scratch),
    }
    let frame = of.frame;
    let is_new = |period: usize| {
        let begun = of.spells.partition_point(|s| s.start < frame.grid.start(period));
        begins_anew(of.spells, begun, of.seen_before, of.rule.reactivation())
    };
    let undecided_at = undecided(of).then(|| frame.len());
    let intra = &scratch.intra;
    let mut before = BoundaryState::default();
    let mut next_period = 0;
    for &(at, after) in &scratch.states {
        if at > frame.len() {
            break;
        }
        if after == before && undecided_at != Some(at) {
            continue;
        }
        // Boundary `at` closes period at − 1. Up to the opening of that period nothing changed.
        steady(before, next_period, at - 1, intra, runs);
        let period = at - 1;
        let passage = intra.binary_search_by_key(&period, |p| p.period).map_or(NO_PASSAGE, |i| intra[i]);
        let state = match (before.live, after.live) {
            (true, true) => CustomerState::Retained,
            (true, false) if undecided_at == Some(at) => CustomerState::Undecided,
            (true, false) => CustomerState::Churned,
            (false, true) if is_new(period) => CustomerState::New,
            (false, true) => CustomerState::Returned,
            (false, false) => passage.state,
        };
        if state != CustomerState::Idle || after.unallocated != 0 {
            let passing = if after.live || before.live { 0 } else { passage.money };
            push(runs, run((period, at), state, (before, after), passing));
        }
        before = after.at_next_boundary();
        next_period = at;
    }
    steady(before, next_period, frame.len(), intra, runs);
}

fn run(
    (from, to): (usize, usize),
    state: CustomerState,
    (before, after): (BoundaryState, BoundaryState),
    passing: i64,
) -> MovementRun {
    let BoundaryState { money: closing, valued, unallocated, scheduled, .. } = after;
    MovementRun { from, to, state, opening: before.money, closing, valued, unallocated, scheduled, passing }
}

/// Appends a run, or extends the last one if the new run equals it.
fn push(runs: &mut Vec<MovementRun>, run: MovementRun) {
    match runs.last_mut() {
        Some(last)
            if last.to == run.from
                && (MovementRun { to: run.to, ..*last }) == (MovementRun { from: last.from, ..run }) =>
        {
            last.to = run.to;
        }
        _ => runs.push(run),
    }
}

/// Appends the runs of periods at whose boundaries nothing changes. Spells within such a period have a run of their
/// own.
fn steady(boundary: BoundaryState, mut from: usize, to: usize, intra: &[Passage], runs: &mut Vec<MovementRun>) {
    let mut extend = |from: usize, to: usize, state: CustomerState, passing: i64| {
        if from < to && (state != CustomerState::Idle || boundary.unallocated != 0) {
            push(runs, run((from, to), state, (boundary, boundary), passing));
        }
    };
    if boundary.live {
        return extend(from, to, CustomerState::Retained, 0);
    }
    let within = intra.partition_point(|p| p.period < from)..intra.partition_point(|p| p.period < to);
    for Passage { period, state, money } in intra.get(within).into_iter().flatten() {
        extend(from, *period, CustomerState::Idle, 0);
        extend(*period, period + 1, *state, *money);
        from = period + 1;
    }
    extend(from, to, CustomerState::Idle, 0);
}

/// True if the customer is [`CustomerState::Undecided`] in the last period.
fn undecided(of: &MovementInputs<'_>) -> bool {
    let last = of.frame.len() - 1;
    matches!(of.rule, LiveRule::Period)
        && of.frame.last_is_partial()
        && of.spells.last().is_some_and(|s| s.end == of.frame.grid.start(last))
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;

    use super::*;
    use crate::calendar::{Day, Period};
    use crate::timeline::rows::DayRow;
    use crate::timeline::segments::SegmentDictionary;
    use crate::timeline::shape::{Basis, Shape};
    use crate::timeline::spells::spells;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    /// Runs as text: periods from 1, state, opening → closing, unallocated.
    fn runs_of(rule: LiveRule, until: &str, days: &[(&str, i64)]) -> Vec<String> {
        let until = day(until);
        let window = (day("2011-01-01"), until);
        let shape = Shape::new(
            Basis::Transactions,
            window,
            window.0,
            Weekday::Monday,
            true,
            true,
            false,
            SegmentDictionary::default(),
        );
        let frame = shape.frame(Period::Month);
        let days: Vec<_> = days
            .iter()
            .map(|(d, net)| DayRow { day: day(d), active: (*net > 0).into(), orders: 1, net: *net })
            .collect();
        let mut found = vec![];
        spells(&rule, frame, &days, &[], until, &mut found);
        let of =
            MovementInputs { rule: &rule, frame, days: &days, ranges: &[], spells: &found, seen_before: false, until };
        let mut runs = vec![];
        movements(&of, &mut Scratch::default(), &mut runs);
        runs.iter()
            .map(|r| {
                format!("{}..{} {:?} {}→{} {}", r.from + 1, r.to + 1, r.state, r.opening, r.closing, r.unallocated)
            })
            .collect()
    }

    #[test]
    fn one_period_follows_the_definitions_example() {
        // Jan 100; Feb +10 and −100 (netted on different days); Mar −20 only.
        let days = [("2011-01-05", 100), ("2011-02-03", 10), ("2011-02-04", -100), ("2011-03-07", -20)];
        let expected = ["1..2 New 0→100 0", "2..3 Retained 100→0 -90", "3..4 Churned 0→0 -20"];
        assert_eq!(runs_of(LiveRule::Period, "2011-05-01", &days), expected);
    }

    #[test]
    fn a_partial_last_period_leaves_the_silent_undecided() {
        let expected = ["1..2 New 0→7 0", "2..3 Undecided 7→0 0"];
        assert_eq!(runs_of(LiveRule::Period, "2011-02-11", &[("2011-01-05", 7)]), expected);
        let expected = ["1..2 New 0→7 0", "2..3 Churned 7→0 0"];
        assert_eq!(runs_of(LiveRule::Period, "2011-03-01", &[("2011-01-05", 7)]), expected);
        let expected = ["1..2 New 0→7 0", "2..3 Retained 7→3 0"];
        assert_eq!(runs_of(LiveRule::Period, "2011-02-11", &[("2011-01-05", 7), ("2011-02-01", 3)]), expected);
    }

    #[test]
    fn equal_periods_are_one_run() {
        // Nothing but the same refund in two months; and a customer whose months come to nothing.
        let refunds = [("2011-01-05", -300), ("2011-02-03", -300), ("2011-04-04", -300)];
        assert_eq!(runs_of(LiveRule::Period, "2011-06-01", &refunds), ["1..3 Idle 0→0 -300", "4..5 Idle 0→0 -300"]);
        let days = [1, 2, 3, 4].map(|m| [(format!("2011-0{m}-05"), 500), (format!("2011-0{m}-06"), -500)]).concat();
        let days: Vec<(&str, i64)> = days.iter().map(|(day, net)| (day.as_str(), *net)).collect();
        let expected = ["1..2 New 0→0 0", "2..5 Retained 0→0 0", "5..6 Churned 0→0 0"];
        assert_eq!(runs_of(LiveRule::Period, "2011-06-01", &days), expected);
    }

    #[test]
    fn a_window_scales_revenue_to_the_period() {
        // £90 on 10 Jan, window 90 days.
        let expected = ["1..2 New 0→3042 0", "2..4 Retained 3042→3042 0", "4..5 Churned 3042→0 0"];
        assert_eq!(runs_of(LiveRule::Window(90), "2011-07-01", &[("2011-01-10", 9000)]), expected);
    }

    #[test]
    fn short_windows_come_and_go_between_boundaries() {
        let days = [("2011-01-10", 700), ("2011-03-02", 700), ("2011-04-28", 700)];
        let expected = ["1..2 Intra 0→0 0", "3..4 Intra 0→0 0", "4..5 Returned 0→3042 0", "5..6 Churned 3042→0 0"];
        assert_eq!(runs_of(LiveRule::Window(7), "2011-06-15", &days), expected);
    }
}
