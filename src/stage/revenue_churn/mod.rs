//! Stage `revenue_churn`: how the recurring money moved in each period.

mod finish;

use super::rows::segment_columns;
use super::{Common, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Default, options, word};
use crate::table::{TableSchema, Type, column};
use crate::tally::customer_movements::CustomerMovements;
use crate::tally::money::MoneyMovements;
use crate::tally::period_series::PeriodSeries;
use crate::tally::series;
use crate::timeline::shape::Basis;

options! {
    /// Options of kind `revenue_churn`.
    pub struct RevenueChurnOptions {
        /// what the money is: it follows customers.basis
        measure: Option<&'static str> = word(&["mrr", "revenue"]), Default::Unset("`mrr` on subscriptions, `revenue` on transactions");
        /// also write the customers' movements by this stage's own period, as table `ledger_STAGE`
        ledger: bool = Accepts::Flag, Default::Value("false");
    }
}

/// See `definition.md`.
pub struct RevenueChurnKind;

impl StageKind for RevenueChurnKind {
    type Options = RevenueChurnOptions;

    const NAME: &'static str = "revenue_churn";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn check(stage: &StageCheck<'_, RevenueChurnOptions>) -> Vec<Refusal> {
        let (Some(measure), Some(basis)) = (stage.options.measure, stage.inputs.basis) else { return vec![] };
        let (right, name) = match basis {
            Basis::Subscriptions => ("mrr", "subscriptions"),
            Basis::Transactions => ("revenue", "transactions"),
        };
        let what = format!("= \"{measure}\" does not go with basis {name}");
        let help = format!("leave it out, or write \"{right}\"");
        Refusal::unless(measure == right, Refusal::of_option("measure", what, help))
    }

    fn writes_per_customer(options: &RevenueChurnOptions) -> bool {
        options.ledger
    }

    fn tables(spec: &StageSpec<RevenueChurnOptions>) -> Vec<TableSchema> {
        let mut columns = segment_columns();
        columns.extend([
            column("period", Type::Date, "first day of the period"),
            column(
                "opening",
                Type::Money,
                "money at the opening: MRR, or a period's revenue of the customers live there",
            ),
            column("new", Type::Money, "closing money of new customers"),
            column("expansion", Type::Money, "what retained customers have more"),
            column(
                "contraction",
                Type::Money,
                "what retained customers have less, negative; NULL while the period is not over",
            ),
            column(
                "churned",
                Type::Money,
                "opening money of churned customers, negative; NULL while the period is not over",
            ),
            column("reactivation", Type::Money, "closing money of returned customers"),
            column("currency_effect", Type::Money, "what exchange rates moved; 0 in one currency"),
            column("moved_in", Type::Money, "closing money of retained customers who came into this segment value"),
            column(
                "moved_out",
                Type::Money,
                "closing money of retained customers who left this segment value, negative",
            ),
            column("closing", Type::Money, "money at the closing; NULL while the period is not over"),
            column(
                "unallocated",
                Type::Money,
                "net revenue that belongs to no live customer or is below zero; 0 for MRR",
            ),
            column(
                "committed",
                Type::Money,
                "closing less MRR whose cancellation is already known; NULL for transactions",
            ),
            column("customers", Type::Int, "customers live at the closing"),
            column("arpa", Type::Double, "closing / customers, in major units; so far where the period is partial"),
            column("gross_churn_rate", Type::Double, "(|churned| + |contraction|) / opening"),
            column("net_churn_rate", Type::Double, "(|churned| + |contraction| − expansion − reactivation) / opening"),
            column(
                "grr",
                Type::Double,
                "gross revenue retention: Σ min(m0, m1) / Σ m0 over the customers of the opening",
            ),
            column("nrr", Type::Double, "net revenue retention: Σ m1 / Σ m0 over the customers of the opening"),
            column("quick_ratio", Type::Double, "(new + expansion + reactivation) / (|contraction| + |churned|)"),
            column("maturity", Type::Text, "complete, or partial: amounts so far, rates NULL"),
            column("left_truncated", Type::Bool, "too near to observed_from to tell new customers from returning ones"),
        ]);
        let doc = "Recurring money by period: what came, grew, shrank and left, and the rates of it".into();
        let mut tables = vec![TableSchema { name: spec.name.clone(), doc, key: 4, columns }];
        tables.extend(super::ledger_option::on_request(spec, spec.options.ledger));
        tables
    }

    fn build(spec: &StageSpec<RevenueChurnOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.period);
        Ok(Box::new(RevenueChurn {
            lens: super::ledger_option::plan(spec, spec.options.ledger, plan),
            money: series::plan::<MoneyMovements>(plan, common.index, lens, &spec.segments),
            headcount: series::plan::<CustomerMovements>(plan, common.index, lens, &spec.segments),
            spec: spec.clone(),
            common,
        }))
    }
}

struct RevenueChurn {
    spec: StageSpec<RevenueChurnOptions>,
    common: Common,
    lens: usize,
    money: Ref<PeriodSeries>,
    headcount: Ref<PeriodSeries>,
}
