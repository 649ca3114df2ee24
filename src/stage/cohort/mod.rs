//! Stage `cohort`.
use super::{OptionSpec, OptionType};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "from",
        doc: "what dates a customer's cohort: `first_activity` or `signed_up_at`",
        accepts: OptionType::Word(&["first_activity", "signed_up_at"]),
        later: &[],
        default: "\"first_activity\"",
    },
    OptionSpec {
        name: "mode",
        doc: "who counts at an age: `active` in the period, `live` at its end, `unbounded` active in it or later",
        accepts: OptionType::Word(&["active", "live", "unbounded"]),
        later: &[],
        default: "\"active\"",
    },
    OptionSpec {
        name: "max_age",
        doc: "oldest age in the table; 60, or 90 where the period is a day",
        accepts: OptionType::Int { min: 0, max: 10_000 },
        later: &[],
        default: "",
    },
    OptionSpec {
        name: "age_unit",
        doc: "`\"N days\"`: ages of that many days since each customer's own first date, instead of periods",
        accepts: OptionType::Days,
        later: &[],
        default: "",
    },
];
