//! Stage `cohort`: what is left, at each age, of the customers who began together.

mod finish;

use super::rows::segment_columns;
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::calendar::Period;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Days, Default, names, options, word, word_option};
use crate::source_kind::SourceKind;
use crate::table::{TableSchema, Type, column};
use crate::tally::cohorts::{self, CohortDate, CohortMode, CohortSpec, CohortTally};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;

const STARTS: [(&str, CohortDate); 2] =
    [("first_activity", CohortDate::FirstActivity), ("signed_up_at", CohortDate::SignedUp)];
const MODES: [(&str, CohortMode); 3] =
    [("active", CohortMode::Active), ("live", CohortMode::Live), ("unbounded", CohortMode::Unbounded)];

word_option!(CohortDate, STARTS);
word_option!(CohortMode, MODES);

options! {
    /// Options of kind `cohort`.
    pub struct CohortOptions {
        /// what dates a customer's cohort: `first_activity` or `signed_up_at`
        from: CohortDate = word(&names(&STARTS)), Default::Value("\"first_activity\"");
        /// who counts at an age: `active` in the period, `live` at its end, `unbounded` active in it or later
        mode: CohortMode = word(&names(&MODES)), Default::Value("\"active\"");
        /// oldest age in the table
        max_age: Option<usize> = Accepts::Int { min: 0, max: 10_000 }, Default::Unset("60, or 90 where the period is a day");
        /// ages of that many days since each customer's own first date
        age_unit: Option<Days> = Accepts::Days, Default::Unset("ages are periods");
    }
}

/// See `definition.md`.
pub struct CohortKind;

impl StageKind for CohortKind {
    type Options = CohortOptions;

    const NAME: &'static str = "cohort";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn check(stage: &StageCheck<'_, CohortOptions>) -> Vec<Refusal> {
        let enough =
            stage.options.from != CohortDate::SignedUp || stage.inputs.maps(SourceKind::Customers, "signed_up_at");
        let what = "= \"signed_up_at\" needs source `customers` to map that column";
        let help = "add signed_up_at = \"…\" to sources.customers.columns";
        Refusal::unless(enough, Refusal::of_option("from", what, help))
    }

    fn starts_at_sign_up(options: &CohortOptions) -> bool {
        options.from == CohortDate::SignedUp
    }

    fn tables(spec: &StageSpec<CohortOptions>) -> Vec<TableSchema> {
        let mut columns = segment_columns();
        columns.extend([
            column(
                "cohort",
                Type::Date,
                "first day of the cohort's period; NULL pools the cohorts whose cell is complete",
            ),
            column("age", Type::Int, "periods (or age_unit) since the cohort's own: 0 is the first"),
            column("period", Type::Date, "first day of the cell's period; NULL with age_unit and in pooled rows"),
            column("cohort_size", Type::Int, "customers of the cohort"),
            column("customers", Type::Int, "customers of the cohort who count at this age, by the stage's mode"),
            column("retention_rate", Type::Double, "customers / cohort_size"),
            column("ci_low", Type::Double, "lower end of the 95 % Wilson interval of retention_rate"),
            column("ci_high", Type::Double, "upper end of the 95 % Wilson interval of retention_rate"),
            column("orders", Type::Int, "orders at this age; NULL without transactions"),
            column(
                "revenue",
                Type::Money,
                "net revenue at this age; without transactions, from the MRR at its closing",
            ),
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
            column(
                "left_truncated",
                Type::Bool,
                "the first cohort, which holds customers who began before anybody looked",
            ),
        ]);
        let doc = "Cohorts by age: how many customers are left, and what they brought".into();
        vec![TableSchema { name: spec.name.clone(), doc, key: 5, columns }]
    }

    fn build(spec: &StageSpec<CohortOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let options = &*spec.options;
        let oldest = if spec.period == Period::Day { 90 } else { 60 };
        let fold = CohortSpec {
            from: options.from,
            mode: options.mode,
            max_age: Some(options.max_age.unwrap_or(oldest)),
            unit: options.age_unit.map(|Days(days)| days),
        };
        let lens = spec.setting.lens(spec.period);
        let cohorts = cohorts::plan(plan, common.index, lens, &spec.segments, fold);
        let sums_up = fold.mode == CohortMode::Live && fold.from == CohortDate::FirstActivity && fold.unit.is_none();
        let headcount = sums_up.then(|| series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments));
        Ok(Box::new(CohortStage { spec: spec.clone(), common, fold, cohorts, headcount }))
    }
}

struct CohortStage {
    spec: StageSpec<CohortOptions>,
    common: Common,
    fold: CohortSpec,
    cohorts: Ref<CohortTally>,
    /// In mode `live` the cohorts of a period sum up to its closing.
    headcount: Option<Ref<PeriodSeries>>,
}
