//! Folds that several stages share, and the shapes of their tallies.
//!
//! Tallies hold integers only and differences instead of ranges: a customer who is live for a thousand days adds +1 and
//! −1, never a thousand ones.

pub mod acquired;
pub mod axes;
pub mod buyers;
pub mod census;
pub mod cohorts;
pub mod counts;
pub mod exits;
pub mod gaps;
pub mod headcount;
pub mod holdout;
pub mod labels;
pub mod lines;
pub mod lives;
pub mod money;
pub mod ranking;
pub mod renewals;
pub mod rfm;
pub mod risk;
pub mod series;
pub mod standing;
pub mod thirty_days;
pub mod values;
pub mod voice;
