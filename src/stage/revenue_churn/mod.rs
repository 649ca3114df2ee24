//! Stage `revenue_churn`.
use super::{OptionSpec, OptionType};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "measure",
        doc: "`mrr` or `revenue`; follows customers.basis, so it need not be set",
        accepts: OptionType::Word(&["mrr", "revenue"]),
        later: &[],
        default: "",
    },
    super::LEDGER_OPTION,
];
