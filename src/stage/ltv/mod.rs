//! Stage `ltv`.
use super::{OptionSpec, OptionType};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "models",
        doc: "methods, each adding its rows",
        accepts: OptionType::Words(&["ratio", "realised"]),
        later: &["survival", "sbg", "bdw", "bgnbd", "mbgnbd", "paretonbd", "gammagamma"],
        default: "[\"ratio\", \"realised\"]",
    },
    OptionSpec {
        name: "trailing",
        doc: "complete periods of the trailing churn rate that `ratio` divides by",
        accepts: OptionType::Int { min: 1, max: 1000 },
        later: &[],
        default: "6",
    },
];
