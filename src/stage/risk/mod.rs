//! Stage `risk`: who is about to leave, and why one would think so.

mod finish;
mod outlook;
mod score;
#[cfg(test)]
mod tests;
mod words;

use self::outlook::Outlook;
use super::{Common, Horizon, Kind, OptionSpec, OptionType, Spec, Stage};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::table::{TableSchema, Type, column};
use crate::tally::risk::{self, Past};
use crate::timeline::risk_features::{Feature, FeatureSpec};
use crate::timeline::shape::Basis;

pub const KIND: Kind =
    Kind { name: "risk", doc: include_str!("definition.md"), options: OPTIONS, tables, scores: score::columns, build };

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "window",
        doc: "the last days, whose purchases or use are held against the customer's own earlier level",
        accepts: OptionType::Days,
        later: &[],
        default: "\"30 days\"",
    },
    OptionSpec {
        name: "horizon",
        doc: "how far ahead an end is looked for on subscriptions; a buyer's is the churn window",
        accepts: OptionType::Horizon,
        later: &[],
        default: "\"1 period\"",
    },
];

/// Stages of this kind write into one table.
const TABLE: &str = "risk_backtest";

/// The signals of table `risk_backtest` that are no sign of their own.
const SCORE: &str = "risk_score";
const CHANCE: &str = "chance";

struct RiskStage {
    spec: Spec,
    watch: FeatureSpec,
    /// Number of the lens that scoring looks through.
    lens: usize,
    past: Past,
    outlook: Ref<Option<Outlook>>,
}

/// What a stage looks at: of the signs those that its sources can show.
fn watch(spec: &Spec) -> FeatureSpec {
    let setting = &spec.setting;
    let does = [Feature::Silence, Feature::PurchaseRhythm, Feature::Level];
    let mut signs = match setting.basis {
        Basis::Transactions => [does.as_slice(), &[Feature::Purchases, Feature::Lately, Feature::Pace]].concat(),
        Basis::Subscriptions if setting.has_usage || setting.has_transactions => {
            [does.as_slice(), &[Feature::Tenure, Feature::Renewal, Feature::Notice]].concat()
        }
        Basis::Subscriptions => vec![Feature::Tenure, Feature::Renewal, Feature::Notice],
    };
    signs.extend(setting.has_surveys.then_some(Feature::Survey));
    let [nps, csat, _] = setting.scales;
    FeatureSpec {
        signs,
        window: spec.options.days("window").unwrap_or(30),
        calendar: setting.period,
        period: spec.period,
        horizon: spec.options.ahead("horizon").unwrap_or(Horizon::Periods(1)),
        by_use: setting.has_usage,
        scales: [nps, csat],
    }
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let watch = watch(spec);
    let lens = spec.setting.lens(spec.setting.period);
    let past = risk::plan(plan, common.index, lens, &watch, spec.setting.learning);
    let outlook = {
        let watch = watch.clone();
        plan.derive(&[past.cuts.id(), past.tally.id()], move |known| {
            let (cuts, tally) = (known.get(past.cuts)?, known.get(past.tally)?);
            Ok(Outlook::at(known.shape.as_of, &watch, &cuts, &tally))
        })
    };
    Ok(Box::new(RiskStage { lens: plan.lens(lens), spec: spec.clone(), watch, past, outlook }))
}

fn tables(_: &Spec) -> Vec<TableSchema> {
    let columns = vec![
        column("stage", Type::Text, "the stage whose score it is"),
        column("cut", Type::Date, "the date of the prediction; NULL: all dates that risk_score predicted, together"),
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
        column("lift", Type::Double, "churned_in_top_decile / churned over a tenth: 1 is chance; NULL if nobody left"),
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
