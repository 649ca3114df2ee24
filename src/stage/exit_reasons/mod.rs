//! Stage `exit_reasons`: why customers left, and what went with them.

mod finish;

use super::rows::segment_columns;
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Default, options};
use crate::source_kind::SourceKind;
use crate::table::{TableSchema, Type, column};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::exits::{self, ExitsTally};
use crate::tally::labels::{self, LabelIndex, LabelKind};
use crate::tally::money::MoneyMovements;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;

options! {
    /// Options of kind `exit_reasons`.
    pub struct ExitReasonsOptions {
        /// most reasons shown, by customers; the rest are `other`
        cap: usize = Accepts::Int { min: 1, max: 1000 }, Default::Value("20");
    }
}

/// See `definition.md`.
pub struct ExitReasonsKind;

impl StageKind for ExitReasonsKind {
    type Options = ExitReasonsOptions;

    const NAME: &'static str = "exit_reasons";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn check(stage: &StageCheck<'_, ExitReasonsOptions>) -> Vec<Refusal> {
        let inputs = stage.inputs;
        let cancelled = ["cancel_reason", "cancel_kind"].iter().any(|c| inputs.maps(SourceKind::Subscriptions, c));
        let enough = inputs.on_subscriptions() && cancelled || inputs.maps(SourceKind::Surveys, "reason");
        let what = "needs the reasons why customers left";
        let help = "map cancel_reason or cancel_kind of source `subscriptions`, or reason of source `surveys` with its exit \
                    surveys";
        Refusal::unless(enough, Refusal::of_stage(what, help))
    }

    fn tables(spec: &StageSpec<ExitReasonsOptions>) -> Vec<TableSchema> {
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

    fn build(spec: &StageSpec<ExitReasonsOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.period);
        let cap = spec.options.cap;
        let reasons = labels::plan(plan, spec.setting.lens(spec.setting.period), LabelKind::Reasons, cap);
        Ok(Box::new(ExitReasons {
            exits: exits::plan(plan, common.index, lens, &spec.segments, (reasons, cap)),
            reasons,
            headcount: series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments),
            money: series::plan::<MoneyMovements>(plan, common.index, lens, &spec.segments),
            spec: spec.clone(),
            common,
        }))
    }
}

struct ExitReasons {
    spec: StageSpec<ExitReasonsOptions>,
    common: Common,
    reasons: Ref<LabelIndex>,
    exits: Ref<ExitsTally>,
    headcount: Ref<PeriodSeries>,
    money: Ref<PeriodSeries>,
}
