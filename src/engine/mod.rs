//! Runs a plan without knowing which: walks over buckets, rounds, learned values.

pub mod encoding;
pub mod estimate;
pub mod local;
pub mod per_customer;
pub mod plan;
pub mod score;
pub mod step_outputs;
mod workers;
