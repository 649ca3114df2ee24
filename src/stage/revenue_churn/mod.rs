//! Stage `revenue_churn`: how the recurring money moved in each period.

mod finish;

use super::rows::segment_columns;
use super::{Common, Kind, OptionSpec, OptionType, Spec, Stage, no_scores};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::table::{TableSchema, Type, column};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::money::Money;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;

pub const KIND: Kind = Kind {
    name: "revenue_churn",
    doc: include_str!("definition.md"),
    options: OPTIONS,
    tables,
    scores: no_scores,
    build,
};

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "measure",
        doc: "`mrr` or `revenue`; follows customers.basis, so it need not be set",
        accepts: OptionType::Word(&["mrr", "revenue"]),
        later: &[],
        default: "",
    },
    super::ledger_option::LEDGER_OPTION,
];

struct RevenueChurn {
    spec: Spec,
    common: Common,
    lens: usize,
    money: Ref<PeriodSeries>,
    headcount: Ref<PeriodSeries>,
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let lens = spec.setting.lens(spec.period);
    Ok(Box::new(RevenueChurn {
        lens: super::ledger_option::plan(spec, plan),
        money: series::plan::<Money>(plan, common.index, lens, &spec.segments),
        headcount: series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments),
        spec: spec.clone(),
        common,
    }))
}

fn tables(spec: &Spec) -> Vec<TableSchema> {
    let mut columns = segment_columns();
    columns.extend([
        column("period", Type::Date, "first day of the period"),
        column("opening", Type::Money, "money at the opening: MRR, or a period's revenue of the customers live there"),
        column("new", Type::Money, "closing money of new customers"),
        column("expansion", Type::Money, "what retained customers have more"),
        column("contraction", Type::Money, "what retained customers have less, negative; NULL while nobody can say"),
        column("churned", Type::Money, "opening money of churned customers, negative; NULL while nobody can say"),
        column("reactivation", Type::Money, "closing money of returned customers"),
        column("currency_effect", Type::Money, "what exchange rates moved; 0 in one currency"),
        column("moved_in", Type::Money, "closing money of retained customers who came into this segment value"),
        column("moved_out", Type::Money, "closing money of retained customers who left this segment value, negative"),
        column("closing", Type::Money, "money at the closing; NULL while nobody can say"),
        column("unallocated", Type::Money, "net revenue that belongs to no live customer or is below zero; 0 for MRR"),
        column("committed", Type::Money, "closing less MRR whose cancellation is already known; NULL for transactions"),
        column("customers", Type::Int, "customers live at the closing"),
        column("arpa", Type::Double, "closing / customers, in major units; so far where the period is partial"),
        column("gross_churn_rate", Type::Double, "(|churned| + |contraction|) / opening"),
        column("net_churn_rate", Type::Double, "(|churned| + |contraction| − expansion − reactivation) / opening"),
        column("grr", Type::Double, "gross revenue retention: Σ min(m0, m1) / Σ m0 over the customers of the opening"),
        column("nrr", Type::Double, "net revenue retention: Σ m1 / Σ m0 over the customers of the opening"),
        column("quick_ratio", Type::Double, "(new + expansion + reactivation) / (|contraction| + |churned|)"),
        column("maturity", Type::Text, "complete, or partial: amounts so far, rates NULL"),
        column("left_truncated", Type::Bool, "too near to observed_from to tell new customers from returning ones"),
    ]);
    let doc = "Recurring money by period: what came, grew, shrank and left, and the rates of it".into();
    let mut tables = vec![TableSchema { name: spec.name.clone(), doc, key: 4, columns }];
    tables.extend(super::ledger_option::on_request(spec));
    tables
}
