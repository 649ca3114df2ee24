//! Policies: vendors' definitions of subscription churn as seven switches (DEFINITIONS §5).
//!
//! A preset is what a vendor documents; each switch can also be set alone. Five switches change how a customer is
//! evaluated and are part of the lens. The other two (the denominator of the churn rate, and the churn rate of a
//! lifetime value) are read by stages alone, so that policies that differ in these share all folds.

use super::lens::SubscriptionRule;

/// The date at which a subscription's end counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dated {
    /// The end of the time paid for; where that is not known, `ended_at`.
    PaidUntil,
    /// `ended_at`; where that is not known, the end of the time paid for.
    EndedAt,
    /// The cancellation; without one as under `EndedAt`.
    CancelledAt,
}

/// The denominator of the churn rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateOf {
    /// The customers live at the period's opening.
    Opening,
    /// In the thirty days before the period's end: the customers live at their beginning, and the new ones.
    LastThirtyDays,
}

/// How a customer counts who joins and leaves within one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Passing {
    /// Neither new nor churned.
    Neither,
    /// New (or returned) and churned.
    Both,
}

/// How changes of exchange rates are booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateMoves {
    /// As `currency_effect`.
    CurrencyEffect,
    /// Not at all: each subscription keeps the rate of its last change.
    NoMovement,
}

/// How a customer counts whose paid plan is followed by a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FreeAfterPaid {
    Churned,
    /// Live with no money, if the free plan continues the paid one.
    LiveAtZero,
}

/// The churn rate that a lifetime value divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LtvRate {
    /// Σ churned / Σ opening over the trailing periods, with the current one.
    Trailing,
    /// The mean of the rates of as many periods before the current one.
    PreviousMean,
}

/// All switches, in the order in which `reconcile` flips them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    pub dated: Dated,
    pub rate_of: RateOf,
    pub passing: Passing,
    /// A customer who comes back within so many days is reactivated, later they are new; `None`: always reactivated.
    pub reactivation: Option<i32>,
    pub rate_moves: RateMoves,
    pub free_after_paid: FreeAfterPaid,
    pub ltv_rate: LtvRate,
}

impl Policy {
    pub const STANDARD: Policy = Policy {
        dated: Dated::PaidUntil,
        rate_of: RateOf::Opening,
        passing: Passing::Neither,
        reactivation: None,
        rate_moves: RateMoves::CurrencyEffect,
        free_after_paid: FreeAfterPaid::Churned,
        ltv_rate: LtvRate::Trailing,
    };

    /// Every preset by name, the standard first. Switches that a vendor does not document are as in the standard.
    pub const PRESETS: [(&'static str, Policy); 5] = [
        ("standard", Policy::STANDARD),
        (
            "chartmogul",
            Policy {
                dated: Dated::EndedAt,
                rate_moves: RateMoves::NoMovement,
                free_after_paid: FreeAfterPaid::LiveAtZero,
                ltv_rate: LtvRate::PreviousMean,
                ..Policy::STANDARD
            },
        ),
        (
            "stripe",
            Policy {
                dated: Dated::CancelledAt,
                rate_of: RateOf::LastThirtyDays,
                passing: Passing::Both,
                ..Policy::STANDARD
            },
        ),
        ("profitwell", Policy::STANDARD),
        ("maxio", Policy { passing: Passing::Both, reactivation: Some(90), ..Policy::STANDARD }),
    ];

    /// `rule` with those switches that change how a customer is evaluated.
    pub fn rule(self, rule: SubscriptionRule) -> SubscriptionRule {
        SubscriptionRule {
            dated: self.dated,
            passing_counts: self.passing == Passing::Both,
            reactivation: self.reactivation,
            rates_move: self.rate_moves == RateMoves::CurrencyEffect,
            free_after_paid_is_live: self.free_after_paid == FreeAfterPaid::LiveAtZero,
            ..rule
        }
    }

    /// This policy with one switch as `other` has it.
    pub fn flipped(self, switch: Switch, other: Policy) -> Policy {
        match switch {
            Switch::ChurnDated => Policy { dated: other.dated, ..self },
            Switch::ChurnRate => Policy { rate_of: other.rate_of, ..self },
            Switch::WithinPeriod => Policy { passing: other.passing, ..self },
            Switch::Reactivation => Policy { reactivation: other.reactivation, ..self },
            Switch::ExchangeRateMoves => Policy { rate_moves: other.rate_moves, ..self },
            Switch::FreeAfterPaid => Policy { free_after_paid: other.free_after_paid, ..self },
            Switch::LtvChurnRate => Policy { ltv_rate: other.ltv_rate, ..self },
        }
    }
}

/// A switch by the name of its key in the pipeline file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Switch {
    ChurnDated,
    ChurnRate,
    WithinPeriod,
    Reactivation,
    ExchangeRateMoves,
    FreeAfterPaid,
    LtvChurnRate,
}

impl Switch {
    /// In the order of the definitions' table.
    pub const ALL: [(&'static str, Switch); 7] = [
        ("churn_dated", Switch::ChurnDated),
        ("churn_rate", Switch::ChurnRate),
        ("within_period", Switch::WithinPeriod),
        ("reactivation", Switch::Reactivation),
        ("exchange_rate_moves", Switch::ExchangeRateMoves),
        ("free_after_paid", Switch::FreeAfterPaid),
        ("ltv_churn_rate", Switch::LtvChurnRate),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flipping_every_switch_turns_one_policy_into_the_other() {
        for (name, policy) in Policy::PRESETS {
            let turned = Switch::ALL.iter().fold(Policy::STANDARD, |now, (_, switch)| now.flipped(*switch, policy));
            assert_eq!(turned, policy, "{name}");
        }
    }
}
