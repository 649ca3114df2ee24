//! The SQL expressions of a pipeline file: one value a row, computed from columns of the same row.
//!
//! A text is parsed by sqlparser and lowered to Polars expressions in one walk over the syntax tree. The walk is the
//! allow-list: what it does not lower is refused by name. Polars' own SQL front end is not used, because it reads a column
//! named `^a.*$` as a pattern, guesses date formats from a batch, wraps on integer overflow and rounds products of
//! decimals. Every part has a type before it is computed, so the value of a row does not depend on the rows beside it.
//!
//! What it means, where dialects of SQL differ:
//!
//! - `/` is division of doubles (`7 / 2` is `3.5`), and NULL for a divisor of zero.
//! - Whole numbers have 64 bits. A result beyond that is NULL, and goes on as any NULL does.
//! - Decimals are exact under `+`, `-` and `*`. A literal with a point is a decimal.
//! - `ROUND` rounds halves away from zero.
//! - Names of columns are matched exactly, quoted or not.
//!
//! Some values end the run: a text that CAST or STRPTIME cannot read, a number too large for its new type, a date or a
//! decimal beyond its range. They do so only in rows in which SQL evaluates them, in the order in which the text is
//! written:
//!
//! - `a AND b` evaluates `b` unless `a` is false, `a OR b` unless `a` is true.
//! - `CASE` evaluates a condition where those before it do not hold, and a result where its condition is the first that
//!   holds.
//! - `COALESCE` and `IFNULL` evaluate an argument where those before it are NULL.
//! - `x IN (a, b)` is `x = a OR x = b`; `x BETWEEN a AND b` is `x >= a AND x <= b`.
//! - All else, NULLIF and GREATEST too, evaluates all of its parts.
//!
//! So `q <> '' AND CAST(q AS INTEGER) > 5` works over empty texts, and `CAST(q AS INTEGER) > 5 AND q <> ''` does not. A
//! literal that cannot be cast is refused when the pipeline is read, wherever it stands. The same order holds for the
//! conditions of a `filter`, which is evaluated before the columns: these see only the rows that it leaves.
//!
//! A text is refused by its length and by how deep it nests, before anything walks it recursively. What is lowered is
//! never much larger than the text: a part that is used twice is computed once (`steps`).

mod conditional;
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
mod steps;
mod types;

pub use conjuncts::{Fact, Necessary, necessary, stand_in};
pub use evaluate::Compiled;
pub use functions::allowed_functions;
pub use parse::ParsedSql;
pub use types::SqlType;

use crate::config::Text;

/// Why an expression cannot be used, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlRefusal {
    pub what: String,
    pub help: Option<String>,
}

impl SqlRefusal {
    fn new(what: impl Into<String>) -> Self {
        SqlRefusal { what: what.into(), help: None }
    }
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// Without what the environment gave to the expression.
    fn hiding(self, text: &Text) -> Self {
        SqlRefusal { what: text.hide(&self.what), help: self.help.map(|help| text.hide(&help)) }
    }
}

#[cfg(test)]
mod tests;
