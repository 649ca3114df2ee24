//! Stages: what a pipeline can compute, as a registry of data.

pub mod churn;
pub mod cohort;
pub mod ltv;
pub mod revenue_churn;

use std::collections::BTreeMap;

/// The value of a stage option, validated against its [`OptionSpec`].
#[derive(Clone, Debug, PartialEq)]
pub enum OptionValue {
    Int(i64),
    Float(f64),
    Flag(bool),
    Word(&'static str),
    Words(Vec<&'static str>),
    /// A number of days (`"30 days"`), or `None` where not set.
    Days(Option<i32>),
    /// Not set, of any other type: the stage says in the option's `doc` what then holds.
    Unset,
}

/// What an option accepts.
#[derive(Clone, Copy, Debug)]
pub enum OptionType {
    /// A whole number in the closed range.
    Int {
        min: i64,
        max: i64,
    },
    /// A number in the closed range.
    Float {
        min: f64,
        max: f64,
    },
    Flag,
    Word(&'static [&'static str]),
    /// A list of at least one word, without repetition.
    Words(&'static [&'static str]),
    /// `"N days"`, N ≥ 1.
    Days,
}

/// An option of a stage kind, beside `kind`, `period`, `segments`, which every stage has.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// A dot reaches into an inline table: `benchmark.excellent`.
    pub name: &'static str,
    pub doc: &'static str,
    pub accepts: OptionType,
    /// Words that the contract names and that this version does not yet offer: refused with a sentence that says so.
    pub later: &'static [&'static str],
    /// As TOML would write it; parsed like a user's value, so that a default is stated once. `""`: not set.
    pub default: &'static str,
}

/// The options of a stage by name, every one present.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options(pub BTreeMap<&'static str, OptionValue>);

/// An entry of the registry: everything the rest of the program knows about a kind of stage.
pub struct Kind {
    pub name: &'static str,
    pub options: &'static [OptionSpec],
}

/// Every kind of stage that this version runs, in order of name.
pub static KINDS: &[Kind] = &[
    Kind { name: "churn", options: churn::OPTIONS },
    Kind { name: "cohort", options: cohort::OPTIONS },
    Kind { name: "ltv", options: ltv::OPTIONS },
    Kind { name: "revenue_churn", options: revenue_churn::OPTIONS },
];

/// Kinds that are announced and refused with a sentence that says so.
pub const LATER_KINDS: &[&str] = &[
    "acquisition",
    "concentration",
    "exit_reasons",
    "forecast",
    "reconcile",
    "rfm",
    "risk",
    "survival",
    "voice",
    "voice_outcome",
];

/// Kinds whose per-customer rows can also be had for the stage's own period.
pub(crate) const LEDGER_OPTION: OptionSpec = OptionSpec {
    name: "ledger",
    doc: "also write the customers' movements by this stage's own period, as table `ledger_STAGE`",
    accepts: OptionType::Flag,
    later: &[],
    default: "false",
};
