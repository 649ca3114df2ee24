//! Renewal events: whether a subscription was renewed at the end of each paid term, numbered from its beginning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::renewals_due::RenewalDue;
use super::subscription_spans::paid_from;
use crate::calendar::Day;
use crate::rows::Subscription;

/// The length of a paid term: whole months, or days where `months` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BillingInterval {
    pub months: i32,
    pub days: i32,
}

impl BillingInterval {
    /// The billing interval of a subscription row.
    pub fn of(subscription: &Subscription) -> BillingInterval {
        BillingInterval {
            months: subscription.months,
            days: if subscription.months > 0 { 0 } else { subscription.days },
        }
    }

    /// In words: `month`, `year`, `3 months`, `2 weeks`.
    pub fn name(self) -> String {
        let counted = |n: i32, unit: &str| if n == 1 { unit.to_owned() } else { format!("{n} {unit}s") };
        match self {
            BillingInterval { months, .. } if months > 0 && months % 12 == 0 => counted(months / 12, "year"),
            BillingInterval { months, .. } if months > 0 => counted(months, "month"),
            BillingInterval { days, .. } if days % 7 == 0 => counted(days / 7, "week"),
            BillingInterval { days, .. } => counted(days, "day"),
        }
    }

    /// The number of intervals in a year (of 365 days).
    pub fn per_year(self) -> f64 {
        if self.months > 0 { 12.0 / f64::from(self.months) } else { 365.0 / f64::from(self.days.max(1)) }
    }

    /// An upper bound of the number of intervals within so many days.
    pub fn fits(self, days: i32) -> usize {
        let length = if self.months > 0 { self.months.saturating_mul(28) } else { self.days };
        (days.max(0) / length.max(1)) as usize
    }
}

/// The end of a paid term: the `number`-th of its interval since the subscription began, came back or changed its
/// interval. A customer who leaves within a term is lost at its end, where other customers renew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalEvent {
    pub interval: BillingInterval,
    pub number: usize,
    pub day: Day,
    pub renewed: bool,
}

/// The renewal events of each subscription in order of time.
///
/// The rows of one subscription id are one sequence. Without subscription ids a row is continued by another of the same
/// interval that begins where it was renewed, or up to `gap_days` later; else it is a sequence of its own.
pub fn renewal_events(rows: &[Subscription], renewals_due: &[RenewalDue], gap_days: i32) -> Vec<RenewalEvent> {
    let subscription = |due: &RenewalDue| &rows[due.row as usize];
    let sequence = |due: &RenewalDue| {
        (subscription(due).subscription, if subscription(due).subscription == 0 { due.row } else { 0 })
    };
    let mut renewals_due: Vec<RenewalDue> = renewals_due.to_vec();
    renewals_due.sort_unstable_by_key(|due| (sequence(due), due.term_ends, due.renewed, due.row));
    let mut renewal_events: Vec<RenewalEvent> = vec![];
    let mut renewed = Renewed::default();
    for renewals_due in renewals_due.chunk_by(|a, b| sequence(a) == sequence(b)) {
        let first = subscription(&renewals_due[0]);
        let has_id = first.subscription != 0;
        // The last renewal: its interval and number.
        let mut last = if has_id { None } else { renewed.take(BillingInterval::of(first), paid_from(first), gap_days) };
        for due in renewals_due {
            let interval = BillingInterval::of(subscription(due));
            let number = last.filter(|(same, _)| *same == interval).map_or(1, |(_, number)| number + 1);
            renewal_events.push(RenewalEvent { interval, number, day: due.term_ends, renewed: due.renewed });
            last = due.renewed.then_some((interval, number));
        }
        if let Some((interval, number)) = last.filter(|_| !has_id) {
            renewed.put(interval, renewals_due[renewals_due.len() - 1].term_ends, number);
        }
    }
    renewal_events
}

/// The last renewals of rows without a subscription id: how many terms were renewed in a row, by interval and day.
#[derive(Default)]
struct Renewed(BTreeMap<(BillingInterval, Day), Vec<usize>>);

