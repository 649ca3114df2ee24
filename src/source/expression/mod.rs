//! SQL that a pipeline file may contain: one value per row from columns of the same row, and nothing else.
//!
//! The text is parsed by sqlparser and lowered to a Polars expression in one walk over the syntax tree. The walk is the
//! allow-list: what it does not lower is refused by name, so there is no second list that could disagree with it.
//! It lowers rather than hands the text to Polars' own SQL front end because that one reads a column named `^a.*$` as a
//! pattern, guesses date formats from a batch, wraps integer overflow and rounds decimal products, and because the
//! allow-list needs the types anyway. Everything is typed here, so that no step depends on how rows fall into batches.
//!
//! Meaning, where dialects differ: `/` is exact division (`7 / 2` is `3.5`) and NULL for a divisor of zero; whole
//! numbers are 64-bit, and a result beyond that is NULL; decimals stay exact under `+`, `-`, `*`; a literal with a point
//! is a decimal; `ROUND` rounds halves away from zero; names are matched exactly, quoted or not. `CASE`, `AND` and `OR`
//! are looked at from left to right: a CAST fails, and arithmetic overflows, only in rows that get there.
//!
//! A text is refused by its length, by how deep it nests and by how large it becomes once it is lowered, before anything
//! is done with it that takes long or walks recursively.

mod conjuncts;
mod dialect;
mod evaluate;
mod functions;
mod literal;
mod lower;
mod nesting;
mod node;
mod operators;
mod parse;
mod types;

pub use conjuncts::{Fact, Necessary, necessary, stand_in};
pub use evaluate::Compiled;
pub use functions::allowed_functions;
pub use parse::Parsed;
pub use types::Type;

use crate::config::Text;

/// Why an expression cannot be used, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub what: String,
    pub help: Option<String>,
}

impl Refusal {
    fn new(what: impl Into<String>) -> Self {
        Refusal { what: what.into(), help: None }
    }
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// Without what the environment gave to the expression.
    fn hiding(self, text: &Text) -> Self {
        Refusal { what: text.hide(&self.what), help: self.help.map(|help| text.hide(&help)) }
    }
}

#[cfg(test)]
mod tests;
