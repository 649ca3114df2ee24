//! The way of looking at a customer's rows: which period, which rule of liveness, up to which day.
//!
//! Spells and movements are properties of a customer *under a lens*: a weekly cohort, a policy of another vendor and a
//! backtest look through other lenses at the same rows. Equal lenses are computed once per customer.

use std::fmt;

use crate::calendar::{Day, Period};

/// Which subscription rows are live, and until when (DEFINITIONS §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TermRule {
    /// `ended_at` is the last live day rather than the first that is not.
    pub ended_at_inclusive: bool,
    /// Ranges at most this many days apart are one spell.
    pub gap_days: i32,
    pub free_is_live: bool,
    pub paused_is_live: bool,
    pub past_due_is_live: bool,
}

/// What makes a customer live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LiveRule {
    /// `churn_after = "1 period"`: live in each period with activity.
    Period,
    /// `churn_after = "N days"`: each activity keeps the customer live for N days.
    Window(i32),
    /// `churn_after = { quantile = … }`: likewise, for as many days as were learned for customers of the kind.
    Learned,
    Terms(TermRule),
}

impl fmt::Display for LiveRule {
    /// `live for 90 days after each activity`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LiveRule::Period => f.write_str("live in each period with activity"),
            LiveRule::Window(1) => f.write_str("live on the days of activity"),
            LiveRule::Window(days) => write!(f, "live for {days} days after each activity"),
            LiveRule::Learned => f.write_str("live for the learned window after each activity"),
            LiveRule::Terms(_) => f.write_str("live while a subscription is"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lens {
    pub period: Period,
    pub rule: LiveRule,
    /// Exclusive: nothing dated from here on is seen; `None`: as_of.
    pub until: Option<Day>,
}

impl fmt::Display for Lens {
    /// `by month, live in each period with activity`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by {}, {}", self.period.name(), self.rule)?;
        self.until.map_or(Ok(()), |day| write!(f, ", seen before {day}"))
    }
}
