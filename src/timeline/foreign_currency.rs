//! Subscriptions in other currencies than `money.currency`.
//!
//! Under the standard policy their MRR is converted at each period boundary at the exchange rate of its day
//! ([`ForeignMoney`]). Where the policy books no movement for exchange rates, each subscription keeps the rate of its
//! last change ([`keep_rates`]).

use std::collections::BTreeSet;

use super::shape::Frame;
use super::subscription_periods::{LiveRange, Subscription};
use crate::calendar::Day;
use crate::exchange::{ConversionError, CurrencyCode, ExchangeRates, OWN_CURRENCY};
use crate::money::MAX_MINOR;
use crate::rows::PackedId;

/// The converted amount, or 0 where the conversion failed. `fault` keeps the first fault (by day and currency).
pub(super) fn or_record_fault(worth: Result<i64, ConversionError>, fault: &mut Option<ConversionError>) -> i64 {
    worth.unwrap_or_else(|found| {
        *fault = Some(fault.map_or(found, |known| known.min(found)));
        0
    })
}

/// What is added to the balance of a currency from boundary `at` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CurrencyChange {
    at: usize,
    currency: CurrencyCode,
    net: i64,
    scheduled: i64,
}

/// The MRR of a customer in a currency.
#[derive(Clone, Copy, Debug)]
struct CurrencyBalance {
    currency: CurrencyCode,
    net: i64,
    scheduled: i64,
}

/// The MRR of a customer at a boundary, over all currencies, in minor units of `money.currency`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BoundaryValue {
    pub money: i64,
    /// `money` at the exchange rates of the boundary before.
    pub valued: i64,
    pub scheduled: i64,
}

/// Visits the boundaries at which a customer has money of other currencies.
#[derive(Default)]
pub(super) struct ForeignMoney {
    changes: Vec<CurrencyChange>,
    held: Vec<CurrencyBalance>,
    /// The next change, and the boundary after the last one visited.
    ahead: usize,
    after: usize,
    /// The last boundary whose exchange rates are known.
    last: usize,
}

