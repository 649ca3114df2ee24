//! The MRR of a customer at the closing of each age.

use super::ages::Ages;
use crate::calendar::Period;
use crate::exchange::{CurrencyCode, OWN_CURRENCY};
use crate::money::div_half_even;
use crate::timeline::view::View;

/// MRR over ages, as steps `(from, to, mrr)` over the ages `[from, to)`.
type MrrSteps = Vec<(usize, usize, i128)>;

/// What a customer pays at the closing of each age.
pub(super) struct MrrByAge {
    /// At the exchange rates of each closing; `None` if the customer pays in the run's own currency, where this is the same
    /// as `constant`.
    pub(super) current: Option<MrrSteps>,
    /// At constant rates: each currency at the rate of the closing at which the customer first paid in it. Retention of
    /// money is measured by this, so that exchange rates do not count as gain or loss.
    pub(super) constant: MrrSteps,
}

impl MrrByAge {
    pub(super) fn of(view: &View<'_>, ages: &Ages<'_>) -> MrrByAge {
        if view.ranges().iter().any(|r| r.currency != OWN_CURRENCY && r.mrr != 0) {
            return MrrByAge::of_currencies(view, ages);
        }
        let mut changes: Vec<(usize, i128)> = vec![];
        for range in view.ranges().iter().filter(|r| r.end > ages.start) {
            changes.push((ages.of(range.start), range.mrr.into()));
            changes.push((ages.of(range.end), -i128::from(range.mrr)));
        }
        changes.sort_unstable();
        let mut steps = vec![];
        let mut mrr = 0;
        for (i, (age, change)) in changes.iter().enumerate() {
            mrr += change;
            let next = changes.get(i + 1).map_or(ages.count, |c| c.0);
            if mrr != 0 && *age < next {
                steps.push((*age, next, mrr));
            }
        }
        MrrByAge { current: None, constant: steps }
    }

    /// The same for a customer who pays in other currencies, age by age.
    fn of_currencies(view: &View<'_>, ages: &Ages<'_>) -> MrrByAge {
        let mut changes: Vec<(usize, CurrencyCode, i64)> = vec![];
        for range in view.ranges().iter().filter(|r| r.end > ages.start) {
            changes.push((ages.of(range.start), range.currency, range.mrr));
            changes.push((ages.of(range.end), range.currency, -range.mrr));
        }
        changes.sort_unstable();
        // By currency the MRR in its own units, and the boundary whose rate it keeps.
        let mut balances: Vec<(CurrencyCode, i64, Option<usize>)> = vec![];
        let mut paid = MrrByAge { current: Some(vec![]), constant: vec![] };
        let mut ahead = changes.into_iter().peekable();
        let first = ahead.peek().map_or(ages.count, |c| c.0);
        for age in first..ages.count {
            while let Some((_, currency, change)) = ahead.next_if(|c| c.0 == age) {
                match balances.iter_mut().find(|b| b.0 == currency) {
                    Some(balance) => balance.1 = balance.1.saturating_add(change),
                    None => balances.push((currency, change, None)),
                }
            }
            let closing = ages.boundary(age);
            let (mut current, mut constant) = (0, 0);
            for (currency, units, kept) in balances.iter_mut().filter(|b| b.1 != 0) {
                let kept = *kept.get_or_insert(closing);
                // If a rate is missing, the walk ends with an error that says so, and the 0 reaches no table.
                let worth = |boundary| i128::from(ages.frame.worth(*currency, *units, boundary).unwrap_or(0));
                current += worth(closing);
                constant += worth(kept);
            }
            add_step(paid.current.get_or_insert_default(), age, current);
            add_step(&mut paid.constant, age, constant);
            if ahead.peek().is_none() && balances.iter().all(|b| b.1 == 0) {
                break;
            }
        }
        paid
    }
}

/// Adds an age to the steps of the ages before it.
fn add_step(steps: &mut MrrSteps, age: usize, mrr: i128) {
    match steps.last_mut() {
        Some(last) if last.1 == age && last.2 == mrr => last.1 = age + 1,
        _ if mrr != 0 => steps.push((age, age + 1, mrr)),
        _ => {}
    }
}

/// The revenue of a period in which a customer closes with this MRR, for subscriptions without transactions, in the unit of
/// the MRR and rounded half to even.
///
/// A month's revenue is the MRR itself, a quarter's three times it, a year's twelve times, a week's 12/52 of it and a day's
/// 12/365. `unit` is the number of days of an age; `None` if ages are periods.
pub fn revenue_of(mrr: i128, period: Period, unit: Option<i32>) -> i128 {
    let (times, parts) = match (unit, period) {
        (Some(days), _) => (12 * i128::from(days), 365),
        (None, Period::Day) => (12, 365),
        (None, Period::Week) => (12, 52),
        (None, Period::Month) => (1, 1),
        (None, Period::Quarter) => (3, 1),
        (None, Period::Year) => (12, 1),
    };
    div_half_even(mrr * times, parts)
}
