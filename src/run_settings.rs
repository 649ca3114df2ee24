//! The settings that every stage and table of a run shares, resolved from the pipeline file.

use crate::calendar::Period;
use crate::tally::interpurchase_gaps::Learning;
use crate::timeline::builtin::Builtin;
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::policy::Policy;
use crate::timeline::purchases::TransactionUnit;
use crate::timeline::shape::Basis;

/// The unit of the models' time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Day,
    Week,
    Month,
}

/// Mean days of a month.
pub const MONTH_DAYS: f64 = 365.25 / 12.0;

impl TimeUnit {
    pub const ALL: [(&'static str, TimeUnit); 3] =
        [("day", TimeUnit::Day), ("week", TimeUnit::Week), ("month", TimeUnit::Month)];

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    pub fn days(self) -> f64 {
        [1.0, 7.0, MONTH_DAYS][self as usize]
    }
}

/// How table `customers` counts a customer's time and transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerMeasures {
    pub time_unit: TimeUnit,
    pub transactions_by: TransactionUnit,
}

/// What all stages of a run share.
#[derive(Clone, Debug)]
pub struct RunSettings {
    pub basis: Basis,
    pub rule: LiveRule,
    /// The definition of subscription churn. The part of it that decides who is live is in `rule`.
    pub policy: Policy,
    /// `calendar.period`: of customers, of the ledger, and of stages that name none.
    pub period: Period,
    /// Minor-unit digits.
    pub digits: u8,
    pub gross_margin: Option<f64>,
    /// A year.
    pub discount_rate: Option<f64>,
    /// Names of the segments, in the order of the dictionary.
    pub segments: Vec<String>,
    /// The segments that the program computes.
    pub builtins: Vec<Builtin>,
    /// Pairs of them that stages cross, which follow them in the dictionary.
    pub crossed: Vec<(usize, usize)>,
    /// How the gaps between purchases are learned, where something depends on them.
    pub learning: Option<Learning>,
    /// Source `transactions` is mapped.
    pub has_transactions: bool,
    /// Orders that make a live customer loyal.
    pub loyal_orders: i64,
    /// Source `acquisition_costs` is mapped.
    pub has_costs: bool,
    /// `customers.acquired_by` is mapped.
    pub has_channels: bool,
    /// That, or `customers.referred_by`.
    pub has_referrals: bool,
    /// `subscriptions.trial_ends_at` is mapped, and subscriptions are what makes a customer live.
    pub has_trials: bool,
    /// Source `usage` is mapped.
    pub has_usage: bool,
    /// Source `surveys` is mapped.
    pub has_surveys: bool,
    /// The lowest and the highest points of nps, csat and ces.
    pub scales: [(i32, i32); 3],
    /// A high score of ces is an easy time, not a hard one.
    pub ces_high_is_ease: bool,
    /// How table `customers` counts time and transactions.
    pub measures: CustomerMeasures,
}

impl RunSettings {
    /// Everything before as_of, by a period.
    pub fn lens(&self, period: Period) -> Lens {
        Lens { period, rule: self.rule, until: None }
    }

    pub fn builtin(&self, builtin: Builtin) -> bool {
        self.builtins.contains(&builtin)
    }

    /// The numbers of a stage's segments in the dictionary, the pair that it crosses among them.
    pub fn with_crossed(&self, segments: &[usize], by: Option<(usize, usize)>) -> Vec<usize> {
        let pair = by.and_then(|by| self.crossed.iter().position(|pair| *pair == by));
        segments.iter().copied().chain(pair.map(|at| self.segments.len() + at)).collect()
    }

    /// The name of a segment of the dictionary.
    pub fn segment_name(&self, segment: usize) -> String {
        match segment.checked_sub(self.segments.len()) {
            None => self.segments[segment].clone(),
            Some(pair) => {
                let (a, b) = self.crossed[pair];
                format!("{} × {}", self.segments[a], self.segments[b])
            }
        }
    }
}
