//! How a customer moves from one boundary to the next: the ledger's rows, before anything is summed.
//!
//! A [`MovementRun`] is a range of periods in which nothing changes, so that a subscription that runs for years costs a few runs
//! however short the periods are. Every churn and revenue-churn figure is a sum over runs.

use super::foreign_currency::{self, ForeignMoney};
use super::lens::LiveRule;
use super::rows::DayRow;
use super::shape::Frame;
use super::spells::{Spell, begins_anew};
use super::subscription_periods::LiveRange;
use crate::calendar::Day;
use crate::exchange::{ConversionError, OWN_CURRENCY};
use crate::money::div_half_even;

/// What a customer did in a period, by its boundaries (DEFINITIONS §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerState {
    New,
    Retained,
    Returned,
    Churned,
    /// Live within the period but at neither boundary.
    Intra,
    /// The same where it counts as joining and leaving (`within_period = "both"`): of a new customer, of a returned one.
    IntraNew,
    IntraReturned,
    /// Live at the opening of a partial last period under `1 period`, not active yet: nobody can say.
    Undecided,
    /// Not live; only money that belongs to no live customer.
    Idle,
}

impl CustomerState {
    pub fn name(self) -> Option<&'static str> {
        match self {
            CustomerState::New => Some("new"),
            CustomerState::Retained => Some("retained"),
            CustomerState::Returned => Some("returned"),
            CustomerState::Churned => Some("churned"),
            CustomerState::Intra => Some("intra"),
            CustomerState::IntraNew => Some("intra_new"),
            CustomerState::IntraReturned => Some("intra_returned"),
            CustomerState::Undecided | CustomerState::Idle => None,
        }
    }

    pub fn in_opening(self) -> bool {
        matches!(self, CustomerState::Retained | CustomerState::Churned | CustomerState::Undecided)
    }

    /// Counts as new: joined in the period, whether or not still there at its end.
    pub fn is_of_a_new_customer(self) -> bool {
        matches!(self, CustomerState::New | CustomerState::IntraNew)
    }

    /// Counts as churned.
    pub fn is_of_one_who_left(self) -> bool {
        matches!(self, CustomerState::Churned | CustomerState::IntraNew | CustomerState::IntraReturned)
    }

    pub fn in_closing(self) -> bool {
        matches!(self, CustomerState::New | CustomerState::Retained | CustomerState::Returned)
    }
}

/// Periods `[from, to)` in which a customer's state and money are the same. Money is in minor units per period of the
/// lens (transactions) or per month (subscriptions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovementRun {
    pub from: usize,
    pub to: usize,
    pub state: CustomerState,
    /// m at the opening and at the closing of each period of the run.
    pub opening: i64,
    pub closing: i64,
    /// The closing at the exchange rates of the opening: what of it is movement. The rest is what rates moved.
    pub valued: i64,
    /// What the closing leaves out: net revenue of those not live, and below zero.
    pub unallocated: i64,
    /// Part of `closing` whose cancellation is known at the boundary.
    pub scheduled: i64,
    /// What came and went within the period, where that counts: the money of the last day.
    pub passing: i64,
}

impl MovementRun {
    /// What exchange rates moved of the money that is there at the closing.
    pub fn currency_effect(&self) -> i64 {
        self.closing - self.valued
    }
}

/// A spell, or several, within a period that touch neither boundary.
#[derive(Clone, Copy, Debug)]
struct Passage {
    period: usize,
    state: CustomerState,
    money: i64,
}

/// What holds at a boundary until the next [`BoundaryChange`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct BoundaryState {
    live: bool,
    money: i64,
    /// The same at the exchange rates of the boundary before.
    valued: i64,
    unallocated: i64,
    scheduled: i64,
}

impl BoundaryState {
    fn new(live: bool, net: i64, scheduled: i64) -> BoundaryState {
        let money = if live { net.max(0) } else { 0 };
        BoundaryState { live, money, valued: money, unallocated: net - money, scheduled }
    }

    /// As it goes on, once rates have moved.
    fn settled(self) -> BoundaryState {
        BoundaryState { valued: self.money, ..self }
    }
}

/// From boundary `at` on these are added to what stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct BoundaryChange {
    at: usize,
    live: i32,
    net: i64,
    scheduled: i64,
}

