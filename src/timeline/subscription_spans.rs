//! Subscription rows as spans of days: from the start of paid time to the end that the policy says, before pauses.

use super::lens::SubscriptionRule;
use super::policy::Dated;
use crate::calendar::Day;
use crate::rows::Subscription;

/// Counts of unusual subscription rows, for table `checks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SubscriptionCounts {
    /// All rows.
    pub rows: i64,
    /// Rows that start at or after as_of: ignored.
    pub after_as_of: i64,
    /// Rows that end by `started_at`.
    pub never_live: i64,
    /// Rows that end within their trial.
    pub trial_outlives: i64,
    /// Rows of amount 0 that are not live because free plans are not.
    pub free: i64,
    /// Rows with a cancellation, but without `ended_at` and `paid_until`: they end at the next renewal date.
    pub end_derived: i64,
    /// Rows that end before as_of.
    pub ended: i64,
    /// Those of `ended` after which a subscription of the customer starts 1 to 3 days later.
    pub resumed_within_3_days: i64,
}

/// The `k`-th renewal date of a subscription whose paid time begins at `start`.
pub(super) fn renewal(subscription: &Subscription, start: Day, k: i32) -> Day {
    if subscription.months > 0 {
        start.plus_months(subscription.months.saturating_mul(k))
    } else {
        start.plus(subscription.days.max(1).saturating_mul(k))
    }
}

/// The first renewal date at or after `day`.
pub(super) fn first_renewal_from(subscription: &Subscription, start: Day, day: Day) -> Day {
    // Begins with a lower bound from the longest length of an interval.
    let days_apart = i64::from(day.0) - i64::from(start.0);
    let mut k = match subscription.months {
        0 => days_apart / i64::from(subscription.days.max(1)),
        months => days_apart / (i64::from(months) * 31),
    }
    .max(1) as i32;
    while renewal(subscription, start, k) < day {
        k += 1;
    }
    renewal(subscription, start, k)
}

/// True for a free plan that is not live by itself.
pub(super) fn is_free(subscription: &Subscription, rule: &SubscriptionRule) -> bool {
    subscription.amount == 0 && !rule.free_is_live
}

/// Cuts the spans of free plans down to what continues a paid plan. A free plan that begins before the paid plan (or a
/// free one that continues it) is over, or at most `gap_days` later, counts as a whole. One beside which a paid plan
/// begins counts from that day. Others are removed.
fn after_paid(
    rows: &[Subscription],
    gap_days: i32,
    wholes: &mut [Option<(Day, Day)>],
    counts: &mut SubscriptionCounts,
) {
    let mut by_start: Vec<usize> = (0..rows.len()).filter(|row| wholes[*row].is_some()).collect();
    by_start.sort_by_key(|row| (wholes[*row], *row));
    let mut reach: Option<Day> = None;
    let mut waiting: Vec<usize> = vec![];
    for row in by_start {
        let Some((start, end)) = wholes[row] else { continue };
        let joined = reach.is_some_and(|day| start <= day.plus(gap_days));
        if rows[row].amount == 0 && !joined {
            waiting.push(row);
            continue;
        }
        if rows[row].amount > 0 {
            for free in waiting.drain(..) {
                wholes[free] = wholes[free].filter(|(_, end)| *end > start).map(|(_, end)| (start, end));
                counts.free += i64::from(wholes[free].is_none());
                reach = reach.max(wholes[free].map(|(_, end)| end));
            }
        }
        reach = reach.max(Some(end));
    }
    counts.free += waiting.len() as i64;
    waiting.into_iter().for_each(|free| wholes[free] = None);
}

/// The span of each row, as it was known before `until`; `None` for rows that are not live.
pub(super) fn whole_ranges(
    rows: &[Subscription],
    rule: &SubscriptionRule,
    until: Day,
    counts: &mut SubscriptionCounts,
) -> Vec<Option<(Day, Day)>> {
    let mut wholes: Vec<Option<(Day, Day)>> = rows.iter().map(|r| whole_range(r, rule, until, counts)).collect();
    if rule.free_after_paid_is_live && !rule.free_is_live {
        after_paid(rows, rule.gap_days, &mut wholes, counts);
    }
    wholes
}

/// The days in which the subscription is paused and not live, `[from, to)`.
pub(super) fn paused(subscription: &Subscription, rule: &SubscriptionRule) -> Option<(Day, Day)> {
    (!rule.paused_is_live
        && subscription.paused_from != Day::NEVER
        && subscription.paused_from < subscription.paused_until)
        .then_some((subscription.paused_from, subscription.paused_until))
}

/// The first day of paid time.
pub(super) fn paid_from(subscription: &Subscription) -> Day {
    if subscription.trial_ends == Day::NEVER {
        subscription.started
    } else {
        subscription.started.max(subscription.trial_ends)
    }
}

/// The span of a row: from the start of paid time to the end, [`Day::NEVER`] while it runs. `None` if the row is never
/// live, or not yet.
fn whole_range(
    subscription: &Subscription,
    rule: &SubscriptionRule,
    until: Day,
    counts: &mut SubscriptionCounts,
) -> Option<(Day, Day)> {
    if subscription.started >= until {
        counts.after_as_of += 1;
        return None;
    }
    if is_free(subscription, rule) && !rule.free_after_paid_is_live {
        counts.free += 1;
        return None;
    }
    let start = paid_from(subscription);
    let end = match end(subscription, rule, start, until, counts) {
        end if end >= until => Day::NEVER,
        end => end,
    };
    if end <= subscription.started {
        counts.never_live += 1;
        return None;
    }
    if end <= start {
        counts.trial_outlives += 1;
        return None;
    }
    (start < until).then_some((start, end))
}

/// The end of a subscription by the date that the policy says. Under the standard policy that is `paid_until`, else
/// `ended_at`, else the first renewal date at or after the cancellation. A subscription cancelled before its paid time
/// begins is never live. A subscription that is past due runs on unless the rule says otherwise.
fn end(
    subscription: &Subscription,
    rule: &SubscriptionRule,
    start: Day,
    until: Day,
    counts: &mut SubscriptionCounts,
) -> Day {
    let known = |day: Day| if day < until { day } else { Day::NEVER };
    let (ended, cancelled, past_due) =
        (known(subscription.ended), known(subscription.cancelled), known(subscription.past_due_since));
    let overdue = past_due != Day::NEVER && ended == Day::NEVER && cancelled == Day::NEVER;
    // An end at or after `until` is not known yet, but shows that paid time goes on beyond `until`.
    let ended_at = subscription.ended.plus(rule.ended_at_inclusive.into());
    let (first, second) = match rule.dated {
        Dated::PaidUntil => (subscription.paid_until, ended_at),
        Dated::EndedAt | Dated::CancelledAt => (ended_at, subscription.paid_until),
    };
    let end = if overdue && rule.past_due_is_live {
        Day::NEVER
    } else if rule.dated == Dated::CancelledAt && cancelled != Day::NEVER {
        cancelled
    } else if first != Day::NEVER {
        first
    } else if second != Day::NEVER {
        second
    } else if cancelled != Day::NEVER {
        counts.end_derived += 1;
        if cancelled < start { start } else { first_renewal_from(subscription, start, cancelled) }
    } else {
        Day::NEVER
    };
    if rule.past_due_is_live { end } else { end.min(past_due) }
}
