//! Stage `ltv`: what a customer is worth.

mod finish;
mod ratio;
mod realised;

use super::rows::segment_columns;
use super::{Common, Kind, OptionSpec, OptionType, Spec, Stage};
use crate::engine::known::Ref;
use crate::engine::plan::Plan;
use crate::error::Result;
use crate::table::{TableSchema, Type, column};
use crate::tally::cohorts::{self, CohortSpec, CohortTally, From, Mode};
use crate::tally::headcount::Headcount;
use crate::tally::lines::Lines;
use crate::tally::money::Money;
use crate::tally::series;

pub const KIND: Kind = Kind { name: "ltv", doc: include_str!("definition.md"), options: OPTIONS, tables, build };

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "models",
        doc: "methods, each adding its rows",
        accepts: OptionType::Words(&["ratio", "realised"]),
        later: &["survival", "sbg", "bdw", "bgnbd", "mbgnbd", "paretonbd", "gammagamma"],
        default: "[\"ratio\", \"realised\"]",
    },
    OptionSpec {
        name: "trailing",
        doc: "complete periods of the trailing churn rate that `ratio` divides by",
        accepts: OptionType::Int { min: 1, max: 1000 },
        later: &[],
        default: "6",
    },
];

struct Ltv {
    spec: Spec,
    common: Common,
    ratio: bool,
    realised: bool,
    trailing: usize,
    headcount: Ref<Lines>,
    money: Ref<Lines>,
    cohorts: Ref<CohortTally>,
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let lens = spec.setting.lens(spec.period);
    let fold = CohortSpec { from: From::FirstActivity, mode: Mode::Active, max_age: None, unit: None };
    let models = spec.options.words("models");
    Ok(Box::new(Ltv {
        ratio: models.contains(&"ratio"),
        realised: models.contains(&"realised"),
        trailing: spec.options.int("trailing").unwrap_or(6) as usize,
        headcount: series::plan::<Headcount>(plan, common.index, lens, &spec.segments),
        money: series::plan::<Money>(plan, common.index, lens, &spec.segments),
        cohorts: cohorts::plan(plan, common.index, lens, &spec.segments, fold),
        spec: spec.clone(),
        common,
    }))
}

fn tables(spec: &Spec) -> Vec<TableSchema> {
    let mut columns = segment_columns();
    columns.extend([
        column("period", Type::Date, "ratio: first day of the period; realised: of the cohort's period"),
        column("method", Type::Text, "ratio or realised"),
        column("customers", Type::Int, "ratio: customers at the closing; realised: of the cohort"),
        column("arpa", Type::Double, "money of a customer in a period at its closing, in major units; ratio only"),
        column(
            "gross_margin",
            Type::Double,
            "share of revenue that is margin, as configured; NULL: the value is of revenue",
        ),
        column("churn_rate", Type::Double, "trailing churn rate per period; ratio only"),
        column("expected_lifetime_periods", Type::Double, "1 / churn_rate; NULL at 0"),
        column("ltv", Type::Double, "lifetime value of a customer, in major units"),
        column("ltv_discounted", Type::Double, "the same at discount_rate a year; NULL without one"),
        column("ci_low", Type::Double, "lower end of the 95 % interval of ltv, from that of the churn rate"),
        column("ci_high", Type::Double, "upper end of the 95 % interval of ltv; NULL where the churn rate may be 0"),
        column(
            "cac",
            Type::Double,
            "acquisition cost of a new customer in the period, in major units; for everybody only",
        ),
        column("ltv_to_cac", Type::Double, "ltv / cac"),
        column("payback_periods", Type::Double, "periods until the margin has paid the acquisition cost"),
        column("holdout_error", Type::Double, "error against held-out data; NULL for methods that fit nothing"),
        column("note", Type::Text, "what the figure leans on, or why it is NULL"),
    ]);
    let doc = "Lifetime value by method: `ratio` per period, `realised` per cohort".into();
    vec![TableSchema { name: spec.name.clone(), doc, key: 5, columns }]
}
