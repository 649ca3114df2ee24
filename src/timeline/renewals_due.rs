//! The ends of paid terms, and whether the subscription was renewed there.

use super::lens::SubscriptionRule;
use super::subscription_spans::{SubscriptionCounts, first_renewal_from, is_free, paused, renewal};
use crate::calendar::Day;
use crate::rows::{PackedId, Subscription};

/// The end of a paid term: a renewal date that passed, or the end of the subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RenewalDue {
    pub day: Day,
    pub renewed: bool,
    /// The index of its row among the customer's subscription rows.
    pub row: u32,
    /// The end of the term; later than `day` if the subscription ended within it.
    pub term_ends: Day,
}

/// Lists the renewals and ends of all rows before `until`, sorted. `wholes`: the span of each row. `of_customer`: all
/// live ranges of the customer, under the id 0.
///
/// An end counts as a renewal if the customer continues: with another row of the same subscription, with another
/// subscription that starts there (a plan change) or, where the export has no subscription ids, with any row that is
/// live there. An end within a paid term that is continued is no renewal and is left out, and so is the end of a paused
/// subscription.
pub(super) fn ends_of_terms(
    rows: &[Subscription],
    wholes: &[Option<(Day, Day)>],
    of_customer: &EndIndex,
    rule: &SubscriptionRule,
    until: Day,
    renewals_due: &mut Vec<RenewalDue>,
    counts: &mut SubscriptionCounts,
) {
    let mut starts: Vec<Day> = wholes.iter().flatten().map(|(start, _)| *start).collect();
    starts.sort_unstable();
    let of_subscription = rows.iter().zip(wholes).filter_map(|(r, whole)| Some((r.subscription, (*whole)?)));
    let same = EndIndex::new(of_subscription);
    for (row, (subscription, whole)) in (0..).zip(rows.iter().zip(wholes)) {
        let Some((start, end)) = *whole else { continue };
        // A free plan has no paid term.
        if is_free(subscription, rule) {
            continue;
        }
        terms_due(subscription, row, rule, (start, end), until, renewals_due);
        if end >= until {
            continue;
        }
        let starts_in = |from: i32, to: i32| {
            let next = starts.partition_point(|s| *s < end.plus(from));
            starts.get(next).is_some_and(|s| *s <= end.plus(to))
        };
        counts.ended += 1;
        counts.resumed_within_3_days += i64::from(starts_in(1, 3));
        if paused(subscription, rule).is_some_and(|(from, to)| (from..to).contains(&end.plus(-1))) {
            continue;
        }
        let is_continued = if subscription.subscription == 0 {
            of_customer.passes(0, end.plus(rule.gap_days), end)
        } else {
            starts_in(0, rule.gap_days) || same.passes(subscription.subscription, end, end)
        };
        let term_ends = first_renewal_from(subscription, start, end);
        if !is_continued || term_ends == end {
            renewals_due.push(RenewalDue { day: end, renewed: is_continued, row, term_ends });
        }
    }
    renewals_due.sort_unstable();
}

/// Finds the latest end of the ranges of a subscription that start by some day, in logarithmic time: a reseller may
/// have a million ranges.
pub(super) struct EndIndex {
    /// Sorted: subscription, start, and the latest end of all ranges of the subscription up to this one.
    ranges: Vec<(PackedId, Day, Day)>,
}

impl EndIndex {
    pub(super) fn new(ranges: impl Iterator<Item = (PackedId, (Day, Day))>) -> EndIndex {
        let mut ranges: Vec<_> = ranges.map(|(subscription, (start, end))| (subscription, start, end)).collect();
        ranges.sort_unstable();
        for i in 1..ranges.len() {
            if ranges[i].0 == ranges[i - 1].0 {
                ranges[i].2 = ranges[i].2.max(ranges[i - 1].2);
            }
        }
        EndIndex { ranges }
    }

    /// True if a range of the subscription starts by `start` and ends after `day`.
    pub(super) fn passes(&self, subscription: PackedId, start: Day, day: Day) -> bool {
        let after = self.ranges.partition_point(|r| (r.0, r.1) <= (subscription, start));
        after > 0 && self.ranges[after - 1].0 == subscription && day < self.ranges[after - 1].2
    }
}

/// Lists the renewal dates that passed while the subscription ran.
fn terms_due(
    subscription: &Subscription,
    row: u32,
    rule: &SubscriptionRule,
    (start, end): (Day, Day),
    until: Day,
    renewals_due: &mut Vec<RenewalDue>,
) {
    let pause = paused(subscription, rule);
    for k in 1.. {
        let day = renewal(subscription, start, k);
        if day >= end || day >= until {
            break;
        }
        if pause.is_none_or(|(from, to)| !(from..to).contains(&day)) {
            renewals_due.push(RenewalDue { day, renewed: true, row, term_ends: day });
        }
    }
}