impl ForeignMoney {
    pub(super) fn clear(&mut self) {
        self.changes.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Adds a live range that counts at the boundaries from `start` to before `end`; its cancellation is known from
    /// `known_from` on. The currency needs a rate on the first day of every period with a live day, even if the range
    /// touches no boundary.
    pub(super) fn add(
        &mut self,
        frame: &Frame,
        range: &LiveRange,
        (start, known_from, end): (usize, usize, usize),
        fault: &mut Option<ConversionError>,
    ) {
        let LiveRange { currency, mrr, .. } = *range;
        if start >= end {
            or_record_fault(frame.worth(currency, mrr, start.saturating_sub(1)), fault);
        }
        let never = frame.len() + 1;
        for (from, net, scheduled) in [(start, mrr, 0), (known_from, 0, mrr)] {
            if from < end && mrr != 0 {
                self.changes.push(CurrencyChange { at: from, currency, net, scheduled });
                if end < never {
                    self.changes.push(CurrencyChange { at: end, currency, net: -net, scheduled: -scheduled });
                }
            }
        }
    }

    /// Begins with the first boundary. `last`: the last boundary whose exchange rates are known.
    pub(super) fn begin(&mut self, last: usize) {
        self.changes.sort_unstable();
        self.held.clear();
        (self.ahead, self.after, self.last) = (0, 0, last);
    }

    /// The next boundary at which the value may change.
    pub(super) fn next(&self) -> Option<usize> {
        let change = self.changes.get(self.ahead).map(|c| c.at);
        if self.held.is_empty() { change } else { Some(self.after) }
    }

    /// Goes on to boundary `at` and returns the value there. `own`: money and scheduled money in `money.currency`. Each
    /// currency is rounded once.
    pub(super) fn at(
        &mut self,
        frame: &Frame,
        at: usize,
        own: (i64, i64),
        fault: &mut Option<ConversionError>,
    ) -> BoundaryValue {
        while let Some(change) = self.changes.get(self.ahead).filter(|c| c.at <= at) {
            match self.held.iter_mut().find(|h| h.currency == change.currency) {
                Some(held) => {
                    held.net = held.net.saturating_add(change.net);
                    held.scheduled = held.scheduled.saturating_add(change.scheduled);
                }
                None => {
                    let CurrencyChange { currency, net, scheduled, .. } = *change;
                    self.held.push(CurrencyBalance { currency, net, scheduled });
                }
            }
            self.ahead += 1;
        }
        self.held.retain(|h| h.net != 0 || h.scheduled != 0);
        self.after = at + 1;
        let (here, before) = (at.min(self.last), at.saturating_sub(1).min(self.last));
        let mut sum = |own: i64, of: fn(&CurrencyBalance) -> i64, boundary: usize| {
            let each =
                self.held.iter().map(|h| i128::from(or_record_fault(frame.worth(h.currency, of(h), boundary), fault)));
            let all = i128::from(own) + each.sum::<i128>();
            let fits = i64::try_from(all).ok().filter(|_| all <= MAX_MINOR).ok_or(ConversionError::Beyond);
            or_record_fault(fits, fault)
        };
        BoundaryValue {
            money: sum(own.0, |h| h.net, here),
            valued: sum(own.0, |h| h.net, before),
            scheduled: sum(own.1, |h| h.scheduled, here),
        }
    }
}

/// A subscription that a later row of the same id, price and currency may continue: id, currency, MRR, end, and the day
/// whose rate it keeps.
type Going = (PackedId, CurrencyCode, i64, Day, Day);

/// Converts live ranges of other currencies to `money.currency`, each at the exchange rate of its last change. That is
/// the first live day of its row, or of the earlier row that it continues at the same price.
///
/// A row continues one of the same subscription that ends at most `gap_days` before it begins, or later. Where the
/// export has no subscription ids, it continues any row of the same price that ends at most `gap_days` before it
/// begins.
pub(super) fn keep_rates(
    subscriptions: &[Subscription],
    ranges: &mut [LiveRange],
    gap_days: i32,
    rates: &ExchangeRates,
    fault: &mut Option<ConversionError>,
) {
    if ranges.iter().all(|r| r.currency == OWN_CURRENCY) {
        return;
    }
    let mut going: BTreeSet<Going> = BTreeSet::new();
    // The entry of each row in `going`.
    let mut rows: Vec<Option<Going>> = vec![None; subscriptions.len()];
    for range in ranges.iter_mut().filter(|r| r.currency != OWN_CURRENCY) {
        let (row, LiveRange { start, end, currency, mrr, .. }) = (range.row as usize, *range);
        let subscription = subscriptions[row].subscription;
        let rated = match rows[row].take() {
            // The row was seen before: it goes on after a pause.
            Some(before) => {
                going.remove(&before);
                before.4
            }
            None => {
                let latest = if subscription == 0 { start } else { Day::NEVER };
                let of = |end: Day, rated: Day| (subscription, currency, mrr, end, rated);
                let mut earlier = going.range(of(start.plus(-gap_days), Day(i32::MIN))..=of(latest, Day::NEVER));
                match earlier.next_back().copied() {
                    Some(before) => {
                        going.remove(&before);
                        before.4
                    }
                    None => start,
                }
            }
        };
        let now = (subscription, currency, mrr, end, rated);
        going.insert(now);
        rows[row] = Some(now);
        range.mrr = or_record_fault(rates.worth_on(currency, mrr, rated), fault);
        (range.currency, range.rated) = (OWN_CURRENCY, rated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Period;
    use crate::exchange::{Rate, RateRow};
    use crate::money::ExactDecimal;
    use crate::timeline::boundary_states::{MovementInputs, Scratch};
    use crate::timeline::lens::{LiveRule, SubscriptionRule};
    use crate::timeline::movements::{MovementRun, movements};
    use crate::timeline::segments::SegmentDictionary;
    use crate::timeline::shape::{Basis, Shape};
    use crate::timeline::spells::Spell;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    /// A dollar is worth as many pence as the day of March says.
    fn rates() -> ExchangeRates {
        let row = |d: i32| RateRow {
            currency: "USD".into(),
            day: day("2024-03-01").plus(d - 1),
            rate: Rate::new(ExactDecimal { unscaled: d.into(), scale: 2 }).unwrap().0,
        };
        ExchangeRates::new("GBP", 2, (1..=31).map(row).collect()).unwrap()
    }

    /// `from`, `to` (days of March), subscription and price in dollars; the days whose rates they keep.
    fn kept(rows: &[(i32, i32, PackedId, i64)], gap_days: i32) -> Vec<i32> {
        let march = |d: i32| day("2024-03-01").plus(d - 1);
        let subscription = |r: &(i32, i32, PackedId, i64)| Subscription {
            currency: 1,
            subscription: r.2,
            ..Subscription::running(march(r.0), 100 * r.3)
        };
        let subscriptions: Vec<Subscription> = rows.iter().map(subscription).collect();
        let range = |(row, r): (usize, &(i32, i32, PackedId, i64))| LiveRange {
            start: march(r.0),
            end: march(r.1),
            mrr: 100 * r.3,
            currency: 1,
            rated: Day::NEVER,
            cancelled: Day::NEVER,
            row: row as u32,
        };
        let mut ranges: Vec<LiveRange> = rows.iter().enumerate().map(range).collect();
        ranges.sort_unstable();
        let mut fault = None;
        keep_rates(&subscriptions, &mut ranges, gap_days, &rates(), &mut fault);
        assert_eq!(fault, None);
        ranges.sort_unstable_by_key(|r| r.row);
        ranges
            .iter()
            .map(|r| {
                let on = r.rated.0 - march(0).0;
                let dollars = rows[r.row as usize].3;
                assert_eq!((r.currency, r.mrr), (OWN_CURRENCY, dollars * i64::from(on)), "so many pence a dollar");
                on
            })
            .collect()
    }

    #[test]
    fn a_rate_is_kept_until_the_price_changes() {
        // Renewed at the same price, then dearer, then renewed at that.
        assert_eq!(kept(&[(1, 5, 7, 10), (5, 9, 7, 10), (9, 12, 7, 20), (12, 15, 7, 20)], 0), [1, 1, 9, 9]);
        // Back after a gap; unless that is none.
        assert_eq!(kept(&[(1, 5, 7, 10), (7, 9, 7, 10)], 0), [1, 7]);
        assert_eq!(kept(&[(1, 5, 7, 10), (7, 9, 7, 10)], 2), [1, 1]);
        // Another subscription is another matter.
        assert_eq!(kept(&[(1, 5, 7, 10), (5, 9, 8, 10)], 0), [1, 5]);
        // Rows of a subscription that overlap.
        assert_eq!(kept(&[(1, 9, 7, 10), (5, 12, 7, 10)], 0), [1, 1]);
    }

    #[test]
    fn without_ids_a_row_goes_on_from_one_that_ends_there() {
        assert_eq!(kept(&[(1, 5, 0, 10), (5, 9, 0, 10), (9, 12, 0, 20)], 0), [1, 1, 9]);
        // One that runs on is not gone on from, and each row once.
        assert_eq!(kept(&[(1, 9, 0, 10), (5, 12, 0, 10)], 0), [1, 5]);
        assert_eq!(kept(&[(1, 5, 0, 10), (5, 9, 0, 10), (5, 10, 0, 10)], 0), [1, 1, 5]);
    }

    #[test]
    fn of_several_faults_the_first_counts() {
        let mut fault = None;
        assert_eq!(or_record_fault(Ok(5), &mut fault), 5);
        for found in [
            ConversionError::Missing(Day(5), 1),
            ConversionError::Beyond,
            ConversionError::Missing(Day(3), 2),
            ConversionError::Missing(Day(4), 1),
        ] {
            assert_eq!(or_record_fault(Err(found), &mut fault), 0);
        }
        assert_eq!(fault, Some(ConversionError::Missing(Day(3), 2)));
    }

    /// A prediction that looks no further than a day is not changed by rates that came after it.
    #[test]
    fn rates_from_a_lens_end_on_move_nothing() {
        let runs = |later: i128| {
            let row = |on: &str, of: i128| RateRow {
                currency: "USD".into(),
                day: day(on),
                rate: Rate::new(ExactDecimal { unscaled: of, scale: 2 }).unwrap().0,
            };
            let rows =
                vec![row("2024-01-01", 80), row("2024-02-01", 90), row("2024-03-01", 95), row("2024-04-01", later)];
            let (from, to) = (day("2024-01-01"), day("2024-04-01"));
            let monday = jiff::civil::Weekday::Monday;
            let basis = Basis::Subscriptions;
            let shape = Shape::new(basis, (from, to), from, monday, true, false, false, SegmentDictionary::default());
            let shape = shape.with_rates(ExchangeRates::new("GBP", 2, rows).unwrap().into());
            let (frame, until) = (shape.frame(Period::Month), day("2024-03-01"));
            let (start, end) = (day("2024-01-10"), Day::NEVER);
            let range = LiveRange { start, end, mrr: 10_000, currency: 1, rated: end, cancelled: end, row: 0 };
            let rule = LiveRule::Subscriptions(SubscriptionRule::default());
            let (ranges, spells) = ([range], [Spell { start, end }]);
            let of = MovementInputs {
                rule: &rule,
                frame,
                days: &[],
                ranges: &ranges,
                spells: &spells,
                seen_before: false,
                until,
            };
            let (mut scratch, mut runs) = (Scratch::default(), vec![]);
            movements(&of, &mut scratch, &mut runs);
            assert_eq!(scratch.fault, None);
            let text =
                |r: &MovementRun| format!("{}..{} {}→{} {}", r.from, r.to, r.opening, r.closing, r.currency_effect());
            runs.iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(runs(99), ["0..1 0→9000 1000", "1..2 9000→9500 500", "2..3 9500→9500 0"]);
        assert_eq!(runs(12), runs(99));
    }
}
