//! DEFINITIONS §2, §3, §5 for subscriptions: terms, ends, renewals and MRR.

use super::{Book, Person, Range, live_before};
use crate::days::{Day, NEVER, half_even, plus_months};
use crate::scenario::{Dated, Rule, Subscription, Switches};

impl Book<'_> {
    pub fn switches(&self) -> Switches {
        match self.scenario.rule {
            Rule::Subscriptions(switches) => switches,
            Rule::Transactions { .. } => Switches::default(),
        }
    }

    /// The end of a subscription as far as it is known: `NEVER` while it runs.
    pub fn end(&self, s: &Subscription) -> Day {
        let ended = s.ended.map(|d| if self.switches().ended_at_inclusive { d + 1 } else { d });
        let paid_out =
            self.cancelled(s).map(|c| (1..).map(|k| renewal(s, k)).find(|r| *r >= c).expect("renewals go on for ever"));
        // Overdue and neither ended nor cancelled: `past_due = "live"` says that it runs on.
        let known = |day: Option<Day>| day.is_some_and(|d| d < self.as_of);
        let overdue = known(s.past_due_since) && !known(s.ended) && !known(s.cancelled);
        if overdue && self.switches().past_due_is_live {
            return NEVER;
        }
        let end = match self.switches().policy.dated {
            Dated::PaidUntil => s.paid_until.or(ended).or(paid_out),
            Dated::EndedAt => ended.or(s.paid_until).or(paid_out),
            Dated::CancelledAt => self.cancelled(s).or(ended).or(s.paid_until),
        }
        .unwrap_or(NEVER);
        if end >= self.as_of { NEVER } else { end }
    }

    /// A cancellation that is known.
    pub fn cancelled(&self, s: &Subscription) -> Option<Day> {
        s.cancelled.filter(|c| *c < self.as_of)
    }

    /// From the first paid day to the end, pauses not taken out; nothing of what is never live.
    fn whole(&self, person: &Person, s: &Subscription, switches: Switches) -> Option<Range> {
        let free = |s: &Subscription| s.cents == 0 && !switches.free_is_live;
        if !free(s) {
            return self.own(s, switches);
        }
        if !switches.policy.free_after_paid_is_live {
            return None;
        }
        // What is paid for, and what is free and goes on from there: as long as one more is found.
        let of_others = person.subscriptions.iter().filter(|o| !free(o)).filter_map(|o| self.own(o, switches));
        let paid: Vec<Range> = of_others.collect();
        let mut reached = paid.clone();
        let mut left: Vec<&Subscription> = person.subscriptions.iter().copied().filter(|o| free(o)).collect();
        loop {
            let goes_on = |o: &Subscription| {
                let (start, end) = self.own(o, switches)?;
                let from_another = |r: &&Range| r.0 <= start && start - r.1 <= switches.gap_days;
                if reached.iter().any(|r| from_another(&r)) {
                    return Some((start, end));
                }
                // A paid one begins beside it.
                paid.iter().map(|r| r.0).filter(|day| start < *day && *day < end).min().map(|day| (day, end))
            };
            let found = left.iter().enumerate().find_map(|(i, o)| Some((i, goes_on(o)?)));
            let (i, range) = found?;
            if std::ptr::eq(left.remove(i), s) {
                return Some(range);
            }
            reached.push(range);
        }
    }

    /// The same of a row by itself.
    fn own(&self, s: &Subscription, switches: Switches) -> Option<Range> {
        let (start, mut end) = (paid_from(s), self.end(s));
        if let (Some(since), false) = (s.past_due_since, switches.past_due_is_live) {
            end = end.min(since);
        }
        Some((start, end)).filter(|r| r.0 < r.1 && r.0 < self.as_of)
    }

    /// Where one subscription is live.
    pub fn live_ranges(&self, person: &Person, s: &Subscription, switches: Switches) -> Vec<Range> {
        let Some((start, end)) = self.whole(person, s, switches) else { return vec![] };
        let mut ranges = vec![(start, end)];
        if let (Some(from), false) = (s.paused_from, switches.paused_is_live) {
            ranges = vec![(start, end.min(from)), (start.max(s.paused_until.unwrap_or(NEVER)), end)];
        }
        // What starts at or after as_of (the end of a pause, say) is not known.
        ranges.retain(|r| r.0 < r.1 && r.0 < self.as_of);
        ranges
    }

    /// Renewals and ends of a customer's subscriptions in a period: (due, lost).
    pub fn due(&self, person: &Person, range: Range) -> (i64, i64) {
        let switches = self.switches();
        let (mut due, mut lost) = (0, 0);
        let end_of_period = self.closing(range);
        // What costs nothing is paid for no term.
        for s in person.subscriptions.iter().filter(|s| s.cents > 0 || switches.free_is_live) {
            let live = self.live_ranges(person, s, switches);
            let overdue = s.past_due_since.filter(|_| !switches.past_due_is_live).unwrap_or(NEVER);
            let end = self.end(s).min(overdue);
            let renewals: Vec<Day> = (1..).map(|k| renewal(s, k)).take_while(|r| *r < end_of_period).collect();
            for day in range.0..end_of_period {
                let is_renewal = renewals.contains(&day);
                if live_before(&live, day + 1) {
                    due += i64::from(is_renewal);
                } else if day == end && live_before(&live, day) {
                    // It goes on as itself, or as a row whose paid time starts there: a plan change.
                    let outlived = person.subscriptions.iter().filter(|o| !std::ptr::eq(*o, s)).any(|o| {
                        let Some(whole) = self.whole(person, o, switches) else { return false };
                        let starts = (day..=day + switches.gap_days).contains(&whole.0);
                        starts || o.number == s.number && whole.0 <= day && day < whole.1
                    });
                    due += i64::from(!outlived || is_renewal);
                    lost += i64::from(!outlived);
                }
            }
        }
        (due, lost)
    }
}

fn paid_from(s: &Subscription) -> Day {
    s.started.max(s.trial_ends.unwrap_or(s.started))
}

/// (months, days) of a billing interval.
fn interval(s: &Subscription) -> (i64, i64) {
    let text = s.interval.unwrap_or("month");
    let (number, unit) = text.split_once(' ').unwrap_or(("1", text));
    let number: i64 = number.parse().expect("an interval such as `3 months`");
    match unit.trim_end_matches('s') {
        "day" => (0, number),
        "week" => (0, 7 * number),
        "month" => (number, 0),
        "quarter" => (3 * number, 0),
        "year" => (12 * number, 0),
        other => panic!("no interval {other}"),
    }
}

/// The `k`-th renewal of the paid term.
pub fn renewal(s: &Subscription, k: i64) -> Day {
    let (months, days) = interval(s);
    plus_months(paid_from(s), months * k) + days * k
}

/// Monthly recurring revenue of one subscription, in minor units.
pub fn mrr(s: &Subscription) -> i128 {
    let cents = i128::from(s.cents);
    match interval(s) {
        (0, days) if days % 7 == 0 => half_even(cents * 52 * 7, 12 * i128::from(days)),
        (0, days) => half_even(cents * 365, 12 * i128::from(days)),
        (months, _) => half_even(cents, i128::from(months)),
    }
}
