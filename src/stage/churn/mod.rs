//! Stage `churn`: how many customers came, stayed and left in each period.

mod finish;

use super::rates::{self, Counts};
use super::rows::segment_columns;
use super::{Common, Kind, OptionSpec, OptionType, Spec, Stage, no_scores};
use crate::engine::plan::Plan;
use crate::error::Result;
use crate::stats::churn_rate::Trailing;
use crate::table::{TableSchema, Type, column};

pub const KIND: Kind =
    Kind { name: "churn", doc: include_str!("definition.md"), options: OPTIONS, tables, scores: no_scores, build };

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "trailing",
        doc: "complete periods that churn_rate_trailing looks back over",
        accepts: OptionType::Int { min: 1, max: 1000 },
        later: &[],
        default: "6",
    },
    OptionSpec {
        name: "trailing_method",
        doc: "`ratio`: sum of churned over sum of opening; `mean`: mean of the rates",
        accepts: OptionType::Word(&["ratio", "mean"]),
        later: &[],
        default: "\"ratio\"",
    },
    OptionSpec {
        name: "benchmark.excellent",
        doc: "annual churn rate below which the benchmark is `excellent`",
        accepts: OptionType::Float { min: 0.0, max: 1.0 },
        later: &[],
        default: "0.03",
    },
    OptionSpec {
        name: "benchmark.acceptable",
        doc: "annual churn rate up to which the benchmark is `acceptable`",
        accepts: OptionType::Float { min: 0.0, max: 1.0 },
        later: &[],
        default: "0.06",
    },
    super::ledger_option::LEDGER_OPTION,
];

/// The stage in a run.
struct Churn {
    spec: Spec,
    common: Common,
    lens: usize,
    counts: Counts,
    trailing: usize,
    method: Trailing,
    excellent: f64,
    acceptable: f64,
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let lens = spec.setting.lens(spec.period);
    let options = &spec.options;
    Ok(Box::new(Churn {
        lens: super::ledger_option::plan(spec, plan),
        counts: rates::plan(plan, common.index, lens, &spec.segments, spec.setting.policy),
        trailing: options.int("trailing").unwrap_or(6) as usize,
        method: super::rows::trailing_method(options.word("trailing_method")),
        excellent: options.float("benchmark.excellent").unwrap_or(0.03),
        acceptable: options.float("benchmark.acceptable").unwrap_or(0.06),
        spec: spec.clone(),
        common,
    }))
}

fn tables(spec: &Spec) -> Vec<TableSchema> {
    let mut columns = segment_columns();
    columns.extend([
        column("period", Type::Date, "first day of the period"),
        column("opening", Type::Int, "customers live just before the period's start"),
        column("new", Type::Int, "not in opening, in closing, and first seen in this period"),
        column("retained", Type::Int, "in opening and in closing"),
        column("returned", Type::Int, "not in opening, in closing, and seen before"),
        column("churned", Type::Int, "in opening, not in closing; NULL while nobody can say"),
        column("closing", Type::Int, "customers live just before the period's end; NULL while nobody can say"),
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
    tables.extend(super::ledger_option::on_request(spec));
    tables
}
