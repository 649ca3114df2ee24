//! Stage `churn`.
use super::{OptionSpec, OptionType};

pub(super) const OPTIONS: &[OptionSpec] = &[
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
    super::LEDGER_OPTION,
];
