//! Statistics: plain numbers in and out, no engine.

pub mod buyers;
pub mod churn_rate;
pub mod churn_window;
pub mod distribution;
pub mod fit;
pub mod gammagamma;
pub mod logistic;
pub mod maximise;
pub mod proportion;
pub mod quadrature;
pub mod ranked;
pub mod renewals;
#[cfg(test)]
mod simulated;
pub mod smoothing;
pub mod special;
pub mod student;
pub mod survival;
pub mod symmetric;
