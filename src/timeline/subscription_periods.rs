//! Subscription rows as live ranges of days with their monthly recurring revenue (MRR).

use super::lens::SubscriptionRule;
use super::renewals_due::{EndIndex, RenewalDue, ends_of_terms};
use super::subscription_spans::{SubscriptionCounts, first_renewal_from, paused, whole_ranges};
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::exchange::CurrencyCode;
use crate::money::{MAX_MINOR, div_half_even};
pub use crate::rows::{CancelKind, Subscription};

/// A half-open range of days in which a subscription is live, `end` = [`Day::NEVER`] while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveRange {
    pub start: Day,
    pub end: Day,
    /// Monthly recurring revenue in minor units of `currency`.
    pub mrr: i64,
    pub currency: CurrencyCode,
    /// The day whose exchange rate the range keeps; `mrr` is then in `money.currency`. Else [`Day::NEVER`].
    pub rated: Day,
    /// The day on which its cancellation became known; [`Day::NEVER`] without one.
    pub cancelled: Day,
    /// The index of its row among the customer's subscription rows.
    pub row: u32,
}

/// The MRR of a subscription, rounded half to even (DEFINITIONS §5): amount ÷ months, weekly amount × 52/12, daily
/// amount × 365/12.
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

/// Computes the live ranges of a customer's subscription rows under a rule, and the ends of paid terms before `until`,
/// both sorted.
///
/// An end or cancellation at or after `until` is not known yet: the subscription is still running.
///
/// # Errors
/// Input: an MRR, or the sum of a customer's, is more than DECIMAL(18) can hold.
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
    let of_customer = EndIndex::new(ranges.iter().map(|r| (0, (r.start, r.end))));
    ends_of_terms(rows, &wholes, &of_customer, rule, until, renewals_due, counts);
    Ok(())
}

/// A subscription row that is live on a day, with what was known by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningSubscription {
    /// First day of the customer's first live row.
    pub since: Day,
    /// The day on which its cancellation became known; [`Day::NEVER`] without one.
    pub cancelled: Day,
    /// The end of its paid term: the next renewal date or, of a cancelled subscription, `paid_until`. `None` if it is
    /// free.
    pub renews: Option<Day>,
    /// The length of a term: so many months, or days where `months` is 0.
    pub months: i32,
    pub days: i32,
}

/// Calls `each` with the rows that are live on the day before `until`, by what was known then.
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
        // A cancelled subscription lasts until the last day that was paid for. A free one has no paid term.
        let last_paid =
            Some(subscription.paid_until).filter(|day| cancelled != Day::NEVER && *day >= until && *day != Day::NEVER);
        let renews = (subscription.amount > 0)
            .then(|| last_paid.unwrap_or_else(|| first_renewal_from(subscription, start, until)));
        each(RunningSubscription { since, cancelled, renews, months: subscription.months, days: subscription.days });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::policy::Dated;

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

    /// Live ranges with their MRR, ends of paid terms with whether they were renewed, and counts.
    type RangesAndEnds = (Vec<(String, String, i64)>, Vec<(String, bool)>, SubscriptionCounts);

    fn periods(subscriptions: &[Subscription], rule: &SubscriptionRule) -> RangesAndEnds {
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
        let (ranges, renewals_due, _) = periods(&[t], &rule());
        assert_eq!(
            ranges,
            [("2024-01-15".into(), "2024-02-01".into(), 1000), ("2024-03-01".into(), "2024-04-15".into(), 1000)]
        );
        assert_eq!(renewals_due, [("2024-03-15".into(), true), ("2024-04-15".into(), false)]);
    }

    #[test]
    fn a_cancellation_without_an_end_runs_to_the_next_renewal() {
        let t = Subscription { cancelled: day("2024-03-10"), ..subscription("2024-01-31", 1000, 1) };
        let (ranges, _, counts) = periods(&[t], &rule());
        assert_eq!((ranges[0].1.as_str(), counts.end_derived), ("2024-03-31", 1));
    }

    #[test]
    fn past_due_is_live_unless_told() {
        let t = Subscription {
            paid_until: day("2024-05-01"),
            past_due_since: day("2024-05-01"),
            ..subscription("2024-01-01", 1000, 1)
        };
        assert_eq!(periods(&[t], &rule()).0[0].1, "9999-12-31");
        assert_eq!(periods(&[t], &SubscriptionRule { past_due_is_live: false, ..rule() }).0[0].1, "2024-05-01");
    }

    #[test]
    fn a_plan_change_is_no_renewal_unless_it_falls_on_one() {
        let change = |on| {
            [Subscription { ended: day(on), ..subscription("2024-01-01", 12_000, 12) }, subscription(on, 24_000, 12)]
        };
        assert_eq!(periods(&change("2024-03-05"), &rule()).1, []);
        let monthly = [
            Subscription { ended: day("2024-02-01"), ..subscription("2024-01-01", 1000, 1) },
            Subscription { ended: day("2024-03-01"), ..subscription("2024-02-01", 2000, 1) },
        ];
        assert_eq!(periods(&monthly, &rule()).1, [("2024-02-01".into(), true), ("2024-03-01".into(), false)]);
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
            periods(&[subscription], &SubscriptionRule { dated, ..rule() }).0[0].1.clone()
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
            let (ranges, renewals_due, counts) = periods(subscriptions, &rule);
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
        let (ranges, renewals_due, counts) = periods(&[same, trial, late, subscription("2024-01-01", 0, 1)], &rule());
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
