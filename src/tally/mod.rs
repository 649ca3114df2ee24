//! Folds that several stages share, and the shapes of their tallies.
//!
//! Tallies hold integers only and differences instead of ranges: a customer who is live for a thousand days adds +1 and
//! −1, never a thousand ones.

pub mod axes;
pub mod census;
pub mod cohorts;
pub mod headcount;
pub mod lines;
pub mod money;
pub mod series;
pub mod values;
