//! Stage `rfm`: customers by recency, frequency and money.

mod finish;

use super::rows::segment_columns;
use super::{Common, Kind, OptionSpec, OptionType, Spec, Stage};
use crate::engine::plan::{Needs, Plan};
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::table::{ColumnSpec, TableSchema, Type, column};
use crate::tally::rfm::{self, RfmTally};
use crate::timeline::scores::Scores;

pub const KIND: Kind =
    Kind { name: "rfm", doc: include_str!("definition.md"), options: OPTIONS, tables, scores: scored, build };

const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "scores",
    doc: "how many scores each of R, F and M has; customers are named with 5 alone",
    accepts: OptionType::Int { min: 2, max: 100 },
    later: &[],
    default: "5",
}];

struct RfmStage {
    spec: Spec,
    common: Common,
    lens: usize,
    most: u32,
    scores: Ref<Scores>,
    kinds: Ref<RfmTally>,
}

fn most(spec: &Spec) -> u32 {
    spec.options.int("scores").and_then(|n| u32::try_from(n).ok()).unwrap_or(rfm::QUINTILES)
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
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

fn tables(spec: &Spec) -> Vec<TableSchema> {
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

/// The columns of `customers`; a stage of another name puts that before them.
fn scored(spec: &Spec) -> Vec<ColumnSpec> {
    let name = |name: &str| if spec.name == KIND.name { name.to_owned() } else { format!("{}_{name}", spec.name) };
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
