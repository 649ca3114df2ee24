//! Folds that stages share, and the shapes of their tallies.
//!
//! A module has a `plan` function, which registers its fold with a [`Plan`](crate::engine::plan::Plan) and returns a
//! reference to the tally. Two stages that ask for an equal fold share one.
//!
//! - By period and segment: [`series`] makes a fold of anything that counts into a [`period_series`]; it serves
//!   [`customer_movements`], [`money`], [`live_at_close`] and [`thirty_days`]. [`segment_cells`] decides which cells a
//!   customer is counted in.
//! - By age: [`cohorts`], [`spell_durations`].
//! - Buyers: [`buyers`] and [`holdout`] for fitted models, [`interpurchase_gaps`] for churn windows, [`rfm`], [`ranking`].
//! - Contracts: [`renewals`]. Surveys: [`voice`], [`exits`]. Channels: [`acquired`]. Risk: [`risk`].
//! - For every run: [`data_quality_counts`], [`segment_values`], [`labels`].
//!
//! Tallies hold integers only, and differences instead of ranges: a customer who is live for a thousand days adds +1 and
//! −1, not a thousand ones.

pub mod acquired;
pub mod buyers;
pub mod cohorts;
pub mod customer_movements;
pub mod data_quality_counts;
pub mod exits;
pub mod holdout;
pub mod interpurchase_gaps;
pub mod labels;
mod leaving_reasons;
pub mod live_at_close;
pub mod money;
pub mod period_series;
pub mod ranking;
pub mod renewals;
pub mod rfm;
pub mod risk;
pub mod sampled_counts;
pub mod segment_cells;
pub mod segment_values;
pub mod series;
pub mod spell_durations;
pub mod thirty_days;
pub mod voice;
