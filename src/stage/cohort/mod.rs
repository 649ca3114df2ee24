//! Stage `cohort`: what is left, at each age, of the customers who began together.

mod finish;

use super::rows::segment_columns;
use super::{Common, Kind, OptionSpec, OptionType, Spec, Stage, no_scores};
use crate::calendar::Period;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::table::{TableSchema, Type, column};
use crate::tally::cohorts::{self, CohortSpec, CohortTally, From, Mode};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;

pub const KIND: Kind =
    Kind { name: "cohort", doc: include_str!("definition.md"), options: OPTIONS, tables, scores: no_scores, build };

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "from",
        doc: "what dates a customer's cohort: `first_activity` or `signed_up_at`",
        accepts: OptionType::Word(&["first_activity", "signed_up_at"]),
        later: &[],
        default: "\"first_activity\"",
    },
    OptionSpec {
        name: "mode",
        doc: "who counts at an age: `active` in the period, `live` at its end, `unbounded` active in it or later",
        accepts: OptionType::Word(&["active", "live", "unbounded"]),
        later: &[],
        default: "\"active\"",
    },
    OptionSpec {
        name: "max_age",
        doc: "oldest age in the table; 60, or 90 where the period is a day",
        accepts: OptionType::Int { min: 0, max: 10_000 },
        later: &[],
        default: "",
    },
    OptionSpec {
        name: "age_unit",
        doc: "`\"N days\"`: ages of that many days since each customer's own first date, instead of periods",
        accepts: OptionType::Days,
        later: &[],
        default: "",
    },
];

struct CohortStage {
    spec: Spec,
    common: Common,
    fold: CohortSpec,
    cohorts: Ref<CohortTally>,
    /// In mode `live` the cohorts of a period sum up to its closing.
    headcount: Option<Ref<PeriodSeries>>,
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let options = &spec.options;
    let oldest = if spec.period == Period::Day { 90 } else { 60 };
    let fold = CohortSpec {
        from: if options.word("from") == Some("signed_up_at") { From::SignedUp } else { From::FirstActivity },
        mode: match options.word("mode") {
            Some("live") => Mode::Live,
            Some("unbounded") => Mode::Unbounded,
            _ => Mode::Active,
        },
        max_age: Some(options.int("max_age").unwrap_or(oldest) as usize),
        unit: options.days("age_unit"),
    };
    let lens = spec.setting.lens(spec.period);
    let cohorts = cohorts::plan(plan, common.index, lens, &spec.segments, fold);
    let sums_up = fold.mode == Mode::Live && fold.from == From::FirstActivity && fold.unit.is_none();
    let headcount = sums_up.then(|| series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments));
    Ok(Box::new(CohortStage { spec: spec.clone(), common, fold, cohorts, headcount }))
}

fn tables(spec: &Spec) -> Vec<TableSchema> {
    let mut columns = segment_columns();
    columns.extend([
        column("cohort", Type::Date, "first day of the cohort's period; NULL pools the cohorts whose cell is complete"),
        column("age", Type::Int, "periods (or age_unit) since the cohort's own: 0 is the first"),
        column("period", Type::Date, "first day of the cell's period; NULL with age_unit and in pooled rows"),
        column("cohort_size", Type::Int, "customers of the cohort"),
        column("customers", Type::Int, "customers of the cohort who count at this age, by the stage's mode"),
        column("retention_rate", Type::Double, "customers / cohort_size"),
        column("ci_low", Type::Double, "lower end of the 95 % Wilson interval of retention_rate"),
        column("ci_high", Type::Double, "upper end of the 95 % Wilson interval of retention_rate"),
        column("orders", Type::Int, "orders at this age; NULL without transactions"),
        column("revenue", Type::Money, "net revenue at this age; without transactions, from the MRR at its closing"),
        column("revenue_retention", Type::Double, "revenue / revenue at age 0; NULL when that is not positive"),
        column(
            "grr",
            Type::Double,
            "Σ min(MRR at the age's closing, MRR at age 0) / Σ MRR at age 0; subscriptions only",
        ),
        column("nrr", Type::Double, "Σ MRR at the age's closing / Σ MRR at age 0; subscriptions only"),
        column("cumulative_revenue", Type::Money, "revenue of this and all earlier ages"),
        column("cumulative_revenue_per_customer", Type::Double, "cumulative_revenue / cohort_size, in major units"),
        column(
            "maturity",
            Type::Text,
            "complete, partial (figures so far, rates NULL) or not_observable (figures NULL)",
        ),
        column("left_truncated", Type::Bool, "the first cohort, which holds customers who began before anybody looked"),
    ]);
    let doc = "Cohorts by age: how many customers are left, and what they brought".into();
    vec![TableSchema { name: spec.name.clone(), doc, key: 5, columns }]
}
