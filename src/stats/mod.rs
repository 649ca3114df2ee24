//! Statistics: plain numbers in and out, no engine.

pub mod churn_rate;
pub mod proportion;
