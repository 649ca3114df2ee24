//! One customer's life as a subscriber: trial, free plan, paid terms, changes, pauses, failed payments, leaving, coming
//! back. Customers differ in how prone they are to leave, so the longer a cohort lives, the less it churns.

use tenure::calendar::Day;

use super::company::{AS_OF, CHANNELS, DUNNING_DAYS, LEAVING, NEW_PRICES, PRICE_RISE, SIZES, TRIAL_DAYS};
use super::company::{Currency, Plan, month_of, price};
use crate::random::Random;

pub(super) struct Customer {
    pub country: Option<&'static str>,
    pub currency: Currency,
    /// Indices into [`CHANNELS`] and [`SIZES`].
    pub channel: usize,
    pub size: usize,
    pub referred_by: Option<usize>,
    pub signed_up: Day,
    /// Seconds after midnight UTC, in office hours, so that Berlin's date is the same.
    pub second: i64,
    pub plan: Plan,
    /// Proneness to leave: a gamma of mean 1.
    pub frailty: f64,
    /// Actions a week for each seat's worth of work.
    pub intensity: f64,
}

/// One row of the subscriptions export: a subscription between two changes of it.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// Within the customer, from 0: several terms of one subscription share it.
    pub subscription: u32,
    pub plan: Plan,
    pub yearly: bool,
    pub seats: u32,
    pub cents: i64,
    pub started: Day,
    pub trial_ends: Option<Day>,
    pub cancelled: Option<Day>,
    /// Known once the term has ended or is going to end.
    pub paid_until: Option<Day>,
    pub ended: Option<Day>,
    pub paused: Option<(Day, Day)>,
    pub past_due_since: Option<Day>,
    pub reason: Option<&'static str>,
    pub kind: Option<&'static str>,
}

impl Term {
    /// Day from which the customer no longer has access.
    pub(super) fn access_ends(&self) -> Day {
        self.ended.or(self.paid_until).or(self.cancelled).unwrap_or(Day::NEVER)
    }
    pub(super) fn left_voluntarily(&self) -> Option<Day> {
        self.cancelled.filter(|_| self.kind == Some("voluntary"))
    }
}

const REASONS: [(Option<&str>, u32); 7] = [
    (Some("too_expensive"), 26),
    (Some("missing_feature"), 18),
    (Some("switched"), 17),
    (Some("no_longer_needed"), 16),
    (Some("support"), 5),
    (Some("other"), 4),
    (None, 14),
];

/// Everything that the customer's subscriptions came to by `AS_OF`, in the order of their making.
pub(super) fn live(customer: &Customer, random: &mut Random) -> Vec<Term> {
    let mut life = Life { customer, random, terms: vec![], subscriptions: 0 };
    match customer.plan {
        Plan::Free => life.free(customer.signed_up),
        plan if life.random.chance(0.75) => life.trial(plan, customer.signed_up),
        plan => life.subscribe(plan, customer.signed_up, true),
    }
    life.terms
}

struct Life<'a> {
    customer: &'a Customer,
    random: &'a mut Random,
    terms: Vec<Term>,
    subscriptions: u32,
}

