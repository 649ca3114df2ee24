//! Stage `exit_reasons`: why customers left, and what went with them.

mod finish;

use super::rows::segment_columns;
use super::{Common, Kind, OptionSpec, OptionType, Spec, Stage, no_scores};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::table::{TableSchema, Type, column};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::exits::{self, ExitsTally};
use crate::tally::labels::{self, LabelIndex, Of};
use crate::tally::money::Money;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;

pub const KIND: Kind = Kind {
    name: "exit_reasons",
    doc: include_str!("definition.md"),
    options: OPTIONS,
    tables,
    scores: no_scores,
    build,
};

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "cap",
    doc: "most reasons shown, by customers; the rest are `other`",
    accepts: OptionType::Int { min: 1, max: 1000 },
    later: &[],
    default: "20",
}];

struct ExitReasons {
    spec: Spec,
    common: Common,
    reasons: Ref<LabelIndex>,
    exits: Ref<ExitsTally>,
    headcount: Ref<PeriodSeries>,
    money: Ref<PeriodSeries>,
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let lens = spec.setting.lens(spec.period);
    let cap = spec.options.int("cap").unwrap_or(20) as usize;
    let reasons = labels::plan(plan, spec.setting.lens(spec.setting.period), Of::Reasons, cap);
    Ok(Box::new(ExitReasons {
        exits: exits::plan(plan, common.index, lens, &spec.segments, (reasons, cap)),
        reasons,
        headcount: series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments),
        money: series::plan::<Money>(plan, common.index, lens, &spec.segments),
        spec: spec.clone(),
        common,
    }))
}

fn tables(spec: &Spec) -> Vec<TableSchema> {
    let mut columns = segment_columns();
    columns.extend([
        column("period", Type::Date, "first day of the period"),
        column("reason", Type::Text, "why they left, in the export's words; `no answer` where nobody knows"),
        column("kind", Type::Text, "voluntary, involuntary, or unknown: who ended it"),
        column("customers", Type::Int, "customers who churned, as stage `churn` counts them"),
        column("share", Type::Double, "customers / churned of the period, of complete periods"),
        column(
            "revenue_lost",
            Type::Money,
            "their money at the opening, positive: what stage `revenue_churn` books as churned with a minus",
        ),
        column("maturity", Type::Text, "complete, or partial: counts so far, share NULL"),
    ]);
    let doc = "Who left in each period and what went with them, by reason and by who ended it".into();
    vec![TableSchema { name: spec.name.clone(), doc, key: 6, columns }]
}