impl Renewed {
    fn put(&mut self, interval: BillingInterval, day: Day, number: usize) {
        self.0.entry((interval, day)).or_default().push(number);
    }

    /// Takes the renewal that a row which starts at `start` continues, if there is one.
    fn take(&mut self, interval: BillingInterval, start: Day, gap_days: i32) -> Option<(BillingInterval, usize)> {
        let (key, numbers) = self.0.range_mut((interval, start.plus(-gap_days))..=(interval, start)).next_back()?;
        let (key, number) = (*key, numbers.pop()?);
        if numbers.is_empty() {
            self.0.remove(&key);
        }
        Some((interval, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::PackedId;

    fn subscription(subscription: PackedId, months: i32) -> Subscription {
        Subscription { months, subscription, ..Subscription::running(Day(0), 100) }
    }

    #[test]
    fn renewals_are_numbered_by_subscription_and_interval() {
        // Row 0 and 1: one subscription by the month, its plan changed; row 2: the same by the year; row 3: another.
        let rows = [subscription(7, 1), subscription(7, 1), subscription(7, 12), subscription(8, 1)];
        let due = |day, row, renewed| RenewalDue { day: Day(day), renewed, row, term_ends: Day(day) };
        let renewals_due = [
            due(30, 0, true),
            due(35, 3, true),
            due(60, 0, true),
            due(65, 3, false),
            due(90, 1, true),
            due(455, 2, false),
            due(600, 2, true),
        ];
        let found: Vec<_> = renewal_events(&rows, &renewals_due, 0)
            .iter()
            .map(|d| (d.interval.name(), d.number, d.day.0, d.renewed))
            .collect();
        let month = |n, day, renewed| ("month".to_owned(), n, day, renewed);
        let year = |n, day, renewed| ("year".to_owned(), n, day, renewed);
        assert_eq!(
            found,
            [
                month(1, 30, true),
                month(2, 60, true),
                month(3, 90, true),
                // Another interval begins anew, and so does a customer who left and came back.
                year(1, 455, false),
                year(1, 600, true),
                month(1, 35, true),
                month(2, 65, false),
            ]
        );
    }

    #[test]
    fn without_ids_a_row_goes_on_where_another_of_its_kind_was_renewed() {
        // Two rows side by side from day 0, one of them followed by a third on day 60, and one by the year.
        let row = |started, months| Subscription { started: Day(started), ..subscription(0, months) };
        let rows = [row(0, 1), row(0, 1), row(0, 12), row(60, 1)];
        let due = |day, row, renewed| RenewalDue { day: Day(day), renewed, row, term_ends: Day(day) };
        let renewals_due = [
            due(30, 0, true),
            due(30, 1, true),
            due(60, 0, true),
            due(60, 1, true),
            due(90, 1, false),
            due(91, 3, true),
            due(365, 2, true),
        ];
        let found: Vec<_> =
            renewal_events(&rows, &renewals_due, 0).iter().map(|d| (d.number, d.day.0, d.renewed)).collect();
        let expected =
            [(1, 30, true), (2, 60, true), (1, 30, true), (2, 60, true), (3, 90, false), (1, 365, true), (3, 91, true)];
        assert_eq!(found, expected);
    }

    #[test]
    fn who_leaves_within_a_term_is_lost_at_its_end() {
        let rows = [subscription(7, 12)];
        let renewals_due = [RenewalDue { day: Day(60), renewed: false, row: 0, term_ends: Day(366) }];
        let found = renewal_events(&rows, &renewals_due, 0);
        assert_eq!((found[0].number, found[0].day, found[0].renewed), (1, Day(366), false));
    }

    #[test]
    fn intervals_by_name() {
        let name = |months, days| BillingInterval { months, days }.name();
        let found =
            [name(1, 0), name(12, 0), name(3, 0), name(24, 0), name(0, 7), name(0, 14), name(0, 1), name(0, 30)];
        assert_eq!(found, ["month", "year", "3 months", "2 years", "week", "2 weeks", "day", "30 days"]);
    }
}
