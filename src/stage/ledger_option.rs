//! Option `ledger` of the kinds whose movements can also be had for the stage's own period.

use super::{OptionSpec, OptionType, PerCustomer, Spec};
use crate::engine::plan::{Needs, Plan};
use crate::table::TableSchema;
use crate::tables::ledger::{Ledger, schema};

/// Kinds whose per-customer rows can also be had for the stage's own period.
pub(crate) const LEDGER_OPTION: OptionSpec = OptionSpec {
    name: "ledger",
    doc: "also write the customers' movements by this stage's own period, as table `ledger_STAGE`",
    accepts: OptionType::Flag,
    later: &[],
    default: "false",
};

/// `ledger_STAGE`, where the stage asks for it.
pub(super) fn on_request(spec: &Spec) -> Option<TableSchema> {
    spec.options.flag("ledger").then(|| schema(Some(&spec.name)))
}

/// Plans it where the stage asks for it, with the orders that it shows; gives the number of the stage's lens.
pub(super) fn plan(spec: &Spec, plan: &mut Plan) -> usize {
    plan.require(Needs { orders: spec.options.flag("ledger"), ..Needs::default() });
    plan.lens(spec.setting.lens(spec.period))
}

/// What writes it, through the lens of that number in the plan.
pub(super) fn requested(spec: &Spec, lens: usize) -> Option<Box<dyn PerCustomer>> {
    let ledger = Ledger::new(Some(&spec.name), lens, spec.setting.has_transactions);
    spec.options.flag("ledger").then(|| Box::new(ledger) as Box<dyn PerCustomer>)
}
