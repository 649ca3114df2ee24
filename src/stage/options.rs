//! Options of stages: what a kind accepts, as data that the configuration decodes by.

use std::collections::BTreeMap;

use crate::calendar::Day;
pub use crate::timeline::risk_features::Horizon;

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
    /// `None` where not set.
    Date(Option<Day>),
    Months(i32),
    Horizon(Horizon),
    /// Not set, of any other type: the option's `doc` says what then holds.
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
    Date,
    /// `"3 years"`, `"18 months"`.
    Months,
    /// `"1 period"`, `"45 days"`.
    Horizon,
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

impl Options {
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(OptionValue::Int(x)) => Some(*x),
            _ => None,
        }
    }

    pub fn float(&self, name: &str) -> Option<f64> {
        match self.0.get(name) {
            Some(OptionValue::Float(x)) => Some(*x),
            _ => None,
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name) == Some(&OptionValue::Flag(true))
    }

    pub fn word(&self, name: &str) -> Option<&'static str> {
        match self.0.get(name) {
            Some(OptionValue::Word(x)) => Some(x),
            _ => None,
        }
    }

    pub fn words(&self, name: &str) -> &[&'static str] {
        match self.0.get(name) {
            Some(OptionValue::Words(x)) => x,
            _ => &[],
        }
    }

    pub fn days(&self, name: &str) -> Option<i32> {
        match self.0.get(name) {
            Some(OptionValue::Days(x)) => *x,
            _ => None,
        }
    }

    pub fn date(&self, name: &str) -> Option<Day> {
        match self.0.get(name) {
            Some(OptionValue::Date(x)) => *x,
            _ => None,
        }
    }

    pub fn ahead(&self, name: &str) -> Option<Horizon> {
        match self.0.get(name) {
            Some(OptionValue::Horizon(x)) => Some(*x),
            _ => None,
        }
    }

    pub fn months(&self, name: &str) -> Option<i32> {
        match self.0.get(name) {
            Some(OptionValue::Months(x)) => Some(*x),
            _ => None,
        }
    }
}
