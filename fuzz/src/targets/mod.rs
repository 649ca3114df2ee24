//! What is fuzzed, one file a target.

pub mod expression;
pub mod kernel;
pub mod pages;
pub mod pipeline;
mod quiet;
pub mod record;
pub mod tally;
