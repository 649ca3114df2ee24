//! Stage `acquisition`: how many customers came by which channel, at what cost, and what became of trials.

mod finish;

use super::rows::segment_columns;
use super::{Common, Kind, OptionSpec, OptionType, Spec, Stage, no_scores};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::table::{TableSchema, Type, column};
use crate::tally::acquired::{self, AcquiredTally};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::labels::{self, LabelIndex, Of};
use crate::tally::money::Money;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;

pub const KIND: Kind = Kind {
    name: "acquisition",
    doc: include_str!("definition.md"),
    options: OPTIONS,
    tables,
    scores: no_scores,
    build,
};

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "cap",
    doc: "most channels shown, by customers; the rest are `other`",
    accepts: OptionType::Int { min: 1, max: 1000 },
    later: &[],
    default: "20",
}];

struct Acquisition {
    spec: Spec,
    common: Common,
    channels: Ref<LabelIndex>,
    acquired: Ref<AcquiredTally>,
    headcount: Ref<PeriodSeries>,
    money: Ref<PeriodSeries>,
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let lens = spec.setting.lens(spec.period);
    let cap = spec.options.int("cap").unwrap_or(20) as usize;
    let channels = labels::plan(plan, spec.setting.lens(spec.setting.period), Of::Channels, cap);
    Ok(Box::new(Acquisition {
        acquired: acquired::plan(plan, common.index, lens, &spec.segments, (channels, cap)),
        channels,
        headcount: series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments),
        money: series::plan::<Money>(plan, common.index, lens, &spec.segments),
        spec: spec.clone(),
        common,
    }))
}

fn tables(spec: &Spec) -> Vec<TableSchema> {
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
