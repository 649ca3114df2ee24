//! Subscription rows → live ranges with their MRR, and the ends of paid terms.

use super::lens::SubscriptionRule;
use super::policy::Dated;
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::exchange::CurrencyCode;
use crate::money::{MAX_MINOR, div_half_even};
use crate::rows::PackedId;
pub use crate::rows::{CancelKind, Subscription};

/// A half-open range of days in which a subscription is live, `end` = [`Day::NEVER`] while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveRange {
    pub start: Day,
    pub end: Day,
    /// Minor units a month, of its currency.
    pub mrr: i64,
    pub currency: CurrencyCode,
    /// The day whose rate it keeps for good, in which case all is in `money.currency`; else [`Day::NEVER`].
    pub rated: Day,
    /// The day on which its cancellation became known, [`Day::NEVER`] if it has none.
    pub cancelled: Day,
    /// Which of the customer's subscription rows it is of.
    pub row: u32,
}

/// A paid term that ended: a renewal date passed, or the subscription's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RenewalDue {
    pub day: Day,
    pub renewed: bool,
    /// Which of the customer's subscription rows it is of.
    pub row: u32,
    /// When the term would have ended, if `day` lies within it.
    pub term_ends: Day,
}

/// Curiosities of subscription rows that are counted in table `checks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SubscriptionCounts {
    pub rows: i64,
    /// Started at or after as_of: ignored.
    pub after_as_of: i64,
    /// `started_at` equals the end.
    pub never_live: i64,
    /// The trial outlives the subscription.
    pub trial_outlives: i64,
    /// amount = 0 while free plans are not live.
    pub free: i64,
    /// No `ended_at`, no `paid_until`, but a cancellation: ends at the next renewal date.
    pub end_derived: i64,
    /// Ends before as_of.
    pub ended: i64,
    /// … of which the same customer starts again 1 to 3 days later.
    pub resumed_within_3_days: i64,
}

/// MRR of an amount per interval, half-even (DEFINITIONS §5): months as they are, a week × 52/12, a day × 365/12.
fn mrr(subscription: &Subscription) -> Result<i64> {
    let amount = i128::from(subscription.amount);
    let monthly = if subscription.months > 0 {
        div_half_even(amount, i128::from(subscription.months))
    } else if subscription.days % 7 == 0 {
        div_half_even(amount * 52, 12 * i128::from((subscription.days / 7).max(1)))
    } else {
        div_half_even(amount * 365, 12 * i128::from(subscription.days.max(1)))
    };
    i64::try_from(monthly).ok().filter(|m| i128::from(*m) <= MAX_MINOR).ok_or_else(|| {
        Error::input("the MRR of a subscription is more than DECIMAL(18) can hold")
            .help("check the unit of `amount` and `interval` of source subscriptions")
    })
}

/// The `k`-th renewal date of a term whose paid time begins at `start`.
fn renewal(subscription: &Subscription, start: Day, k: i32) -> Day {
    if subscription.months > 0 {
        start.plus_months(subscription.months.saturating_mul(k))
    } else {
        start.plus(subscription.days.max(1).saturating_mul(k))
    }
}

