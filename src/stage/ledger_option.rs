//! Option `ledger` of the kinds whose movements can also be had for the stage's own period.

use super::{PerCustomer, StageSpec};
use crate::engine::plan::{Needs, Plan};
use crate::table::TableSchema;
use crate::tables::ledger::{Ledger, schema};

/// Table `ledger_STAGE`, where the stage asks for it.
pub(super) fn on_request<O>(spec: &StageSpec<O>, asked: bool) -> Option<TableSchema> {
    asked.then(|| schema(Some(&spec.name)))
}

/// Plans it where the stage asks for it, with the orders that it shows; gives the number of the stage's lens.
pub(super) fn plan<O>(spec: &StageSpec<O>, asked: bool, plan: &mut Plan) -> usize {
    plan.require(Needs { orders: asked, ..Needs::default() });
    plan.lens(spec.setting.lens(spec.period))
}

/// What writes it, through the lens of that number in the plan.
pub(super) fn requested<O>(spec: &StageSpec<O>, asked: bool, lens: usize) -> Option<Box<dyn PerCustomer>> {
    let ledger = Ledger::new(Some(&spec.name), lens, spec.setting.has_transactions);
    asked.then(|| Box::new(ledger) as Box<dyn PerCustomer>)
}
