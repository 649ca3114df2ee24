//! Tables that exist in every run, or that no single stage owns.

pub mod churn_windows;
pub mod customers;
pub mod ledger;
