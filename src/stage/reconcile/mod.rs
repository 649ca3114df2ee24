//! Stage `reconcile`: the same customers by every policy, and which switch makes which part of the difference.

mod finish;
mod measures;

use super::rates::{self, MovementCounts};
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::{Error, Result};
use crate::options::NoOptions;
use crate::table::{TableSchema, Type, column};
use crate::tally::money::MoneyMovements;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;
use crate::timeline::lens::{Lens, LiveRule};
use crate::timeline::policy::{Policy, Switch};

/// See `definition.md`.
pub struct ReconcileKind;

impl StageKind for ReconcileKind {
    type Options = NoOptions;

    const NAME: &'static str = "reconcile";
    const DEFINITION: &'static str = include_str!("definition.md");

    const BY_SEGMENT: bool = false;

    fn check(stage: &StageCheck<'_, NoOptions>) -> Vec<Refusal> {
        let what = "compares vendors' policies of subscription churn, and the basis is transactions";
        let help = "remove the stage: on transactions, churn_after defines churn";
        Refusal::unless(stage.inputs.on_subscriptions(), Refusal::of_stage(what, help))
    }

    fn tables(spec: &StageSpec<NoOptions>) -> Vec<TableSchema> {
        let columns = vec![
            column(
                "policy",
                Type::Text,
                "standard, chartmogul, stripe, profitwell, maxio; `pipeline` for the pipeline's own policy where it is none of these",
            ),
            column("period", Type::Date, "first day of the period"),
            column(
                "measure",
                Type::Text,
                "opening, new, returned, churned, closing: customers; mrr_…: movements of money; churn_rate, gross_churn_rate; ltv",
            ),
            column(
                "switch",
                Type::Text,
                "NULL: the policy's own figure; else a switch in which it differs from standard, and its part of the difference",
            ),
            column(
                "amount",
                Type::Double,
                "customers, money in major units, or a rate; NULL where the figure, or one of the two that a part is between, \
                 is not known",
            ),
            column(
                "exact",
                Type::Int,
                "the same as a whole number, of money its minor units: adds up to the last one. NULL of rates and ltv",
            ),
        ];
        let doc =
            "Churn by every vendor's policy, and what each switch contributes to its difference from standard".into();
        vec![TableSchema { name: spec.name.clone(), doc, key: 4, columns }]
    }

    fn build(spec: &StageSpec<NoOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let LiveRule::Subscriptions(rule) = spec.setting.rule else {
            return Err(Error::internal("policies are of subscriptions, and the basis is transactions"));
        };
        let mut seen: Vec<PolicyCounts> = vec![];
        let mut look = |policy: Policy| {
            seen.iter().position(|s| s.policy == policy).unwrap_or_else(|| {
                let lens = Lens { rule: LiveRule::Subscriptions(policy.rule(rule)), ..spec.setting.lens(spec.period) };
                let counts = rates::plan(plan, common.index, lens, &[], policy);
                seen.push(PolicyCounts {
                    policy,
                    counts,
                    money: series::plan::<MoneyMovements>(plan, common.index, lens, &[]),
                });
                seen.len() - 1
            })
        };
        let ways = policies(spec.setting.policy).map(|(name, policy)| Way {
            name,
            from: look(Policy::STANDARD),
            steps: steps(policy).map(|(switch, policy)| (switch, look(policy))).collect(),
        });
        Ok(Box::new(Reconcile { ways: ways.collect(), spec: spec.clone(), seen }))
    }
}

/// The name of the pipeline's own policy where it is none of the presets.
const AS_CONFIGURED: &str = "pipeline";

struct Reconcile {
    spec: StageSpec<NoOptions>,
    /// Every combination of switches that occurs on a way from the standard policy to another, once.
    seen: Vec<PolicyCounts>,
    /// By policy: where its way begins, and each switch that is flipped with where it leads.
    ways: Vec<Way>,
}

/// A policy, and what was counted by it.
struct PolicyCounts {
    policy: Policy,
    counts: MovementCounts,
    money: Ref<PeriodSeries>,
}

struct Way {
    name: &'static str,
    /// Numbers of what was seen.
    from: usize,
    steps: Vec<(&'static str, usize)>,
}

/// Switches in which a policy differs from the standard one, each with the policy that stands once it and those before
/// it are flipped.
fn steps(to: Policy) -> impl Iterator<Item = (&'static str, Policy)> {
    let flip = move |now: &mut Policy, (name, switch): (&'static str, Switch)| {
        let before = std::mem::replace(now, now.flipped(switch, to));
        Some((name, before != *now, *now))
    };
    let all = Switch::ALL.into_iter().scan(Policy::STANDARD, flip);
    all.filter(|(_, differs, _)| *differs).map(|(name, _, policy)| (name, policy))
}

/// The presets, and the pipeline's own policy if it is another.
fn policies(own: Policy) -> impl Iterator<Item = (&'static str, Policy)> {
    let is_preset = Policy::PRESETS.iter().any(|(_, preset)| *preset == own);
    Policy::PRESETS.into_iter().chain((!is_preset).then_some((AS_CONFIGURED, own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_flips_what_differs_in_the_order_of_the_table_and_ends_at_the_policy() {
        let ways = Policy::PRESETS.map(|(name, policy)| {
            assert_eq!(steps(policy).last().map_or(Policy::STANDARD, |step| step.1), policy, "{name}");
            steps(policy).map(|step| step.0).collect::<Vec<_>>().join(", ")
        });
        let expected = [
            "",
            "churn_dated, exchange_rate_moves, free_after_paid, ltv_churn_rate",
            "churn_dated, churn_rate, within_period",
            "",
            "within_period, reactivation",
        ];
        assert_eq!(ways, expected);
    }

    #[test]
    fn the_pipelines_own_policy_is_one_more_where_it_is_none_of_the_presets() {
        let names = |own| policies(own).map(|p| p.0).collect::<Vec<_>>();
        assert_eq!(names(Policy::STANDARD).len(), 5);
        let own = Policy { reactivation: Some(30), ..Policy::STANDARD };
        assert_eq!(names(own).last(), Some(&AS_CONFIGURED));
    }
}
