//! Spells: maximal half-open ranges of days in which a customer is live (DEFINITIONS §2).

use super::lens::LiveRule;
use super::rows::DayRow;
use super::shape::Frame;
use super::subscription_periods::LiveRange;
use crate::calendar::Day;

/// `[start, end)`; `end` = [`Day::NEVER`] where no end is known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    pub start: Day,
    pub end: Day,
}

/// True if spell number `which` is that of a new customer. The first is, unless the company knew the customer before. A
/// later one is if the gap before it is longer than `reactivation` days.
pub fn begins_anew(spells: &[Spell], which: usize, seen_before: bool, reactivation: Option<i32>) -> bool {
    match which {
        0 => !seen_before,
        n => reactivation.is_some_and(|days| spells[n].start > spells[n - 1].end.plus(days)),
    }
}

/// Computes the spells of a customer, in order of time. `until`: a spell that reaches it has no end yet.
///
/// Under [`LiveRule::Period`] a spell covers whole periods. One that ends where a partial last period begins may still
/// continue: its state in that period is [`CustomerState::Undecided`](super::customer_state::CustomerState::Undecided).
pub fn spells(
    rule: &LiveRule,
    frame: &Frame,
    days: &[DayRow],
    ranges: &[LiveRange],
    until: Day,
    into: &mut Vec<Spell>,
) {
    into.clear();
    let mut join = |start: Day, end: Day, gap: i32| match into.last_mut() {
        Some(last) if start <= last.end.plus(gap) => last.end = last.end.max(end),
        _ => into.push(Spell { start, end }),
    };
    let active = days.iter().filter(|d| d.active > 0);
    match rule {
        LiveRule::Period => active.for_each(|d| {
            let period = frame.grid.at(d.day);
            join(frame.grid.start(period), frame.grid.end(period), 0);
        }),
        LiveRule::Window(window) => active.for_each(|d| join(d.day, d.day.plus(*window), 0)),
        // A learned window has become a Window before.
        LiveRule::Learned => {}
        LiveRule::Subscriptions(rule) => ranges.iter().for_each(|r| join(r.start, r.end, rule.gap_days)),
    }
    if let Some(last) = into.last_mut()
        && last.end >= until
    {
        last.end = Day::NEVER;
    }
}
