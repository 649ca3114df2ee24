//! Folds that several stages share, and the shapes of their tallies.
//!
//! Tallies hold integers only and differences instead of ranges: a customer who is live for a thousand days adds +1 and
//! −1, never a thousand ones.

pub mod acquired;
pub mod buyers;
pub mod cohorts;
pub mod counts;
pub mod customer_movements;
pub mod data_quality_counts;
pub mod exits;
pub mod holdout;
pub mod interpurchase_gaps;
pub mod labels;
pub mod live_at_close;
pub mod money;
pub mod period_series;
pub mod ranking;
pub mod renewals;
pub mod rfm;
pub mod risk;
pub mod segment_cells;
pub mod series;
pub mod spell_durations;
pub mod thirty_days;
pub mod values;
pub mod voice;
