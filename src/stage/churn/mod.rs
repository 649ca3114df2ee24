//! Stage `churn`: how many customers came, stayed and left in each period.

mod finish;

use super::rates::{self, MovementCounts};
use super::rows::segment_columns;
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::engine::plan::Plan;
use crate::error::Result;
use crate::options::{Accepts, Default, names, options, word, word_option};
use crate::stats::churn_rate::Trailing;
use crate::table::{TableSchema, Type, column};

word_option!(Trailing, TRAILING_METHODS);

/// The words of option `trailing_method`.
pub(super) const TRAILING_METHODS: [(&str, Trailing); 2] = [("ratio", Trailing::Ratio), ("mean", Trailing::Mean)];

options! {
    /// Options of kind `churn`.
    pub struct ChurnOptions {
        /// complete periods that churn_rate_trailing looks back over
        trailing: usize = Accepts::Int { min: 1, max: 1000 }, Default::Value("6");
        /// `ratio`: sum of churned over sum of opening; `mean`: mean of the rates
        trailing_method: Trailing = word(&names(&TRAILING_METHODS)), Default::Value("\"ratio\"");
        /// annual churn rate below which the benchmark is `excellent`
        excellent ["benchmark.excellent"]: f64 = Accepts::share(), Default::Value("0.03");
        /// annual churn rate up to which the benchmark is `acceptable`
        acceptable ["benchmark.acceptable"]: f64 = Accepts::share(), Default::Value("0.06");
        /// also write the customers' movements by this stage's own period, as table `ledger_STAGE`
        ledger: bool = Accepts::Flag, Default::Value("false");
    }
}

/// See `definition.md`.
pub struct ChurnKind;

impl StageKind for ChurnKind {
    type Options = ChurnOptions;

    const NAME: &'static str = "churn";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn check(stage: &StageCheck<'_, ChurnOptions>) -> Vec<Refusal> {
        let ChurnOptions { excellent, acceptable, .. } = stage.options;
        let (key, what) = match (stage.is_set)("benchmark.excellent") {
            true => ("benchmark.excellent", format!("({excellent}) is above `acceptable` ({acceptable})")),
            false => ("benchmark.acceptable", format!("({acceptable}) is below `excellent` ({excellent})")),
        };
        let refusal = Refusal::of_option(key, what, "excellent is the lower of the two churn rates");
        Refusal::unless(excellent <= acceptable, refusal)
    }

    fn writes_per_customer(options: &ChurnOptions) -> bool {
        options.ledger
    }

    fn tables(spec: &StageSpec<ChurnOptions>) -> Vec<TableSchema> {
        let mut columns = segment_columns();
        columns.extend([
            column("period", Type::Date, "first day of the period"),
            column("opening", Type::Int, "customers live just before the period's start"),
            column("new", Type::Int, "not in opening, in closing, and first seen in this period"),
            column("retained", Type::Int, "in opening and in closing"),
            column("returned", Type::Int, "not in opening, in closing, and seen before"),
            column("churned", Type::Int, "in opening, not in closing; NULL while the period is not over"),
            column("closing", Type::Int, "customers live just before the period's end; NULL while the period is not over"),
            column(
                "intra",
                Type::Int,
                "live within the period but at neither boundary; in no other column, or, where the policy counts both, also in \
                 new or returned and in churned",
            ),
            column(
                "moved_in",
                Type::Int,
                "retained customers whose segment value at the closing is this, at the opening another",
            ),
            column(
                "moved_out",
                Type::Int,
                "retained customers whose segment value at the opening was this, at the closing another",
            ),
            column("due", Type::Int, "subscriptions whose paid term ended in the period; NULL for transactions"),
            column("renewal_rate", Type::Double, "share of due that went on"),
            column("churn_rate", Type::Double, "churned / opening, of complete periods; or, by policy, of the last 30 days"),
            column("crr", Type::Double, "customer retention rate (closing − new) / opening; passes 1 when many return"),
            column("crr_strict", Type::Double, "retained / opening"),
            column("churn_rate_trailing", Type::Double, "churn rate over the trailing complete periods, at least three"),
            column("churn_rate_annual", Type::Double, "1 − (1 − churn_rate_trailing)ⁿ with n periods a year"),
            column("expected_lifetime_periods", Type::Double, "1 / churn_rate_trailing; NULL at 0"),
            column(
                "benchmark",
                Type::Text,
                "excellent, acceptable or high, by churn_rate_annual and the stage's cut points",
            ),
            column("ci_low", Type::Double, "lower end of the 95 % Wilson interval of churn_rate; NULL where it is no share"),
            column("ci_high", Type::Double, "upper end of the 95 % Wilson interval of churn_rate"),
            column("maturity", Type::Text, "complete, or partial: counts so far, rates NULL"),
            column("left_truncated", Type::Bool, "too near to observed_from to tell new customers from returning ones"),
        ]);
        let doc = "Customers by period: who was there, who came, stayed and left, and the rates of it".into();
        let mut tables = vec![TableSchema { name: spec.name.clone(), doc, key: 4, columns }];
        tables.extend(super::ledger_option::on_request(spec, spec.options.ledger));
        tables
    }

    fn build(spec: &StageSpec<ChurnOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.period);
        Ok(Box::new(Churn {
            lens: super::ledger_option::plan(spec, spec.options.ledger, plan),
            counts: rates::plan(plan, common.index, lens, &spec.segments, spec.setting.policy),
            spec: spec.clone(),
            common,
        }))
    }
}

/// The stage in a run.
struct Churn {
    spec: StageSpec<ChurnOptions>,
    common: Common,
    lens: usize,
    counts: MovementCounts,
}
