//! Stage `risk`: who is about to leave, and why one would think so.

mod finish;
mod outlook;
mod score;
#[cfg(test)]
mod tests;
mod words;

use self::outlook::RiskModel;
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Days, Default, options};
use crate::table::{ColumnSpec, TableSchema, Type, column};
use crate::tally::risk::{self, PastOutcomes};
use crate::timeline::risk_features::{Feature, FeatureSpec, Horizon};
use crate::timeline::shape::Basis;

options! {
    /// Options of kind `risk`.
    pub struct RiskOptions {
        /// the last days, whose purchases or use are held against the customer's own earlier level
        window: Days = Accepts::Days, Default::Value("\"30 days\"");
        /// how far ahead an end is looked for on subscriptions; a buyer's is the churn window
        horizon: Horizon = Accepts::Horizon, Default::Value("\"1 period\"");
    }
}

/// See `definition.md`.
pub struct RiskKind;

impl StageKind for RiskKind {
    type Options = RiskOptions;

    const NAME: &'static str = "risk";
    const DEFINITION: &'static str = include_str!("definition.md");

    const BY_SEGMENT: bool = false;
    const SHARED_TABLES: &'static [&'static str] = &[TABLE];

    fn check(stage: &StageCheck<'_, RiskOptions>) -> Vec<Refusal> {
        let fits = stage.options.horizon == Horizon::Periods(1) || stage.inputs.on_subscriptions();
        let what = "is for basis subscriptions";
        let help = "leave it out: a buyer has left when nothing was bought within the churn window";
        Refusal::unless(fits, Refusal::of_option("horizon", what, help))
    }

    fn tables(_: &StageSpec<RiskOptions>) -> Vec<TableSchema> {
        let columns = vec![
            column("stage", Type::Text, "the stage whose score it is"),
            column(
                "cut",
                Type::Date,
                "the date of the prediction; NULL: all dates that risk_score predicted, together",
            ),
            column(
                "signal",
                Type::Text,
                "by what customers are ranked: risk_score, silence ÷ own churn window alone, chance, or another sign alone",
            ),
            column("customers", Type::Int, "customers live at the cut"),
            column("churned", Type::Int, "of them, those who then left"),
            column(
                "churned_in_top_decile",
                Type::Double,
                "those who left among the tenth ranked highest, equals shared; NULL where there was no prediction",
            ),
            column(
                "lift",
                Type::Double,
                "churned_in_top_decile / churned over a tenth: 1 is chance; NULL if nobody left",
            ),
            column(
                "auc",
                Type::Double,
                "probability that one who left ranked above one who stayed, equals one half; NULL if all or none left",
            ),
            column(
                "brier",
                Type::Double,
                "mean square of predicted probability less outcome, lower is better; NULL where there was no prediction",
            ),
        ];
        let doc = "How well the risk score told at past dates who would leave, beside silence alone and chance".into();
        vec![TableSchema { name: TABLE.into(), doc, key: 3, columns }]
    }

    fn customer_columns(spec: &StageSpec<RiskOptions>) -> Vec<ColumnSpec> {
        score::columns(spec)
    }

    fn build(spec: &StageSpec<RiskOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let watch = watch(spec);
        let lens = spec.setting.lens(spec.setting.period);
        let past = risk::plan(plan, common.index, lens, &watch, spec.setting.learning);
        let outlook = {
            let watch = watch.clone();
            plan.derive(&[past.cuts.id(), past.tally.id()], move |known| {
                let (cuts, tally) = (known.get(past.cuts)?, known.get(past.tally)?);
                Ok(RiskModel::at(known.shape.as_of, &watch, &cuts, &tally))
            })
        };
        Ok(Box::new(RiskStage { lens: plan.lens(lens), spec: spec.clone(), watch, past, outlook }))
    }
}

/// Stages of this kind write into one table.
const TABLE: &str = "risk_backtest";

/// The signals of table `risk_backtest` that are no sign of their own.
const SCORE: &str = "risk_score";
const CHANCE: &str = "chance";

struct RiskStage {
    spec: StageSpec<RiskOptions>,
    watch: FeatureSpec,
    /// Number of the lens that scoring looks through.
    lens: usize,
    past: PastOutcomes,
    outlook: Ref<Option<RiskModel>>,
}

/// What a stage looks at: of the signs those that its sources can show.
fn watch(spec: &StageSpec<RiskOptions>) -> FeatureSpec {
    let setting = &spec.setting;
    let does = [Feature::Silence, Feature::PurchaseRhythm, Feature::Level];
    let mut features = match setting.basis {
        Basis::Transactions => [does.as_slice(), &[Feature::Purchases, Feature::Lately, Feature::Pace]].concat(),
        Basis::Subscriptions if setting.has_usage || setting.has_transactions => {
            [does.as_slice(), &[Feature::Tenure, Feature::Renewal, Feature::Notice]].concat()
        }
        Basis::Subscriptions => vec![Feature::Tenure, Feature::Renewal, Feature::Notice],
    };
    features.extend(setting.has_surveys.then_some(Feature::Survey));
    let [nps, csat, _] = setting.scales;
    FeatureSpec {
        features,
        window: spec.options.window.0,
        calendar: setting.period,
        period: spec.period,
        horizon: spec.options.horizon,
        by_use: setting.has_usage,
        scales: [nps, csat],
    }
}
