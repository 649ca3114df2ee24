//! What customers leave behind while they live: use of the product and answers to surveys. Use fades in the weeks before
//! a customer cancels, and answers get worse; a failed payment comes without warning.

use tenure::calendar::Day;

use super::company::{AS_OF, FOUNDED, Plan, USE, month_of};
use super::lives::{Customer, Term};
use crate::random::Random;

pub(super) struct Used {
    pub customer: usize,
    /// The Sunday that closes the week.
    pub on: Day,
    pub feature: &'static str,
    pub quantity: i64,
}

pub(super) struct Answer {
    pub customer: usize,
    pub on: Day,
    pub kind: &'static str,
    /// `None`: invited and not answered (or kind exit, which has a reason instead).
    pub score: Option<i32>,
    pub reason: Option<&'static str>,
}

const FEATURES: [(&str, u32); 4] = [("board", 60), ("automation", 20), ("export", 12), ("api", 8)];

fn has_access(term: &Term, day: Day) -> bool {
    term.started <= day
        && day < term.access_ends()
        && !term.paused.is_some_and(|(from, until)| from <= day && day < until)
}

/// 1, falling to a quarter over the ten weeks before the customer cancels, then a fifth.
fn fading(terms: &[Term], day: Day) -> f64 {
    let next = terms.iter().filter(|t| has_access(t, day)).filter_map(Term::left_voluntarily).max();
    match next.map(|cancelled| cancelled.0 - day.0) {
        Some(days) if days <= 0 => 0.2,
        Some(days) if days < 70 => 0.25 + 0.75 * f64::from(days) / 70.0,
        _ => 1.0,
    }
}

pub(super) fn usage(index: usize, customer: &Customer, terms: &[Term], random: &mut Random, into: &mut Vec<Used>) {
    // 1970-01-04 was a Sunday.
    let mut on = Day(FOUNDED.0 + (3 - FOUNDED.0).rem_euclid(7));
    while on < AS_OF {
        let seats: u32 = terms.iter().filter(|t| has_access(t, on)).map(|t| t.seats).sum();
        let free = terms.iter().any(|t| has_access(t, on) && t.plan == Plan::Free);
        if seats > 0 {
            let level = 9.0 * customer.intensity * libm::pow(f64::from(seats), 0.7) * if free { 0.35 } else { 1.0 };
            let mean = level * USE[month_of(on)] * fading(terms, on) * (0.6 + 0.4 * random.gamma(2.0));
            let quantity = i64::from(random.poisson(mean));
            let feature = random.pick(&FEATURES);
            if quantity > 0 {
                into.push(Used { customer: index, on, feature, quantity });
            }
        }
        on = on.plus(7);
    }
}

pub(super) fn answers(index: usize, customer: &Customer, terms: &[Term], random: &mut Random, into: &mut Vec<Answer>) {
    let mut push = |on: Day, kind, score, reason| {
        if on < AS_OF {
            into.push(Answer { customer: index, on, kind, score, reason });
        }
    };
    // What the customer thinks, between 0 and 10: less the more prone to leave.
    let opinion = 9.4 - 1.7 * customer.frailty;
    let on_scale = |value: f64, least: i32, most: i32| (libm::round(value) as i32).clamp(least, most);
    let mut day = customer.signed_up.plus(60 + random.below(60) as i32);
    while day < AS_OF {
        if terms.iter().any(|t| has_access(t, day)) {
            let now = opinion - 4.0 * (1.0 - fading(terms, day));
            if random.chance(0.5) {
                let score = on_scale(now + 1.6 * random.normal(), 0, 10);
                push(day, "nps", random.chance(0.35).then_some(score), None);
            }
            if random.chance(0.10) {
                let score = on_scale(1.2 + now * 0.38 + 0.8 * random.normal(), 1, 5);
                push(day.plus(random.below(60) as i32), "csat", random.chance(0.55).then_some(score), None);
            }
        }
        day = day.plus(91);
    }
    for term in terms {
        if let Some(ends) = term.trial_ends.filter(|ends| term.access_ends() > *ends) {
            let effort = on_scale(8.2 - 0.6 * opinion + 1.1 * random.normal(), 1, 7);
            push(ends.plus(16), "ces", random.chance(0.4).then_some(effort), None);
        }
        if let Some(cancelled) = term.left_voluntarily().filter(|_| term.plan != Plan::Free) {
            push(cancelled, "exit", None, term.reason);
        }
    }
}