/// The first renewal date at or after `day`.
fn first_renewal_from(subscription: &Subscription, start: Day, day: Day) -> Day {
    // A lower bound from the mean length of an interval, then step.
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

/// The live ranges of a customer's subscription rows under a rule, sorted; and, where `renewals_due` is given, the ends of
/// paid terms before `until`, sorted.
///
/// An end or cancellation at or after `until` is not yet known: the subscription runs.
///
/// # Errors
/// When an MRR, or the sum of a customer's, is beyond DECIMAL(18).
pub fn live_ranges(
    rows: &[Subscription],
    rule: &SubscriptionRule,
    until: Day,
    ranges: &mut Vec<LiveRange>,
    renewals_due: &mut Vec<RenewalDue>,
    counts: &mut SubscriptionCounts,
) -> Result<()> {
    ranges.clear();
    renewals_due.clear();
    let wholes = whole_ranges(rows, rule, until, counts);
    counts.rows += rows.len() as i64;
    let mut total = 0i128;
    for (row, (subscription, whole)) in (0..).zip(rows.iter().zip(&wholes)) {
        let Some((start, end)) = *whole else { continue };
        let mrr = mrr(subscription)?;
        total += i128::from(mrr);
        let cancelled = if subscription.cancelled < until { subscription.cancelled } else { Day::NEVER };
        let mut push = |start: Day, end: Day| {
            if start < end && start < until {
                ranges.push(LiveRange {
                    start,
                    end,
                    mrr,
                    currency: subscription.currency,
                    rated: Day::NEVER,
                    cancelled,
                    row,
                });
            }
        };
        match paused(subscription, rule) {
            Some((from, to)) if from < end && to > start => {
                push(start, from.max(start));
                push(to, end);
            }
            _ => push(start, end),
        }
    }
    if total > MAX_MINOR {
        return Err(Error::input("the MRR of one customer is more than DECIMAL(18) can hold")
            .help("check the unit of `amount` of source subscriptions"));
    }
    ranges.sort_unstable();
    ends_of_terms(rows, &wholes, ranges, rule, until, renewals_due, counts);
    Ok(())
}

/// A plan for nothing where such are not live by themselves.
fn is_free(subscription: &Subscription, rule: &SubscriptionRule) -> bool {
    subscription.amount == 0 && !rule.free_is_live
}

/// Of free plans, leaves what goes on from a paid one: from the day on which a paid plan begins beside it, or all of it
/// where it begins before the paid one (or a free one that went on from that) is over, or at most `gap_days` later.
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

/// The ranges of all rows before pauses, as they were known before `until`.
fn whole_ranges(
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

/// A row that is live on a day, as it was known by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningSubscription {
    /// First day of the customer's first live row.
    pub since: Day,
    /// The day on which its cancellation became known, [`Day::NEVER`] if none was.
    pub cancelled: Day,
    /// When its paid term ends: the next renewal date, or of one that was cancelled what the export says is paid.
    pub renews: Option<Day>,
    /// A term's length: that many months, or days where it is none.
    pub months: i32,
    pub days: i32,
}

/// The rows that are live on the day before `until`, by what was known then.
pub fn running(rows: &[Subscription], rule: &SubscriptionRule, until: Day, mut each: impl FnMut(RunningSubscription)) {
    if rows.iter().all(|r| r.started >= until) {
        return;
    }
    let wholes = whole_ranges(rows, rule, until, &mut SubscriptionCounts::default());
    let Some(since) = wholes.iter().flatten().map(|(start, _)| *start).min() else { return };
    let yesterday = until.plus(-1);
    for (subscription, whole) in rows.iter().zip(wholes) {
        let Some((start, end)) = whole.filter(|(start, end)| (*start..*end).contains(&yesterday)) else { continue };
        if paused(subscription, rule).is_some_and(|(from, to)| from < end && (from..to).contains(&yesterday)) {
            continue;
        }
        let cancelled = if subscription.cancelled < until { subscription.cancelled } else { Day::NEVER };
        // Who has called it off has the last day paid for; what costs nothing is paid for no term.
        let last_paid =
            Some(subscription.paid_until).filter(|day| cancelled != Day::NEVER && *day >= until && *day != Day::NEVER);
        let renews = (subscription.amount > 0)
            .then(|| last_paid.unwrap_or_else(|| first_renewal_from(subscription, start, until)));
        each(RunningSubscription { since, cancelled, renews, months: subscription.months, days: subscription.days });
    }
}

/// Renewals and ends. An end is a renewal too where it goes on: with the same subscription or another that starts there
/// (a plan change), or, where the export has no subscription ids to tell them apart, with any that is live there. In the
/// middle of a paid term going on is no decision and does not count; nor does the end of what is paused.
fn ends_of_terms(
    rows: &[Subscription],
    wholes: &[Option<(Day, Day)>],
    ranges: &[LiveRange],
    rule: &SubscriptionRule,
    until: Day,
    renewals_due: &mut Vec<RenewalDue>,
    counts: &mut SubscriptionCounts,
) {
    let mut starts: Vec<Day> = wholes.iter().flatten().map(|(start, _)| *start).collect();
    starts.sort_unstable();
    let of_subscription = rows.iter().zip(wholes).filter_map(|(r, whole)| Some((r.subscription, (*whole)?)));
    let of_customer = EndIndex::new(ranges.iter().map(|r| (0, (r.start, r.end))));
    let same = EndIndex::new(of_subscription);
    for (row, (subscription, whole)) in (0..).zip(rows.iter().zip(wholes)) {
        let Some((start, end)) = *whole else { continue };
        // What costs nothing is paid for no term.
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

/// Which ranges reach beyond a day, by subscription: a reseller may have a million of them.
pub(super) struct EndIndex {
    /// Subscription, start, and the latest end of all of the subscription that start no later; sorted.
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

    /// Whether a range of the subscription starts by `start` and ends after `day`.
    pub(super) fn passes(&self, subscription: PackedId, start: Day, day: Day) -> bool {
        let after = self.ranges.partition_point(|r| (r.0, r.1) <= (subscription, start));
        after > 0 && self.ranges[after - 1].0 == subscription && day < self.ranges[after - 1].2
    }
}

/// Renewal dates that passed while the subscription ran.
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

fn paused(subscription: &Subscription, rule: &SubscriptionRule) -> Option<(Day, Day)> {
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

/// From the start of paid time to the end, before pauses; `None` if the row is never live or not yet.
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

/// When the subscription ends, by the date that the policy says. Under the standard policy that is `paid_until`, falling
/// back to `ended_at`, falling back to the first renewal date at or after the cancellation (called off before paid time
/// begins, it never begins). What is past due runs on unless the rule says otherwise.
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
    // One at or after as_of is not yet known, but tells that paid time goes on beyond it.
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

#[cfg(test)]
mod tests {
    use super::*;

    const N: Day = Day::NEVER;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn subscription(started: &str, amount: i64, months: i32) -> Subscription {
        Subscription { months, ..Subscription::running(day(started), amount) }
    }

    fn rule() -> SubscriptionRule {
        SubscriptionRule::default()
    }

    /// Live ranges with their MRR, and due dates with whether they were renewed.
    type Evaluated = (Vec<(String, String, i64)>, Vec<(String, bool)>, SubscriptionCounts);

    fn look(subscriptions: &[Subscription], rule: &SubscriptionRule) -> Evaluated {
        let (mut ranges, mut renewals_due, mut counts) = (vec![], vec![], SubscriptionCounts::default());
        live_ranges(subscriptions, rule, day("2024-07-01"), &mut ranges, &mut renewals_due, &mut counts).unwrap();
        let ranges = ranges.iter().map(|r| (r.start.to_string(), r.end.to_string(), r.mrr)).collect();
        (ranges, renewals_due.iter().map(|d| (d.day.to_string(), d.renewed)).collect(), counts)
    }

    #[test]
    fn intervals_become_months_exactly() {
        let mrr_of =
            |amount, months, days| mrr(&Subscription { days, ..subscription("2024-01-01", amount, months) }).unwrap();
        assert_eq!(
            [mrr_of(12_000, 12, 0), mrr_of(100, 3, 0), mrr_of(1200, 0, 7), mrr_of(1200, 0, 14), mrr_of(12, 0, 1)],
            [1000, 33, 5200, 2600, 365]
        );
    }

    #[test]
    fn a_trial_delays_and_a_pause_splits() {
        let t = Subscription {
            trial_ends: day("2024-01-15"),
            paused_from: day("2024-02-01"),
            paused_until: day("2024-03-01"),
            ended: day("2024-04-15"),
            ..subscription("2024-01-01", 1000, 1)
        };
        let (ranges, renewals_due, _) = look(&[t], &rule());
        assert_eq!(
            ranges,
            [("2024-01-15".into(), "2024-02-01".into(), 1000), ("2024-03-01".into(), "2024-04-15".into(), 1000)]
        );
        assert_eq!(renewals_due, [("2024-03-15".into(), true), ("2024-04-15".into(), false)]);
    }

    #[test]
    fn a_cancellation_without_an_end_runs_to_the_next_renewal() {
        let t = Subscription { cancelled: day("2024-03-10"), ..subscription("2024-01-31", 1000, 1) };
        let (ranges, _, counts) = look(&[t], &rule());
        assert_eq!((ranges[0].1.as_str(), counts.end_derived), ("2024-03-31", 1));
    }

    #[test]
    fn past_due_is_live_unless_told() {
        let t = Subscription {
            paid_until: day("2024-05-01"),
            past_due_since: day("2024-05-01"),
            ..subscription("2024-01-01", 1000, 1)
        };
        assert_eq!(look(&[t], &rule()).0[0].1, "9999-12-31");
        assert_eq!(look(&[t], &SubscriptionRule { past_due_is_live: false, ..rule() }).0[0].1, "2024-05-01");
    }

    #[test]
    fn a_plan_change_is_no_renewal_unless_it_falls_on_one() {
        let change = |on| {
            [Subscription { ended: day(on), ..subscription("2024-01-01", 12_000, 12) }, subscription(on, 24_000, 12)]
        };
        assert_eq!(look(&change("2024-03-05"), &rule()).1, []);
        let monthly = [
            Subscription { ended: day("2024-02-01"), ..subscription("2024-01-01", 1000, 1) },
            Subscription { ended: day("2024-03-01"), ..subscription("2024-02-01", 2000, 1) },
        ];
        assert_eq!(look(&monthly, &rule()).1, [("2024-02-01".into(), true), ("2024-03-01".into(), false)]);
    }

    #[test]
    fn who_has_called_it_off_has_the_last_day_paid_for() {
        // By the year from 7 September, but paid until the company's own year ends in July.
        let row = Subscription { paid_until: day("2024-07-07"), ..subscription("2023-09-07", 1000, 12) };
        let renews = |row: Subscription, until: &str| {
            let mut found = None;
            running(&[row], &rule(), day(until), |live| found = live.renews);
            found
        };
        assert_eq!(renews(row, "2024-06-30"), Some(day("2024-09-07")));
        let called_off = Subscription { cancelled: day("2024-06-19"), ..row };
        assert_eq!(renews(called_off, "2024-06-30"), Some(day("2024-07-07")));
        // Not yet known; not paid to any day.
        assert_eq!(renews(called_off, "2024-06-19"), Some(day("2024-09-07")));
        assert_eq!(renews(Subscription { paid_until: N, ..called_off }, "2024-06-30"), Some(day("2024-09-07")));
    }

    #[test]
    fn an_end_is_dated_by_the_policy() {
        let dated = |subscription: Subscription, dated: Dated| {
            look(&[subscription], &SubscriptionRule { dated, ..rule() }).0[0].1.clone()
        };
        let all = Subscription {
            cancelled: day("2024-03-10"),
            ended: day("2024-03-20"),
            paid_until: day("2024-04-01"),
            ..subscription("2024-01-01", 1000, 1)
        };
        let ends = [Dated::PaidUntil, Dated::EndedAt, Dated::CancelledAt].map(|by| dated(all, by));
        assert_eq!(ends, ["2024-04-01", "2024-03-20", "2024-03-10"]);
        // Ended without a cancellation; cancelled without an end; the time paid for ran out.
        let involuntary = Subscription { cancelled: N, ..all };
        assert_eq!(dated(involuntary, Dated::CancelledAt), "2024-03-20");
        let open = Subscription { ended: N, paid_until: N, ..all };
        let ends = [Dated::PaidUntil, Dated::EndedAt, Dated::CancelledAt].map(|by| dated(open, by));
        assert_eq!(ends, ["2024-04-01", "2024-04-01", "2024-03-10"]);
        let run_out = Subscription { ended: N, cancelled: N, ..all };
        let ends = [Dated::PaidUntil, Dated::EndedAt, Dated::CancelledAt].map(|by| dated(run_out, by));
        assert_eq!(ends, ["2024-04-01"; 3]);
    }

    #[test]
    fn a_free_plan_is_live_where_it_goes_on_from_a_paid_one() {
        let plan = |from: &str, to: &str, amount| Subscription { ended: day(to), ..subscription(from, amount, 1) };
        let live = |subscriptions: &[Subscription], gap_days| {
            let rule = SubscriptionRule { free_after_paid_is_live: true, gap_days, ..rule() };
            let (ranges, renewals_due, counts) = look(subscriptions, &rule);
            let text = ranges.iter().map(|(from, to, mrr)| format!("{}–{} {mrr}", &from[5..], &to[5..]));
            (text.collect::<Vec<_>>().join(", "), renewals_due.len(), counts.free)
        };
        let paid = plan("2024-02-01", "2024-03-01", 1000);
        // One end of a paid term, and no term of a free plan.
        let after = [paid, plan("2024-03-01", "2024-05-10", 0)];
        assert_eq!(live(&after, 0), ("02-01–03-01 1000, 03-01–05-10 0".into(), 1, 0));
        // A free one from the beginning counts from the paid one on; with a gap it is another story.
        let beside = [paid, plan("2024-01-01", "2024-06-01", 0), plan("2024-06-01", "2024-06-10", 0)];
        assert_eq!(live(&beside, 0).0, "02-01–03-01 1000, 02-01–06-01 0, 06-01–06-10 0");
        let apart = [plan("2024-01-01", "2024-02-01", 0), paid, plan("2024-03-02", "2024-04-01", 0)];
        assert_eq!(live(&apart, 0), ("02-01–03-01 1000".into(), 1, 2));
        assert_eq!(live(&apart, 1), ("02-01–03-01 1000, 03-02–04-01 0".into(), 1, 1));
    }

    #[test]
    fn what_never_lives_is_counted() {
        let same = Subscription { ended: day("2024-01-01"), ..subscription("2024-01-01", 1000, 1) };
        let trial = Subscription {
            trial_ends: day("2024-03-01"),
            ended: day("2024-02-01"),
            ..subscription("2024-01-01", 1000, 1)
        };
        let late = subscription("2024-07-01", 1000, 1);
        let (ranges, renewals_due, counts) = look(&[same, trial, late, subscription("2024-01-01", 0, 1)], &rule());
        assert_eq!((ranges.len(), renewals_due.len()), (0, 0));
        let expected = SubscriptionCounts {
            rows: 4,
            after_as_of: 1,
            never_live: 1,
            trial_outlives: 1,
            free: 1,
            ..SubscriptionCounts::default()
        };
        assert_eq!(counts, expected);
    }
}
