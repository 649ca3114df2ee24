//! The state of a customer at the boundaries of periods: whether they are live there, and with how much money.
//!
//! A state is listed only for the boundaries at which it may change. Spells and money become differences at boundaries,
//! which are sorted and summed, so that the cost does not depend on how many periods a spell covers.

use super::customer_state::CustomerState;
use super::foreign_currency::{self, ForeignMoney};
use super::lens::LiveRule;
use super::rows::DayRow;
use super::shape::Frame;
use super::spells::{Spell, begins_anew};
use super::subscription_periods::LiveRange;
use crate::calendar::Day;
use crate::exchange::{ConversionError, OWN_CURRENCY};
use crate::money::div_half_even;

/// One or more spells within a period that touch neither of its boundaries.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    pub period: usize,
    /// One of the `Intra` states.
    pub state: CustomerState,
    /// MRR of the last day where joining and leaving within a period counts, else 0.
    pub money: i64,
}

/// Stands for a period that has none.
pub(super) const NO_PASSAGE: Passage = Passage { period: 0, state: CustomerState::Idle, money: 0 };

/// The state from a boundary on, up to the next one that is listed. Money as in
/// [`MovementRun`](super::movements::MovementRun).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundaryState {
    pub live: bool,
    pub money: i64,
    /// `money` at the exchange rates of the boundary before.
    pub valued: i64,
    pub unallocated: i64,
    pub scheduled: i64,
}

impl BoundaryState {
    /// Negative money, and money of customers who are not live, is unallocated.
    fn new(live: bool, net: i64, scheduled: i64) -> BoundaryState {
        let money = if live { net.max(0) } else { 0 };
        BoundaryState { live, money, valued: money, unallocated: net - money, scheduled }
    }

    /// The same state at the following boundary, at which exchange rates move nothing further.
    pub fn at_next_boundary(self) -> BoundaryState {
        BoundaryState { valued: self.money, ..self }
    }
}

/// What is added to the state from boundary `at` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct BoundaryChange {
    at: usize,
    live: i32,
    net: i64,
    scheduled: i64,
}

/// The buffers of a worker, so that a customer costs no allocation.
#[derive(Default)]
pub struct Scratch {
    changes: Vec<BoundaryChange>,
    /// By boundary.
    pub states: Vec<(usize, BoundaryState)>,
    /// By period.
    pub intra: Vec<Passage>,
    foreign: ForeignMoney,
    /// The first reason why money of another currency could not be converted.
    pub fault: Option<ConversionError>,
}

/// What the movements of a customer are computed from.
pub struct MovementInputs<'a> {
    pub rule: &'a LiveRule,
    pub frame: &'a Frame,
    pub days: &'a [DayRow],
    pub ranges: &'a [LiveRange],
    pub spells: &'a [Spell],
    /// True if the company knew the customer before the window began (`signed_up_at`): their first spell is a return.
    pub seen_before: bool,
    /// Exclusive. Exchange rates from here on are not known yet: money keeps the rates of the boundary before.
    pub until: Day,
}

/// Lists the states under `1 period`: who is active in a period is live at its closing, and at no other boundary.
pub(super) fn states_by_period(of: &MovementInputs<'_>, scratch: &mut Scratch) {
    scratch.states.clear();
    scratch.intra.clear();
    let mut days = of.days.iter().map(|d| (of.frame.grid.at(d.day) + 1, d)).peekable();
    while let Some((closing, day)) = days.next() {
        let (mut live, mut net) = (day.active > 0, day.net);
        while let Some((_, day)) = days.next_if(|(at, _)| *at == closing) {
            live |= day.active > 0;
            net += day.net;
        }
        scratch.states.push((closing, BoundaryState::new(live, net, 0)));
        if days.peek().is_none_or(|(next, _)| *next > closing + 1) {
            scratch.states.push((closing + 1, BoundaryState::default()));
        }
    }
}

/// Lists the states under the other rules, by summing the changes.
pub(super) fn states(of: &MovementInputs<'_>, scratch: &mut Scratch) {
    changes(of, scratch);
    scratch.states.clear();
    if !scratch.foreign.is_empty() {
        return states_with_rates(of, scratch);
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
        scratch.states.push((group[0].at, BoundaryState::new(live > 0, net, scheduled)));
    }
}

/// Lists the states of a customer with money of other currencies, whose value may change at every boundary.
fn states_with_rates(of: &MovementInputs<'_>, scratch: &mut Scratch) {
    let Scratch { changes, states, foreign, fault, .. } = scratch;
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
        let state = BoundaryState::new(live > 0, worth.money, worth.scheduled);
        states.push((at, BoundaryState { valued: if live > 0 { worth.valued } else { 0 }, ..state }));
    }
}

/// Turns spells and money into changes at boundaries, and lists the spells that touch no boundary.
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
        // `states_by_period` handles Period; a learned window has become a Window before.
        LiveRule::Period | LiveRule::Learned => {}
        LiveRule::Window(window) => of.days.iter().for_each(|d| {
            add(frame.seen_from(d.day), frame.seen_from(d.day.plus(*window)), 0, d.net, 0);
        }),
        LiveRule::Subscriptions(_) => of.ranges.iter().for_each(|r| {
            let (start, end) = (frame.seen_from(r.start), frame.seen_from(r.end));
            let known_from = frame.seen_from(r.start.max(r.cancelled));
            if r.currency == OWN_CURRENCY {
                add(start, end, 0, r.mrr, 0);
                add(known_from, end, 0, 0, r.mrr);
            } else {
                foreign.add(frame, r, (start, known_from, end), fault);
            }
        }),
    }
    changes.sort_unstable_by_key(|c| c.at);
}

/// The state that a spell within a period counts as.
fn passage(of: &MovementInputs<'_>, which: usize) -> CustomerState {
    match (of.rule.passing_counts(), begins_anew(of.spells, which, of.seen_before, of.rule.reactivation())) {
        (false, _) => CustomerState::Intra,
        (true, true) => CustomerState::IntraNew,
        (true, false) => CustomerState::IntraReturned,
    }
}

/// MRR of a spell's last day, at the exchange rates of the period's first day; 0 where joining and leaving within a
/// period does not count.
fn last_money(of: &MovementInputs<'_>, spell: &Spell, period: usize, fault: &mut Option<ConversionError>) -> i64 {
    if !of.rule.passing_counts() {
        return 0;
    }
    let from = of.ranges.partition_point(|r| r.start < spell.start);
    let to = of.ranges.partition_point(|r| r.start < spell.end);
    let ending = of.ranges[from..to].iter().filter(|r| r.end == spell.end);
    ending.map(|r| foreign_currency::or_record_fault(of.frame.worth(r.currency, r.mrr, period), fault)).sum()
}
