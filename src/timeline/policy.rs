//! Policies: whose definitions of subscription churn are followed, as seven switches (DEFINITIONS §5).
//!
//! A preset is what a vendor documents; each switch can also be set alone. Five of them decide what is seen of a customer
//! and are part of the lens; two (what a churn rate is a share of, and which one a lifetime value divides by) are read
//! by stages alone, so that policies that differ in nothing else share everything that is folded.

use super::lens::SubscriptionRule;

/// The date at which a subscription's end counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dated {
    /// The end of the time paid for; where that is not known, `ended_at`.
    PaidUntil,
    /// `ended_at`; where that is not known, the end of the time paid for.
    EndedAt,
    /// The cancellation; who ends without one ends as under `EndedAt`.
    CancelledAt,
}

/// What churned customers are a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateOf {
    /// Those live at the period's opening.
    Opening,
    /// Of the thirty days before the period's end: those live at their beginning and the new ones.
    LastThirtyDays,
}

/// What becomes of who joins and leaves within one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Passing {
    /// Neither new nor churned.
    Neither,
    /// New (or returned) and churned.
    Both,
}

/// Where moves of exchange rates are booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateMoves {
    /// As currency_effect.
    CurrencyEffect,
    /// Nowhere: each subscription keeps the rate of its last change.
    NoMovement,
}

/// A free plan after a paid one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FreeAfterPaid {
    Churned,
    /// Live at no money, where it goes on from the paid one.
    LiveAtZero,
}

/// The churn rate that a lifetime value divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LtvRate {
    /// Σ churned / Σ opening over the trailing periods, the present one included.
    Trailing,
    /// The mean of the rates of as many periods before the present one.
    PreviousMean,
}

/// All switches, in the order in which `reconcile` flips them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    pub dated: Dated,
    pub rate_of: RateOf,
    pub passing: Passing,
    /// Who comes back within so many days is a reactivation, later a new customer; `None`: a reactivation always.
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

    /// Every preset by name, the standard first; what a vendor does not document is as standard.
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

    /// The rule of liveness with the switches that decide what is seen of a customer.
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
