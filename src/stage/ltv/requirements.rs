//! What the methods of lifetime value need of the sources and of each other.

use super::{BUYING, LtvOptions, RENEWING};
use crate::source_kind::SourceKind;
use crate::stage::{Refusal, StageCheck};
use crate::timeline::purchases::TransactionUnit;

pub(super) fn check(stage: &StageCheck<'_, LtvOptions>) -> Vec<Refusal> {
    let (options, inputs) = (stage.options, stage.inputs);
    let named = |some: &[&str]| options.models.iter().find(|m| some.contains(m));
    let mut refusals = vec![];
    let mut refuse = |key, what: String, help: &str| refusals.push(Refusal::of_option(key, what, help));
    if (stage.is_set)("calibrate_until") && (stage.is_set)("calibrate_share") {
        let what = "and `calibrate_until` say twice where the calibration ends".into();
        refuse("calibrate_share", what, "remove one of them");
    }
    if let Some(model) = named(&BUYING)
        && !inputs.has(SourceKind::Transactions)
    {
        let what = format!("names \"{model}\", a model of purchases, and there are none");
        refuse("models", what, "map source `transactions`, or name \"sbg\", \"bdw\" or \"survival\"");
    }
    if options.models.contains(&"gammagamma") && named(&BUYING).is_none() {
        let what = "names \"gammagamma\", a model of what is spent, alone".into();
        refuse("models", what, "name a model of how customers buy with it: \"bgnbd\", \"mbgnbd\" or \"paretonbd\"");
    }
    if let Some(model) = named(&RENEWING)
        && !inputs.on_subscriptions()
    {
        let what = format!("names \"{model}\", a model of renewals, on basis transactions");
        refuse("models", what, "name \"bgnbd\", \"mbgnbd\" or \"paretonbd\" for customers without a contract");
    }
    if options.transactions_by == TransactionUnit::ByOrder
        && inputs.has(SourceKind::Transactions)
        && !inputs.maps(SourceKind::Transactions, "order_id")
    {
        let what = "= \"order_id\" needs source `transactions` to map it".into();
        refuse("transactions_by", what, "add order_id = \"…\" to sources.transactions.columns, or leave it out");
    }
    refusals
}
