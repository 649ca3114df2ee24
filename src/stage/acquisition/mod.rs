//! Stage `acquisition`: how many customers came by which channel, at what cost, and what became of trials.

mod finish;

use super::rows::segment_columns;
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Default, options};
use crate::source_kind::SourceKind;
use crate::table::{TableSchema, Type, column};
use crate::tally::acquired::{self, AcquiredTally};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::labels::{self, LabelIndex, LabelKind};
use crate::tally::money::MoneyMovements;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;

options! {
    /// Options of kind `acquisition`.
    pub struct AcquisitionOptions {
        /// most channels shown, by customers; the rest are `other`
        cap: usize = Accepts::Int { min: 1, max: 1000 }, Default::Value("20");
    }
}

/// See `definition.md`.
pub struct AcquisitionKind;

impl StageKind for AcquisitionKind {
    type Options = AcquisitionOptions;

    const NAME: &'static str = "acquisition";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn check(stage: &StageCheck<'_, AcquisitionOptions>) -> Vec<Refusal> {
        let inputs = stage.inputs;
        let enough = inputs.maps(SourceKind::Customers, "acquired_by")
            || inputs.maps(SourceKind::Customers, "referred_by")
            || inputs.has(SourceKind::AcquisitionCosts)
            || inputs.on_subscriptions() && inputs.maps(SourceKind::Subscriptions, "trial_ends_at");
        let what = "needs at least one of channels, costs or trials";
        let help = "map acquired_by or referred_by of source `customers`, add source `acquisition_costs`, or, on basis \
                    subscriptions, map trial_ends_at";
        Refusal::unless(enough, Refusal::of_stage(what, help))
    }

    fn tables(spec: &StageSpec<AcquisitionOptions>) -> Vec<TableSchema> {
        let mut columns = segment_columns();
        columns.extend([
            column(
                "channel",
                Type::Text,
                "customers.acquired_by; `all` for all channels, `(none)` for customers of whom no channel is known",
            ),
            column("period", Type::Date, "first day of the period"),
            column("new", Type::Int, "new customers, as stage `churn` counts them; NULL where no channel of customers is mapped"),
            column("referred", Type::Int, "new customers whom another referred, or who came by channel `referral`"),
            column("referral_share", Type::Double, "referred / new, of complete periods"),
            column(
                "spend",
                Type::Money,
                "acquisition costs of the period; `all` counts those of no channel too. NULL where there are none, and by segment",
            ),
            column("cac", Type::Double, "spend / new, in major units, of complete periods; NULL where nobody was won"),
            column(
                "payback_periods",
                Type::Double,
                "cac / (arpa × gross_margin): periods until the margin of a customer has paid for it; arpa is everybody's",
            ),
            column("trials_ended", Type::Int, "trials that ended in the period; NULL where none are mapped"),
            column("trial_conversion", Type::Double, "share of trials_ended that became paid, of complete periods"),
            column("maturity", Type::Text, "complete, or partial: counts so far, rates NULL"),
            column("left_truncated", Type::Bool, "too near to observed_from to tell new customers from returning ones"),
        ]);
        let doc = "New customers by channel: who was referred, what they cost, and what became of trials".into();
        vec![TableSchema { name: spec.name.clone(), doc, key: 5, columns }]
    }

    fn build(spec: &StageSpec<AcquisitionOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.period);
        let cap = spec.options.cap;
        let channels = labels::plan(plan, spec.setting.lens(spec.setting.period), LabelKind::Channels, cap);
        Ok(Box::new(Acquisition {
            acquired: acquired::plan(plan, common.index, lens, &spec.segments, (channels, cap)),
            channels,
            headcount: series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments),
            money: series::plan::<MoneyMovements>(plan, common.index, lens, &spec.segments),
            spec: spec.clone(),
            common,
        }))
    }
}

struct Acquisition {
    spec: StageSpec<AcquisitionOptions>,
    common: Common,
    channels: Ref<LabelIndex>,
    acquired: Ref<AcquiredTally>,
    headcount: Ref<PeriodSeries>,
    money: Ref<PeriodSeries>,
}
