//! A lens: the period, the rule of when a customer is live, and the day up to which rows are used.
//!
//! Spells and movements are properties of a customer *under a lens*. A weekly cohort, another vendor's policy and a
//! backtest use other lenses on the same rows. Equal lenses are evaluated once per customer.

use std::fmt;

use super::policy::Dated;
use crate::calendar::{Day, Period};

/// Which subscription rows are live, and until when (DEFINITIONS §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionRule {
    /// `ended_at` is the last live day rather than the first that is not.
    pub ended_at_inclusive: bool,
    /// Ranges at most this many days apart are one spell.
    pub gap_days: i32,
    pub free_is_live: bool,
    pub paused_is_live: bool,
    pub past_due_is_live: bool,
    /// The date at which an end counts.
    pub dated: Dated,
    /// A customer who joins and leaves within a period counts as new (or returned) and as churned in it.
    pub passing_counts: bool,
    /// A customer who comes back after more than so many days counts as new; `None`: always as returned.
    pub reactivation: Option<i32>,
    /// Money follows the exchange rates; else each subscription keeps the rate of its last change.
    pub rates_move: bool,
    /// A free plan that continues a paid one is live.
    pub free_after_paid_is_live: bool,
}

/// The standard policy: paid and past due subscriptions are live.
impl Default for SubscriptionRule {
    fn default() -> SubscriptionRule {
        SubscriptionRule {
            ended_at_inclusive: false,
            gap_days: 0,
            free_is_live: false,
            paused_is_live: false,
            past_due_is_live: true,
            dated: Dated::PaidUntil,
            passing_counts: false,
            reactivation: None,
            rates_move: true,
            free_after_paid_is_live: false,
        }
    }
}

/// What makes a customer live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LiveRule {
    /// `churn_after = "1 period"`: live in each period with activity.
    Period,
    /// `churn_after = "N days"`: each activity keeps the customer live for N days.
    Window(i32),
    /// `churn_after = { quantile = … }`: as `Window`, for the days learned for the customer's frequency class.
    Learned,
    Subscriptions(SubscriptionRule),
}

impl SubscriptionRule {
    /// Writes the differences to the standard policy: `, to ended_at, …`.
    fn policy(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dated {
            Dated::PaidUntil => {}
            Dated::EndedAt => f.write_str(", to ended_at")?,
            Dated::CancelledAt => f.write_str(", to cancelled_at")?,
        }
        if self.passing_counts {
            f.write_str(", passing within a period counts")?;
        }
        if let Some(days) = self.reactivation {
            write!(f, ", new again after {days} days")?;
        }
        if !self.rates_move {
            f.write_str(", at the exchange rate of its last change")?;
        }
        if self.free_after_paid_is_live {
            f.write_str(", free after paid too")?;
        }
        Ok(())
    }
}

impl LiveRule {
    /// [`SubscriptionRule::passing_counts`]; false on transactions.
    pub fn passing_counts(&self) -> bool {
        matches!(self, LiveRule::Subscriptions(rule) if rule.passing_counts)
    }

    /// [`SubscriptionRule::reactivation`]; `None` on transactions.
    pub fn reactivation(&self) -> Option<i32> {
        if let LiveRule::Subscriptions(rule) = self { rule.reactivation } else { None }
    }
}

impl fmt::Display for LiveRule {
    /// `live for 90 days after each activity`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LiveRule::Period => f.write_str("live in each period with activity"),
            LiveRule::Window(1) => f.write_str("live on the days of activity"),
            LiveRule::Window(days) => write!(f, "live for {days} days after each activity"),
            LiveRule::Learned => f.write_str("live for the learned window after each activity"),
            LiveRule::Subscriptions(rule) => {
                f.write_str("live while a subscription is")?;
                rule.policy(f)
            }
        }
    }
}

/// How a customer's rows are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lens {
    /// The periods between whose boundaries customers move.
    pub period: Period,
    /// When a customer is live.
    pub rule: LiveRule,
    /// Exclusive: rows dated from here on are ignored; `None`: as_of.
    pub until: Option<Day>,
}

impl fmt::Display for Lens {
    /// `by month, live in each period with activity`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by {}, {}", self.period.name(), self.rule)?;
        self.until.map_or(Ok(()), |day| write!(f, ", seen before {day}"))
    }
}