impl Life<'_> {
    fn term(&mut self, plan: Plan, started: Day) -> Term {
        let size = &SIZES[self.customer.size];
        let (least, most) = size.seats;
        let seats = if plan.by_seat() { least + self.random.below(u64::from(most - least) + 1) as u32 } else { 1 };
        let yearly = plan != Plan::Free && self.random.chance(if plan == Plan::Solo { 0.25 } else { 0.4 });
        let subscription = self.subscriptions;
        self.subscriptions += 1;
        Term {
            subscription,
            plan,
            yearly,
            seats,
            cents: price(plan, self.customer.currency, yearly, seats, started >= NEW_PRICES),
            started,
            trial_ends: None,
            cancelled: None,
            paid_until: None,
            ended: None,
            paused: None,
            past_due_since: None,
            reason: None,
            kind: None,
        }
    }

    fn free(&mut self, started: Day) {
        let term = self.term(Plan::Free, started);
        self.terms.push(term);
        let at = self.terms.len() - 1;
        for month in 1.. {
            let day = started.plus_months(month);
            if day >= AS_OF {
                return;
            }
            if self.random.chance(0.022 * self.customer.intensity.min(2.0)) {
                self.supersede(at, day);
                let plan = self.random.pick(&SIZES[self.customer.size].plans);
                return self.subscribe(plan, day, true);
            }
            if self.random.chance(Plan::Free.leaving(false) * self.customer.frailty) {
                let term = &mut self.terms[at];
                (term.cancelled, term.ended, term.paid_until) = (Some(day), Some(day), Some(day));
                term.kind = Some("voluntary");
                return;
            }
        }
    }

    fn trial(&mut self, plan: Plan, started: Day) {
        let mut term = self.term(plan, started);
        let ends = started.plus(TRIAL_DAYS);
        term.trial_ends = Some(ends);
        let converts = self.random.chance(if self.customer.frailty < 1.0 { 0.62 } else { 0.45 });
        if converts {
            return self.paid(term, ends, true);
        }
        let cancelled = started.plus(1 + self.random.below(TRIAL_DAYS as u64 - 1) as i32);
        if self.random.chance(0.6) && cancelled < AS_OF {
            term.cancelled = Some(cancelled);
            term.kind = Some("voluntary");
            term.reason = self.random.pick(&REASONS);
        }
        term.ended = Some(ends).filter(|day| *day < AS_OF);
        self.terms.push(term);
        if ends < AS_OF && self.random.chance(0.25) {
            self.free(ends);
        }
    }

    fn subscribe(&mut self, plan: Plan, started: Day, main: bool) {
        let term = self.term(plan, started);
        self.paid(term, started, main);
    }

    /// A paying subscription, renewed on `anchor`'s day of the month or year until it ends.
    fn paid(&mut self, first: Term, anchor: Day, main: bool) {
        let mut new_prices = first.started >= NEW_PRICES;
        self.terms.push(first);
        let first = self.terms.len() - 1;
        let mut at = first;
        let (mut month, mut year_began, mut resumed) = (0, 0, false);
        loop {
            month += 1;
            let (from, due) = (anchor.plus_months(month - 1), anchor.plus_months(month));
            if from >= AS_OF {
                return;
            }
            let Term { plan, yearly, seats, .. } = self.terms[at];
            let renewal = !yearly || (month - year_began) % 12 == 0;
            let rises = renewal && !new_prices && due >= PRICE_RISE;
            if renewal {
                let of_age = if month <= 2 { 1.3 } else { 1.0 };
                let hazard = plan.leaving(yearly)
                    * self.customer.frailty
                    * CHANNELS[self.customer.channel].leaving
                    * LEAVING[month_of(due)]
                    * if rises { 2.2 } else { 1.0 }
                    * if resumed { 2.0 } else { of_age };
                if self.random.chance(1.0 - libm::exp(-hazard)) {
                    return self.leave(at, at == first, from, due, main);
                }
            }
            resumed = false;
            if due >= AS_OF {
                return;
            }
            if !yearly && self.terms[at].paused.is_none() && self.random.chance(0.006) {
                let months = 1 + self.random.below(3) as i32;
                self.terms[at].paused = Some((due, due.plus_months(months)));
                (month, resumed) = (month + months, true);
                continue;
            }
            new_prices |= rises;
            let change = self.change(plan, yearly, seats, renewal);
            if change != (plan, yearly, seats) || rises {
                self.supersede(at, due);
                let mut next = self.terms[at].clone();
                (next.plan, next.yearly, next.seats) = change;
                next.cents = price(next.plan, self.customer.currency, next.yearly, next.seats, new_prices);
                (next.started, next.trial_ends, next.paused) = (due, None, None);
                (next.ended, next.paid_until) = (None, None);
                if next.yearly && !yearly {
                    year_began = month;
                }
                self.terms.push(next);
                at = self.terms.len() - 1;
            }
            if main && plan.by_seat() && self.random.chance(0.0015) {
                self.subscribe(plan, due, false); // a second workspace: one of two subscriptions
            }
        }
    }

    /// Plan, interval and seats after a renewal or a month within a paid year.
    fn change(&mut self, plan: Plan, yearly: bool, seats: u32, renewal: bool) -> (Plan, bool, u32) {
        let mut next = (plan, yearly, seats);
        match plan {
            Plan::Solo if renewal && self.random.chance(0.010) => next = (Plan::Team, yearly, 2),
            Plan::Team if self.random.chance(0.006) => next.0 = Plan::Business,
            Plan::Business if renewal && self.random.chance(0.005) => next.0 = Plan::Team,
            Plan::Team if renewal && seats <= 2 && self.random.chance(0.008) => next = (Plan::Solo, yearly, 1),
            Plan::Team | Plan::Business if self.random.chance(0.035) => {
                next.2 += 1 + self.random.below(1 + u64::from(seats) / 4) as u32;
            }
            Plan::Team | Plan::Business if renewal && seats > 1 && self.random.chance(0.012) => {
                next.2 -= 1 + self.random.below(u64::from(seats) / 3) as u32;
            }
            _ => {}
        }
        if renewal && self.random.chance(if yearly { 0.05 } else { 0.010 }) {
            next.1 = !yearly;
        }
        next
    }

    /// A term that another one follows: paid and ended on the day, not cancelled.
    fn supersede(&mut self, at: usize, day: Day) {
        let term = &mut self.terms[at];
        (term.paid_until, term.ended) = (Some(day), Some(day));
    }

    /// The term [from, due) is the last: the customer cancels in it, or cannot be charged at its end.
    fn leave(&mut self, at: usize, unchanged: bool, from: Day, due: Day, main: bool) {
        let voluntary = self.random.chance(if self.terms[at].yearly { 0.9 } else { 0.8 });
        let cancelled = from.plus(1 + self.random.below((due.0 - from.0 - 1) as u64) as i32);
        let at_once = !self.terms[at].yearly && self.random.chance(0.12);
        let undated = unchanged && !at_once && self.terms[at].trial_ends.is_none() && self.random.chance(0.015);
        let reason = self.random.pick(&REASONS);
        let term = &mut self.terms[at];
        if voluntary {
            if cancelled >= AS_OF {
                return;
            }
            (term.cancelled, term.kind, term.reason) = (Some(cancelled), Some("voluntary"), reason);
            if !undated {
                term.paid_until = Some(due);
                term.ended = Some(if at_once { cancelled } else { due }).filter(|day| *day < AS_OF);
            }
        } else {
            let given_up = due.plus(DUNNING_DAYS);
            if due >= AS_OF {
                return;
            }
            term.past_due_since = Some(due);
            if given_up >= AS_OF {
                return;
            }
            (term.cancelled, term.ended, term.paid_until) = (Some(given_up), Some(given_up), Some(due));
            (term.kind, term.reason) = (Some("involuntary"), Some("payment_failed"));
        }
        if !main || due >= AS_OF {
            return;
        }
        if voluntary && !at_once && !undated && self.random.chance(0.08) {
            return self.free(due);
        }
        let away = due.plus(DUNNING_DAYS + 7 + (120.0 * self.random.exponential()) as i32);
        if self.random.chance(0.12) && away < AS_OF {
            let plan = self.random.pick(&SIZES[self.customer.size].plans);
            self.subscribe(plan, away, true);
        }
    }
}
