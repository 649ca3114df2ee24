//! Stage `rfm`: customers by recency, frequency and money.

mod finish;

use super::rows::segment_columns;
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::engine::plan::{Needs, Plan};
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Default, options};
use crate::source_kind::SourceKind;
use crate::table::{ColumnSpec, TableSchema, Type, column};
use crate::tally::rfm::{self, RfmTally};
use crate::timeline::scores::Scores;

options! {
    /// Options of kind `rfm`.
    pub struct RfmOptions {
        /// how many scores each of R, F and M has; customers are named with 5 alone
        scores: u32 = Accepts::Int { min: 2, max: 100 }, Default::Value("5");
    }
}

/// See `definition.md`.
pub struct RfmKind;

impl StageKind for RfmKind {
    type Options = RfmOptions;

    const NAME: &'static str = "rfm";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn check(stage: &StageCheck<'_, RfmOptions>) -> Vec<Refusal> {
        let what = "ranks customers by what they bought, and there are no purchases";
        let help = "map source `transactions`, or remove the stage";
        Refusal::unless(stage.inputs.has(SourceKind::Transactions), Refusal::of_stage(what, help))
    }

    fn tables(spec: &StageSpec<RfmOptions>) -> Vec<TableSchema> {
        let mut columns = segment_columns();
        columns.extend([
            column("rfm_segment", Type::Text, "the name that R and F give; NULL where scores are not 5"),
            column("customers", Type::Int, "buyers of that name"),
            column("share", Type::Double, "customers / buyers of the segment value"),
            column("revenue", Type::Money, "their net revenue to date"),
            column(
                "revenue_share",
                Type::Double,
                "revenue / revenue of all buyers of the segment value; NULL if not positive",
            ),
            column("mean_recency_days", Type::Double, "mean days from the last activity to the last observed day"),
            column("mean_orders", Type::Double, "mean orders to date"),
            column("mean_revenue", Type::Double, "mean net revenue to date, in major units"),
            column("repeat_rate", Type::Double, "customers with at least two orders / customers"),
        ]);
        let doc = "Buyers by recency and frequency: how many of each kind, and what they bring".into();
        vec![TableSchema { name: spec.name.clone(), doc, key: 4, columns }]
    }

    fn customer_columns(spec: &StageSpec<RfmOptions>) -> Vec<ColumnSpec> {
        scored(spec)
    }

    fn build(spec: &StageSpec<RfmOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.setting.period);
        let most = most(spec);
        let cuts = rfm::cuts(plan, lens, most);
        plan.require(Needs { orders: true, ..Needs::default() });
        Ok(Box::new(RfmStage {
            kinds: rfm::plan(plan, common.index, lens, &spec.segments, cuts),
            lens: plan.lens(lens),
            spec: spec.clone(),
            common,
            most,
            scores: cuts.scores,
        }))
    }
}

struct RfmStage {
    spec: StageSpec<RfmOptions>,
    common: Common,
    lens: usize,
    most: u32,
    scores: Ref<Scores>,
    kinds: Ref<RfmTally>,
}

fn most(spec: &StageSpec<RfmOptions>) -> u32 {
    spec.options.scores
}

/// The columns of `customers`; a stage of another name puts that before them.
fn scored(spec: &StageSpec<RfmOptions>) -> Vec<ColumnSpec> {
    let name = |name: &str| if spec.name == RfmKind::NAME { name.to_owned() } else { format!("{}_{name}", spec.name) };
    let most = most(spec);
    let score = |letter: &str, of: &str| {
        column(
            name(letter),
            Type::Int,
            format!("from 1 to {most} by {of}, {most} is best; NULL for who bought nothing"),
        )
    };
    vec![
        score("r_score", "days since the last activity"),
        score("f_score", "orders"),
        score("m_score", "net revenue"),
        column(name("rfm_segment"), Type::Text, "what r_score and f_score make of the customer, as table `rfm` counts"),
    ]
}