/// Buffers of a worker, so that customers cost no allocation.
#[derive(Default)]
pub struct Scratch {
    changes: Vec<BoundaryChange>,
    standings: Vec<(usize, BoundaryState)>,
    intra: Vec<Passage>,
    foreign: ForeignMoney,
    /// The gravest of what money of other currencies could not be said for.
    pub fault: Option<ConversionError>,
}

/// What a customer's movements are made from.
pub struct MovementInputs<'a> {
    pub rule: &'a LiveRule,
    pub frame: &'a Frame,
    pub days: &'a [DayRow],
    pub ranges: &'a [LiveRange],
    pub spells: &'a [Spell],
    /// Known to the company before the window began (`signed_up_at`): a first appearance in it is a return.
    pub seen_before: bool,
    /// Exclusive: rates from here on are not known yet, and money stays what it was.
    pub until: Day,
}

/// The runs of a customer, in order; periods in which nothing is to be said have none.
pub fn movements(of: &MovementInputs<'_>, scratch: &mut Scratch, runs: &mut Vec<MovementRun>) {
    runs.clear();
    match of.rule {
        LiveRule::Period => standings_by_period(of, scratch),
        LiveRule::Window(_) | LiveRule::Learned | LiveRule::Subscriptions(_) => standings(of, scratch),
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
    for &(at, after) in &scratch.standings {
        if at > frame.len() {
            break;
        }
        if after == before && undecided_at != Some(at) {
            continue;
        }
        // Boundary `at` closes period at − 1; up to there nothing changed.
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
        before = after.settled();
        next_period = at;
    }
    steady(before, next_period, frame.len(), intra, runs);
}

/// Of a period without one.
const NO_PASSAGE: Passage = Passage { period: 0, state: CustomerState::Idle, money: 0 };

fn run(
    (from, to): (usize, usize),
    state: CustomerState,
    (before, after): (BoundaryState, BoundaryState),
    passing: i64,
) -> MovementRun {
    let BoundaryState { money: closing, valued, unallocated, scheduled, .. } = after;
    MovementRun { from, to, state, opening: before.money, closing, valued, unallocated, scheduled, passing }
}

/// Appends a run; one that only goes on with what the last one says makes that longer.
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

/// Periods over which nothing changes at the boundaries, with those touched by a spell that came and went.
fn steady(standing: BoundaryState, mut from: usize, to: usize, intra: &[Passage], runs: &mut Vec<MovementRun>) {
    let mut go_on = |from: usize, to: usize, state: CustomerState, passing: i64| {
        if from < to && (state != CustomerState::Idle || standing.unallocated != 0) {
            push(runs, run((from, to), state, (standing, standing), passing));
        }
    };
    if standing.live {
        return go_on(from, to, CustomerState::Retained, 0);
    }
    let within = intra.partition_point(|p| p.period < from)..intra.partition_point(|p| p.period < to);
    for Passage { period, state, money } in intra.get(within).into_iter().flatten() {
        go_on(from, *period, CustomerState::Idle, 0);
        go_on(*period, period + 1, *state, *money);
        from = period + 1;
    }
    go_on(from, to, CustomerState::Idle, 0);
}

/// Live at the opening of a partial last period under `1 period` and not active in it.
fn undecided(of: &MovementInputs<'_>) -> bool {
    let last = of.frame.len() - 1;
    matches!(of.rule, LiveRule::Period)
        && of.frame.last_is_partial()
        && of.spells.last().is_some_and(|s| s.end == of.frame.grid.start(last))
}

/// What holds from each boundary at which it may change, under `1 period`: who is active in a period is live at its
/// closing, and at that alone.
fn standings_by_period(of: &MovementInputs<'_>, scratch: &mut Scratch) {
    scratch.standings.clear();
    scratch.intra.clear();
    let mut days = of.days.iter().map(|d| (of.frame.grid.at(d.day) + 1, d)).peekable();
    while let Some((closing, day)) = days.next() {
        let (mut live, mut net) = (day.active > 0, day.net);
        while let Some((_, day)) = days.next_if(|(at, _)| *at == closing) {
            live |= day.active > 0;
            net += day.net;
        }
        scratch.standings.push((closing, BoundaryState::new(live, net, 0)));
        if days.peek().is_none_or(|(next, _)| *next > closing + 1) {
            scratch.standings.push((closing + 1, BoundaryState::default()));
        }
    }
}

/// The same under the other rules: by summing up what changes.
fn standings(of: &MovementInputs<'_>, scratch: &mut Scratch) {
    changes(of, scratch);
    scratch.standings.clear();
    if !scratch.foreign.is_empty() {
        return standings_abroad(of, scratch);
    }
    let (mut live, mut net, mut scheduled) = (0i32, 0i64, 0i64);
    for group in scratch.changes.chunk_by(|a, b| a.at == b.at) {
        for change in group {
            live += change.live;
            net += change.net;
            scheduled += change.scheduled;
        }
        let net = match of.rule {
            // Net revenue of the window, per period of the lens (DEFINITIONS §5).
            LiveRule::Window(window) => {
                let (days, parts) = of.frame.grid.period.days();
                // |net| ≤ 10¹⁸ and a period is at most 365 days: the quotient may pass i64 only for windows of under
                // 365 days, and is then held at the edge of i64: beyond DECIMAL(18), so that publishing refuses it.
                let scaled = div_half_even(i128::from(net) * days, i128::from(*window) * parts);
                scaled.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
            }
            LiveRule::Period | LiveRule::Learned | LiveRule::Subscriptions(_) => net,
        };
        scratch.standings.push((group[0].at, BoundaryState::new(live > 0, net, scheduled)));
    }
}

/// The same where there is money of other currencies, which is worth something else at every boundary.
fn standings_abroad(of: &MovementInputs<'_>, scratch: &mut Scratch) {
    let Scratch { changes, standings, foreign, fault, .. } = scratch;
    let mut own = changes.chunk_by(|a, b| a.at == b.at).peekable();
    let (mut live, mut net, mut scheduled) = (0i32, 0i64, 0i64);
    foreign.begin(of.frame.boundary_by(of.until));
    let next = |own: Option<&&[BoundaryChange]>, foreign: &ForeignMoney| {
        own.map(|g| g[0].at).into_iter().chain(foreign.next()).min()
    };
    while let Some(at) = next(own.peek(), foreign).filter(|at| *at <= of.frame.len()) {
        for change in own.next_if(|group| group[0].at == at).into_iter().flatten() {
            live += change.live;
            net += change.net;
            scheduled += change.scheduled;
        }
        let worth = foreign.at(of.frame, at, (net, scheduled), fault);
        let standing = BoundaryState::new(live > 0, worth.money, worth.scheduled);
        standings.push((at, BoundaryState { valued: if live > 0 { worth.valued } else { 0 }, ..standing }));
    }
}

/// Everything that happens between boundaries, as differences at boundaries; and the periods of spells that touch none.
fn changes(of: &MovementInputs<'_>, scratch: &mut Scratch) {
    let Scratch { changes, intra, foreign, fault, .. } = scratch;
    changes.clear();
    intra.clear();
    foreign.clear();
    let frame = of.frame;
    let never = frame.len() + 1;
    let mut add = |from: usize, to: usize, live: i32, net: i64, scheduled: i64| {
        if from < to {
            changes.push(BoundaryChange { at: from, live, net, scheduled });
            if to < never {
                changes.push(BoundaryChange { at: to, live: -live, net: -net, scheduled: -scheduled });
            }
        }
    };
    for (which, spell) in of.spells.iter().enumerate() {
        // Live at boundary b when live on the day before it.
        let (from, to) = (frame.seen_from(spell.start), frame.seen_from(spell.end));
        add(from, to, 1, 0, 0);
        if from == to {
            let money = last_money(of, spell, from - 1, fault);
            match intra.last_mut() {
                Some(last) if last.period == from - 1 => last.money = money,
                _ => intra.push(Passage { period: from - 1, state: passage(of, which), money }),
            }
        }
    }
    match of.rule {
        // See `standings_by_period`; and what is learned is a window by now.
        LiveRule::Period | LiveRule::Learned => {}
        LiveRule::Window(window) => of.days.iter().for_each(|d| {
            add(frame.seen_from(d.day), frame.seen_from(d.day.plus(*window)), 0, d.net, 0);
        }),
        LiveRule::Subscriptions(_) => of.ranges.iter().for_each(|r| {
            let (start, end) = (frame.seen_from(r.start), frame.seen_from(r.end));
            let told = frame.seen_from(r.start.max(r.cancelled));
            if r.currency == OWN_CURRENCY {
                add(start, end, 0, r.mrr, 0);
                add(told, end, 0, 0, r.mrr);
            } else {
                foreign.add(frame, r, (start, told, end), fault);
            }
        }),
    }
    changes.sort_unstable_by_key(|c| c.at);
}

/// What a spell within a period counts as.
fn passage(of: &MovementInputs<'_>, which: usize) -> CustomerState {
    match (of.rule.passing_counts(), begins_anew(of.spells, which, of.seen_before, of.rule.reactivation())) {
        (false, _) => CustomerState::Intra,
        (true, true) => CustomerState::IntraNew,
        (true, false) => CustomerState::IntraReturned,
    }
}

/// The money of a spell's last day, where passing counts, at the rates of the period's first.
fn last_money(of: &MovementInputs<'_>, spell: &Spell, period: usize, fault: &mut Option<ConversionError>) -> i64 {
    if !of.rule.passing_counts() {
        return 0;
    }
    let from = of.ranges.partition_point(|r| r.start < spell.start);
    let to = of.ranges.partition_point(|r| r.start < spell.end);
    let ending = of.ranges[from..to].iter().filter(|r| r.end == spell.end);
    ending.map(|r| foreign_currency::noted(of.frame.worth(r.currency, r.mrr, period), fault)).sum()
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;

    use super::*;
    use crate::calendar::{Day, Period};
    use crate::timeline::segments::SegmentDictionary;
    use crate::timeline::shape::{Basis, Shape};
    use crate::timeline::spells::spells;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    /// Runs as text: period, state, opening → closing, unallocated.
    fn look(rule: LiveRule, until: &str, days: &[(&str, i64)]) -> Vec<String> {
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
        assert_eq!(look(LiveRule::Period, "2011-05-01", &days), expected);
    }

    #[test]
    fn a_partial_last_period_leaves_the_silent_undecided() {
        let expected = ["1..2 New 0→7 0", "2..3 Undecided 7→0 0"];
        assert_eq!(look(LiveRule::Period, "2011-02-11", &[("2011-01-05", 7)]), expected);
        let expected = ["1..2 New 0→7 0", "2..3 Churned 7→0 0"];
        assert_eq!(look(LiveRule::Period, "2011-03-01", &[("2011-01-05", 7)]), expected);
        let expected = ["1..2 New 0→7 0", "2..3 Retained 7→3 0"];
        assert_eq!(look(LiveRule::Period, "2011-02-11", &[("2011-01-05", 7), ("2011-02-01", 3)]), expected);
    }

    #[test]
    fn what_goes_on_is_one_run() {
        // Nothing but the same refund in two months; and a customer whose months come to nothing.
        let refunds = [("2011-01-05", -300), ("2011-02-03", -300), ("2011-04-04", -300)];
        assert_eq!(look(LiveRule::Period, "2011-06-01", &refunds), ["1..3 Idle 0→0 -300", "4..5 Idle 0→0 -300"]);
        let days = [1, 2, 3, 4].map(|m| [(format!("2011-0{m}-05"), 500), (format!("2011-0{m}-06"), -500)]).concat();
        let days: Vec<(&str, i64)> = days.iter().map(|(day, net)| (day.as_str(), *net)).collect();
        let expected = ["1..2 New 0→0 0", "2..5 Retained 0→0 0", "5..6 Churned 0→0 0"];
        assert_eq!(look(LiveRule::Period, "2011-06-01", &days), expected);
    }

    #[test]
    fn a_window_scales_revenue_to_the_period() {
        // £90 on 10 Jan, window 90 days.
        let expected = ["1..2 New 0→3042 0", "2..4 Retained 3042→3042 0", "4..5 Churned 3042→0 0"];
        assert_eq!(look(LiveRule::Window(90), "2011-07-01", &[("2011-01-10", 9000)]), expected);
    }

    #[test]
    fn short_windows_come_and_go_between_boundaries() {
        let days = [("2011-01-10", 700), ("2011-03-02", 700), ("2011-04-28", 700)];
        let expected = ["1..2 Intra 0→0 0", "3..4 Intra 0→0 0", "4..5 Returned 0→3042 0", "5..6 Churned 3042→0 0"];
        assert_eq!(look(LiveRule::Window(7), "2011-06-15", &days), expected);
    }
}
