//! Free trials, and whether they became paid subscriptions.

use super::lens::SubscriptionRule;
use super::renewals_due::EndIndex;
use super::subscription_periods::LiveRange;
use crate::calendar::Day;
use crate::rows::{PackedId, Subscription};

/// A trial that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trial {
    /// The first day after the trial.
    pub ended: Day,
    /// True if paid time began there.
    pub converted: bool,
}

/// The trials of a customer that ended before `until`, by their subscription and end.
///
/// A row that starts before its `trial_ends_at` is a trial. Rows of one subscription with the same date are one trial;
/// later rows that repeat the date are none. A trial ends on that date, or with its last row before it. It is converted
/// if a paid range of the subscription is live there, or begins at most `gap_days` later. Where the export has no
/// subscription ids, any paid range of the customer counts.
pub fn trials(subscriptions: &[Subscription], ranges: &[LiveRange], rule: &SubscriptionRule, until: Day) -> Vec<Trial> {
    let known = |day: Day| if day < until { day } else { Day::NEVER };
    let last = |t: &Subscription| match known(t.ended) {
        Day::NEVER => known(t.paid_until),
        day => day.plus(rule.ended_at_inclusive.into()),
    };
    let is_trial = |t: &Subscription| t.trial_ends != Day::NEVER && t.started < t.trial_ends && t.started < until;
    // Rows without a subscription id are trials of their own, told apart by their index.
    let mut rows: Vec<(PackedId, usize, Day, Day)> = subscriptions
        .iter()
        .enumerate()
        .filter(|(_, t)| is_trial(t))
        .map(|(i, t)| {
            (t.subscription, if t.subscription == 0 { i } else { 0 }, t.trial_ends, t.trial_ends.min(last(t)))
        })
        .collect();
    if rows.is_empty() {
        return vec![];
    }
    rows.sort_unstable();
    let paid = || ranges.iter().filter(|r| subscriptions[r.row as usize].amount > 0);
    let of_customer = EndIndex::new(paid().map(|r| (0, (r.start, r.end))));
    let same = EndIndex::new(paid().map(|r| (subscriptions[r.row as usize].subscription, (r.start, r.end))));
    let trials = rows.chunk_by(|a, b| (a.0, a.1, a.2) == (b.0, b.1, b.2)).filter_map(|rows| {
        let subscription = rows[0].0;
        let ended = rows[rows.len() - 1].3;
        let reach = if subscription == 0 { &of_customer } else { &same };
        let converted = reach.passes(subscription, ended.plus(rule.gap_days), ended);
        (ended < until).then_some(Trial { ended, converted })
    });
    trials.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::subscription_periods::live_ranges;
    use crate::timeline::subscription_spans::SubscriptionCounts;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn subscription(started: &str, trial_ends: &str, subscription: PackedId) -> Subscription {
        Subscription { trial_ends: day(trial_ends), subscription, ..Subscription::running(day(started), 1000) }
    }

    fn found(subscriptions: &[Subscription]) -> Vec<(String, bool)> {
        let rule = SubscriptionRule::default();
        let until = day("2024-07-01");
        let (mut ranges, mut renewals_due, mut counts) = (vec![], vec![], SubscriptionCounts::default());
        live_ranges(subscriptions, &rule, until, &mut ranges, &mut renewals_due, &mut counts).unwrap();
        trials(subscriptions, &ranges, &rule, until).iter().map(|t| (t.ended.to_string(), t.converted)).collect()
    }

    #[test]
    fn a_trial_becomes_paid_or_ends() {
        let paid = subscription("2024-01-01", "2024-01-15", 1);
        let came_to_nothing = Subscription { ended: day("2024-01-15"), ..paid };
        let called_off = Subscription { ended: day("2024-01-09"), ..paid };
        let still_running = subscription("2024-06-20", "2024-07-04", 1);
        let last_seen = subscription("2024-06-17", "2024-07-01", 1);
        assert_eq!(found(&[paid]), [("2024-01-15".into(), true)]);
        assert_eq!(found(&[came_to_nothing]), [("2024-01-15".into(), false)]);
        assert_eq!(found(&[called_off]), [("2024-01-09".into(), false)]);
        assert_eq!((found(&[still_running]), found(&[last_seen])), (vec![], vec![]));
    }

    #[test]
    fn rows_of_one_trial_are_one_and_later_rows_are_none() {
        // The plan changed on 8 January, and again when it was paid.
        let first = Subscription { ended: day("2024-01-08"), ..subscription("2024-01-01", "2024-01-15", 1) };
        let second = Subscription { ended: day("2024-03-15"), ..subscription("2024-01-08", "2024-01-15", 1) };
        let third = subscription("2024-03-15", "2024-01-15", 1);
        assert_eq!(found(&[first, second, third]), [("2024-01-15".into(), true)]);
        // Another customer's trial of another subscription at the same time came to nothing.
        let other = Subscription { ended: day("2024-01-15"), ..subscription("2024-01-01", "2024-01-15", 2) };
        assert_eq!(found(&[second, other]), [("2024-01-15".into(), true), ("2024-01-15".into(), false)]);
    }

    #[test]
    fn a_free_trial_row_goes_on_as_a_paid_row() {
        let trial = Subscription { amount: 0, ended: day("2024-01-15"), ..subscription("2024-01-01", "2024-01-15", 1) };
        let paid = Subscription { subscription: 1, ..Subscription::running(day("2024-01-15"), 1000) };
        let free = Subscription { amount: 0, ..paid };
        assert_eq!(found(&[trial, paid]), [("2024-01-15".into(), true)]);
        assert_eq!(found(&[trial, free]), [("2024-01-15".into(), false)]);
        let without_ids = [trial, paid].map(|t| Subscription { subscription: 0, ..t });
        assert_eq!(found(&without_ids), [("2024-01-15".into(), true)]);
    }
}
